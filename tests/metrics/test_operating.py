from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from plainfilm.errors import InputError
from plainfilm.metrics.operating import (
    operating_point_at,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
)

films = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40)


@given(films, st.sampled_from([0.0, 0.5, 0.8, 0.9, 1.0]))
def test_the_best_allowed_point_of_scikit_learns_curve_is_found(films, wanted):
    scores, truth = (np.array(column, float) for column in zip(*films, strict=True))
    at_specificity = sensitivity_at_specificity(scores, truth, wanted)
    at_sensitivity = specificity_at_sensitivity(scores, truth, wanted)
    if truth.min() == truth.max():
        assert math.isnan(at_specificity.point)
        assert math.isnan(at_sensitivity.point)
        return
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert at_specificity.sensitivity.value == pytest.approx(true[1 - false >= wanted].max())
    assert at_specificity.specificity.value >= wanted
    assert at_sensitivity.specificity.value == pytest.approx((1 - false)[true >= wanted].max())
    assert at_sensitivity.sensitivity.value >= wanted


def test_of_equal_points_the_one_with_more_of_the_other_is_taken():
    scores, truth = [0.1, 0.2, 0.3, 0.9], [0, 0, 0, 1]
    assert specificity_at_sensitivity(scores, truth, 0.5).point == 0.9
    # Calling the two weaker ones too costs no specificity.
    assert specificity_at_sensitivity([0.1, 0.5, 0.7, 0.9], [0, 1, 1, 1], 0.3).point == 0.5
    assert sensitivity_at_specificity(scores, truth, 0.2).specificity.value == 1


def test_where_no_score_is_specific_enough_no_film_is_called():
    found = sensitivity_at_specificity([0.9, 0.1], [0, 1], 0.9)
    assert found.point == math.inf
    assert (found.sensitivity.value, found.specificity.value) == (0, 1)


def test_a_point_chosen_elsewhere_is_judged_with_wilsons_interval():
    found = operating_point_at([0.2, 0.5, 0.7, 0.6, np.pi], [0, 1, 1, 0, np.nan], 0.5)
    assert (found.sensitivity.value, found.specificity.value) == (1, 0.5)
    assert found.sensitivity.method == "Wilson"
    assert found.sensitivity.n_excluded == 1


def test_without_a_positive_film_sensitivity_is_undefined_and_specificity_is_not():
    found = operating_point_at([0.2, 0.6], [0, 0], 0.5)
    assert found.sensitivity.status == "undefined"
    assert found.specificity.value == 0.5


@pytest.mark.parametrize("share", [-0.1, 95, np.nan])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(InputError, match=r"share in \[0, 1\]"):
        sensitivity_at_specificity([0.1], [1], share)
