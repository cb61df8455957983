"""Estimates with their confidence intervals.

The intervals of this file treat films as independent; films of one patient are not. Where patients have
several, take ``plainfilm.metrics.bootstrap``, or read the interval as too narrow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.special import stdtrit

from plainfilm.errors import InputError, NumericError


@dataclass(frozen=True)
class Interval:
    """An estimate, the limits of its confidence interval, and what it rests on.

    Attributes:
        value: The estimate; NaN where it is undefined.
        low: Lower limit; NaN where there is none.
        high: Upper limit; NaN where there is none.
        n: Films that count.
        n_excluded: Films left out because truth or measure is undefined there.
        n_positive: Films with the finding, or successes, where two classes are counted.
        n_negative: Films without it, or failures.
        level: The confidence level.
        method: How the limits were found: "Student", "Wilson", "DeLong" or "bootstrap of patients".
        caution: Why the limits may be too narrow; "" where nothing is known against them.
    """

    value: float
    low: float
    high: float
    n: int
    n_excluded: int = 0
    n_positive: int | None = None
    n_negative: int | None = None
    level: float = 0.95
    method: str = ""
    caution: str = ""

    @property
    def status(self) -> str:
        """One of "ok", "undefined" (no value) and "no interval" (a value without limits)."""
        if isnan(self.value):
            return "undefined"
        return "no interval" if isnan(self.low) else "ok"

    def __str__(self) -> str:
        if self.status == "undefined":
            return self.status
        limits = self.status if self.status == "no interval" else f"{self.low:z.3f} to {self.high:z.3f}"
        return f"{self.value:z.3f} ({limits}{f'; {self.caution}' if self.caution else ''})"


def mean_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """The mean of one value per film, with Student's interval.

    Args:
        values: One per film; NaN means undefined, is left out and counted.
        level: Between 0 and 1.

    Raises:
        InputError: for a level outside (0, 1).
        NumericError: for infinite values.
    """
    array = np.asarray(list(values), dtype=np.float64)
    if np.isinf(array).any():
        raise NumericError(
            f"{np.isinf(array).sum()} infinite values", "finite values or NaN", "mean_interval"
        )
    known = array[~np.isnan(array)]
    return mean_interval_from_sums(
        known.sum(), np.square(known).sum(), known.size, array.size - known.size, level
    )


def mean_interval_from_sums(
    total: float, squares: float, n: int, n_excluded: int = 0, level: float = 0.95
) -> Interval:
    """``mean_interval`` from the sum and the sum of squares of ``n`` values.

    The variance is ``(squares - total^2 / n) / (n - 1)``: sound for values of the size
    of one, as all measures here are.
    """
    quantile = two_sided(level)
    if n < 2:
        value = float(total) if n else nan
        return Interval(value, nan, nan, n, n_excluded, level=level, method="Student")
    mean = total / n
    variance = max(0.0, (squares - total * mean) / (n - 1))
    reach = stdtrit(n - 1, quantile) * sqrt(variance / n)
    low, high = float(mean - reach), float(mean + reach)
    return Interval(float(mean), low, high, n, n_excluded, level=level, method="Student")


def proportion_interval(successes: int, n: int, n_excluded: int = 0, level: float = 0.95) -> Interval:
    """A share of ``n`` films, with Wilson's score interval (Wilson 1927).

    Raises:
        InputError: unless ``0 <= successes <= n``, or for a level outside (0, 1).
    """
    if not 0 <= successes <= n:
        raise InputError(f"{successes} successes of {n}", "between none and all", "proportion_interval")
    z = NormalDist().inv_cdf(two_sided(level))
    counts: dict[str, Any] = {"n_excluded": n_excluded, "n_positive": successes, "n_negative": n - successes}
    if n == 0:
        return Interval(nan, nan, nan, n, **counts, level=level, method="Wilson")
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At none and all the limit is the share itself, which rounding must not miss.
    low, high = min(share, centre - reach), max(share, centre + reach)
    return Interval(share, max(0.0, low), min(1.0, high), n, **counts, level=level, method="Wilson")


def two_sided(level: float) -> float:
    """The upper quantile of a two-sided interval: 0.975 for 0.95.

    Raises:
        InputError: for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"level {level}", "a number between 0 and 1", "interval", "Use 0.95 for 95 %.")
    return (1 + level) / 2
