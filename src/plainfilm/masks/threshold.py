"""From a relevance map to a mask: fixed, percentile, area and Otsu thresholds.

A pixel belongs to the mask where the map is *strictly* above the threshold. A constant
map therefore gives an empty mask, except under the area rule, which fills its area in
index order (row by row), and a fixed threshold below the constant.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_map

Ties = Literal["first", "drop"]

GREY_LEVELS = 256


def fixed_mask(map: Any, threshold: float) -> np.ndarray:
    """The pixels above a value in the map's own unit.

    Args:
        map: ``(H, W)``, finite.
        threshold: Finite.

    Returns:
        bool ``(H, W)``.

    Raises:
        InputError: for another shape, or a threshold that is not finite.
        NumericError: for a map that is not finite.
    """
    if not np.isfinite(threshold):
        raise InputError(f"threshold {threshold}", "a finite number", "fixed_mask")
    return as_map(map) > threshold


def percentile_mask(map: Any, percent: float) -> np.ndarray:
    """The pixels above a percentile of the map, 95 for the top 5 %.

    The percentile is interpolated linearly between pixels, as in Gifsplanation
    (Cohen et al. 2021); pixels equal to it are left out.

    Args:
        map: ``(H, W)``, finite.
        percent: In [0, 100].

    Returns:
        bool ``(H, W)``.

    Raises:
        InputError: for another shape, or a percent outside [0, 100].
        NumericError: for a map that is not finite.
    """
    if not 0 <= percent <= 100:
        raise InputError(f"percent {percent}", "a number in [0, 100]", "percentile_mask")
    values = as_map(map)
    return values > np.percentile(values, percent)


def area_mask(map: Any, area: int, ties: Ties = "first") -> np.ndarray:
    """The ``area`` highest pixels of a map, of those above zero.

    A map with fewer positive pixels than ``area`` gives just those. What is drawn does
    not depend on sorting: pixels that tie for the last places are taken in index order
    ("first"), or all left out ("drop"), which is what the interpolated percentile of
    Gifsplanation's code does (Cohen et al. 2021).

    Args:
        map: ``(H, W)``, finite.
        area: In pixels, 0 to ``H * W``.
        ties: "first" or "drop".

    Returns:
        bool ``(H, W)`` with at most ``area`` pixels set.

    Raises:
        InputError: for another shape, an area outside its range, or another rule.
        NumericError: for a map that is not finite.
    """
    values = as_map(map)
    if ties not in ("first", "drop"):
        raise InputError(f"ties {ties!r}", "'first' or 'drop'", "area_mask")
    if not 0 <= area <= values.size:
        raise InputError(f"area {area}", f"0 to {values.size} pixels", "area_mask")
    if area == 0:
        return np.zeros(values.shape, dtype=bool)
    lowest = np.partition(values, values.size - area, axis=None)[values.size - area]
    chosen = values > lowest
    tied = np.flatnonzero(values == lowest)
    room = area - np.count_nonzero(chosen)
    if ties == "first" or tied.size == room:
        chosen.flat[tied[:room]] = True
    return chosen & (values > 0)


def otsu_mask(map: Any) -> np.ndarray:
    """The pixels above Otsu's threshold of the map drawn in 256 grey levels.

    The map is stretched to its own range and rounded down to 8 bits, as in
    CheXlocalize (Saporta et al. 2022). A constant map gives an empty mask.

    Args:
        map: ``(H, W)``, finite.

    Returns:
        bool ``(H, W)``.

    Raises:
        InputError: for another shape.
        NumericError: for a map that is not finite.
    """
    values = as_map(map)
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros(values.shape, dtype=bool)
    # Halved first, so that the range of the largest floats does not overflow.
    grey = ((values / 2 - low / 2) / (high / 2 - low / 2) * (GREY_LEVELS - 1)).astype(np.uint8)
    return grey > otsu_level(np.bincount(grey.ravel(), minlength=GREY_LEVELS))


def otsu_level(histogram: np.ndarray) -> int:
    """The grey level at or below which the darker of two classes lies.

    Maximises the variance between the classes, ``w0 w1 (m0 - m1)^2`` (Otsu 1979,
    equation 18); the first of equal maxima.

    Args:
        histogram: Counts per grey level ``(levels,)``.
    """
    counts = np.asarray(histogram, dtype=np.float64)
    below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * np.arange(len(counts)))
    above = counts.sum() - below
    split = (below > 0) & (above > 0)
    distance = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return int(np.argmax(np.where(split, below * above * distance**2, 0)))
