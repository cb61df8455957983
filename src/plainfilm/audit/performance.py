"""How well an audited model predicts each finding: AUROC, average precision, calibration, subgroups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import nan

import numpy as np
import pandas as pd

from plainfilm.metrics.bootstrap import bootstrap_interval, counting_patients
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.paired import holm
from plainfilm.metrics.precision import average_precision
from plainfilm.metrics.probability import ReliabilityBin, expected_calibration_error, reliability
from plainfilm.metrics.subgroups import Subgroup, attributes_of, by_subgroup, corrected

FEWEST_OF_A_CLASS = 10
"""Of the rarer class: films below which a finding is not split into subgroups, and patients below which its
AUROC is not judged."""

BINS = 10

DRAWS, DRAWS_A_FINDING = 999, 100
"""Of truth from the probabilities, at least, and for each finding, lest a correction hide the smallest p."""


@dataclass(frozen=True)
class Performance:
    """How well a finding is predicted.

    Attributes:
        finding: Its name.
        auroc: With its interval over patients.
        average_precision: Likewise; chance is ``prevalence``.
        prevalence: Share of known films with the finding.
        calibration_error: Expected calibration error, in [0, 1].
        calibration_p: How likely probabilities that mean what they say have so large an error; corrected for
            the number of findings.
        bins: For the reliability diagram.
        patients: Of the rarer class.
        is_least_p: Whether no draw was as bad, so that ``calibration_p`` is only an upper bound.
    """

    finding: str
    auroc: Interval
    average_precision: Interval
    prevalence: float
    calibration_error: float
    calibration_p: float
    bins: tuple[ReliabilityBin, ...]
    patients: int
    is_least_p: bool

    @property
    def has_few(self) -> bool:
        """Whether there is an AUROC that too few patients of a class allow to judge."""
        return self.auroc.status != "undefined" and self.patients < FEWEST_OF_A_CLASS

    @property
    def is_perfect(self) -> bool:
        """Whether every film with the finding scores above every film without it."""
        return self.auroc.value == 1

    @property
    def beats_chance(self) -> bool:
        """Whether the AUROC is above one half with its whole interval, or is 1 and has none."""
        return self.is_perfect or self.auroc.low > 0.5


def performances(predictions: pd.DataFrame, findings: Sequence[str]) -> tuple[Performance, ...]:
    """One a finding, from the predictions of ``Results``."""
    draws = max(DRAWS, DRAWS_A_FINDING * len(findings))
    found = {name: _p_of_calibrated(*_columns(predictions, name), draws) for name in findings}
    p_values, least = holm(found), 1.5 / (draws + 1)
    return tuple(_performance(predictions, name, p_values[name], found[name] < least) for name in findings)


def performance_groups(predictions: pd.DataFrame, findings: Sequence[str]) -> dict[str, tuple[Subgroup, ...]]:
    """AUROC by subgroup; p-values are corrected for the comparisons of all findings together."""
    attributes, patients = attributes_of(predictions), predictions["patient"].to_numpy()
    tables: dict[str, list[Subgroup]] = {}
    for finding in findings if attributes else ():
        chances, truth = _columns(predictions, finding)
        if min((truth == 1).sum(), (truth == 0).sum()) >= FEWEST_OF_A_CLASS:
            tables[finding] = by_subgroup(auroc, chances, truth, patients=patients, attributes=attributes)
    rows = iter(corrected([row for table in tables.values() for row in table]))
    return {finding: tuple(islice(rows, len(table))) for finding, table in tables.items()}


def _p_of_calibrated(chances: np.ndarray, truth: np.ndarray, draws: int) -> float:
    """The share of truths, drawn from the probabilities themselves, whose calibration error is as large.

    The error is far from 0 for few films, however good the probabilities (Broecker & Smith 2007). Films are
    drawn apart from each other: where patients have several that are alike, p is too small.
    """
    known = ~np.isnan(truth)
    if not known.any():
        return nan
    chances, truth = chances[known], truth[known]
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], chances)
    rng = np.random.default_rng(0)

    def error(drawn: np.ndarray) -> float:
        return float(np.abs(np.bincount(bins, drawn - chances, BINS)).sum())

    least = error(truth) * (1 - 1e-9)
    extreme = sum(error(rng.random(len(chances)) < chances) >= least for _ in range(draws))
    return (extreme + 1) / (draws + 1)


def _performance(
    predictions: pd.DataFrame, finding: str, calibration_p: float, is_least_p: bool
) -> Performance:
    chances, truth = _columns(predictions, finding)
    patients = predictions["patient"].to_numpy()
    known = truth[~np.isnan(truth)]
    return Performance(
        finding,
        bootstrap_interval(auroc, chances, truth, patients=patients),
        bootstrap_interval(average_precision, chances, truth, patients=patients),
        float(known.mean()) if known.size else nan,
        expected_calibration_error(chances, truth, BINS),
        calibration_p,
        tuple(reliability(chances, truth, BINS)),
        counting_patients(auroc, (chances, truth), patients),
        is_least_p,
    )


def _columns(predictions: pd.DataFrame, finding: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and truth of a finding."""
    chances, truth = (predictions[f"{kind}:{finding}"] for kind in ("probability", "truth"))
    return chances.to_numpy(float), truth.to_numpy(float)
