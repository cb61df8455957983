"""Does the map point at the finding? Measures of a map against a mask.

One rule for empty masks throughout: without a mask there is nothing to point at, and the
measure is NaN, to be left out of means and counted. A map without anything above the
threshold, or without positive relevance, has pointed at nothing: 0. Where one pixel must
be chosen of several that tie, it is the first in index order. Map and mask have the same
shape ``(H, W)``.

Negative relevance never counts as evidence for the finding; pass ``abs(map)`` for
methods whose sign has no meaning, as Gifsplanation does for gradients.
"""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_map, as_mask
from plainfilm.masks.threshold import Ties, area_mask, fixed_mask, otsu_mask, percentile_mask

EMPTY_POLICY = "a film with an empty mask is undefined: left out of the mean and counted"


def iou(map: Any, mask: Any, threshold: float | None = None) -> float:
    """Intersection over union of a mask, or of a map above a threshold, with the true mask.

    Args:
        map: ``(H, W)``: a mask, or a map if ``threshold`` is given.
        mask: ``(H, W)``: bool, 0 and 1, or 0 and 255.
        threshold: In the map's unit; the prediction is where the map is above it.

    Returns:
        In [0, 1], NaN for an empty mask.

    Raises:
        InputError: for shapes that differ, or a map without a threshold.
        NumericError: for a map that is not finite.
    """
    predicted = as_mask(map, "map") if threshold is None else fixed_mask(map, threshold)
    return overlap(predicted, _mask_like(predicted, mask))


def dice(map: Any, mask: Any, threshold: float | None = None) -> float:
    """Twice the intersection over the sum of areas (Dice 1945): ``2 iou / (1 + iou)``.

    Arguments, result and errors as ``iou``.
    """
    shared = iou(map, mask, threshold)
    return 2 * shared / (1 + shared)


def best_case_iou(map: Any, mask: Any, ties: Ties = "drop") -> float:
    """IoU of the map's highest pixels, as many as the mask has: the best case for a threshold.

    From Gifsplanation (Cohen et al. 2021). Prediction and mask have the same area, so
    that precision equals recall, unless fewer pixels of the map are above zero.

    Args:
        map: ``(H, W)``, finite.
        mask: ``(H, W)``.
        ties: Pixels that tie for the last places are all left out ("drop"), as by the
            percentile of the paper's code, or taken in index order ("first"). A constant
            map points at nothing by the first rule and at the first rows by the second.

    Returns:
        In [0, 1], NaN for an empty mask.

    Raises:
        InputError: for shapes that differ.
        NumericError: for a map that is not finite.
    """
    relevance, truth = _pair(map, mask)
    return overlap(area_mask(relevance, int(truth.sum()), ties), truth)


def percentile_iou(map: Any, mask: Any, percent: float = 95) -> float:
    """IoU of the pixels above a percentile of the map, 95 for the top 5 %.

    Raises:
        InputError: for shapes that differ, or a percent outside [0, 100].
        NumericError: for a map that is not finite.
    """
    relevance, truth = _pair(map, mask)
    return overlap(percentile_mask(relevance, percent), truth)


def otsu_iou(map: Any, mask: Any) -> float:
    """IoU of the pixels above Otsu's threshold, the rule of CheXlocalize (Saporta et al. 2022).

    Raises:
        InputError: for shapes that differ.
        NumericError: for a map that is not finite.
    """
    relevance, truth = _pair(map, mask)
    return overlap(otsu_mask(relevance), truth)


def hit(map: Any, mask: Any, tolerance: float = 0) -> float:
    """The pointing game: 1 if the highest pixel of the map lies in the mask, else 0.

    Of several highest pixels the first in index order counts (Zhang et al. 2018, who
    allow a tolerance of 15 pixels).

    Args:
        map: ``(H, W)``, finite.
        mask: ``(H, W)``.
        tolerance: How far from the mask the pixel may lie, in pixels, centre to centre.

    Returns:
        1.0, 0.0, or NaN for an empty mask.

    Raises:
        InputError: for shapes that differ, or a negative tolerance.
        NumericError: for a map that is not finite.
    """
    if not tolerance >= 0:
        raise InputError(f"tolerance {tolerance}", "0 or more pixels", "hit")
    relevance, truth = _pair(map, mask)
    inside = np.argwhere(truth)
    if not len(inside):
        return nan
    peak = np.unravel_index(relevance.argmax(), relevance.shape)
    return float(np.square(inside - peak).sum(axis=1).min() <= tolerance**2)


def mass_inside(map: Any, mask: Any) -> float:
    """The share of the map's positive relevance that lies in the mask.

    Fair to thin findings such as a pleural line, where IoU is near zero for any map.

    Args:
        map: ``(H, W)``, finite.
        mask: ``(H, W)``.

    Returns:
        In [0, 1], NaN for an empty mask, 0 for a map without positive relevance.

    Raises:
        InputError: for shapes that differ.
        NumericError: for a map that is not finite.
    """
    relevance, truth = _pair(map, mask)
    if not truth.any():
        return nan
    highest = relevance.max()
    if highest <= 0:
        return 0.0
    # Relative to the highest pixel, so that the sums of tiny or huge units stay finite.
    positive = np.maximum(relevance, 0) / highest
    inside, outside = positive[truth].sum(), positive[~truth].sum()
    return float(inside / (inside + outside))


def rank_inside(map: Any, mask: Any) -> float:
    """Relevance rank accuracy (Arras et al. 2022, equation 4): the share of the highest pixels inside.

    As many pixels as the mask has are taken, of those above zero. ``mass_inside`` is their relevance mass
    accuracy (equation 2), which a few very high pixels decide; here all of them count alike.

    Args:
        map: ``(H, W)``, finite.
        mask: ``(H, W)``.

    Returns:
        In [0, 1], NaN for an empty mask. Pixels that tie for the last places share them, so that no order of
        pixels decides.

    Raises:
        InputError: for shapes that differ.
        NumericError: for a map that is not finite.
    """
    relevance, truth = _pair(map, mask)
    area = int(truth.sum())
    if not area:
        return nan
    lowest = max(np.partition(relevance, relevance.size - area, axis=None)[relevance.size - area], 0.0)
    above, tied = relevance > lowest, relevance == lowest
    places = area - np.count_nonzero(above) if lowest > 0 else 0
    shared = places * float(truth[tied].mean()) if places else 0.0
    return float((np.count_nonzero(above & truth) + shared) / area)


def is_flat(map: Any) -> bool:
    """Whether all pixels of a map are equal, so that any place it points at is a tie."""
    relevance = as_map(map)
    return bool(relevance.min() == relevance.max())


def overlap(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two bool arrays of one shape; NaN where ``truth`` is empty."""
    area = np.count_nonzero(truth)
    if area == 0:
        return nan
    shared = np.count_nonzero(predicted & truth)
    return float(shared / (np.count_nonzero(predicted) + area - shared))


def _pair(map: Any, mask: Any) -> tuple[np.ndarray, np.ndarray]:
    relevance = as_map(map)
    return relevance, _mask_like(relevance, mask)


def _mask_like(relevance: np.ndarray, mask: Any) -> np.ndarray:
    truth = as_mask(mask)
    if relevance.shape != truth.shape:
        raise InputError(
            f"map {relevance.shape} and mask {truth.shape}", "one shape", "localisation",
            "Draw both on one grid first: Explanation.on_film() or Placement.sample_mask().",
        )  # fmt: skip
    return truth
