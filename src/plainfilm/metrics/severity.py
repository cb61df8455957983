"""Does a map show how severe each zone is? Measures against the six scores of a reader (Khakzar et al. 2021).

The paper correlates the map with a severity map: each zone's score inside the zone, 0 outside
(``plainfilm.masks.zones``). Over the whole film any map of the lungs correlates with it, whether it knows of
disease or not. So set the mask of the zones itself beside every map, or correlate inside the zones alone.

The paper also scores three detectors by IoU, of the severities 0 and 1, 2, and 3: ``best_case_iou`` with
``zones_with``, or ``tuned_threshold`` over ``PAPER_THRESHOLDS`` on maps of ``peak_at_one``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_map, as_mask
from plainfilm.masks.box import Box, box_mask
from plainfilm.metrics.labels import numbers

PAPER_THRESHOLDS = tuple(round(0.02 * k, 2) for k in range(50))
"""0 to 0.98, tried on maps whose peak is 1."""


def pearson(first: Any, second: Any) -> float:
    """Pearson's correlation of two lists of numbers; NaN where either is constant or empty.

    Raises:
        InputError: for lists of different lengths.
    """
    one, two = numbers(first), numbers(second)
    if one.ndim != 1 or one.shape != two.shape:
        raise InputError(f"shapes {one.shape} and {two.shape}", "two lists of one length", "pearson")
    # By their ends, for rounding gives a constant list a spread that is not quite 0.
    if not one.size or one.min() == one.max() or two.min() == two.max():
        return nan
    one, two = (values / np.abs(values).max() for values in (one - one.mean(), two - two.mean()))
    return float(one @ two / np.sqrt((one @ one) * (two @ two)))


def severity_correlation(map: Any, severity: Any, inside: Any = None) -> float:
    """Pearson's correlation of the pixels of a map and of a severity map, the PCC of the paper.

    For its mean over films with an interval take ``bootstrap_interval(mean, values, patients=...)``.

    Args:
        map: ``(H, W)``, finite.
        severity: ``(H, W)``, as ``severity_map`` draws it.
        inside: ``(H, W)``, the pixels that count; all by default, as in the paper.

    Returns:
        In [-1, 1]; NaN where map or severity map is constant.

    Raises:
        InputError: for shapes that differ.
        NumericError: for a map that is not finite.
    """
    relevance, scores = as_map(map), as_map(severity, "severity")
    counted = np.ones_like(relevance, bool) if inside is None else as_mask(inside, "inside")
    if not relevance.shape == scores.shape == counted.shape:
        got = f"map {relevance.shape}, severity {scores.shape}, inside {counted.shape}"
        raise InputError(got, "one shape", "severity_correlation")
    return pearson(relevance[counted], scores[counted])


def zone_means(map: Any, zones: Sequence[Box]) -> np.ndarray:
    """The mean of a map in each zone, to be set beside the scores: by ``pearson`` or ``kendall_tau``.

    Args:
        map: ``(H, W)``, finite.
        zones: Boxes in pixels of the map.

    Returns:
        ``(len(zones),)``, NaN for a zone without a pixel.

    Raises:
        InputError, NumericError: as ``severity_correlation``.
    """
    relevance = as_map(map)
    parts = [relevance[box_mask(relevance.shape, [box])] for box in zones]
    return np.array([part.mean() if part.size else nan for part in parts])


def peak_at_one(map: Any) -> np.ndarray:
    """A map divided by its highest pixel, so that one threshold serves many films.

    Args:
        map: ``(H, W)``, finite. What is below 0 counts as 0.

    Returns:
        In [0, 1]; all 0 for a map without anything above 0.

    Raises:
        InputError, NumericError: as ``severity_correlation``.
    """
    positive = np.maximum(as_map(map), 0)
    peak = positive.max()
    return positive / peak if peak > 0 else positive
