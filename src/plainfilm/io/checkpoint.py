"""Weights on disk: tensors in a safetensors file, everything else in a JSON card beside it.

The card names the weight file and its SHA-256, ends with a digest of its own, and is written last:
a checkpoint exists from the moment that its card does, and one that is cut off while being replaced
leaves the old one whole.
Nothing in either file is ever run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from plainfilm import __version__
from plainfilm.errors import ArtifactError, NumericError, ResourceError
from plainfilm.io.atomic import write_bytes, write_text

FORMAT = 1
"""Raised when a card can no longer be read by older versions."""

STEM = "model"
"""Name of the weights and the card inside a folder."""

COUNTER = "num_batches_tracked"
"""A buffer of batch norm that evaluation does not use and that older files lack."""

CARD_DIGEST = "card_sha256"
"""The key of the card's own digest, which covers every other key; the oldest cards lack it."""

_WEIGHTS = re.compile(r"[^/\\:\0]{1,200}\.safetensors")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights that are what their card says.

    Attributes:
        tensors: Parameter name to tensor, on the CPU.
        card: Everything else, as JSON values.
        path: The card's file.
    """

    tensors: Mapping[str, Tensor]
    card: Mapping[str, Any]
    path: Path


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> Path:
    """Writes weights and card; a checkpoint of that name is replaced in one step.

    Args:
        path: A folder, which gets ``model.safetensors`` and ``model.json``, or a file that ends
            in ``.safetensors`` or ``.json``, for a pair of that stem.
        tensors: Parameter name to tensor.
        card: JSON values; "format", "plainfilm", "weights" and the two digests are filled in here.

    Returns:
        The card's path.

    Raises:
        NumericError: if a weight or a number on the card is NaN or infinite.
        ArtifactError: if the card's name is taken by another file.
        ResourceError: if the disk is full or the place cannot be written.
    """
    card_path = _card_path(path)
    blob = safetensors.torch.save({name: _plain(name, tensor) for name, tensor in tensors.items()})
    digest = sha256(blob).hexdigest()
    weights, replaced = _weight_names(card_path)
    seal = {"format": FORMAT, "plainfilm": __version__, "weights": weights, "sha256": digest}
    text = _sealed({**card, **seal}, card_path)
    _make_folder(card_path.parent)
    write_bytes(card_path.with_name(weights), blob)
    write_text(card_path, text)
    if replaced:
        card_path.with_name(replaced).unlink(missing_ok=True)
    return card_path


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads weights and card, and verifies the one by the other.

    Args:
        path: A folder with ``model.json``, or the ``.json`` or ``.safetensors`` file of a pair.

    Raises:
        ArtifactError: if a file is missing, cut off, changed, of a newer format, or no card or
            safetensors file at all.
    """
    card_path = _card_path(path)
    card = _read_card(card_path)
    weights = card_path.with_name(card["weights"])
    blob = _read_bytes(weights, "a weight file", "Copy it from where the card came from.")
    digest = sha256(blob).hexdigest()
    if digest != card["sha256"]:
        raise ArtifactError(
            f"{len(blob)} bytes with SHA-256 {digest[:12]}...", f"{card['sha256'][:12]}..., as on the card",
            weights.name, "The file was cut off or changed after it was written: copy it again.",
        )  # fmt: skip
    try:
        tensors = safetensors.torch.load(blob)
    except SafetensorError as problem:
        raise ArtifactError(
            f"a file that does not parse ({problem})", "safetensors", weights.name
        ) from problem
    return Checkpoint(tensors, card, card_path)


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Fills a network with weights, all of them or none.

    Raises:
        ArtifactError: with the difference of the keys, if one is missing, unexpected or of
            another shape.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in tensors and not name.endswith(COUNTER)]
    unexpected = [name for name in tensors if name not in wanted]
    misshapen = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in tensors and tensors[name].shape != wanted[name].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    found = [f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names]
    if found:
        raise ArtifactError(
            f"weights of another network: {'; '.join(found)}",
            f"those of this {type(network).__name__}", where,
            "Nothing was loaded. Check the architecture and the number of targets.",
        )  # fmt: skip
    network.load_state_dict(dict(tensors))


def _card_path(path: Path) -> Path:
    if path.suffix in (".json", ".safetensors"):
        return path.with_suffix(".json")
    return path / f"{STEM}.json"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ResourceError(f"{problem.strerror or problem}", "a writable folder", str(folder)) from problem


def _weight_names(card_path: Path) -> tuple[str, str | None]:
    """The name for new weights, and that of the weights they replace.

    Two names take turns: until the new card is in place, the old one must find its weights.
    """
    first, second = f"{card_path.stem}.safetensors", f"{card_path.stem}-b.safetensors"
    if not card_path.exists():
        return first, None
    old = _read_card(card_path)["weights"]
    return (second if old == first else first), old


def _plain(name: str, tensor: Tensor) -> Tensor:
    """A copy that shares no memory, which safetensors could not store."""
    if not torch.isfinite(tensor).all():
        raise NumericError("NaN or infinite weights", "finite weights", name, "Nothing was written.")
    return tensor.detach().cpu().contiguous().clone()


def card_digest(card: Mapping[str, Any]) -> str:
    """SHA-256 of a card's canonical JSON (sorted keys, no spaces, ASCII), its own digest left out."""
    values = {key: value for key, value in card.items() if key != CARD_DIGEST}
    return sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _sealed(card: Mapping[str, Any], where: Path) -> str:
    values = json.loads(_to_json(card, where))  # as a reader will find them: no tuples, keys are text
    values.pop(CARD_DIGEST, None)
    return _to_json({**values, CARD_DIGEST: card_digest(values)}, where)


def _to_json(card: Mapping[str, Any], where: Path) -> str:
    try:
        return json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as problem:
        raise NumericError(
            "a NaN or infinite number on the card", "finite numbers", where.name,
            "Write None for a measure that is undefined.",
        ) from problem  # fmt: skip


def _read_card(path: Path) -> dict[str, Any]:
    text = _read_bytes(
        path, "a checkpoint's card", "Give the folder or the .safetensors file of a checkpoint."
    )
    try:
        card = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ArtifactError("a file that is not JSON", "a checkpoint's card", path.name) from problem
    if not isinstance(card, dict) or not isinstance(card.get("format"), int):
        raise ArtifactError("JSON without a format number", "a checkpoint's card", path.name)
    if card["format"] != FORMAT:
        raise ArtifactError(
            f"a card of format {card['format']}", f"format {FORMAT}", path.name,
            "It was written by another version: upgrade plainfilm.",
        )  # fmt: skip
    weights, digest = card.get("weights"), card.get("sha256")
    if not (isinstance(weights, str) and isinstance(digest, str) and _WEIGHTS.fullmatch(weights)):
        raise ArtifactError("a card without weights and sha256", "a file name and a digest", path.name)
    if card.get(CARD_DIGEST, found := card_digest(card)) != found:
        raise ArtifactError(
            f"a card with SHA-256 {found[:12]}...", "the digest at its end", path.name,
            "It was changed after it was written: copy it again.",
        )  # fmt: skip
    return card


def _read_bytes(path: Path, what: str, advice: str) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError) as problem:
        raise ArtifactError(f"no file {path}", what, path.name, advice) from problem


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
