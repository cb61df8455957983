"""Area under the ROC curve with DeLong's interval, for findings that may be unknown.

Truth is 1, 0 or NaN (unknown). Unknown films are left out and counted. With one class
only, the area is undefined: NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.metrics.intervals import Interval, two_sided
from plainfilm.metrics.labels import classes, numbers


def auroc(prediction: Any, truth: Any) -> float:
    """The chance that a film with the finding scores above one without; ties count half.

    Args:
        prediction: Scores ``(n,)``, finite, on any monotone scale.
        truth: 1, 0 or NaN (unknown), ``(n,)``.

    Returns:
        In [0, 1], or NaN where only one class is known.

    Raises:
        InputError: for shapes that differ.
        LabelError: for other truth values.
        NumericError: for scores that are not finite.
    """
    positive, negative, _ = classes(prediction, truth, "auroc")
    if not (positive.size and negative.size):
        return nan
    return float(placements(positive, negative)[0].mean())


def auroc_interval(prediction: Any, truth: Any, level: float = 0.95) -> Interval:
    """The area under the ROC curve with DeLong's interval on the logit scale.

    The variance is DeLong's (1988) by midranks in O(n log n) (Sun & Xu 2014). The limits
    are drawn on the logit scale, where the estimate is closer to normal and no limit
    leaves [0, 1]: with 30 normal scores against 500 at an area of 0.98, the plain 95 %
    interval covered 81 % of simulations and this one 88 %; at 0.76, 93 and 94 %.

    A perfect separation has no DeLong variance. There the limit is exact but cautious:
    k = min(positives, negatives) disjoint pairs are all in order with a chance of at
    most ``auroc ** k``.

    Args:
        prediction: Scores ``(n,)``, finite.
        truth: 1, 0 or NaN (unknown), ``(n,)``.
        level: Between 0 and 1.

    Returns:
        The interval with ``n_positive``, ``n_negative`` and the unknown as ``n_excluded``.
        Its status is "undefined" with one class only, "no interval" with a single
        positive or negative film, or one score for all.

    Raises:
        InputError, LabelError, NumericError: as ``auroc``.
    """
    quantile = two_sided(level)
    positive, negative, unknown = classes(prediction, truth, "auroc")
    value = low = high = nan
    if positive.size and negative.size:
        above, below = placements(positive, negative)
        value = float(above.mean())
        if min(positive.size, negative.size) > 1:
            low, high = _limits(value, above, below, quantile)
    n = positive.size + negative.size
    return Interval(value, low, high, n, unknown, positive.size, negative.size, level, "DeLong")


def youden_point(prediction: Any, truth: Any) -> float:
    """The score from which on to call a finding present, by Youden's (1950) index.

    It is the score of the film at which sensitivity + specificity is largest; of several, the highest.

    Args:
        prediction: Scores ``(n,)``, finite.
        truth: 1, 0 or NaN (unknown), ``(n,)``.

    Returns:
        A score that occurs, or NaN where only one class is known.

    Raises:
        InputError, LabelError, NumericError: as ``auroc``.
    """
    positive, negative, _ = classes(prediction, truth, "auroc")
    if not (positive.size and negative.size):
        return nan
    points = np.unique(np.concatenate([positive, negative]))[::-1]
    sensitivity = 1 - np.searchsorted(np.sort(positive), points) / positive.size
    specificity = np.searchsorted(np.sort(negative), points) / negative.size
    return float(points[np.argmax(sensitivity + specificity)])


def delong_variance(prediction: Any, truth: Any) -> float:
    """The variance of ``auroc`` (DeLong et al. 1988, equation 5).

    Returns:
        NaN with fewer than two films in a class.

    Raises:
        InputError, LabelError, NumericError: as ``auroc``.
    """
    positive, negative, _ = classes(prediction, truth, "auroc")
    if min(positive.size, negative.size) < 2:
        return nan
    return _variance(*placements(positive, negative))


def multilabel_auroc(
    prediction: Any, truth: Any, targets: Sequence[str], level: float = 0.95
) -> dict[str, Interval]:
    """``auroc_interval`` for each column of ``(n, K)`` scores, by target name.

    Raises:
        InputError: unless both arrays are ``(n, K)`` with K the number of targets.
        LabelError, NumericError: as ``auroc``.
    """
    scores, labels = numbers(prediction), numbers(truth)
    if not scores.shape == labels.shape == (len(scores), len(targets)):
        raise InputError(
            f"prediction {scores.shape} and truth {labels.shape}",
            f"(n, {len(targets)}) both",
            "multilabel_auroc",
        )
    return {name: auroc_interval(scores[:, k], labels[:, k], level) for k, name in enumerate(targets)}


def placements(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it, for each negative of positives above; ties half."""
    together = _midranks(np.concatenate([positive, negative]))
    above = (together[: positive.size] - _midranks(positive)) / negative.size
    below = 1 - (together[positive.size :] - _midranks(negative)) / positive.size
    return above, below


def _midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, the mean rank for ties."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _variance(above: np.ndarray, below: np.ndarray) -> float:
    return float(above.var(ddof=1) / above.size + below.var(ddof=1) / below.size)


def _limits(value: float, above: np.ndarray, below: np.ndarray, quantile: float) -> tuple[float, float]:
    spread = sqrt(_variance(above, below))
    if spread == 0 or value in (0, 1):
        return _limits_without_spread(value, min(above.size, below.size), quantile)
    centre = log(value / (1 - value))
    reach = NormalDist().inv_cdf(quantile) * spread / (value * (1 - value))
    return _logistic(centre - reach), _logistic(centre + reach)


def _limits_without_spread(value: float, pairs: int, quantile: float) -> tuple[float, float]:
    bound = (1 - quantile) ** (1 / pairs)
    if value == 1:
        return bound, 1.0
    if value == 0:
        return 0.0, 1 - bound
    return nan, nan  # a constant score: every film ties, and nothing is learnt of the spread


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
