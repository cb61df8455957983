"""Fidelity by removal: does a score fall when the film is blurred where a map is highest?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.errors import InputError
from plainfilm.metrics.scoring import Score, drawn, places

KERNEL, SIGMA, SIDE = 19, 10.0, 224
"""The blur of the IBA paper (Khakzar et al. 2021), in pixels of an input of this side."""


def removal_drop(score: Score, images: Tensor, maps: np.ndarray, share: float = 0.1) -> np.ndarray:
    """How far a score falls when the highest part of each map is blurred away.

    A map that marks what the model uses takes the score down. A blurred film lies near the
    films that the model knows, but not among them, so compare with maps that know nothing.

    Args:
        score: Maps images ``(B, C, S, S)`` to scores ``(B,)``, logits for instance.
        images: ``(B, C, S, S)`` in the model's own range.
        maps: Evidence ``(B, h, w)``, drawn on the input's grid by bilinear interpolation.
        share: Of the input's pixels that are blurred; ties are taken in index order.

    Returns:
        ``score(images) - score(blurred)``, ``(B,)``; above 0 where the score fell.

    Raises:
        InputError: for a share outside (0, 1), or another number of maps than images.
    """
    if not 0 < share < 1 or len(maps) != len(images):
        raise InputError(
            f"share {share}, {len(maps)} maps and {len(images)} images",
            "a share in (0, 1), one map an image", "removal_drop",
        )  # fmt: skip
    size = (images.shape[2], images.shape[3])
    pixels = max(1, round(share * size[0] * size[1]))
    changed = _exchanged(images, blurred(images), [_highest(each, size, pixels) for each in maps])
    with torch.no_grad():
        drop = score(images) - score(changed)
    return drop.double().cpu().numpy()


def counterfactual_recovery(
    score: Score,
    images: Tensor,
    counterfactuals: Tensor,
    maps: np.ndarray,
    areas: Sequence[int],
) -> np.ndarray:
    """How much of a finding's score goes when the highest pixels come from the same film without it.

    Nothing is blurred or blackened: what is put in place is the patient's own lung, so that the film stays
    among those that the model knows. Such pairs exist where findings are rendered or planted
    (``Phantom.study``, ``plainfilm.datasets.planting``). As many pixels are exchanged as the finding has:
    a map of the cause recovers about 1, a map of elsewhere about 0. Where the model uses the finding at all,
    this comes near to asking for overlap with it, so it stands beside other measures, not above them.

    Args:
        score: Maps images ``(B, C, H, W)`` to scores ``(B,)``, logits for instance.
        images: ``(B, C, H, W)`` with the finding.
        counterfactuals: ``(B, C, H, W)``, the same films without it.
        maps: Evidence ``(B, h, w)``, drawn on the input's grid by bilinear interpolation.
        areas: Pixels of the finding on the input's grid, 1 or more for each film.

    Returns:
        ``(score(images) - score(exchanged)) / (score(images) - score(counterfactuals))``, ``(B,)``; NaN where
        the score does not fall without the finding, so that there is nothing to recover.

    Raises:
        InputError: for numbers of films that differ, or an area below 1.
    """
    counts = {len(images), len(counterfactuals), len(maps), len(areas)}
    if len(counts) != 1 or min(areas) < 1:
        raise InputError(
            f"{len(images)} images, {len(counterfactuals)} counterfactuals, {len(maps)} maps, areas {areas}",
            "as many of each, and areas of 1 or more", "counterfactual_recovery",
        )  # fmt: skip
    size = (images.shape[2], images.shape[3])
    removed = [_highest(each, size, area) for each, area in zip(maps, areas, strict=True)]
    with torch.no_grad():
        whole = score(images).double()
        part = whole - score(_exchanged(images, counterfactuals, removed)).double()
        fall = whole - score(counterfactuals).double()
    return torch.where(fall > 0, part / fall, torch.nan).cpu().numpy()


def blurred(images: Tensor) -> Tensor:
    """Images ``(B, C, S, S)`` through a Gaussian whose width follows their size, mirrored at the border."""
    return gaussian_blur(images, *blur_for(images.shape[-1]))


def blur_for(side: int) -> tuple[int, float]:
    """Kernel and sigma in pixels of the published blur on an input of this side."""
    scale = side / SIDE
    return 2 * max(1, round(KERNEL * scale) // 2) + 1, SIGMA * scale


def gaussian_blur(images: Tensor, kernel: int, sigma: float) -> Tensor:
    """Images ``(B, C, H, W)`` through a Gaussian cut off at its kernel, mirrored at the border.

    What torchvision's ``GaussianBlur(kernel, sigma)`` does. A kernel of 19 for a sigma of 10 ends at nine
    tenths of a standard deviation: it is nearer to a box than to a Gaussian.

    Args:
        images: In any unit.
        kernel: Its side in pixels, odd.
        sigma: Standard deviation in pixels.

    Raises:
        InputError: for an even kernel, one that reaches beyond the image, or a sigma not above zero.
    """
    reach, side = kernel // 2, min(images.shape[-2:])
    if kernel % 2 == 0 or not 0 <= reach < side or not sigma > 0:
        raise InputError(
            f"a kernel of {kernel} and a sigma of {sigma} for images of {tuple(images.shape[-2:])}",
            f"an odd kernel up to {2 * side - 1} and a sigma above zero", "gaussian_blur",
        )  # fmt: skip
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    across = F.conv2d(padded, weights, groups=images.shape[1])
    return F.conv2d(across, weights.transpose(2, 3), groups=images.shape[1])


def _exchanged(images: Tensor, others: Tensor, where: Sequence[np.ndarray]) -> Tensor:
    return torch.where(torch.from_numpy(np.stack(where))[:, None].to(images.device), others, images)


def _highest(values: np.ndarray, size: tuple[int, int], pixels: int) -> np.ndarray:
    return places(drawn(values, size)) < pixels
