from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.intervals import Interval, mean_interval, proportion_interval


def test_the_mean_interval_is_students():
    values = np.random.default_rng(0).random(12)
    interval = mean_interval(values, level=0.9)
    low, high = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))
    assert (interval.value, interval.low, interval.high) == pytest.approx((values.mean(), low, high))


def test_undefined_values_are_left_out_and_counted():
    interval = mean_interval([0.2, np.nan, 0.4, np.nan, np.nan])
    assert interval.value == pytest.approx(0.3)
    assert (interval.n, interval.n_excluded) == (2, 3)


def test_one_value_has_no_interval_and_none_has_no_value():
    assert mean_interval([0.5]).status == "no interval"
    assert str(mean_interval([0.5])) == "0.500 (no interval)"
    assert mean_interval([np.nan]).status == "undefined"
    assert str(mean_interval([])) == "undefined"


def test_equal_values_give_an_interval_of_no_width():
    interval = mean_interval([0.1] * 7)
    assert interval.low == pytest.approx(0.1) == interval.high


def test_infinite_values_are_refused():
    with pytest.raises(NumericError, match="1 infinite"):
        mean_interval([0.5, np.inf])


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (3, 10), (50, 1000)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_proportion_interval_is_wilsons(successes, n, level):
    interval = proportion_interval(successes, n, level=level)
    expected = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert interval.value == successes / n
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert (interval.n_positive, interval.n_negative) == (successes, n - successes)


def test_a_proportion_of_nothing_is_undefined():
    assert proportion_interval(0, 0, n_excluded=4).status == "undefined"


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3)])
def test_more_successes_than_films_are_refused(successes, n):
    with pytest.raises(InputError, match="between none and all"):
        proportion_interval(successes, n)


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_a_level_outside_0_and_1_is_refused(level):
    for interval in (mean_interval, lambda values, level: proportion_interval(1, 2, level=level)):
        with pytest.raises(InputError, match=r"0\.95"):
            interval([0.1, 0.2], level)


def test_an_interval_reads_as_a_sentence():
    assert str(Interval(0.8176, 0.8071, 0.8281, 10)) == "0.818 (0.807 to 0.828)"
    doubtful = Interval(0.8176, 0.8071, 0.8281, 10, caution="only 3 patients")
    assert str(doubtful) == "0.818 (0.807 to 0.828; only 3 patients)"


def test_an_interval_tells_how_it_was_found():
    assert mean_interval([0.1, 0.2]).method == mean_interval([]).method == "Student"
    assert proportion_interval(1, 2).method == proportion_interval(0, 0).method == "Wilson"
