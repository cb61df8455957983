"""A bottleneck: features mixed with noise behind a mask, and what passes, in nats and in bits a pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.attribution.feature_statistics import Moments
from plainfilm.attribution.splitting import Split
from plainfilm.errors import ModelError

LEAST_DEVIATION = 0.01
"""Elements that hardly vary would otherwise carry endless bits."""

MOST_PASSED = 1 - 1e-6
"""So that the logarithm of what does not pass stays finite, however open the mask."""

RADIUS = 2
"""Cells on each side that the Gaussian of 1 cell reaches."""


def mask(alpha: Tensor) -> Tensor:
    """``lambda``, the share of each feature that passes: smoothed after the sigmoid, and never all."""
    return smoothed(torch.sigmoid(alpha)).clamp(max=MOST_PASSED)


def smoothed(mask: Tensor) -> Tensor:
    """A mask ``(B, h, w, C)`` under a Gaussian of 1 cell, cut at 5 × 5 and mirrored at the outer cells.

    Raises:
        ModelError: where the mask has fewer than 3 cells on a side, too few to be mirrored.
    """
    height, width = mask.shape[1:3]
    if min(height, width) <= RADIUS:
        raise ModelError(
            f"a feature map of {height} x {width}", "3 x 3 cells or more", "layer", "Name an earlier layer."
        )
    columns = _gaussian(height, mask) @ mask.flatten(2)
    return _gaussian(width, mask) @ columns.unflatten(2, mask.shape[2:])


def _gaussian(length: int, like: Tensor) -> Tensor:
    """Row i weighs the cells that make up cell i, ``(length, length)``; the kernel is separable."""
    offsets = torch.arange(-RADIUS, RADIUS + 1)
    kernel = torch.exp(-offsets.square().double() / 2)
    cells = torch.arange(length)[:, None] + offsets
    cells = torch.where(cells < 0, -cells, cells)
    cells = torch.where(cells >= length, 2 * (length - 1) - cells, cells)
    weights = torch.zeros(length, length, dtype=torch.float64)
    weights.scatter_add_(1, cells, (kernel / kernel.sum()).expand(length, -1))
    return weights.to(like)


def capacity(passed: Tensor, standardised: Tensor) -> Tensor:
    """Nats of each element: the divergence of its mixture with noise from the noise alone.

    ``((lambda r)^2 + (1 - lambda)^2 - 1) / 2 - log(1 - lambda)`` (Schulz et al. 2020).

    Args:
        passed: ``lambda`` in [0, ``MOST_PASSED``].
        standardised: ``r``, the feature in standard deviations from its mean.
    """
    stopped = 1 - passed
    return ((passed * standardised).square() + stopped.square() - 1) / 2 - stopped.log()


def per_pixel(bits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bits of cells ``(B, h, w)`` spread over pixels, ``(B, 1, H, W)``.

    Bilinear, and mirrored about the centres of the outer cells, as ``skimage.transform.resize`` of order 1.
    torch's own resize repeats the outer cells instead, which differs by up to a third at the border.
    """
    shrink = bits[0].numel() / (size[0] * size[1])
    places = [
        2 * ((torch.arange(pixels, dtype=torch.float64) + 0.5) * cells / pixels - 0.5) / (cells - 1) - 1
        for pixels, cells in zip(size, bits.shape[1:], strict=True)
    ]
    rows, columns = torch.meshgrid(*places, indexing="ij")
    grid = torch.stack([columns, rows], -1).to(bits).expand(len(bits), -1, -1, -1)
    return F.grid_sample(bits[:, None] * shrink, grid, padding_mode="reflection", align_corners=True)


class Site:
    """Where features are mixed with noise: a split network, with the statistics of its layer.

    Channels are last everywhere here, since convolutions run fastest on that order, and what has a row for
    each of ``samples`` keeps its place in memory: to be given such a place anew costs more than to fill it.
    """

    def __init__(self, part: Split, moments: Moments, samples: int) -> None:
        if moments.mean.shape != part.features.shape[1:]:
            raise ModelError(
                f"statistics of features {tuple(moments.mean.shape)}", f"{tuple(part.features.shape[1:])}",
                "statistics", "Estimate them on images of this size.",
            )  # fmt: skip
        self.part = part
        features = channels_last(part.features)
        mean, deviation, self.active = (
            channels_last(each.to(features))
            for each in (moments.mean, moments.standard_deviation, moments.active)
        )
        deviation = deviation.clamp(min=LEAST_DEVIATION)
        self.standardised = (features - mean) / deviation
        # What is hardly ever active is 0 in every mixture.
        self.features, self.mean, self.deviation = (
            each * self.active for each in (features, mean, deviation)
        )
        self.apart = features.new_empty(len(features), samples, *features.shape[1:])

    def nats(self, passed: Tensor) -> Tensor:
        """Information of each element ``(B, h, w, C)``; 0 where the layer is hardly ever active."""
        return capacity(passed, self.standardised) * self.active

    def scores(self, passed: Tensor, normal: Tensor, inverse: bool) -> Tensor:
        """The scores of mixtures with each of ``S`` draws, ``(B, S, K)``.

        Args:
            passed: ``(B, h, w, C)``; ``inverse`` gives that share to the noise.
            normal: Standard normal, ``(S, h, w, C)``.
            inverse: Whether noise and features change places.
        """
        features = self.features[:, None]
        replaced = passed if inverse else 1 - passed
        # lambda f + (1 - lambda) e, with as few passes over memory as can be: f - (1 - lambda) (f - e).
        torch.addcmul(features - self.mean, self.deviation, normal, value=-1, out=self.apart)
        mixed = torch.addcmul(features, replaced[:, None], self.apart, value=-1).movedim(-1, 2)
        image = torch.arange(len(features), device=mixed.device).repeat_interleave(len(normal))
        return self.part.tail(mixed.flatten(0, 1), image).unflatten(0, mixed.shape[:2])


def channels_last(features: Tensor) -> Tensor:
    """``(..., C, h, w)`` to ``(..., h, w, C)``."""
    return features.movedim(-3, -1).contiguous()
