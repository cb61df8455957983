"""Fidelity by removal: does a score fall when the film is blurred where a map is highest?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.errors import InputError
from plainfilm.masks.threshold import area_mask
from plainfilm.radiograph import Placement

KERNEL, SIGMA, SIDE = 19, 10.0, 224
"""The blur of the IBA paper (Khakzar et al. 2021), in pixels of an input of this side."""


def removal_drop(
    score: Callable[[Tensor], Tensor], images: Tensor, maps: np.ndarray, share: float = 0.1
) -> np.ndarray:
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
    removed = np.stack([_highest(each, size, share) for each in maps])
    where = torch.from_numpy(removed)[:, None].to(images.device)
    with torch.no_grad():
        drop = score(images) - score(torch.where(where, blurred(images), images))
    return drop.double().cpu().numpy()


def blurred(images: Tensor) -> Tensor:
    """Images ``(B, C, S, S)`` through a Gaussian whose width follows their size, mirrored at the border."""
    scale = images.shape[-1] / SIDE
    reach = max(1, round(KERNEL * scale) // 2)
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-(steps**2) / (2 * (SIGMA * scale) ** 2))
    weights = (weights / weights.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    across = F.conv2d(padded, weights, groups=images.shape[1])
    return F.conv2d(across, weights.transpose(2, 3), groups=images.shape[1])


def _highest(values: np.ndarray, size: tuple[int, int], share: float) -> np.ndarray:
    grid = values.shape[0], values.shape[1]
    drawn = values if grid == size else Placement.resize(size, grid).restore(values)
    # Evidence may be zero over most of a film; a constant shift keeps its order and fills the share.
    return area_mask(drawn - drawn.min() + 1, max(1, round(share * drawn.size)))
