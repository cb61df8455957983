"""Does it work for everyone? Any measure by sex, age band, view or device, with doubt attached.

The same table serves performance (``auroc`` of predictions) and explanation quality (``mean`` of one
value per film); strata of lesions are groups like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import (
    Statistic,
    counting_patients,
    expanded_percentiles,
    interval_from,
    resampled,
)
from plainfilm.metrics.delong import normal_p_value
from plainfilm.metrics.intervals import Interval, two_sided
from plainfilm.metrics.labels import Names, numbers
from plainfilm.metrics.paired import holm

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "unknown"
AGE_EDGES = (18, 40, 60, 80)

FEWEST_TO_TEST = 10
"""Patients, of the rarer class where there are two, below which a group is shown but not tested: an area of
1.00 over three positives has no spread over resamples, and would differ from everything."""


@dataclass(frozen=True)
class Subgroup:
    """One group of one attribute.

    Attributes:
        attribute: "sex", "age", "view", "device" or what was given.
        group: The value of the attribute; "unknown" where there is none.
        films: Films of the group.
        patients: Their patients.
        interval: The statistic in this group; its ``caution`` flags a small one.
        difference: Group minus reference, with its interval; None for the reference.
        p_value: Of no difference; NaN for the reference and where undefined.
        p_holm: The same, corrected for all groups of the table.
    """

    attribute: str
    group: str
    films: int
    patients: int
    interval: Interval
    difference: Interval | None = None
    p_value: float = nan
    p_holm: float = nan

    @property
    def is_reference(self) -> bool:
        """Whether the others of the attribute are compared with this group."""
        return self.difference is None


Estimate = tuple[Subgroup, np.ndarray, int]
"""A group, its statistic in each resample, and the patients that count."""


def by_subgroup(
    statistic: Statistic,
    *columns: Any,
    patients: Names,
    attributes: Mapping[str, Names],
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Subgroup]:
    """A statistic in each group, and how it differs from the largest group of the attribute.

    Each difference is tested by its standard error over resamples of patients, drawn jointly for both groups
    since a patient may have films in both, and corrected by Holm's method for all tests of the table.
    Groups are never dropped; those with few patients carry a caution.

    Args:
        statistic: As of ``bootstrap_interval``.
        columns: Arrays of one row per film; NaN in the last means unknown.
        patients: The patient of each film.
        attributes: Attribute to the group of each film (``attributes_of``); "" and NaN are "unknown".
        n: Resamples.
        seed: Of the draws.
        level: Of the intervals.

    Returns:
        Attribute by attribute, the reference first, then by films.

    Raises:
        InputError: for an attribute of another length, or as ``bootstrap_interval``.
    """
    arrays = [numbers(column) for column in columns]
    table: list[Subgroup] = []
    for attribute, values in attributes.items():
        groups = _groups(values, len(patients), attribute)
        estimates: list[Estimate] = []
        for name in _largest_first(groups):
            member = groups == name
            inside = [*arrays[:-1], np.where(member, arrays[-1], nan)]
            draws = resampled(statistic, *inside, patients=patients, n=n, seed=seed)
            interval = interval_from(draws, statistic, *inside, patients=patients, level=level)
            people = len(np.unique(np.asarray(patients)[member]))
            row = Subgroup(attribute, name, int(member.sum()), people, interval)
            estimates.append((row, draws, counting_patients(statistic, inside, patients)))
        table += [row for row, _, _ in estimates[:1]]
        table += [_compared(other, estimates[0]) for other in estimates[1:]]
    return corrected(table)


def attributes_of(films: pd.DataFrame, edges: Sequence[float] = AGE_EDGES) -> dict[str, np.ndarray]:
    """The attributes of a manifest's films that differ: sex, age band, view and device.

    Args:
        films: ``Manifest.films``, or any table with some of these columns.
        edges: Where the age bands are cut, in years.
    """
    found = {name: films[name].to_numpy(str) for name in ("sex", "view", "device") if name in films}
    if "age" in films:
        found["age"] = age_bands(films["age"].to_numpy(float), edges)
    return {name: values for name, values in found.items() if len(np.unique(values)) > 1}


def age_bands(ages: Any, edges: Sequence[float] = AGE_EDGES) -> np.ndarray:
    """The band of each age, "under 18", "18-39", ..., "80 and over"; "" where it is unknown.

    Raises:
        InputError: for edges that do not rise.
    """
    years, cuts = numbers(ages), np.asarray(edges, dtype=float)
    if cuts.size == 0 or (np.diff(cuts) <= 0).any():
        raise InputError(f"edges {tuple(edges)}", "ages that rise", "age_bands")
    inner = [f"{low:g}-{high - 1:g}" for low, high in pairwise(cuts)]
    names = np.array([f"under {cuts[0]:g}", *inner, f"{cuts[-1]:g} and over"])
    return np.where(np.isnan(years), "", names[np.searchsorted(cuts, years, side="right")])


def _groups(values: Names, n: int, attribute: str) -> np.ndarray:
    if len(values) != n:
        raise InputError(f"{len(values)} values for {n} films", "one per film", attribute)
    return np.array(
        [UNKNOWN if value is None or value != value or value == "" else str(value) for value in values]
    )


def _largest_first(groups: np.ndarray) -> list[str]:
    """Names by films; "unknown" last, so that nothing is compared with it."""
    names, films = np.unique(groups, return_counts=True)
    order = sorted(zip(names, films, strict=True), key=lambda item: (item[0] == UNKNOWN, -item[1], item[0]))
    return [str(name) for name, _ in order]


def _compared(one: Estimate, other: Estimate) -> Subgroup:
    """A group with its difference from the reference, both in the same resamples."""
    (group, draws, units), (reference, others, other_units) = one, other
    ours, theirs = group.interval, reference.interval
    difference, drawn = ours.value - theirs.value, draws - others
    error = float(np.nanstd(drawn, ddof=1)) if np.count_nonzero(~np.isnan(drawn)) > 1 else nan
    low, high = expanded_percentiles(drawn, min(units, other_units), two_sided(ours.level))
    interval = Interval(
        difference, low, high, ours.n + theirs.n, level=ours.level,
        method=ours.method, caution=ours.caution or theirs.caution,
    )  # fmt: skip
    p_value = normal_p_value(difference, error) if min(units, other_units) >= FEWEST_TO_TEST else nan
    return replace(group, difference=interval, p_value=p_value)


def corrected(table: Sequence[Subgroup]) -> list[Subgroup]:
    """The same rows with Holm's p-values over all their comparisons; of several tables, given together."""
    p_values = holm({str(k): row.p_value for k, row in enumerate(table)})
    return [replace(row, p_holm=p_values[str(k)]) for k, row in enumerate(table)]
