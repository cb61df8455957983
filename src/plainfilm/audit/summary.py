"""What an audit's rows say: tables of means over patients, with doubt attached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np
import pandas as pd

from plainfilm.audit.curves import Curve, mean_curves, measure_agreement
from plainfilm.audit.measures import DEVICES, FIDELITY, PLAUSIBILITY
from plainfilm.audit.performance import Performance, performance_groups, performances
from plainfilm.audit.run import Results
from plainfilm.metrics.baselines import BASELINES
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.measures import MEASURES as KNOWN
from plainfilm.metrics.paired import holm, permutation_test
from plainfilm.metrics.strata import SIZES, stratum_of_share
from plainfilm.metrics.subgroups import Subgroup, attributes_of, by_subgroup
from plainfilm.metrics.weighted import mean

MEASURES = (*PLAUSIBILITY, *FIDELITY, DEVICES)

PLACE = ("best_case_iou", "hit")
"""Measures of plausibility of the smaller tables, where every interval costs a thousand resamples."""

BY_FINDING, BY_STRATUM = (*PLACE, "removal_drop"), PLACE

NUMBERS = ("one place", "several places")

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class MethodRow:
    """One method over some maps.

    Attributes:
        method: Its name.
        values: Measure to its mean, with an interval over patients.
        p_values: Measure to the p-value of no gain over the baselines, corrected for the number of
            methods; NaN for a baseline.
        flat: Maps that are constant.
    """

    method: str
    values: Mapping[str, Interval]
    p_values: Mapping[str, float]
    flat: int

    @property
    def is_baseline(self) -> bool:
        return self.method in BASELINES

    def beats_baselines(self, measure: str) -> bool:
        """Whether the gain over both baselines is beyond chance."""
        return self.p_values[measure] < SIGNIFICANT


@dataclass(frozen=True)
class MethodTable:
    """All methods over the same maps, the baselines last."""

    rows: tuple[MethodRow, ...]
    maps: int
    patients: int

    @property
    def methods(self) -> tuple[MethodRow, ...]:
        """The rows that are no baseline."""
        return tuple(row for row in self.rows if not row.is_baseline)

    def row(self, method: str) -> MethodRow:
        return next(row for row in self.rows if row.method == method)

    def best(self, measure: str) -> MethodRow:
        """The method with the best mean."""
        sign = _sign(measure)
        return max(self.methods, key=lambda row: np.nan_to_num(sign * row.values[measure].value, nan=-np.inf))

    @property
    def fidelity(self) -> tuple[str, ...]:
        """The measures of fidelity that were taken."""
        return tuple(name for name in FIDELITY if name in self.rows[0].values)


@dataclass(frozen=True)
class Summary:
    """An audit in tables.

    Attributes:
        performance: One a finding.
        overall: Methods over all maps; None where nothing is outlined.
        by_finding: The same for each finding.
        strata: The same by the size and the number of what was outlined.
        performance_groups: Finding to its AUROC by subgroup.
        explanation_groups: Best-case IoU of the best method by subgroup.
        curves: Insertion, deletion and Sensitivity-N to the mean curve of each method.
        agreement: Two measures of fidelity to Kendall's tau between their rankings of the methods.
    """

    performance: tuple[Performance, ...]
    overall: MethodTable | None
    by_finding: Mapping[str, MethodTable]
    strata: Mapping[str, MethodTable]
    performance_groups: Mapping[str, tuple[Subgroup, ...]]
    explanation_groups: tuple[Subgroup, ...]
    curves: Mapping[str, tuple[Curve, ...]] = field(default_factory=dict)
    agreement: Mapping[tuple[str, str], Interval] = field(default_factory=dict)


def summarise(results: Results, findings: Sequence[str]) -> Summary:
    """Tables of the rows of an audit."""
    scores = results.scores
    overall = method_table(scores, _measured(scores)) if len(scores) else None
    ranked = ([row.method for row in overall.methods], overall.fidelity) if overall else ((), ())
    return Summary(
        performance=performances(results.predictions, findings),
        overall=overall,
        by_finding=_tables(scores, lambda rows: rows["finding"], findings, BY_FINDING),
        strata=_tables(scores, _size, SIZES, BY_STRATUM) | _tables(scores, _number, NUMBERS, BY_STRATUM),
        performance_groups=performance_groups(results.predictions, findings),
        explanation_groups=_explanation_groups(scores, overall) if overall else (),
        curves=mean_curves(results.curves),
        agreement=measure_agreement(scores, *ranked),
    )


def method_table(scores: pd.DataFrame, measures: Sequence[str] = MEASURES) -> MethodTable:
    """The methods over some rows of the scores, by some measures."""
    names = list(dict.fromkeys(scores["method"]))
    ordered = [name for name in names if name not in BASELINES] + [n for n in BASELINES if n in names]
    # One order of films and findings for all methods, so that they are compared pair by pair.
    by_method = {
        name: scores[scores["method"] == name].sort_values(["film", "finding"]).reset_index(drop=True)
        for name in ordered
    }
    gains = {measure: _gains(by_method, measure) for measure in measures}
    rows = tuple(
        MethodRow(
            name,
            {measure: _mean(table[measure], table["patient"]) for measure in measures},
            {measure: gains[measure].get(name, nan) for measure in measures},
            int(table["flat"].sum()),
        )
        for name, table in by_method.items()
    )
    first = by_method[ordered[0]]
    return MethodTable(rows, len(first), first["patient"].nunique())


def _measured(scores: pd.DataFrame) -> list[str]:
    """The measures that were taken: not all of fidelity are at every depth and of all films."""
    taken = [name for name in FIDELITY if name in scores and scores[name].notna().any()]
    return [*PLAUSIBILITY, *taken, DEVICES]


def _sign(measure: str) -> int:
    return -1 if measure in KNOWN and not KNOWN[measure].higher_is_better else 1


def _gains(by_method: Mapping[str, pd.DataFrame], measure: str) -> dict[str, float]:
    """Method to the p-value of no gain over the stronger baseline, corrected by Holm for all methods."""
    p_values = {
        name: max(_p_of_no_gain(table, by_method[baseline], measure) for baseline in BASELINES)
        for name, table in by_method.items()
        if name not in BASELINES
    }
    return holm(p_values)


def _p_of_no_gain(method: pd.DataFrame, baseline: pd.DataFrame, measure: str) -> float:
    """One-sided: half of the two-sided p-value where the method is ahead."""
    sign = _sign(measure)
    found = permutation_test(sign * method[measure], sign * baseline[measure], method["patient"])
    if isnan(found.p_value):
        return 1.0
    return found.p_value / 2 if found.difference.value > 0 else 1 - found.p_value / 2


def _mean(values: pd.Series, patients: pd.Series) -> Interval:
    return bootstrap_interval(mean, values.to_numpy(float), patients=patients.to_numpy())


def _tables(
    scores: pd.DataFrame,
    stratum: Callable[[pd.DataFrame], pd.Series],
    names: Sequence[str],
    measures: Sequence[str],
) -> dict[str, MethodTable]:
    if scores.empty:
        return {}
    of = stratum(scores)
    return {name: method_table(scores[of == name], measures) for name in names if (of == name).any()}


def _size(scores: pd.DataFrame) -> pd.Series:
    return scores["area"].map(stratum_of_share)


def _number(scores: pd.DataFrame) -> pd.Series:
    names = np.select([scores["lesions"] == 1, scores["lesions"] > 1], NUMBERS, "")
    return pd.Series(names, scores.index)


def _explanation_groups(scores: pd.DataFrame, overall: MethodTable) -> tuple[Subgroup, ...]:
    rows = scores[scores["method"] == overall.best("best_case_iou").method]
    attributes = attributes_of(rows)
    if not attributes:
        return ()
    values = rows["best_case_iou"].to_numpy(float)
    return tuple(by_subgroup(mean, values, patients=rows["patient"].to_numpy(), attributes=attributes))
