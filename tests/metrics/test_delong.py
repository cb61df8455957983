from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import resampled
from plainfilm.metrics.classification import auroc, delong_variance, placements
from plainfilm.metrics.delong import clustered_variance, delong_test, normal_p_value


def pair(n=200, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.3).astype(float)
    shared = rng.normal(size=n)
    return shared + 1.5 * truth + 0.5 * rng.normal(size=n), shared + truth + 0.5 * rng.normal(size=n), truth


def slow_covariance(first, second, truth):
    """DeLong 1988, equations 4 to 6, pair by pair."""
    tables = []
    for scores in (first, second):
        x, y = scores[truth == 1], scores[truth == 0]
        tables.append(np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x]))
    rows, columns = (np.stack([t.mean(axis=k) for t in tables]) for k in (1, 0))
    return np.cov(rows) / rows.shape[1] + np.cov(columns) / columns.shape[1]


def test_without_patients_it_is_delongs_test():
    first, second, truth = pair()
    covariance = slow_covariance(first, second, truth)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = auroc(first, truth) - auroc(second, truth)
    found = delong_test(first, second, truth)
    assert found.difference.value == pytest.approx(difference, abs=1e-12)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(difference) / error), rel=1e-9)
    assert found.difference.high == pytest.approx(difference + 1.959964 * error, rel=1e-6)


def test_the_clustered_variance_of_patients_with_one_film_is_delongs():
    first, _, truth = pair()
    above, below = placements(first[truth == 1], first[truth == 0])
    people = np.arange(len(truth))
    found = clustered_variance(above, below, people[truth == 1], people[truth == 0])
    assert found == pytest.approx(delong_variance(first, truth), rel=1e-12)


def test_the_clustered_variance_agrees_with_a_bootstrap_of_patients():
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(120), rng.integers(1, 6, 120))
    truth = (rng.random(len(patients)) < 0.4).astype(float)
    scores = rng.normal(size=120)[patients] + truth + 0.5 * rng.normal(size=len(patients))
    above, below = placements(scores[truth == 1], scores[truth == 0])
    found = clustered_variance(above, below, patients[truth == 1], patients[truth == 0])
    drawn = resampled(auroc, scores, truth, patients=patients, n=4000)
    assert found == pytest.approx(drawn.var(), rel=0.12)
    assert found > 1.1 * delong_variance(scores, truth)


def test_copies_of_films_are_no_evidence():
    first, second, truth = pair()
    once = delong_test(first, second, truth)
    copies = [np.repeat(column, 4) for column in (first, second, truth)]
    again = delong_test(*copies, patients=np.repeat(np.arange(200), 4))
    assert again.p_value == pytest.approx(once.p_value, rel=0.05)
    assert delong_test(*copies).p_value < once.p_value


def test_false_alarms_are_as_rare_as_they_should_be():
    rng, alarms = np.random.default_rng(5), 0
    truth = np.r_[np.ones(40), np.zeros(120)]
    for _ in range(500):
        shared = rng.normal(truth)
        alarms += delong_test(*(shared + rng.normal(size=(2, 160))), truth).p_value < 0.05
    assert 0.025 < alarms / 500 < 0.08


def test_equal_classifiers_are_not_told_apart():
    first, _, truth = pair()
    found = delong_test(first, first, truth)
    assert (found.difference.value, found.p_value) == (0, 1)


def test_one_class_alone_is_undefined():
    found = delong_test([0.1, 0.2], [0.2, 0.1], [1, 1])
    assert found.difference.status == "undefined"
    assert math.isnan(found.p_value)


def test_a_single_positive_patient_has_no_test():
    found = delong_test([0.1, 0.2, 0.9], [0.2, 0.1, 0.8], [0, 0, 1])
    assert found.difference.status == "no interval"
    assert math.isnan(found.p_value)


def test_unknown_films_are_left_out_and_counted():
    first, second, truth = pair()
    known = delong_test(first, second, truth)
    more = delong_test(*(np.append(column, 9.0) for column in (first, second)), np.append(truth, np.nan))
    assert more.p_value == known.p_value
    assert more.difference.n_excluded == 1


def test_one_patient_per_film_is_asked_for():
    with pytest.raises(InputError, match="one per film"):
        delong_test(*pair(), patients=["a"])


@pytest.mark.parametrize(("difference", "error", "p"), [(0, 0, 1), (1.959964, 1, 0.05), (-3, 0, np.nan)])
def test_the_p_value_is_two_sided_and_undefined_without_an_error(difference, error, p):
    assert normal_p_value(difference, error) == pytest.approx(p, rel=1e-5, nan_ok=True)


def test_findings_of_a_real_chexnet_are_compared_by_patient(real_data):
    folder = real_data / "nih"
    scores = pd.read_csv(folder / "chexnet_zech_test_preds.csv.gz", index_col=0)
    labels = pd.read_csv(folder / "chexnet_zech_test_labels.csv.gz", index_col=0).loc[scores.index]
    truth = labels["Finding Labels"].str.get_dummies("|")["Consolidation"]
    columns = scores["prob_Consolidation"], scores["prob_Infiltration"], truth
    by_patient, by_film = delong_test(*columns, labels["Patient ID"].to_numpy()), delong_test(*columns)
    assert (by_patient.patients, by_film.patients) == (447, 957)
    assert by_patient.difference.value == by_film.difference.value == pytest.approx(0.0681, abs=1e-4)
    assert by_patient.difference.low < by_film.difference.low
    assert by_patient.p_value < 1e-6
