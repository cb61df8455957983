from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.operating import point_by
from plainfilm.metrics.probability import brier_score, expected_calibration_error
from plainfilm.models.calibrating import calibrated, cross_validated, stratified
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
    truth[:2, 0] = 1
    found = cross_validated(logits, truth, TARGETS, patients)
    # Another film of one patient changes the curve of every fold but the patient's own.
    other = logits.copy()
    other[0, 0] += 9
    changed = cross_validated(other, truth, TARGETS, patients)
    same = found.probabilities[:, 0] == changed.probabilities[:, 0]
    fold = stratified(truth[:, 0], patients, 5)
    assert same[1:].tolist() == (fold == fold[0])[1:].tolist()
    assert np.isnan(found.probabilities[:, 2]).all()
    assert np.isnan(found.called[:, 2]).all()


def test_each_fold_chooses_its_point_without_its_own_films():
    logits, truth = films(200)
    found = cross_validated(logits, truth, TARGETS, range(200), rule="sensitivity=0.9")
    fold = stratified(truth[:, 0], range(200), 5)
    for k in range(5):
        others = fold != k
        rest = Calibration.fit(logits[others, :1], truth[others, :1], ["Mass"])
        said = rest.apply(torch.tensor(logits[:, :1]))[:, 0].numpy()
        point = point_by("sensitivity=0.9", said[others], truth[others, 0])
        assert found.called[~others, 0].tolist() == (said[~others] >= point).tolist()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from([0.0, 1.0, np.nan])), min_size=5),
    st.integers(2, 5),
)
def test_folds_part_no_patient_and_have_positive_patients_alike(films, folds):
    patients, truth = zip(*films, strict=True)
    if len(set(patients)) < folds:
        return
    fold = stratified(np.array(truth), patients, folds)
    homes = dict(zip(patients, fold, strict=True))
    assert [homes[patient] for patient in patients] == fold.tolist()
    having = {patient for patient, label in films if label == 1}
    for some in (having, set(patients)):
        counts = [sum(homes[patient] == f for patient in some) for f in range(folds)]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(("positive", "judged"), [(12, False), (13, True)])
def test_a_finding_is_judged_on_all_of_its_films_or_on_none(positive, judged):
    """Ten of a class are needed in each four fifths of the patients: of 12, a fold of three leaves nine."""
    truth = (np.arange(170) < positive).astype(float)[:, None]
    logits = np.random.default_rng(0).normal(truth)
    calibration, (report,) = calibrated(logits, truth, ["Pneumothorax"], range(170))
    assert "Pneumothorax" in calibration.curves
    assert np.isfinite(report.error_before)
    assert np.isfinite(report.error_after) == judged
    assert report.point.sensitivity.n == judged * positive
    assert report.point.specificity.n == judged * (170 - positive)
    reason = "without one of 5 folds of patients: 9 films with the finding, and 10 are needed"
    assert report.unjudged == ("" if judged else reason)


def test_isotonic_flatters_itself_on_its_own_films_and_cross_validation_tells():
    logits, truth = films(400)
    own = Calibration.fit(logits, truth, TARGETS, "isotonic").apply(torch.tensor(logits), TARGETS).numpy()
    honest = cross_validated(logits, truth, TARGETS, range(400), "isotonic")
    fresh, labels = films(4000, seed=2)
    fitted = Calibration.fit(logits, truth, TARGETS, "isotonic").apply(torch.tensor(fresh), TARGETS).numpy()
    unseen = brier_score(honest.probabilities[:, 0], truth[:, 0])
    assert brier_score(own[:, 0], truth[:, 0]) < unseen
    assert abs(unseen - brier_score(fitted[:, 0], labels[:, 0])) < 0.02


def test_more_folds_than_patients_are_refused():
    with pytest.raises(InputError, match="5 folds of 2 patients"):
        cross_validated(*films(10), TARGETS, ["a", "b"] * 5, folds=5)


def test_the_report_is_of_films_that_had_no_part_in_the_fit():
    logits, truth = films(400)
    calibration, reports = calibrated(logits, truth, TARGETS, range(400), rule="sensitivity=0.9")
    held_out = cross_validated(logits, truth, TARGETS, range(400), rule="sensitivity=0.9")
    honest, called = held_out.probabilities[:, 0], held_out.called[:, 0] == 1
    mass, _, hernia = reports
    assert mass.films == (~np.isnan(truth[:, 0])).sum()
    assert mass.positive == (truth[:, 0] == 1).sum()
    raw = torch.tensor(logits).sigmoid()
    assert mass.area == bootstrap_interval(auroc, logits[:, 0], truth[:, 0], patients=range(400))
    assert not mass.knows_nothing
    assert mass.error_before == expected_calibration_error(raw[:, 0], truth[:, 0])
    assert mass.error_after == expected_calibration_error(honest, truth[:, 0]) < mass.error_before
    assert mass.point.point == calibration.operating_points["Mass"]
    assert mass.point.sensitivity.value == called[truth[:, 0] == 1].mean()
    assert mass.point.specificity.value == pytest.approx(1 - called[truth[:, 0] == 0].mean())
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
