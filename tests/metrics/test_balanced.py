from __future__ import annotations

import math

import numpy as np
import pytest

from plainfilm.errors import InputError, LabelError
from plainfilm.masks.threshold import area_mask
from plainfilm.metrics import auroc, balanced_auroc, balanced_subset


@pytest.fixture
def labels():
    found = np.zeros(300)
    found[::7] = 1
    found[5:60:11] = np.nan
    return found


def test_the_draws_are_those_of_the_legacy_generator_class_after_class(labels):
    np.random.seed(0)
    expected = [np.random.choice(np.where(labels == k)[0], 16, replace=False) for k in (0, 1)]
    np.testing.assert_array_equal(balanced_subset(labels, limit=32), np.concatenate(expected))


def test_it_is_balanced_without_a_film_twice_and_leaves_the_global_generator_alone(labels):
    before = np.random.get_state()[1].copy()
    chosen = balanced_subset(labels, limit=40)
    assert np.array_equal(np.random.get_state()[1], before)
    assert len(set(chosen.tolist())) == 40
    assert labels[chosen].tolist() == [0] * 20 + [1] * 20
    assert not np.array_equal(chosen, balanced_subset(labels, limit=40, seed=1))


def test_a_class_with_fewer_films_gives_all_it_has(labels):
    chosen = balanced_subset(labels)
    assert sorted(chosen[labels[chosen] == 1]) == np.flatnonzero(labels == 1).tolist()
    assert len(chosen) == np.isfinite(labels).sum()
    assert len(balanced_subset(np.full(4, np.nan))) == 0


def test_the_area_is_that_of_the_subset(labels):
    scores = labels + np.random.default_rng(0).normal(0, 1, 300)
    scores[np.isnan(scores)] = 0
    chosen = balanced_subset(labels, limit=50)
    found = balanced_auroc(scores, labels, limit=50)
    assert found.value == pytest.approx(auroc(scores[chosen], labels[chosen]))
    assert (found.n_positive, found.n_negative, found.n_excluded) == (25, 25, 250)
    assert math.isnan(balanced_auroc([0.1, 0.2], [1, 1]).value)


def test_other_labels_and_limits_are_refused(labels):
    with pytest.raises(InputError, match="limit"):
        balanced_subset(labels, limit=1)
    with pytest.raises(LabelError, match="truth values"):
        balanced_subset([0, 1, 2])


@pytest.mark.parametrize("levels", [4, 1000])
def test_the_rule_for_the_area_of_a_mask_is_the_interpolated_percentile_of_the_paper(levels):
    """t is the percentile 100 (1 - a), P = {m > t and m > 0}: the rule of the house with ties dropped."""
    rng = np.random.default_rng(levels)
    for _ in range(60):
        map = rng.integers(-2, levels, (9, 11)) / levels
        area = int(rng.integers(1, 98))
        limit = np.percentile(map, 100 * (1 - area / map.size))
        np.testing.assert_array_equal(area_mask(map, area, ties="drop"), (map > limit) & (map > 0))
