"""Where to call a finding present, and what that costs.

A finding is called present where its score is at or above the point.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.metrics.classification import youden_point
from plainfilm.metrics.intervals import Interval, proportion_interval
from plainfilm.metrics.labels import classes


@dataclass(frozen=True)
class OperatingPoint:
    """A point of the ROC curve.

    Attributes:
        point: The score from which on a film is called; infinite where none is.
        sensitivity: Share of the films with the finding that are called, with Wilson's interval.
        specificity: Share of the films without it that are not.
    """

    point: float
    sensitivity: Interval
    specificity: Interval


def sensitivity_at_specificity(prediction: Any, truth: Any, specificity: float) -> OperatingPoint:
    """The point of the highest sensitivity among those that are at least as specific.

    The curve is the step curve: points between two scores do not exist. The point is chosen on the
    films it is judged on, so the interval is right only for films that did not choose it
    (``operating_point_at``).

    Args:
        prediction: Scores ``(n,)``, finite.
        truth: 1, 0 or NaN (unknown), ``(n,)``.
        specificity: In [0, 1].

    Returns:
        The point; undefined (NaN) where only one class is known.

    Raises:
        InputError: for shapes that differ, or a specificity outside [0, 1].
        LabelError: for other truth values.
        NumericError: for scores that are not finite.
    """
    _check_share(specificity, "specificity")
    return _best(prediction, truth, lambda sens, spec: np.where(spec >= specificity, sens, -1))


def specificity_at_sensitivity(prediction: Any, truth: Any, sensitivity: float) -> OperatingPoint:
    """The point of the highest specificity among those that are at least as sensitive.

    Arguments, result and errors as ``sensitivity_at_specificity``.
    """
    _check_share(sensitivity, "sensitivity")
    return _best(prediction, truth, lambda sens, spec: np.where(sens >= sensitivity, spec, -1))


def operating_point_at(prediction: Any, truth: Any, point: float) -> OperatingPoint:
    """Sensitivity and specificity at a point that was chosen elsewhere.

    Raises:
        InputError, LabelError, NumericError: as ``sensitivity_at_specificity``.
    """
    positive, negative, unknown = classes(prediction, truth, "operating_point_at")
    called, silent = int((positive >= point).sum()), int((negative < point).sum())
    return OperatingPoint(
        point,
        proportion_interval(called, positive.size, unknown),
        proportion_interval(silent, negative.size, unknown),
    )


def point_by(rule: str, prediction: Any, truth: Any) -> float:
    """The point that a rule chooses.

    Args:
        rule: "youden" (``youden_point``), or what is asked for at least, as "sensitivity=0.95" or
            "specificity=0.9".
        prediction: Scores ``(n,)``, finite.
        truth: 1, 0 or NaN (unknown), ``(n,)``.

    Returns:
        A score; infinite where none is specific enough, NaN where only one class is known.

    Raises:
        InputError: for another rule, or as ``sensitivity_at_specificity``.
        LabelError, NumericError: as ``sensitivity_at_specificity``.
    """
    check_rule(rule)
    name, _, share = rule.partition("=")
    if name == "youden":
        return youden_point(prediction, truth)
    find = specificity_at_sensitivity if name == "sensitivity" else sensitivity_at_specificity
    return find(prediction, truth, float(share)).point


def check_rule(rule: str) -> None:
    """Refuses what ``point_by`` does not know.

    Raises:
        InputError: with what it knows.
    """
    if not re.fullmatch(r"youden|(sensitivity|specificity)=([01]|[01]?\.\d+)", rule):
        known = "'youden', 'sensitivity=0.95' or 'specificity=0.9'"
        raise InputError(f"rule {rule!r}", known, "operating point")


Gain = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _best(prediction: Any, truth: Any, gain: Gain) -> OperatingPoint:
    """The point where a function of sensitivity and specificity is largest; of several, the highest."""
    positive, negative, _ = classes(prediction, truth, "operating point")
    if not (positive.size and negative.size):
        return operating_point_at(prediction, truth, nan)
    points = np.append(np.unique(np.concatenate([positive, negative])), inf)[::-1]
    sensitivity = 1 - np.searchsorted(np.sort(positive), points) / positive.size
    specificity = np.searchsorted(np.sort(negative), points) / negative.size
    gains = gain(sensitivity, specificity)
    # A tie in what is looked for is decided by the other: nothing is given away for nothing.
    best = np.argmax(np.where(gains == gains.max(), sensitivity + specificity, -1))
    return operating_point_at(prediction, truth, float(points[best]))


def _check_share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} {value}", "a share in [0, 1]", "operating point")
