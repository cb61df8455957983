"""Autoencoders to and from checkpoints, by name or by file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import load_strictly, read_checkpoint, write_checkpoint
from plainfilm.io.state_dict import read_state_dict
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.store import MALFORMED
from plainfilm.models.zoo import PICKLED, SHIPPED

NAMES = ("phantom",)
"""Autoencoders that come with the package."""

ARCHITECTURE = "autoencoder"

BLOCK = re.compile(r"layer(\d+)\.(\d+)\.conv1\.weight")


def save_autoencoder(
    autoencoder: Autoencoder, path: Path | str, card: Mapping[str, Any] | None = None
) -> Path:
    """Writes an autoencoder so that ``load_autoencoder`` rebuilds it.

    Args:
        autoencoder: What to write.
        path: A folder or a file (``write_checkpoint``).
        card: JSON values to tell with it, over those that it has.

    Returns:
        The path of the card.

    Raises:
        ModelError: for another network.
        NumericError, ResourceError: as ``write_checkpoint``.
    """
    if type(autoencoder) is not Autoencoder:
        raise ModelError(f"a {type(autoencoder).__name__}", "an Autoencoder", "save_autoencoder")
    described = {"architecture": {"name": ARCHITECTURE, "arguments": autoencoder.arguments}}
    merged = {**autoencoder.card, **(card or {}), **described}
    return write_checkpoint(Path(path), autoencoder.state_dict(), merged)


def load_autoencoder(name: str | Path) -> Autoencoder:
    """Loads an autoencoder by name or by file.

    Args:
        name: "phantom"; or a run folder, or a ``.safetensors`` or ``.json`` file of a checkpoint; or a
            ``.pt`` or ``.pth`` state dict of torchxrayvision's ``ResNetAE``, whose films have 224 pixels
            in [-1024, 1024].

    Returns:
        The autoencoder, in evaluation mode, on the CPU.

    Raises:
        ModelError: for an unknown name.
        ArtifactError: for files that are missing, damaged, of another network, or could run code.
    """
    path = Path(name)
    if path.suffix in PICKLED:
        return from_state_dict(read_state_dict(path), path.name)
    if str(name) in NAMES:
        path = SHIPPED / f"{ARCHITECTURE}.json"
    elif not path.exists() and path.suffix not in (".safetensors", ".json"):
        raise ModelError(f"{str(name)!r}", f"one of {', '.join(NAMES)}, or a file", "load_autoencoder")
    checkpoint = read_checkpoint(path)
    autoencoder = _build(checkpoint.card, checkpoint.path.name)
    load_strictly(autoencoder, checkpoint.tensors, checkpoint.path.name)
    return autoencoder.eval()


def from_state_dict(tensors: Mapping[str, Tensor], where: str = "state dict") -> Autoencoder:
    """Our autoencoder with the weights of torchxrayvision's ``ResNetAE`` of any depth.

    Raises:
        ArtifactError: if they are of another network.
    """
    stages = [int(match[1]) for match in map(BLOCK.fullmatch, tensors) if match]
    blocks = tuple(stages.count(number) for number in range(1, 5))
    if not all(blocks):
        raise ArtifactError("weights without layer1 to layer4", "those of a ResNetAE", where)
    autoencoder = Autoencoder(blocks=blocks)
    load_strictly(autoencoder, tensors, where)
    autoencoder.card = {"source": where}
    return autoencoder.eval()


def _build(card: Mapping[str, Any], where: str) -> Autoencoder:
    try:
        name, arguments = card["architecture"]["name"], card["architecture"]["arguments"]
        if name != ARCHITECTURE:
            raise ArtifactError(f"a card of a {name}", "one of an autoencoder", where)
        autoencoder = Autoencoder(**arguments)
    except MALFORMED as problem:
        raise ArtifactError(
            f"a card that describes no autoencoder ({problem})", "one of save_autoencoder", where
        ) from problem
    autoencoder.card = dict(card)
    return autoencoder
