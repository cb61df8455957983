from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from plainfilm.errors import InputError
from plainfilm.metrics.probability import brier_score, expected_calibration_error, reliability


@pytest.fixture
def films():
    rng = np.random.default_rng(0)
    scores = rng.beta(1, 4, 500)
    return scores, (rng.random(500) < scores**0.7).astype(float)


@pytest.mark.parametrize(("binning", "strategy"), [("width", "uniform"), ("count", "quantile")])
def test_the_diagram_is_scikit_learns(films, binning, strategy):
    scores, truth = films
    observed, predicted = calibration_curve(truth, scores, n_bins=8, strategy=strategy)
    bins = reliability(scores, truth, 8, binning)
    assert [each.predicted for each in bins] == pytest.approx(predicted)
    assert [each.observed.value for each in bins] == pytest.approx(observed)
    assert sum(each.observed.n for each in bins) == len(scores)


def test_the_error_is_the_mean_gap_over_films(films):
    scores, truth = films
    total = 0.0
    for k in range(10):
        inside = (scores > k / 10) & (scores <= (k + 1) / 10)
        if inside.any():
            total += abs(scores[inside].sum() - truth[inside].sum())
    assert expected_calibration_error(scores, truth) == pytest.approx(total / len(scores))


def test_the_brier_score_is_scikit_learns(films):
    scores, truth = films
    assert brier_score(scores, truth) == pytest.approx(brier_score_loss(truth, scores))


def test_bins_hold_their_upper_end_and_the_ends_of_the_scale_belong():
    bins = reliability([0.0, 0.1, 0.10001, 1.0], [0, 0, 1, 1])
    assert [(each.low, each.observed.n) for each in bins] == [(0, 2), (pytest.approx(0.1), 1), (0.9, 1)]


def test_probabilities_that_mean_what_they_say_have_a_small_error():
    rng = np.random.default_rng(1)
    scores = rng.random(20_000)
    assert expected_calibration_error(scores, rng.random(20_000) < scores) < 0.015
    assert expected_calibration_error(scores, rng.random(20_000) < scores**3) > 0.1


def test_equal_scores_make_one_bin_however_films_are_cut():
    (only,) = reliability([0.3] * 10, [1] * 3 + [0] * 7, binning="count")
    assert only.predicted == pytest.approx(only.observed.value)


def test_no_known_truth_is_undefined_and_never_0():
    nothing = [0.2], [np.nan]
    assert reliability(*nothing) == reliability(*nothing, binning="count") == []
    assert math.isnan(expected_calibration_error(*nothing))
    assert math.isnan(brier_score(*nothing))


@pytest.mark.parametrize("settings", [{"bins": 0}, {"binning": "equal"}])
def test_bins_that_mean_nothing_are_refused(films, settings):
    with pytest.raises(InputError):
        reliability(*films, **settings)
