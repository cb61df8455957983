"""Finds the lungs on a film with the network that ships with the package.

The network was trained on phantoms alone (``recipes/lungs.yaml``). Its lungs reach from the
apices to the domes of the diaphragm and, behind the heart, almost to the midline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import load_strictly, read_checkpoint, write_checkpoint
from plainfilm.masks.lungs import split_lungs
from plainfilm.models.classifier import evaluating
from plainfilm.models.unet import UNet
from plainfilm.radiograph import Placement, Radiograph

SHIPPED = Path(__file__).parent / "weights" / "lungs.json"

USUAL_AREA = (0.10, 0.65)
"""Shares of the film that both lungs cover on nearly every frontal film."""

LEAST_BALANCE = 0.35
"""The smaller lung has at least this share of the larger one's area, or something is wrong."""


@dataclass(frozen=True, eq=False)
class Lungs:
    """The lungs of one film.

    Attributes:
        right: bool ``(H, W)`` on the film's own grid; the patient's right lies at the image's left.
        left: Likewise.
        warnings: Sentences on what makes these lungs implausible; empty for most films.
    """

    right: np.ndarray
    left: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def both(self) -> np.ndarray:
        """bool ``(H, W)``."""
        return self.right | self.left


class LungSegmenter:
    """A U-Net together with what is needed to use it.

    A film is letterboxed, never stretched or cropped: the lungs keep their shape and none is lost.
    It is standardised by its own pixels, and the padding is then filled with their mean, so that
    the aspect ratio does not change what the network sees of the film.

    Attributes:
        network: Maps ``(B, 1, size, size)`` to logits of the same shape.
        size: Side of the network's input.
        card: Where the network came from.

    Raises:
        ModelError: if the network does not take films of this size.
    """

    def __init__(self, network: UNet, size: int = 128, card: Mapping[str, Any] | None = None) -> None:
        if size < 1 or size % network.stride:
            raise ModelError(f"size {size}", f"a multiple of {network.stride}", "LungSegmenter")
        self.network, self.size, self.card = network, size, dict(card or {})

    def probabilities(self, film: Radiograph) -> np.ndarray:
        """Each pixel's probability of being lung, float32 ``(H, W)``, as the network gives it."""
        placement = self._placement(film)
        values, _ = self._run(film, placement)
        return placement.restore(values)

    def segment(self, film: Radiograph) -> Lungs:
        """The right and the left lung: one region each, without holes.

        Films are segmented whatever they show; read the warnings before trusting the masks.
        """
        placement = self._placement(film)
        values, on_film = self._run(film, placement)
        middle = np.flatnonzero(on_film.any(axis=0)).mean()
        sides = split_lungs((values > 0.5) & on_film, middle)
        right, left = (placement.restore(_smooth(values, side)) > 0.5 for side in sides)
        return Lungs(right, left, tuple(doubts(right, left)))

    def _placement(self, film: Radiograph) -> Placement:
        return Placement.letterbox(film.size, (self.size, self.size))

    def _run(self, film: Radiograph, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
        pixels, on_film = _on_grid(film, placement)
        image, shown = (torch.from_numpy(array)[None, None] for array in (pixels, on_film))
        device = next(self.network.parameters()).device
        with evaluating(self.network), torch.no_grad():
            logits = self.network(standardise(image, shown).to(device))
        return logits.sigmoid()[0, 0].cpu().numpy(), on_film


def standardise(images: Tensor, on_film: Tensor) -> Tensor:
    """Brings films to mean 0 and deviation 1; whatever is not film becomes 0.

    Args:
        images: ``(B, 1, S, S)`` in [0, 1].
        on_film: bool, same shape; the other pixels are padding and do not count.
    """
    count = on_film.sum((2, 3), keepdim=True).clamp(min=1)
    centred = images - (images * on_film).sum((2, 3), keepdim=True) / count
    variance = (centred.square() * on_film).sum((2, 3), keepdim=True) / count
    return centred / (variance.sqrt() + 1e-3) * on_film


def doubts(right: np.ndarray, left: np.ndarray) -> list[str]:
    """What makes two lung masks implausible, as sentences."""
    areas = {"right": float(right.mean()), "left": float(left.mean())}
    found = [f"No {side} lung was found." for side, area in areas.items() if area == 0]
    total, (least, most) = sum(areas.values()), USUAL_AREA
    if total and not least <= total <= most:
        found.append(f"The lungs cover {total:.0%} of the film; {least:.0%} to {most:.0%} is usual.")
    smaller, larger = sorted(areas, key=lambda side: areas[side])
    if 0 < areas[smaller] < LEAST_BALANCE * areas[larger]:
        found.append(f"The {smaller} lung has {areas[smaller] / areas[larger]:.0%} of the other's area.")
    return found


def save_lungs(segmenter: LungSegmenter, path: Path | str, card: Mapping[str, Any] | None = None) -> Path:
    """Writes a segmenter so that ``load_lungs`` rebuilds it.

    Args:
        segmenter: What to write.
        path: A folder or a file (``write_checkpoint``).
        card: JSON values to tell with it, over those that it has.

    Returns:
        The path of the card.

    Raises:
        NumericError, ResourceError: as ``write_checkpoint``.
    """
    described = {
        "architecture": {"name": "unet", "arguments": segmenter.network.arguments},
        "size": segmenter.size,
    }
    merged = {**segmenter.card, **(card or {}), **described}
    return write_checkpoint(Path(path), segmenter.network.state_dict(), merged)


def load_lungs(path: Path | str = SHIPPED) -> LungSegmenter:
    """The segmenter that ships with the package, or one that ``save_lungs`` wrote; on the CPU.

    Raises:
        ArtifactError: if the files are missing or damaged, or describe no lung segmenter.
    """
    checkpoint = read_checkpoint(Path(path))
    card, where = checkpoint.card, checkpoint.path.name
    try:
        if card["architecture"]["name"] != "unet":
            raise ArtifactError(f"a {card['architecture']['name']}", "a unet", where)
        segmenter = LungSegmenter(UNet(**card["architecture"]["arguments"]), card["size"], card)
    except (KeyError, TypeError, ModelError) as problem:
        raise ArtifactError(
            f"a card that describes no lung segmenter ({problem})", "one of save_lungs", where
        ) from problem
    load_strictly(segmenter.network, checkpoint.tensors, where)
    segmenter.network.eval()
    return segmenter


def _on_grid(film: Radiograph, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """The film on the grid, ``(h, w)``, and bool ``(h, w)``, where it lies."""
    share = placement.sample(np.ones(film.size, np.float32))
    on_film = share > 0.5
    # Cells at the rim are mixed with black padding, which would look like air.
    return placement.sample(film.pixels) / np.where(on_film, share, 1), on_film


def _smooth(values: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Probabilities in and just around one lung, so that its outline falls between the cells."""
    rim = ndimage.binary_dilation(side) & (values <= 0.5)
    return np.where(side, np.maximum(values, 0.5001), np.where(rim, values, 0)).astype(np.float32)
