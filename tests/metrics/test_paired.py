from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plainfilm.errors import InputError
from plainfilm.metrics.intervals import mean_interval
from plainfilm.metrics.paired import holm, permutation_test


def test_up_to_twelve_patients_every_flip_is_counted():
    rng = np.random.default_rng(0)
    patients = [0, 0, 0, 1, 2, 2, 3, 4, 5, 5]
    gains = rng.normal(0.3, 1, 10)
    sums = [gains[np.array(patients) == each].sum() for each in range(6)]
    far = [abs(np.dot(signs, sums)) >= abs(sum(sums)) - 1e-12 for signs in product([1, -1], repeat=6)]
    assert permutation_test(gains, np.zeros(10), patients).p_value == np.mean(far)


def test_with_one_film_a_patient_it_agrees_with_scipy():
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.25, 1, (2, 60)) * [[1], [0.5]]
    expected = stats.permutation_test(
        (first, second), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=9999, rng=0
    )
    found = permutation_test(first, second)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.02)
    student = mean_interval(first - second)
    assert (found.difference.value, found.difference.low, found.difference.high) == pytest.approx(
        (student.value, student.low, student.high)
    )


def test_copies_of_a_film_are_no_evidence():
    gains = np.random.default_rng(2).normal(0.4, 1, 30)
    copies, patients = np.repeat(gains, 5), np.repeat(np.arange(30), 5)
    once, again = permutation_test(gains, 0 * gains), permutation_test(copies, 0 * copies, patients)
    assert again.p_value == once.p_value
    assert again.difference.low == pytest.approx(once.difference.low)
    assert permutation_test(copies, 0 * copies).p_value < once.p_value


def test_false_alarms_are_as_rare_as_they_should_be_although_patients_differ():
    rng, alarms = np.random.default_rng(3), 0
    patients = np.repeat(np.arange(15), 6)
    for seed in range(300):
        gains = rng.normal(size=15)[patients] + 0.3 * rng.normal(size=90)
        alarms += permutation_test(gains, np.zeros(90), patients, n=400, seed=seed).p_value < 0.05
    assert alarms / 300 < 0.09


def test_a_film_counts_where_both_are_defined():
    found = permutation_test([0.3, np.nan, 0.5, 0.1], [0.1, 0.2, np.nan, 0.2], ["a", "a", "b", "c"])
    assert (found.difference.n, found.difference.n_excluded, found.patients) == (2, 2, 2)
    assert found.difference.value == pytest.approx(0.05)
    assert found.difference.caution == "only 2 patients"


def test_equal_methods_are_not_told_apart():
    assert permutation_test([0.1] * 5, [0.1] * 5).p_value == 1
    assert permutation_test([0.1] * 50, [0.1] * 50).p_value == 1


@pytest.mark.parametrize("values", [[], [np.nan], [0.3]])
def test_fewer_than_two_patients_allow_no_test(values):
    assert np.isnan(permutation_test(values, values).p_value)


def test_shapes_that_differ_are_refused():
    with pytest.raises(InputError, match=r"\(n,\) both"):
        permutation_test([0.1, 0.2], [0.1])
    with pytest.raises(InputError, match="1 patients for 2 films"):
        permutation_test([0.1, 0.2], [0.1, 0.2], ["a"])


def test_holm_multiplies_the_smallest_most_and_keeps_the_order():
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_rejects_what_its_steps_reject(p_values):
    """Holm 1979: go up from the smallest while p <= alpha / (tests left)."""
    found = holm({str(k): p for k, p in enumerate(p_values)})
    for alpha in (0.01, 0.05, 0.4):
        rejected = set()
        for step, k in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if p_values[k] * (len(p_values) - step) > alpha:
                break
            rejected.add(str(k))
        assert {name for name, p in found.items() if p <= alpha} == rejected


def test_an_undefined_test_is_not_counted():
    found = holm({"a": 0.02, "b": np.nan, "c": 0.5})
    assert found["a"] == 0.04
    assert np.isnan(found["b"])


def test_a_p_value_above_1_is_refused():
    with pytest.raises(InputError, match=r"p-value 1\.5"):
        holm({"a": 1.5})
