"""Relevance maps and masks as checked NumPy arrays.

Both are ``(H, W)``. A leading axis of one is refused: a batch of one film looks the
same, and a shape that is guessed at is a shape that gets broadcast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plainfilm.errors import InputError, NumericError

MOST_PIXELS = 100_000_000
"""A larger mask is refused before it takes memory."""


def check_size(size: tuple[int, int], where: str) -> None:
    """Refuses a mask without pixels, or of more than any film has.

    Raises:
        InputError: naming the size.
    """
    height, width = size
    if min(size) < 1 or height * width > MOST_PIXELS:
        raise InputError(f"a mask of {width} x {height}", f"1 to {MOST_PIXELS:,} pixels", where)


def as_map(values: Any, where: str = "map") -> np.ndarray:
    """A relevance map as float64 ``(H, W)``.

    Raises:
        InputError: for another shape or a type that is no number.
        NumericError: for NaN or infinite values.
    """
    return _film(values, where).astype(np.float64)


def as_mask(values: Any, where: str = "mask") -> np.ndarray:
    """A mask as bool ``(H, W)``, from bool, 0 and 1, or 0 and 255.

    Raises:
        InputError: for another shape or other values.
        NumericError: for NaN or infinite values.
    """
    array = _film(values, where)
    if array.dtype == bool:
        return array
    top = array.max()
    if top not in (0, 1, 255) or ((array != 0) & (array != top)).any():
        raise InputError(
            f"values from {array.min():.4g} to {top:.4g}", "bool, 0 and 1, or 0 and 255", where,
            "Threshold it first: plainfilm.masks.threshold has four rules.",
        )  # fmt: skip
    return array != 0


def as_array(values: Any) -> np.ndarray:
    """A NumPy array from anything array-like, a torch tensor on any device included."""
    if hasattr(values, "detach"):  # a torch tensor, told apart without importing torch
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values  # NumPy has no bfloat16
    return np.asarray(values)


def _film(values: Any, where: str) -> np.ndarray:
    array = as_array(values)
    if array.dtype.kind not in "biuf" or array.ndim != 2 or array.size == 0:
        raise InputError(
            f"{array.dtype} of shape {array.shape}", "numbers of shape (H, W)", where,
            "Pass one film at a time, without batch or channel axis.",
        )  # fmt: skip
    broken = ~np.isfinite(array)
    if broken.any():
        count, (row, column) = np.count_nonzero(broken), np.argwhere(broken)[0]
        raise NumericError(
            f"{count} values that are NaN or infinite, the first at row {row}, column {column}",
            "finite values",
            where,
        )
    return array
