"""AUROC on a balanced subset, as published tables of few films a class have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.metrics.classification import auroc_interval
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.labels import numbers, scores_and_labels

LIMIT = 2048
"""Films of both classes together, as in Gifsplanation (Cohen et al. 2021, Table 1)."""


def balanced_subset(truth: Any, limit: int = LIMIT, seed: int = 0) -> np.ndarray:
    """Positions of as many films without a finding as with it, drawn without replacement.

    The draws are those of the published code: NumPy's legacy generator, the classes in sorted order, half of
    ``limit`` from each. A class with fewer films gives all that it has, so the subset is then not balanced.

    Args:
        truth: 1, 0 or NaN (unknown), ``(n,)``; unknown films are never drawn.
        limit: Films of both classes together, 2 or more.
        seed: Of the generator.

    Returns:
        int ``(m,)``, first those of films without the finding, in the order of drawing.

    Raises:
        InputError: for a limit below 2 or another shape.
        LabelError: for other truth values.
    """
    if limit < 2:
        raise InputError(f"limit {limit}", "2 films or more", "balanced_subset")
    labels = numbers(truth)
    scores_and_labels(np.zeros(labels.shape), labels, "balanced_subset")
    generator = np.random.RandomState(seed)
    drawn = []
    for value in (0, 1):
        films = np.flatnonzero(labels == value)
        if films.size:
            drawn.append(generator.choice(films, min(limit // 2, films.size), replace=False))
    return np.concatenate(drawn) if drawn else np.zeros(0, dtype=np.intp)


def balanced_auroc(prediction: Any, truth: Any, limit: int = LIMIT, seed: int = 0) -> Interval:
    """``auroc_interval`` on ``balanced_subset``; all other films count as excluded.

    AUROC does not depend on the share of positives, so this is an estimate of the same area from fewer
    films. It exists for comparison with published figures.

    Raises:
        InputError, LabelError, NumericError: as ``auroc`` and ``balanced_subset``.
    """
    scores, labels = scores_and_labels(prediction, truth, "balanced_auroc")
    chosen = balanced_subset(labels, limit, seed)
    found = auroc_interval(scores[chosen], labels[chosen])
    return replace(found, n_excluded=len(labels) - len(chosen))
