from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import (
    bootstrap_interval,
    counting_patients,
    expanded_percentiles,
    resampled,
)
from plainfilm.metrics.classification import auroc, auroc_interval
from plainfilm.metrics.intervals import mean_interval
from plainfilm.metrics.precision import average_precision
from plainfilm.metrics.weighted import mean


def scored(n=300, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.3).astype(float)
    return rng.normal(truth), truth


def test_with_one_film_a_patient_it_is_close_to_the_formulas():
    scores, truth = scored()
    ours = bootstrap_interval(auroc, scores, truth, patients=range(300), n=4000)
    delong = auroc_interval(scores, truth)
    assert ours.value == delong.value
    assert (ours.low, ours.high) == pytest.approx((delong.low, delong.high), abs=0.01)
    values = np.random.default_rng(0).random(15)
    student = mean_interval(values)
    ours = bootstrap_interval(mean, values, patients=range(15), n=4000)
    assert (ours.low, ours.high) == pytest.approx((student.low, student.high), abs=0.02)


def test_ten_copies_of_each_film_teach_nothing_new():
    scores, truth = scored(100)
    once = bootstrap_interval(auroc, scores, truth, patients=range(100))
    again = (np.repeat(column, 10) for column in (scores, truth))
    copies = bootstrap_interval(auroc, *again, patients=np.repeat(np.arange(100), 10))
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high), abs=1e-9)
    alone = bootstrap_interval(auroc, *np.repeat([scores, truth], 10, axis=1), patients=range(1000))
    assert alone.high - alone.low < 0.5 * (once.high - once.low)


def test_any_function_of_the_columns_is_resampled_alike():
    scores, truth = scored(80)
    patients = np.arange(80) // 2
    slow = resampled(lambda p, t: auroc(p, t), scores, truth, patients=patients, n=50)
    np.testing.assert_allclose(resampled(auroc, scores, truth, patients=patients, n=50), slow, atol=1e-6)
    median = bootstrap_interval(lambda v: float(np.median(v)), scores, patients=patients, n=200)
    assert median.low < np.median(scores) == median.value < median.high


def test_patients_are_drawn_with_all_their_films():
    values, patients = np.array([1.0, 1, 1, 0, 0]), ["a", "a", "a", "b", "b"]
    draws = resampled(mean, values, patients=patients, n=300)
    assert set(draws.round(9)) == {0.0, 0.6, 1.0}


def test_a_seed_repeats_and_another_does_not():
    scores, truth = scored()
    first, again, other = (
        bootstrap_interval(auroc, scores, truth, patients=range(300), seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    scores, truth = scored()
    whole = resampled(auroc, scores, truth, patients=range(300), n=100)
    monkeypatch.setattr("plainfilm.metrics.bootstrap.CELLS", 2100)
    np.testing.assert_array_equal(resampled(auroc, scores, truth, patients=range(300), n=100), whole)


def test_the_percentiles_are_moved_out_to_students():
    draws = np.random.default_rng(0).normal(size=200_000)
    low, high = expanded_percentiles(draws, units=6, quantile=0.975)
    # The bootstrap's spread is short by sqrt(5 / 6), and its quantile is the normal's.
    assert high == pytest.approx(stats.t.ppf(0.975, 5) * np.sqrt(6 / 5), rel=0.03)
    assert low == pytest.approx(-high, rel=0.03)


@pytest.mark.parametrize(("units", "least"), [(10, 0.89), (20, 0.91)])
def test_the_interval_covers_about_as_often_as_it_says(units, least):
    rng, covered = np.random.default_rng(0), 0
    true_area = stats.norm.cdf(1.5 / np.sqrt(2))
    truth = np.r_[np.ones(units), np.zeros(5 * units)]
    for _ in range(300):
        found = bootstrap_interval(auroc, rng.normal(1.5 * truth), truth, patients=range(len(truth)), n=300)
        covered += found.low <= true_area <= found.high
    assert covered / 300 >= least


def test_few_patients_are_flagged_by_the_rarer_class():
    scores, truth = np.arange(100.0) % 17, np.r_[np.ones(30), np.zeros(70)]
    assert counting_patients(auroc, [scores, truth], [*(["a"] * 20), *range(80)]) == 11
    few = bootstrap_interval(auroc, scores, truth, patients=[*(["a"] * 20), *range(80)])
    assert few.caution == "only 11 patients"
    assert "only 11 patients" in str(few)
    assert bootstrap_interval(auroc, scores, truth, patients=range(100)).caution == ""


def test_what_is_undefined_stays_undefined_and_counted():
    nothing = bootstrap_interval(average_precision, [0.1, 0.2, 0.3], [0, 0, np.nan], patients=list("abc"))
    assert nothing.status == "undefined"
    assert (nothing.n, nothing.n_excluded, nothing.n_positive, nothing.n_negative) == (2, 1, 0, 2)


def test_a_perfect_separation_has_no_bootstrap_interval_rather_than_one_of_no_width():
    found = bootstrap_interval(auroc, np.arange(20.0), [0] * 10 + [1] * 10, patients=range(20))
    assert (found.value, found.status) == (1, "no interval")


def test_one_patient_has_no_interval():
    assert bootstrap_interval(mean, [0.1, 0.9], patients=["a", "a"]).status == "no interval"


@pytest.mark.parametrize(
    ("columns", "patients"), [(([0.1], [1, 0]), "ab"), (([0.1, 0.2], [1, 0]), "a"), ((), "ab")]
)
def test_columns_of_different_lengths_are_refused(columns, patients):
    with pytest.raises(InputError, match="one row per film"):
        bootstrap_interval(auroc, *columns, patients=patients)


def test_a_thousand_resamples_of_a_real_chexnet_take_seconds(real_data):
    folder = real_data / "nih"
    scores = pd.read_csv(folder / "chexnet_zech_test_preds.csv.gz", index_col=0)
    labels = pd.read_csv(folder / "chexnet_zech_test_labels.csv.gz", index_col=0).loc[scores.index]
    truth = labels["Finding Labels"].str.get_dummies("|")["Effusion"].to_numpy()
    columns, patients = (scores["prob_Effusion"].to_numpy(), truth), labels["Patient ID"].to_numpy()
    start = time.process_time()
    by_patient = bootstrap_interval(auroc, *columns, patients=patients)
    assert time.process_time() - start < 3
    by_film = auroc_interval(*columns)
    assert by_patient.value == by_film.value
    # Films of one patient are alike: the interval that treats them as independent is too narrow.
    assert by_patient.high - by_patient.low > 1.2 * (by_film.high - by_film.low)
