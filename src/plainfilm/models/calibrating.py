"""A calibration made, and judged on films of patients that had no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from plainfilm.datasets.splits import position
from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.labels import Names
from plainfilm.metrics.operating import OperatingPoint, operating_point_at, point_by
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
        error_before: Expected calibration error of the plain sigmoid on these films.
        error_after: The same of probabilities by cross-validation, on the same films; NaN where ``unjudged``.
        point: The operating point, which all films chose, or None. Its sensitivity and specificity are those
            of points that each fold chose without the films that it judges; undefined where ``unjudged``.
        unjudged: Why nothing is judged by cross-validation; "" where all films are.
    """

    target: str
    films: int
    positive: int
    area: Interval
    error_before: float
    error_after: float
    point: OperatingPoint | None
    unjudged: str

    @property
    def knows_nothing(self) -> bool:
        """Whether the logits may rank films by chance; calibrated, they say the prevalence of every film."""
        return self.area.low <= 0.5


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What calibrations say of films whose patients they never saw.

    Attributes:
        probabilities: ``(n, K)``; NaN in all of a column that any fold could not fit.
        called: 1 where the probability reaches the point that the other films chose, else 0; NaN likewise.
        unjudged: Target to the reason why a fold could not fit it.
    """

    probabilities: np.ndarray
    called: np.ndarray
    unjudged: dict[str, str]


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
    held_out = cross_validated(x, y, targets, patients, kind, rule, min(FOLDS, len(set(patients))))
    reports = [
        _report(
            name, bootstrap_interval(auroc, x[:, k], y[:, k], patients=patients),
            x[:, k], y[:, k], held_out, k, points[name],
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
    rule: str = "youden",
    folds: int = FOLDS,
    seed: int = 0,
) -> HeldOut:
    """Each film judged by a calibration, and called at a point, that no film of its patient had a part in.

    Arguments and errors as ``calibrated``; the folds of each target are those of ``stratified``.
    """
    x, y = columns_of(logits, truth, targets)
    probabilities, called, unjudged = np.full(x.shape, np.nan), np.full(x.shape, np.nan), {}
    for k, name in enumerate(targets):
        places = stratified(y[:, k], patients, folds, seed)
        column, label = x[:, [k]], y[:, [k]]
        rests = [Calibration.fit(column[places != f], label[places != f], [name], kind) for f in range(folds)]
        # Judged on the folds that could be fitted, the rest would be a choice of films and no sample.
        reasons = [reason for rest in rests for reason in rest.refused.values()]
        if reasons:
            unjudged[name] = f"without one of {folds} folds of patients: {reasons[0]}"
            continue
        for f, rest in enumerate(rests):
            tested, said = places == f, rest.apply(torch.from_numpy(column)).numpy()[:, 0]
            probabilities[tested, k] = said[tested]
            called[tested, k] = said[tested] >= point_by(rule, said[~tested], label[~tested, 0])
    return HeldOut(probabilities, called, unjudged)


def stratified(truth: np.ndarray, patients: Names, folds: int, seed: int = 0) -> np.ndarray:
    """The fold of each film: int ``(n,)``, all films of a patient in the same.

    Patients with the finding are dealt out in turn, then those without it, then those of whom nothing is
    known, each in the order of their hashes: no fold has two of a kind more than another.

    Raises:
        InputError: for fewer than 2 folds, or fewer patients than folds.
    """
    kinds: dict[Any, float] = {}
    for patient, label in zip(patients, np.nan_to_num(truth, nan=-1), strict=True):
        kinds[patient] = max(kinds.get(patient, -1), label)
    if not 2 <= folds <= len(kinds):
        raise InputError(
            f"{folds} folds of {len(kinds)} patients", "2 or more, one patient each", "calibration"
        )
    order = sorted(kinds, key=lambda patient: (-kinds[patient], position(f"{patient}", seed)))
    fold = {patient: place % folds for place, patient in enumerate(order)}
    return np.array([fold[patient] for patient in patients])


def _report(
    target: str,
    area: Interval,
    logits: np.ndarray,
    truth: np.ndarray,
    held_out: HeldOut,
    column: int,
    point: float | None,
) -> CalibrationReport:
    honest, called = held_out.probabilities[:, column], held_out.called[:, column]
    judged = np.where(np.isnan(honest), np.nan, truth)
    raw = torch.from_numpy(logits).sigmoid().numpy()
    at_point = operating_point_at(np.nan_to_num(called), judged, 1)
    return CalibrationReport(
        target,
        films=int((~np.isnan(truth)).sum()),
        positive=int((truth == 1).sum()),
        area=area,
        error_before=expected_calibration_error(raw, truth),
        error_after=expected_calibration_error(np.nan_to_num(honest), judged),
        point=None if point is None else replace(at_point, point=point),
        unjudged=held_out.unjudged.get(target, ""),
    )
