"""Masks from boxes, and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_mask
from plainfilm.radiograph import Size

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels, counted from the film's outer corner."""


def box_mask(size: Size, boxes: Sequence[Box]) -> np.ndarray:
    """The pixels whose centre lies in any of the boxes.

    Args:
        size: Height and width in pixels.
        boxes: Left, top, width and height; what lies beyond the film is cut off.

    Returns:
        bool ``(H, W)``.

    Raises:
        InputError: for a box without a positive, finite size.
    """
    rows, columns = (np.arange(n) + 0.5 for n in size)
    mask = np.zeros(size, dtype=bool)
    for box in boxes:
        if len(box) != 4 or not all(map(isfinite, box)) or min(box[2:]) <= 0:
            raise InputError(f"the box {box}", "left, top and a width and height above 0", "box_mask")
        left, top, width, height = box
        inside = (rows >= top) & (rows < top + height)
        mask |= inside[:, None] & (columns >= left) & (columns < left + width)
    return mask


def mask_box(mask: Any) -> Box | None:
    """The smallest box around a mask: left, top, width and height in pixels; None for an empty mask.

    Args:
        mask: ``(H, W)``; bool, 0 and 1, or 0 and 255.

    Raises:
        InputError: for another shape or other values.
    """
    drawn = as_mask(mask)
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    (top, bottom), (left, right) = ((float(found[0]), found[-1] + 1.0) for found in (rows, columns))
    return left, top, right - left, bottom - top
