"""Is one method better than the other on the same films? A test that knows patients have several films."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import Any

import numpy as np
from scipy.special import stdtrit

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import caution_about
from plainfilm.metrics.intervals import Interval, two_sided
from plainfilm.metrics.labels import Names, numbers

EXACT_UP_TO = 12
"""Patients up to which all flips are counted, 4096 at most, instead of drawn."""

FLIPS_AT_ONCE = 1000


@dataclass(frozen=True)
class Comparison:
    """The difference between two, and whether chance explains it.

    Attributes:
        difference: First minus second, with its interval.
        p_value: Two-sided; NaN where the test is undefined.
        patients: Patients that count.
        method: Name of the test.
    """

    difference: Interval
    p_value: float
    patients: int
    method: str


def permutation_test(
    first: Any,
    second: Any,
    patients: Names | None = None,
    n: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Whether two methods have the same mean over films, by flipping the signs of whole patients.

    Where the two are alike, the differences of a patient are as likely the other way round (Fisher 1935).
    Up to 12 patients all flips are counted and the p-value is exact; above, ``n`` are drawn and
    the observed one is counted among them.

    Args:
        first: One value per film ``(n,)``; NaN where undefined. A film counts where both are defined.
        second: The other value, ``(n,)``.
        patients: The patient of each film; by default each film is a patient of its own.
        n: Flips that are drawn.
        seed: Of the draws.
        level: Of the interval, which is Student's over patients.

    Raises:
        InputError: for shapes that differ, or a level outside (0, 1).
    """
    one, two = numbers(first), numbers(second)
    if one.ndim != 1 or one.shape != two.shape:
        raise InputError(f"values {one.shape} and {two.shape}", "(n,) both", "permutation_test")
    gains, people = one - two, people_of(patients, len(one))
    seen = ~np.isnan(gains)
    names, patient = np.unique(people[seen], return_inverse=True)
    sums, films = np.bincount(patient, gains[seen]), np.bincount(patient)
    interval = _interval(sums, films, int((~seen).sum()), level)
    return Comparison(interval, _flip_p(sums, n, seed), len(names), "sign flips of patients")


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for their number, so that 5 % bounds the chance of any false alarm (Holm 1979).

    Args:
        p_values: By name; NaN means that the test is undefined, stays NaN and is not counted.

    Returns:
        In [0, 1], by the same names in the same order.

    Raises:
        InputError: for values outside [0, 1].
    """
    known = {name: p for name, p in p_values.items() if not isnan(p)}
    wrong = [p for p in known.values() if not 0 <= p <= 1]
    if wrong:
        raise InputError(f"p-value {wrong[0]}", "a number in [0, 1] or NaN", "holm")
    corrected, highest = dict.fromkeys(p_values, nan), 0.0
    for k, name in enumerate(sorted(known, key=lambda name: known[name])):
        highest = max(highest, min(1.0, (len(known) - k) * known[name]))
        corrected[name] = highest
    return corrected


def people_of(patients: Names | None, n: int) -> np.ndarray:
    """The patient of each film, each film a patient of its own where none are given.

    Raises:
        InputError: unless there is one per film.
    """
    people = np.arange(n) if patients is None else np.asarray(patients)
    if people.shape != (n,):
        raise InputError(f"{len(people)} patients for {n} films", "one per film", "paired test")
    return people


def _flip_p(sums: np.ndarray, n: int, seed: int) -> float:
    """The share of sign flips whose sum is at least as far from zero as the observed one."""
    people, observed = sums.size, abs(sums.sum())
    if people < 2:
        return nan
    # Sums of floats differ by rounding between orders, and a tie must count as one.
    far = observed - 1e-9 * np.abs(sums).sum()
    if people <= EXACT_UP_TO:
        flips = (np.arange(2**people)[:, None] >> np.arange(people)) & 1
        return float(np.mean(np.abs(sums.sum() - 2 * (flips @ sums)) >= far))
    rng, extreme = np.random.default_rng(seed), 0
    for start in range(0, n, FLIPS_AT_ONCE):
        flips = rng.integers(0, 2, (min(FLIPS_AT_ONCE, n - start), people), np.int8)
        extreme += int(np.count_nonzero(np.abs(sums.sum() - 2 * (flips.astype(np.float64) @ sums)) >= far))
    return (extreme + 1) / (n + 1)


def _interval(sums: np.ndarray, films: np.ndarray, n_excluded: int, level: float) -> Interval:
    """The mean over films, with the spread of patients' sums around what their films lead to expect."""
    quantile, n, people = two_sided(level), int(films.sum()), len(films)
    mean = float(sums.sum() / n) if n else nan
    reach = nan
    if people > 1:
        spread = sqrt(people / (people - 1) * np.square(sums - films * mean).sum()) / n
        reach = float(stdtrit(people - 1, quantile)) * spread
    return Interval(
        mean, mean - reach, mean + reach, n, n_excluded, level=level,
        method="Student over patients", caution=caution_about(people),
    )  # fmt: skip
