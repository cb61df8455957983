"""Do probabilities mean what they say? Of films given 0.3, three in ten should have the finding."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any, Literal

import numpy as np

from plainfilm.errors import InputError
from plainfilm.metrics.intervals import Interval, proportion_interval
from plainfilm.metrics.labels import probabilities

Binning = Literal["width", "count"]


@dataclass(frozen=True)
class ReliabilityBin:
    """The films whose probability lies in one bin.

    Attributes:
        low: Where the bin begins.
        high: Where it ends.
        predicted: Mean probability of its films.
        observed: Share of them with the finding, with Wilson's interval; ``n`` is their count.
    """

    low: float
    high: float
    predicted: float
    observed: Interval


def reliability(
    prediction: Any, truth: Any, bins: int = 10, binning: Binning = "width", level: float = 0.95
) -> list[ReliabilityBin]:
    """The points of a reliability diagram; bins without films are left out.

    Args:
        prediction: Probabilities ``(n,)``.
        truth: 1, 0 or NaN (unknown), ``(n,)``.
        bins: Number of bins.
        binning: "width" cuts [0, 1] into equal parts, "count" the films, which shows more of rare
            findings. A bin holds its upper end, the first also its lower.
        level: Of the intervals.

    Raises:
        InputError: for scores outside [0, 1], shapes that differ, fewer than one bin, or another binning.
        LabelError: for other truth values.
        NumericError: for scores that are not finite.
    """
    scores, present, _ = probabilities(prediction, truth, "reliability")
    edges = _edges(scores, bins, binning)
    places = np.searchsorted(edges[1:-1], scores, side="left")
    return [
        ReliabilityBin(
            float(edges[k]),
            float(edges[k + 1]),
            float(scores[inside].mean()),
            proportion_interval(int(present[inside].sum()), int(inside.sum()), level=level),
        )
        for k in range(len(edges) - 1)
        if (inside := places == k).any()
    ]


def expected_calibration_error(
    prediction: Any, truth: Any, bins: int = 10, binning: Binning = "width"
) -> float:
    """The mean distance of ``predicted`` from ``observed`` over bins, weighted by their films.

    From Naeini et al. 2015, for the probability of the finding rather than of the likelier class. It is
    biased upwards where bins hold few films: compare models on the same films.

    Returns:
        In [0, 1], or NaN where no truth is known.

    Raises:
        InputError, LabelError, NumericError: as ``reliability``.
    """
    found = reliability(prediction, truth, bins, binning)
    if not found:
        return nan
    gaps = [abs(each.predicted - each.observed.value) for each in found]
    return float(np.average(gaps, weights=[each.observed.n for each in found]))


def brier_score(prediction: Any, truth: Any) -> float:
    """The mean squared distance of probabilities from 1 and 0 (Brier 1950); 0 is best.

    Returns:
        In [0, 1], or NaN where no truth is known.

    Raises:
        InputError, LabelError, NumericError: as ``reliability``.
    """
    scores, present, _ = probabilities(prediction, truth, "brier_score")
    return float(np.square(scores - present).mean()) if scores.size else nan


def _edges(scores: np.ndarray, bins: int, binning: Binning) -> np.ndarray:
    if bins < 1:
        raise InputError(f"{bins} bins", "1 or more", "reliability")
    if binning == "width":
        return np.linspace(0, 1, bins + 1)
    if binning != "count":
        raise InputError(f"binning {binning!r}", "'width' or 'count'", "reliability")
    inner = np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]) if scores.size else []
    return np.concatenate([[0.0], np.unique(inner), [1.0]])
