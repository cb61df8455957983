"""What a training run does, as data: a YAML file checked against these classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainfilm.errors import InputError
from plainfilm.io.setting import setting_value


class _Strict(BaseModel):
    """A key that nobody reads is an error, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ShortcutRecipe(_Strict):
    """A device tied to a finding in the training and validation films (``Shortcut``)."""

    device: str = "chest tube"
    finding: str = "Pneumothorax"
    correlation: float = 0.9
    subtle: bool = True


class PhantomRecipe(_Strict):
    """Films of the phantom: so many for each part, from different seeds."""

    kind: Literal["phantom"] = "phantom"
    size: int = Field(224, ge=32)
    train: int = Field(12000, ge=1)
    validation: int = Field(1000, ge=1)
    test: int = Field(1000, ge=1)
    seed: int = 1
    prevalence: float = 0.16
    shortcut: ShortcutRecipe | None = None
    targets: tuple[str, ...] | None = None


class LabelRecipe(_Strict):
    """Positive where ``equals`` is among the "|"-separated parts of ``column``; see ``Label``."""

    column: str
    equals: str
    unknown: tuple[str, ...] = ("",)


class TableRecipe(_Strict):
    """A folder of films with a CSV; patients are split by a hash of their id."""

    kind: Literal["table"]
    folder: Path
    csv: Path
    id_column: str = "Image Index"
    patient_column: str | None = "Patient ID"
    labels: dict[str, LabelRecipe]
    size: int = Field(224, ge=32)
    validation_share: float = Field(0.15, gt=0, lt=1)
    test_share: float = Field(0.25, gt=0, lt=1)


class ModelRecipe(_Strict):
    """The network: "slim" or "densenet121"; ``start`` names a checkpoint whose features it takes over."""

    network: Literal["slim", "densenet121"] = "slim"
    start: str | None = None


class OptimiserRecipe(_Strict):
    """AdamW under one cycle: warm-up, then cosine."""

    learning_rate: float = Field(2.5e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    warm_up: float = Field(0.06, ge=0, lt=1)
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(10, ge=1)


class Recipe(_Strict):
    """A whole training run.

    Attributes:
        loss: "bce", or "weighted-bce" with positives weighted by their rarity in the
            training part, at most ``weight_limit``.
        precision: As in Lightning; "bf16-mixed" is faster where the processor has it.
        devices: Processes; each takes one core or one accelerator.
    """

    name: str
    task: Literal["classifier", "lungs"] = "classifier"
    data: Annotated[PhantomRecipe | TableRecipe, Field(discriminator="kind")]
    model: ModelRecipe = ModelRecipe()
    loss: Literal["bce", "weighted-bce"] = "bce"
    weight_limit: float = Field(8.0, gt=0)
    optimiser: OptimiserRecipe = OptimiserRecipe()
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int = Field(1, ge=1)
    seed: int = 0


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Reads a recipe and applies changes such as ``optimiser.epochs=3``.

    Raises:
        InputError: for a missing file, an unknown key or a value out of range, naming it.
    """
    if not path.is_file():
        raise InputError("no such file", "a recipe in YAML", path.name, "See the folder recipes/.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"YAML that does not parse ({error})", "a recipe", path.name) from error
    if not isinstance(content, dict):
        raise InputError(f"a {type(content).__name__}", "a mapping of settings", path.name)
    for change in changes:
        _apply(content, change)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        expected = "a setting that exists" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise InputError(f"{key} = {first['input']!r}", expected, path.name) from error


def _apply(content: dict[str, Any], change: str) -> None:
    path, separator, value = change.partition("=")
    *parents, last = path.split(".")
    if not separator or not last:
        raise InputError(repr(change), "a setting as key.key=value", "--set")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise InputError(f"{path}: {parent} holds a value", "a group of settings", "--set")
    try:
        content[last] = setting_value(value)
    except ValueError as error:
        raise InputError(f"{value!r} for {path}", "a value in YAML", "--set") from error
