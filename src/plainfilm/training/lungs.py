"""Training the lung segmenter on phantoms so that it holds on real films.

A network that has seen only phantoms must not lean on what is fake about them: exposure,
posture, cropping and borders are varied far beyond what the phantom draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.metrics import Interval, mean_interval
from plainfilm.models.lungs import LungSegmenter, standardise
from plainfilm.radiograph import Radiograph
from plainfilm.training.parts import Batch, Part
from plainfilm.training.task import Task

GAMMA, SCALE, MARGIN = (0.5, 1.9), (0.7, 1.3), (0.0, 0.22)

LABELS = 3
"""Plain rectangles pasted on a film at most, as stand-ins for lettering, leads and plates."""


class LungSegmentation(Task):
    """Cross-entropy and Dice loss over pixels, judged by the mean Dice of varied validation films."""

    score = "validation_dice"

    def loss(self, batch: Batch) -> Tensor:
        images, lungs = self._varied(batch, self.seeds(batch.films))
        return segmentation_loss(self.scores(images), lungs)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        # Plain phantoms are solved early; varied ones tell which network will hold on real films.
        images, lungs = self._varied(batch, batch.films.tolist())
        found = self.scores(images) > 0
        score = dice(found, lungs > 0.5).mean()
        self.log(self.score, score, sync_dist=True, batch_size=len(images), prog_bar=True)

    def _varied(self, batch: Batch, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        # On the processor, where the same seed gives the same numbers whatever the accelerator.
        films = zip(batch.images.cpu().split(1), batch.truth.cpu().split(1), seeds, strict=True)
        varied = [vary(image, lung, torch.Generator().manual_seed(seed)) for image, lung, seed in films]
        images, lungs = (torch.cat(each) for each in zip(*varied, strict=True))
        return images.to(self.device), lungs.to(self.device)


def segmentation_loss(logits: Tensor, lungs: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft Dice coefficient, both averaged over films.

    Args:
        logits: ``(B, 1, S, S)``.
        lungs: Same shape in [0, 1].
    """
    chance = logits.sigmoid()
    shared = 2 * (chance * lungs).sum((1, 2, 3)) + 1
    overlap = shared / (chance.sum((1, 2, 3)) + lungs.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, lungs) + 1 - overlap.mean()


def dice(found: Tensor, lungs: Tensor) -> Tensor:
    """Dice, 2 |A and B| / (|A| + |B|), of bool masks ``(B, ...)``: ``(B,)``; 1 where both are empty."""
    found, lungs = found.flatten(1), lungs.flatten(1)
    total = found.sum(1) + lungs.sum(1)
    return torch.where(total > 0, 2 * (found & lungs).sum(1) / total.clamp(min=1), 1.0)


def evaluate_lungs(segmenter: LungSegmenter, part: Part) -> Interval:
    """Mean Dice of the finished segmenter on films as they are."""
    scores = []
    for row in range(len(part)):
        images, lungs, _ = part.__getitems__([row])
        found = segmenter.segment(Radiograph(images[0, 0].numpy())).both
        scores.append(float(dice(torch.from_numpy(found)[None], lungs[0] > 0.5)))
    return mean_interval(scores)


def vary(images: Tensor, lungs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Other views of phantoms, standardised as the segmenter standardises a film.

    Args:
        images: ``(B, 1, S, S)`` in [0, 1].
        lungs: Same shape, 0 or 1.
        generator: All randomness.

    Returns:
        Network inputs and lungs, both ``(B, 1, S, S)``.
    """
    images, lungs = _move(images, lungs, generator)
    images = _label(_expose(images, generator), generator)
    shown = _frame(images, generator)
    # Beyond the frame is a border of the film itself, or the padding of a letterbox.
    is_border = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    grey = torch.rand(len(images), 1, 1, 1, generator=generator)
    grey = grey * (torch.rand(len(images), 1, 1, 1, generator=generator) < 0.2)
    return standardise(torch.where(shown, images, grey), shown | is_border), lungs * shown


def _move(images: Tensor, lungs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turned, shifted, enlarged or reduced films, each axis by its own factor; never mirrored."""
    count = len(images)
    normal = torch.randn(4, count, generator=generator)
    angle, across, down = 0.12 * normal[0], 0.12 * normal[1], 0.12 * normal[2]
    scale, stretch = _uniform(count, SCALE, generator), torch.exp(0.08 * normal[3])
    wide, tall = scale * stretch, scale / stretch
    rows = (
        torch.stack([wide * angle.cos(), -wide * angle.sin(), across], 1),
        torch.stack([tall * angle.sin(), tall * angle.cos(), down], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved, F.grid_sample(lungs, grid, align_corners=False)


def _expose(images: Tensor, generator: torch.Generator) -> Tensor:
    """Another characteristic curve, uneven exposure and noise."""
    count, size = len(images), images.shape[-1]
    low, high = GAMMA
    gamma = torch.exp(_uniform(count, (math.log(low), math.log(high)), generator))[:, None, None, None]
    shading = F.interpolate(torch.randn(count, 1, 5, 5, generator=generator), size, mode="bicubic")
    noise = torch.randn(images.shape, generator=generator) * torch.rand(count, 1, 1, 1, generator=generator)
    return images.clamp(1e-3, 1) ** gamma + 0.12 * shading + 0.03 * noise


def _label(images: Tensor, generator: torch.Generator) -> Tensor:
    """Films with rectangles of one grey pasted on; the lungs go on below them."""
    count, size = len(images), images.shape[-1]
    place = (torch.arange(size) + 0.5) / size
    for _ in range(LABELS):
        row, column, height, width, grey = torch.rand(5, count, 1, 1, 1, generator=generator)
        inside = (place[:, None] - row).abs() < 0.08 * height.square()
        inside = inside & ((place[None, :] - column).abs() < 0.15 * width.square())
        images = torch.where(inside, grey, images)
    return images


def _frame(images: Tensor, generator: torch.Generator) -> Tensor:
    """bool ``(B, 1, S, S)``: what is left of the film between margins; each side has one at times."""
    count, size = len(images), images.shape[-1]
    margins = _uniform(4 * count, MARGIN, generator) * (torch.rand(4 * count, generator=generator) < 0.3)
    top, bottom, left, right = margins.view(4, count, 1, 1, 1)
    place = (torch.arange(size) + 0.5) / size
    rows, columns = place[:, None], place[None, :]
    return (rows > top) & (rows < 1 - bottom) & (columns > left) & (columns < 1 - right)


def _uniform(count: int, limits: tuple[float, float], generator: torch.Generator) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(count, generator=generator)
