"""A calibration made, and judged on films of patients that had no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np
import torch

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.labels import Names
from plainfilm.metrics.operating import OperatingPoint, operating_point_at
from plainfilm.metrics.probability import expected_calibration_error
from plainfilm.models.calibration import Calibration, Kind, columns_of, operating_points

FOLDS = 5


@dataclass(frozen=True)
class CalibrationReport:
    """What a calibration does to one target.

    Attributes:
        target: Its name.
        films: Films whose truth is known.
        positive: Those with the finding.
        area: AUROC of the logits with its interval over patients; calibration cannot raise it.
        error_before: Expected calibration error of the plain sigmoid.
        error_after: The same of probabilities by cross-validation; NaN where the target was refused.
        point: Sensitivity and specificity at the operating point, of the same probabilities; or None. All
            films chose the point, so with few of a class both are a little too high.
    """

    target: str
    films: int
    positive: int
    area: Interval
    error_before: float
    error_after: float
    point: OperatingPoint | None

    @property
    def knows_nothing(self) -> bool:
        """Whether the logits may rank films by chance; calibrated, they say the prevalence of every film."""
        return self.area.low <= 0.5


def calibrated(
    logits: Any,
    truth: Any,
    targets: Sequence[str],
    patients: Names,
    kind: Kind = "platt",
    rule: str = "youden",
) -> tuple[Calibration, list[CalibrationReport]]:
    """Fits on all films, chooses operating points, and reports by cross-validation over patients.

    Args:
        logits: ``(n, K)``, finite.
        truth: 1, 0 or NaN (unknown), ``(n, K)``.
        targets: Names of the columns.
        patients: The patient of each film.
        kind: "platt" or "isotonic".
        rule: "youden", "sensitivity=0.95" or "specificity=0.9".

    Raises:
        InputError: for another kind or rule, arrays of other shapes, or a single patient.
        LabelError: for other truth values.
        NumericError: for logits that are not finite.
    """
    x, y = columns_of(logits, truth, targets)
    found = Calibration.fit(x, y, targets, kind)
    chosen = operating_points(found.apply(torch.from_numpy(x), targets), y, targets, rule)
    points = {name: chosen[name] if name in found.curves else None for name in targets}
    honest = cross_validated(x, y, targets, patients, kind, min(FOLDS, len(set(patients))))
    raw = torch.from_numpy(x).sigmoid().numpy()
    reports = [
        _report(
            name, bootstrap_interval(auroc, x[:, k], y[:, k], patients=patients),
            raw[:, k], honest[:, k], y[:, k], points[name],
        )
        for k, name in enumerate(targets)
    ]  # fmt: skip
    return replace(found, operating_points=points), reports


def cross_validated(
    logits: Any,
    truth: Any,
    targets: Sequence[str],
    patients: Names,
    kind: Kind = "platt",
    folds: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """Probabilities of each film by a calibration that saw no film of its patient.

    Returns:
        ``(n, K)``; NaN for a target that the other folds could not fit.

    Raises:
        InputError: for fewer than 2 folds, or fewer patients than folds; as ``Calibration.fit``.
    """
    x, y = columns_of(logits, truth, targets)
    names, patient = np.unique(np.asarray(patients), return_inverse=True)
    if not 2 <= folds <= len(names):
        raise InputError(
            f"{folds} folds of {len(names)} patients", "2 or more, one patient each", "calibration"
        )
    fold = np.random.default_rng(seed).permutation(np.arange(len(names)) % folds)[patient]
    probabilities = np.full(x.shape, np.nan)
    for k in range(folds):
        rest = Calibration.fit(x[fold != k], y[fold != k], targets, kind)
        held_out = rest.apply(torch.from_numpy(x[fold == k]), targets).numpy()
        probabilities[fold == k] = np.where([name in rest.curves for name in targets], held_out, np.nan)
    return probabilities


def _report(
    target: str, area: Interval, raw: np.ndarray, honest: np.ndarray, truth: np.ndarray, point: float | None
) -> CalibrationReport:
    # A fold that had too few films of this target gives none of its own: they do not count.
    judged = np.where(np.isnan(honest), nan, truth)
    probabilities = np.nan_to_num(honest)
    return CalibrationReport(
        target,
        films=int((~np.isnan(truth)).sum()),
        positive=int((truth == 1).sum()),
        area=area,
        error_before=expected_calibration_error(raw, truth),
        error_after=expected_calibration_error(probabilities, judged),
        point=None if point is None else operating_point_at(probabilities, judged, point),
    )
