from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import pearsonr, t

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics import counterfactual_alignment

NAMES = ("Pneumothorax", "Support Devices", "Mass")


@pytest.fixture
def tables():
    """Frames of eight films: the device follows pneumothorax at half the slope, mass goes its own way."""
    rng = np.random.default_rng(0)
    found = []
    for frames in (5, 7, 5, 11, 5, 5, 9, 5):
        base = np.linspace(0.1, 0.8, frames) + rng.normal(0, 0.01, frames)
        found.append(np.stack([base, 0.3 + base / 2 + rng.normal(0, 0.02, frames), rng.random(frames)], 1))
    return found


def test_agrees_with_a_slow_loop(tables):
    base = [0, 0, 0, 0, 0, 1, 1, 1]
    found = counterfactual_alignment(tables, base, NAMES)
    for row, start in ((0, 0), (1, 5)):
        chosen = tables[start : start + (5 if row == 0 else 3)]
        for k in range(3):
            changes = [(x[-1, k] - x[0, k]) / (x[-1, row] - x[0, row]) for x in chosen]
            together = [pearsonr(x[:, k], x[:, row]).statistic for x in chosen]
            interval = found.intervals()[NAMES[row]][NAMES[k]]
            assert interval.value == pytest.approx(np.mean(changes))
            reach = t.ppf(0.975, len(chosen) - 1) * np.std(changes, ddof=1) / math.sqrt(len(chosen))
            assert interval.high - interval.value == pytest.approx(reach)
            assert found.matrix("correlation")[row, k] == pytest.approx(np.mean(together))
    assert np.isnan(found.matrix()[2]).all()


def test_what_follows_is_told_from_what_does_not(tables):
    found = counterfactual_alignment(tables, 0, NAMES)
    change, together = found.matrix(), found.matrix("correlation")
    assert change[0, 0] == together[0, 0] == 1
    assert change[0, 1] == pytest.approx(0.5, abs=0.05)
    assert together[0, 1] > 0.95
    assert abs(together[0, 2]) < 0.6


def test_a_prediction_that_moves_the_other_way_is_below_zero():
    table = np.array([[0.2, 0.9], [0.5, 0.6], [0.8, 0.3]])
    found = counterfactual_alignment([table], 0, ["a", "b"])
    assert found.relative_change[0].tolist() == pytest.approx([1, -1])
    assert found.correlation[0].tolist() == pytest.approx([1, -1])


def test_a_base_that_does_not_move_and_a_constant_follower_are_undefined():
    still = np.array([[0.5, 0.1], [0.505, 0.9]])
    constant = np.array([[0.1, 0.7], [0.2, 0.7], [0.9, 0.7]])
    found = counterfactual_alignment([still, constant], 0, ["a", "b"])
    assert np.isnan(found.relative_change[0]).all()
    assert found.relative_change[1].tolist() == [1, 0]
    assert np.isnan(found.correlation[1, 1])
    assert found.intervals()["a"]["b"].n_excluded == 1


@pytest.mark.parametrize(
    ("predictions", "base"),
    [
        ([], 0),
        ([np.zeros((1, 3))], 0),
        ([np.zeros((4, 2))], 0),
        ([np.zeros((4, 3))], 3),
        ([np.zeros((4, 3))], [0, 1]),
    ],
)
def test_tables_that_do_not_match_are_refused(predictions, base):
    with pytest.raises(InputError, match="counterfactual_alignment"):
        counterfactual_alignment(predictions, base, NAMES)


def test_values_that_are_not_finite_and_unknown_kinds_are_refused(tables):
    with pytest.raises(NumericError, match="finite"):
        counterfactual_alignment([np.full((4, 3), np.nan)], 0, NAMES)
    with pytest.raises(InputError, match="'slope'"):
        counterfactual_alignment(tables, 0, NAMES).intervals("slope")
