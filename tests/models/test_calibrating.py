from __future__ import annotations

import numpy as np
import pytest
import torch

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.operating import operating_point_at
from plainfilm.metrics.probability import brier_score, expected_calibration_error
from plainfilm.models.calibrating import calibrated, cross_validated
from plainfilm.models.calibration import Calibration

TARGETS = ("Mass", "Nodule", "Hernia")


def films(n=600, seed=0):
    """Logits that are too sure of themselves; unknown labels; three films with a hernia."""
    rng = np.random.default_rng(seed)
    sure = rng.normal(-1, 1.5, (n, 3))
    truth = (rng.random((n, 3)) < 1 / (1 + np.exp(-sure))).astype(float)
    truth[:, 2] = np.arange(n) < 3
    truth[rng.random((n, 3)) < 0.05] = np.nan
    return 3 * sure + 1, truth


def test_cross_validation_judges_no_film_by_its_own_patient():
    logits, truth = films(200)
    patients = [str(k // 2) for k in range(200)]
    honest = cross_validated(logits, truth, TARGETS, patients)
    # Another label of one patient changes every fold but the patient's own.
    other = truth.copy()
    other[:2, 0] = 1 - np.nan_to_num(other[:2, 0])
    changed = cross_validated(logits, other, TARGETS, patients)
    assert (honest[:2, 0] == changed[:2, 0]).all()
    assert (honest[:, 0] != changed[:, 0]).mean() == pytest.approx(0.8, abs=0.02)
    assert np.isnan(honest[:, 2]).all()


def test_isotonic_flatters_itself_on_its_own_films_and_cross_validation_tells():
    logits, truth = films(400)
    own = Calibration.fit(logits, truth, TARGETS, "isotonic").apply(torch.tensor(logits), TARGETS).numpy()
    honest = cross_validated(logits, truth, TARGETS, range(400), "isotonic")
    fresh, labels = films(4000, seed=2)
    fitted = Calibration.fit(logits, truth, TARGETS, "isotonic").apply(torch.tensor(fresh), TARGETS).numpy()
    scores = [brier_score(own[:, 0], truth[:, 0]), brier_score(fitted[:, 0], labels[:, 0])]
    assert scores[0] < brier_score(honest[:, 0], truth[:, 0])
    assert abs(brier_score(honest[:, 0], truth[:, 0]) - scores[1]) < 0.02


def test_more_folds_than_patients_are_refused():
    with pytest.raises(InputError, match="5 folds of 2 patients"):
        cross_validated(*films(10), TARGETS, ["a", "b"] * 5)


def test_the_report_is_of_films_that_had_no_part_in_the_fit():
    logits, truth = films(400)
    calibration, reports = calibrated(logits, truth, TARGETS, range(400), rule="sensitivity=0.9")
    honest = cross_validated(logits, truth, TARGETS, range(400))
    mass, _, hernia = reports
    assert mass.films == (~np.isnan(truth[:, 0])).sum()
    assert mass.positive == (truth[:, 0] == 1).sum()
    raw = torch.tensor(logits).sigmoid()
    assert mass.area == bootstrap_interval(auroc, logits[:, 0], truth[:, 0], patients=range(400))
    assert not mass.knows_nothing
    assert mass.error_before == expected_calibration_error(raw[:, 0], truth[:, 0])
    assert mass.error_after == expected_calibration_error(honest[:, 0], truth[:, 0]) < mass.error_before
    point = calibration.operating_points["Mass"]
    assert mass.point == operating_point_at(honest[:, 0], truth[:, 0], point)
    assert mass.point.sensitivity.value == pytest.approx(0.9, abs=0.03)
    assert calibration.operating_points["Hernia"] is None
    assert np.isnan(hernia.error_after)
    assert hernia.point is None


def test_a_target_at_chance_is_told_although_its_error_is_small():
    rng = np.random.default_rng(1)
    truth = (rng.random((400, 1)) < 0.2).astype(float)
    _, (report,) = calibrated(rng.normal(0.1 * truth), truth, ["Mass"], range(400))
    assert report.knows_nothing
    assert report.error_after < 0.05
