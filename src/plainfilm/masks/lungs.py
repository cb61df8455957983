"""A mask of both lungs, separated into the right and the left one."""

from __future__ import annotations

import numpy as np

from plainfilm.errors import InputError
from plainfilm.masks.region import largest_region

LEAST_LUNG = 0.02
"""Share of the film that each of two lungs must cover."""

ONE_LUNG = 0.5
"""A cut that meets more lung than this, as a share of the tallest column, runs through one lung."""


def split_lungs(mask: np.ndarray, middle: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Separates a mask of both lungs into the patient's right and left, one region each.

    The cut is at the emptiest column of the middle third. Where even that one is full of lung
    the mask is a single lung, which belongs to its half of the film. The patient's right lies at
    the image's left.

    Args:
        mask: bool ``(H, W)``.
        middle: The column in the middle of the film; by default that of the mask.

    Returns:
        bool ``(H, W)`` twice; empty where there is no lung on that side.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    if not columns.size:
        return mask, mask
    heights = mask.sum(axis=0)
    span = columns[-1] - columns[0]
    first, last = columns[0] + span // 3, columns[-1] - span // 3 + 1
    cut = first + int(np.median(np.flatnonzero(heights[first:last] == heights[first:last].min())))
    if heights[cut] > ONE_LUNG * heights.max():
        middle = (mask.shape[1] - 1) / 2 if middle is None else middle
        cut = mask.shape[1] if np.nonzero(mask)[1].mean() < middle else 0
    is_right = np.arange(mask.shape[1]) < cut
    return largest_region(mask & is_right), largest_region(mask & ~is_right)


def two_lungs(mask: np.ndarray, film: str) -> tuple[np.ndarray, np.ndarray]:
    """``split_lungs``, where both lungs must be there.

    Args:
        mask: bool ``(H, W)``.
        film: What messages call the film.

    Raises:
        InputError: for a mask without two lungs.
    """
    right, left = split_lungs(mask)
    if min(right.mean(), left.mean()) < LEAST_LUNG:
        raise InputError("a lung mask without two lungs", f"{LEAST_LUNG:.0%} of the film in each half", film)
    return right, left
