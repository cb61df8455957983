"""No ranking rests on one measure: do measures put methods in the same order?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import nan
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.labels import Names, numbers
from plainfilm.metrics.paired import people_of


def rank_agreement(
    measures: Mapping[str, Any],
    patients: Names | None = None,
    lower_is_better: Collection[str] = (),
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[tuple[str, str], Interval]:
    """Kendall's tau between the rankings of methods by each two measures, with its interval over patients.

    A method's rank is that of its mean over films, and patients are drawn again with all their films. A film
    counts for a pair of measures where both are defined for every method. Few methods make few pairs: with
    five, tau moves in steps of 0.2, so read the limits.

    Args:
        measures: Name to values ``(films, methods)``, the same in each; NaN where undefined.
        patients: The patient of each film; by default each film is a patient of its own.
        lower_is_better: Names of measures whose low values are good ("deletion_auc").
        n: Resamples.
        seed: Of the draws.
        level: Between 0 and 1.

    Returns:
        Interval in [-1, 1] for each pair of names, in their order: 1 for one ranking, -1 for the reverse.

    Raises:
        InputError: for tables of different shape, fewer than two measures or methods, or an unknown name.
    """
    tables = {name: numbers(values) for name, values in measures.items()}
    _check(tables, lower_is_better)
    signed = {name: -table if name in lower_is_better else table for name, table in tables.items()}
    people = people_of(patients, len(next(iter(signed.values()))))
    return {
        (one, two): _interval(signed[one], signed[two], people, {"n": n, "seed": seed, "level": level})
        for one, two in combinations(signed, 2)
    }


def kendall_tau(first: Any, second: Any) -> float:
    """Kendall's tau-b of two lists of numbers: agreeing less disagreeing pairs, corrected for ties.

    Kendall (1945). NaN where one of the two does not vary, or holds a NaN.

    Raises:
        InputError: for lists of different lengths, or fewer than two numbers.
    """
    one, two = numbers(first), numbers(second)
    if one.ndim != 1 or one.shape != two.shape or one.size < 2:
        raise InputError(f"shapes {one.shape} and {two.shape}", "two lists of one length", "kendall_tau")
    upper = np.triu_indices(one.size, 1)
    here, there = (np.sign(values[:, None] - values)[upper] for values in (one, two))
    pairs = np.sqrt((here**2).sum() * (there**2).sum())
    return float((here * there).sum() / pairs) if pairs > 0 else nan


def known_order_tau(values: Any, better: Sequence[tuple[int, int]]) -> float:
    """Kendall's tau against an order of which some pairs alone are known.

    Args:
        values: One per method, higher is better.
        better: Pairs of positions, the better first.

    Returns:
        Pairs in the known order less pairs in the reverse, over all pairs; ties count in neither, so that a
        measure that tells nothing apart gets 0. NaN where a value is.

    Raises:
        InputError: without a pair.
    """
    if not better:
        raise InputError("no pair whose order is known", "one or more", "known_order_tau")
    one, two = numbers(values)[np.asarray(better).T]
    return float(np.sign(one - two).mean())


def _interval(one: np.ndarray, two: np.ndarray, people: np.ndarray, draws: dict[str, Any]) -> Interval:
    known = ~np.isnan(one).any(axis=1) & ~np.isnan(two).any(axis=1)
    if not known.any():
        return Interval(nan, nan, nan, 0, len(known), level=draws["level"], method="bootstrap of patients")
    methods = one.shape[1]

    def tau(*columns: np.ndarray) -> float:
        means = [column.mean() for column in columns]
        return kendall_tau(means[:methods], means[methods:])

    columns = [*one[known].T, *two[known].T]
    found = bootstrap_interval(tau, *columns, patients=people[known].tolist(), **draws)
    return replace(found, n_excluded=int((~known).sum()))


def _check(tables: Mapping[str, np.ndarray], lower_is_better: Collection[str]) -> None:
    shapes = {table.shape for table in tables.values()}
    shape = next(iter(shapes), ())
    if len(tables) < 2 or len(shapes) != 1 or len(shape) != 2 or shape[1] < 2:
        raise InputError(
            f"{len(tables)} measures of shapes {sorted(map(str, shapes))}",
            "two or more of one shape (films, methods), with two methods or more", "rank_agreement",
        )  # fmt: skip
    unknown = sorted(set(lower_is_better) - set(tables))
    if unknown:
        raise InputError(f"measure {unknown[0]!r}", f"one of {', '.join(tables)}", "rank_agreement")
