"""Scores and labels, checked: what every measure of a classifier begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plainfilm.errors import InputError, LabelError, NumericError
from plainfilm.masks.arrays import as_array

ONE_CLASS = "a target with one class only is undefined: NaN, left out of the mean"
NO_POSITIVE = "a target without a positive film is undefined: NaN, left out of the mean"
NO_TRUTH = "a target without known truth is undefined: NaN, left out of the mean"

Names = Sequence[Any] | np.ndarray
"""One name per film: its patient, or its group."""


def numbers(values: Any) -> np.ndarray:
    """Any array-like, a tensor on any device included, as float64."""
    return as_array(values).astype(np.float64)


def scores_and_labels(prediction: Any, truth: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels, both float64 ``(n,)``; the labels 1, 0 or NaN (unknown).

    Raises:
        InputError: for shapes that differ.
        LabelError: for other labels.
        NumericError: for scores that are not finite.
    """
    scores, labels = numbers(prediction), numbers(truth)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise InputError(f"prediction {scores.shape} and truth {labels.shape}", "(n,) both", where)
    if not np.isfinite(scores).all():
        broken = np.flatnonzero(~np.isfinite(scores))
        found = f"{len(broken)} scores that are NaN or infinite, the first at {broken[0]}"
        raise NumericError(found, "finite scores", where)
    strange = labels[~((labels == 1) | (labels == 0) | np.isnan(labels))]
    if strange.size:
        raise LabelError(
            f"{strange.size} truth values such as {strange[0]:g}", "1, 0 or NaN for unknown", where,
            "Decide first what an uncertain label means.",
        )  # fmt: skip
    return scores, labels


def known(prediction: Any, truth: Any, where: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores and bool labels of the films whose truth is known, and how many are unknown.

    Raises:
        InputError, LabelError, NumericError: as ``scores_and_labels``.
    """
    scores, labels = scores_and_labels(prediction, truth, where)
    seen = ~np.isnan(labels)
    return scores[seen], labels[seen] == 1, int((~seen).sum())


def classes(prediction: Any, truth: Any, where: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores of the films with the finding, of those without, and how many are unknown.

    Raises:
        InputError, LabelError, NumericError: as ``scores_and_labels``.
    """
    scores, present, unknown = known(prediction, truth, where)
    return scores[present], scores[~present], unknown


def probabilities(prediction: Any, truth: Any, where: str) -> tuple[np.ndarray, np.ndarray, int]:
    """As ``known``, for scores that must be probabilities.

    Raises:
        InputError: for scores outside [0, 1], or shapes that differ.
        LabelError, NumericError: as ``scores_and_labels``.
    """
    scores, present, unknown = known(prediction, truth, where)
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise InputError(
            f"scores from {scores.min():.4g} to {scores.max():.4g}", "probabilities in [0, 1]", where,
            "Logits become probabilities by a sigmoid, or better by a Calibration.",
        )  # fmt: skip
    return scores, present, unknown
