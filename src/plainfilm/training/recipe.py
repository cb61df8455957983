"""What a training run does, as data: a YAML file checked against these classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

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


Policy = Literal["ignore", "zero", "one"]
"""What becomes of a finding that a report mentions with doubt; "soft" is none, for labels are 1 or 0."""


class ManifestRecipe(_Strict):
    """A folder that ``Manifest.save`` wrote.

    Attributes:
        root: Where the films lie now, if they moved.
        findings: What to learn; all by default.
        score: What to learn instead, for the task "severity".
        views: Which films to take; all by default.
        uncertain: One policy, or one for each finding; that of the manifest by default.
        split: "column" as the data set was published, where parts that it lacks are dealt out of the
            rest; "patients" by a hash of each patient's id.
    """

    kind: Literal["manifest"]
    folder: Path
    root: Path | None = None
    findings: tuple[str, ...] = ()
    score: str | None = None
    views: tuple[str, ...] = ()
    uncertain: Policy | dict[str, Policy] | None = None
    split: Literal["column", "patients"] = "column"
    size: int = Field(224, ge=32)
    validation_share: float = Field(0.15, gt=0, lt=1)
    test_share: float = Field(0.25, gt=0, lt=1)


class ModelRecipe(_Strict):
    """The network; "slim" is the small one of each task.

    Attributes:
        network: "slim" or "densenet121"; for the task autoencoder "slim", "autoencoder50", "autoencoder101"
            or "autoencoder152".
        start: A checkpoint whose features, or whose autoencoder, it takes over.
        latent: For an autoencoder: planes, a fourth of the code's channels, and stride of its last stage.
    """

    network: Literal["slim", "densenet121", "autoencoder50", "autoencoder101", "autoencoder152"] = "slim"
    start: str | None = None
    latent: tuple[PositiveInt, PositiveInt] | None = None


class PerceptualRecipe(_Strict):
    """What an autoencoder must not lose in the eyes of a classifier: features of its dense blocks.

    Attributes:
        model: A DenseNet of ours by name or file (``plainfilm.load``).
        weight: Against the elastic loss of a film, which is a sum over its pixels.
    """

    model: str = "phantom"
    weight: float = Field(1500.0, gt=0)


class OptimiserRecipe(_Strict):
    """AdamW under one cycle: warm-up, then cosine.

    ``patience`` ends the run after so many epochs without a better validation score.
    """

    learning_rate: float = Field(2.5e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    warm_up: float = Field(0.06, ge=0, lt=1)
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(10, ge=1)
    patience: int | None = Field(None, ge=1)


class Recipe(_Strict):
    """A whole training run.

    Attributes:
        task: "classifier", "severity" (a score of a manifest), "lungs" or "autoencoder".
        loss: "bce", or "weighted-bce" with positives weighted by their rarity in the
            training part, at most ``weight_limit``; for a score "mse" or "smooth-l1". Lungs and
            autoencoders have a loss of their own.
        augmentation: For an autoencoder: "posture" as for a classifier, or "wide", the movements of
            Cohen et al. 2021.
        perceptual: For an autoencoder: a loss of features beside that of pixels; None for pixels alone, as
            published.
        greatest_score: The end of the score's scale; Brixia's is 18.
        precision: As in Lightning; "bf16-mixed" is faster where the processor has it.
        devices: Processes; each takes one core or one accelerator.
        workers: Processes that read batches; films come from a memory map, so none is fast.
        logger: "csv" writes ``metrics.csv``; "tensorboard" writes its files as well.
        snapshot_every: Steps between two snapshots, beside those after each epoch.
    """

    name: str
    task: Literal["classifier", "severity", "lungs", "autoencoder"] = "classifier"
    data: Annotated[PhantomRecipe | TableRecipe | ManifestRecipe, Field(discriminator="kind")]
    model: ModelRecipe = ModelRecipe()
    loss: Literal["bce", "weighted-bce", "mse", "smooth-l1"] = "bce"
    augmentation: Literal["posture", "wide"] = "posture"
    perceptual: PerceptualRecipe | None = None
    greatest_score: float = Field(18.0, gt=0)
    weight_limit: float = Field(8.0, gt=0)
    optimiser: OptimiserRecipe = OptimiserRecipe()
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int = Field(1, ge=1)
    workers: int = Field(0, ge=0)
    logger: Literal["csv", "tensorboard"] = "csv"
    snapshot_every: int = Field(1000, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _fits_its_task(self) -> Recipe:
        is_score = self.task == "severity"
        if is_score and not (isinstance(self.data, ManifestRecipe) and self.data.score):
            raise ValueError("data of kind manifest with a score for the task severity")
        if self.task == "lungs" and not isinstance(self.data, PhantomRecipe):
            raise ValueError("data of kind phantom for the task lungs")
        is_autoencoder = self.task == "autoencoder"
        if not is_autoencoder and (self.augmentation == "wide" or self.model.latent or self.perceptual):
            raise ValueError("the task autoencoder for a wide augmentation, a latent size, a perceptual loss")
        if is_autoencoder != self.model.network.startswith("autoencoder") and self.model.network != "slim":
            raise ValueError("a network of its own task")
        if is_score != (self.loss in ("mse", "smooth-l1")):
            raise ValueError("the loss mse or smooth-l1 for the task severity, and for it alone")
        return self

    def digest(self) -> str:
        """SHA-256 of all that a run's numbers depend on: not of how they are logged or kept."""
        settings = self.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
        return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


WITHOUT_EFFECT = ("workers", "logger", "snapshot_every")
"""Settings that a resumed run may change."""


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
        # After "data" stands which of its kinds was meant, which is no key of the file.
        parts = [part for k, part in enumerate(first["loc"]) if not (k == 1 and first["loc"][0] == "data")]
        key = ".".join(map(str, parts))
        if not key:
            got = f"task {content.get('task', 'classifier')!r}"
            raise InputError(got, first["msg"].removeprefix("Value error, "), path.name) from error
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
