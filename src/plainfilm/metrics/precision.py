"""Average precision: how clean is the list of films that a classifier ranks highest?"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.metrics.labels import known, numbers


def average_precision(prediction: Any, truth: Any) -> float:
    """The area under the steps of the precision-recall curve, ``sum (R_k - R_k-1) P_k``.

    It is scikit-learn's definition: no interpolation between points, which flatters (Davis & Goadrich
    2006). Films of one score are called together. A classifier that knows nothing gets the
    share of films with the finding, so compare it only where that share is the same.

    Args:
        prediction: Scores ``(n,)``, finite, on any monotone scale.
        truth: 1, 0 or NaN (unknown), ``(n,)``.

    Returns:
        In (0, 1], or NaN where no film is known to have the finding.

    Raises:
        InputError: for shapes that differ.
        LabelError: for other truth values.
        NumericError: for scores that are not finite.
    """
    scores, present, _ = known(prediction, truth, "average_precision")
    if not present.any():
        return nan
    found, called = _curve(scores, present)
    return float(np.sum(np.diff(found, prepend=0) * found / called) / found[-1])


def multilabel_average_precision(prediction: Any, truth: Any, targets: Sequence[str]) -> dict[str, float]:
    """``average_precision`` for each column of ``(n, K)`` scores, by target name.

    Raises:
        InputError: unless both arrays are ``(n, K)`` with K the number of targets.
        LabelError, NumericError: as ``average_precision``.
    """
    scores, labels = numbers(prediction), numbers(truth)
    if not scores.shape == labels.shape == (len(scores), len(targets)):
        raise InputError(
            f"prediction {scores.shape} and truth {labels.shape}", f"(n, {len(targets)}) both",
            "multilabel_average_precision",
        )  # fmt: skip
    return {name: average_precision(scores[:, k], labels[:, k]) for k, name in enumerate(targets)}


def _curve(scores: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each score that occurs, from the highest: films with the finding, and films, at or above it."""
    order = np.argsort(-scores, kind="stable")
    last_of_its_score = np.append(np.diff(scores[order]) != 0, True)
    found = np.cumsum(present[order])[last_of_its_score]
    return found, np.flatnonzero(last_of_its_score) + 1
