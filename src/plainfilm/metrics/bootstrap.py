"""Intervals for any measure, by drawing patients again (Efron & Tibshirani 1993).

Films of one patient resemble each other, so it is patients that are drawn, each with all its films.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isnan, nan, sqrt
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from plainfilm.errors import InputError
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.intervals import Interval, two_sided
from plainfilm.metrics.labels import Names, numbers
from plainfilm.metrics.precision import average_precision
from plainfilm.metrics.weighted import mean, weighted_auroc, weighted_average_precision, weighted_mean

Statistic = Callable[..., float]

AT_ONCE: dict[Statistic, Callable[..., np.ndarray]] = {
    auroc: weighted_auroc,
    average_precision: weighted_average_precision,
    mean: weighted_mean,
}
"""Statistics that are computed for many resamples in one go."""

OF_CLASSES = (auroc, average_precision)
"""Statistics whose last column is truth: they are as sure as the rarer class lets them be."""

FEWEST_PATIENTS = 20
"""Patients below which an interval carries a caution (``bootstrap_interval``)."""

CELLS = 2_000_000
"""Films times resamples that are counted at once; more leaves the cache and is slower."""


def bootstrap_interval(
    statistic: Statistic,
    *columns: Any,
    patients: Names,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """A statistic with its interval over patients: expanded percentiles (Hesterberg 2015).

    The percentiles of the resamples are moved outwards, to where Student's quantile with ``units - 1``
    degrees of freedom would put them; ``units`` are the patients that count, for AUROC and average
    precision those of the rarer class. In 2000 simulated data sets each, the 95 % interval covered the
    truth so often (in per cent, plain percentiles in brackets):

        units                                     5         10         20         40
        AUROC of 0.86, 1 to 10              94 (84)    93 (89)    93 (91)    94 (93)
        average precision of 0.46, 1 to 10  99 (92)    98 (93)    97 (96)    96 (95)
        mean of a skewed IoU of 0.20        88 (79)    91 (87)    94 (92)    94 (93)

    (the last with 1 to 4 alike films a patient). The bias-corrected, accelerated bootstrap (BCa) covered less
    in every cell, 80 % in the worst; for average precision alone, where this one is wide, it was nearer to
    95 %. Below ``FEWEST_PATIENTS`` the interval carries a caution. Resamples in which the statistic is
    undefined are left out.

    Args:
        statistic: A function of the columns: ``auroc``, ``average_precision`` or ``mean``, which take all
            resamples in one go, or any of yours, which is called once for each.
        columns: Arrays of one row per film, ``(prediction, truth)`` or ``(values,)``; NaN in the last
            means unknown.
        patients: The patient of each film.
        n: Resamples.
        seed: Of the draws; one seed draws the same patients for every statistic.
        level: Between 0 and 1.

    Returns:
        The interval; without limits where one patient counts, or all resamples agree.

    Raises:
        InputError: for columns of different lengths, fewer than 2 resamples, or a level outside (0, 1).
    """
    arrays = _checked(columns, patients)
    draws = resampled(statistic, *arrays, patients=patients, n=n, seed=seed)
    return interval_from(draws, statistic, *arrays, patients=patients, level=level)


def mean_band(
    values: Any, *, patients: Names, n: int = 1000, seed: int = 0, level: float = 0.95
) -> list[Interval]:
    """``bootstrap_interval`` of the mean of each column, with the same draws for all: a curve with its band.

    The limits hold point by point, not for the curve as a whole.

    Args:
        values: ``(films, points)``; none is NaN.
        patients: The patient of each film.
        n: Resamples.
        seed: Of the draws.
        level: Between 0 and 1.

    Raises:
        InputError: as ``bootstrap_interval``, and for an array of another shape or with NaN.
    """
    array = numbers(values)
    if array.ndim != 2 or not array.size or np.isnan(array).any():
        raise InputError(f"values of shape {array.shape}", "(films, points) without NaN", "mean_band")
    _checked([array], patients)
    quantile = two_sided(level)
    drawn = np.concatenate(
        [
            (array.T @ counts) / counts.sum(axis=0)
            for counts in (each.astype(np.float64) for each in _draws(patients, len(array), n, seed))
        ],
        axis=1,
    )
    units = len(np.unique(np.asarray(patients)))
    limits = [expanded_percentiles(draws, units, quantile) for draws in drawn]
    return [
        Interval(
            float(centre), low, high, len(array), level=level, method="bootstrap of patients",
            caution=caution_about(units),
        )
        for centre, (low, high) in zip(array.mean(axis=0), limits, strict=True)
    ]  # fmt: skip


def interval_from(
    draws: np.ndarray, statistic: Statistic, *columns: Any, patients: Names, level: float = 0.95
) -> Interval:
    """``bootstrap_interval`` from draws that ``resampled`` made of the same columns and patients.

    Raises:
        InputError: as ``bootstrap_interval``.
    """
    quantile, arrays = two_sided(level), _checked(columns, patients)
    value, units = float(statistic(*arrays)), counting_patients(statistic, arrays, patients)
    low, high = (nan, nan) if isnan(value) else expanded_percentiles(draws, units, quantile)
    return Interval(
        value, low, high, **_counts(statistic, arrays[-1]), level=level,
        method="bootstrap of patients", caution=caution_about(units),
    )  # fmt: skip


def resampled(
    statistic: Statistic, *columns: Any, patients: Names, n: int = 1000, seed: int = 0
) -> np.ndarray:
    """The statistic in ``n`` resamples of the patients, ``(n,)``; NaN where it is undefined in one.

    Raises:
        InputError: as ``bootstrap_interval``.
    """
    arrays = _checked(columns, patients)
    if n < 2:
        raise InputError(f"{n} resamples", "2 or more; 1000 for a 95 % interval", "bootstrap")
    return np.concatenate(
        [_on_counts(statistic, arrays, counts) for counts in _draws(patients, len(arrays[0]), n, seed)]
    )


def expanded_percentiles(draws: np.ndarray, units: int, quantile: float) -> tuple[float, float]:
    """The limits that ``bootstrap_interval`` describes; NaN where the draws do not differ."""
    known = draws[~np.isnan(draws)]
    if units < 2 or known.size < 2 or known.min() == known.max():
        return nan, nan
    tail = ndtr(-sqrt(units / (units - 1)) * stdtrit(units - 1, quantile))
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def counting_patients(statistic: Statistic, columns: Sequence[Any], patients: Names) -> int:
    """Patients with a known film, for a statistic of two classes those of the rarer one."""
    last, names = numbers(columns[-1]), np.asarray(patients)
    if statistic in OF_CLASSES:
        return min(len(np.unique(names[last == kind])) for kind in (0, 1))
    return len(np.unique(names[~np.isnan(last)]))


def caution_about(units: int) -> str:
    """What to say of an interval that rests on so many patients."""
    return f"only {units} patient{'s' * (units != 1)}" if units < FEWEST_PATIENTS else ""


def _draws(patients: Names, films: int, n: int, seed: int) -> Iterator[np.ndarray]:
    """How often each film is drawn, ``(films, some resamples)``, part after part."""
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    people, rng = int(patient.max(initial=-1)) + 1, np.random.default_rng(seed)
    part = max(1, CELLS // max(1, films))
    for start in range(0, n, part):
        drawn = [
            np.bincount(rng.integers(0, people, people), minlength=people).astype(np.uint16)
            for _ in range(min(part, n - start))
        ]
        yield np.stack(drawn, axis=1)[patient]


def _on_counts(statistic: Statistic, columns: Sequence[np.ndarray], counts: np.ndarray) -> np.ndarray:
    if statistic in AT_ONCE:
        return AT_ONCE[statistic](counts, *columns)
    rows = np.arange(len(counts))
    drawn = (np.repeat(rows, times) for times in counts.T)
    return np.array([statistic(*(column[again] for column in columns)) for again in drawn])


def _counts(statistic: Statistic, last: np.ndarray) -> dict[str, Any]:
    unknown = int(np.isnan(last).sum())
    counts = {"n": last.size - unknown, "n_excluded": unknown}
    if statistic in OF_CLASSES:
        counts |= {"n_positive": int((last == 1).sum()), "n_negative": int((last == 0).sum())}
    return counts


def _checked(columns: Sequence[Any], patients: Names) -> list[np.ndarray]:
    arrays = [numbers(column) for column in columns]
    lengths = {len(array) for array in arrays} | {len(patients)}
    if not arrays or len(lengths) != 1:
        found = f"columns of {', '.join(str(len(array)) for array in arrays)} and {len(patients)} patients"
        raise InputError(found, "one row per film in each", "bootstrap")
    return arrays
