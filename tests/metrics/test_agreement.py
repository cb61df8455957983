from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from plainfilm.errors import InputError
from plainfilm.metrics.agreement import kendall_tau, known_order_tau, rank_agreement


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=9))
def test_tau_is_that_of_scipy_ties_included(pairs):
    first, second = np.array(pairs, float).T
    expected = kendalltau(first, second).statistic
    assert kendall_tau(first, second) == pytest.approx(expected, nan_ok=True)


def test_tau_is_one_for_an_order_and_minus_one_for_its_reverse():
    values = [0.3, 0.1, 0.7, 0.2]
    assert kendall_tau(values, np.exp(values)) == pytest.approx(1)
    assert kendall_tau(values, [-each for each in values]) == pytest.approx(-1)


def test_tau_with_a_value_that_is_unknown_is_unknown():
    assert math.isnan(kendall_tau([1, 2, np.nan], [1, 2, 3]))


@pytest.mark.parametrize("second", [[1], [1, 2, 3], [[1, 2]]])
def test_lists_that_do_not_pair_are_refused(second):
    with pytest.raises(InputError, match="kendall_tau"):
        kendall_tau([1, 2] if len(second) != 1 else [1], second)


def test_only_pairs_of_known_order_count():
    order = [(0, 1), (0, 2), (0, 3)]
    assert known_order_tau([4, 1, 2, 3], order) == 1
    assert known_order_tau([0, 1, 2, 3], order) == -1
    assert known_order_tau([2, 1, 2, 3], order) == 0
    assert known_order_tau([2, 2, 2, 2], order) == 0
    assert math.isnan(known_order_tau([2, np.nan, 2, 2], order))
    with pytest.raises(InputError, match="known_order_tau"):
        known_order_tau([1, 2], [])


@pytest.fixture
def films():
    """Values ``(60, 4)`` by measure: one ranking with noise, its reverse, and mere noise."""
    rng = np.random.default_rng(0)
    quality = np.array([0.1, 0.3, 0.5, 0.9])
    return {
        "insertion": quality + rng.normal(0, 0.2, (60, 4)),
        "deletion": -quality + rng.normal(0, 0.2, (60, 4)),
        "noise": rng.normal(0, 0.2, (60, 4)),
    }


def test_measures_that_rank_alike_agree_and_the_direction_is_kept(films):
    found = rank_agreement(films, lower_is_better=["deletion"], n=200)
    assert list(found) == [("insertion", "deletion"), ("insertion", "noise"), ("deletion", "noise")]
    assert found["insertion", "deletion"].value == pytest.approx(1)
    assert rank_agreement(films, n=200)["insertion", "deletion"].value == pytest.approx(-1)


def test_a_measure_that_tells_nothing_has_a_wide_interval(films):
    found = rank_agreement(films, n=200)["insertion", "noise"]
    assert found.high - found.low > 0.5
    assert found.n == 60


def test_the_interval_is_that_of_ranking_again_with_drawn_patients(films):
    found = rank_agreement(films, n=400, seed=3)["insertion", "noise"]
    rng, taus = np.random.default_rng(9), []
    for _ in range(400):
        rows = rng.integers(0, 60, 60)
        one, two = (films[name][rows].mean(axis=0) for name in ("insertion", "noise"))
        taus.append(kendalltau(one, two).statistic)
    assert found.low == pytest.approx(np.quantile(taus, 0.025), abs=0.35)
    assert found.high == pytest.approx(np.quantile(taus, 0.975), abs=0.35)


def test_films_of_one_patient_are_drawn_together(films):
    three = rank_agreement(films, patients=[f"p{k % 3}" for k in range(60)], n=200)["insertion", "noise"]
    assert "only 3 patients" in three.caution


def test_a_film_counts_where_every_method_has_both_measures(films):
    films["noise"][:10, 2] = np.nan
    found = rank_agreement(films, n=100)
    assert (found["insertion", "noise"].n, found["insertion", "noise"].n_excluded) == (50, 10)
    assert found["insertion", "deletion"].n == 60
    films["noise"][:] = np.nan
    assert rank_agreement(films, n=100)["insertion", "noise"].status == "undefined"


def test_tables_that_do_not_match_are_refused(films):
    with pytest.raises(InputError, match="two or more"):
        rank_agreement({"insertion": films["insertion"]})
    with pytest.raises(InputError, match="one shape"):
        rank_agreement(films | {"noise": films["noise"][:, :3]})
    with pytest.raises(InputError, match="'auc'"):
        rank_agreement(films, lower_is_better=["auc"])
