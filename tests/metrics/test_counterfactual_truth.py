from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.counterfactual_truth import (
    against_truth,
    change_inside,
    change_ratio,
    distance_to_truth,
    effectiveness,
    reversibility,
)


@pytest.fixture(scope="module")
def pairs():
    """Films with a mass, the same patients without it, and the pixels that it changed."""
    data, films, truths, masks = Phantom(6, 64, seed=5), [], [], []
    for index in range(6):
        study = data.study(index, findings=["Mass"])
        films.append(study.radiograph.pixels)
        truths.append(data.study(index, findings=[]).radiograph.pixels)
        masks.append(study.causes.get("Mass", study.masks["Mass"]))
    return np.stack(films), np.stack(truths), np.stack(masks)


def slow_share(film, other, mask):
    inside = outside = 0.0
    for row in range(film.shape[0]):
        for column in range(film.shape[1]):
            change = abs(float(film[row, column]) - float(other[row, column]))
            inside, outside = (inside + change, outside) if mask[row, column] else (inside, outside + change)
    return inside / (inside + outside), (inside / mask.sum()) / (outside / (~mask).sum())


def test_shares_and_ratios_are_those_of_a_slow_loop(pairs):
    films, _, masks = pairs
    others = films + np.random.default_rng(0).normal(0, 0.1, films.shape).astype(np.float32) * (0.2 + masks)
    shares, ratios = change_inside(films, others, masks), change_ratio(films, others, masks)
    for k in range(6):
        share, ratio = slow_share(films[k], others[k], masks[k])
        assert shares[k] == pytest.approx(share, rel=1e-5)
        assert ratios[k] == pytest.approx(ratio, rel=1e-5)


def test_the_true_counterfactual_is_judged_best(pairs):
    films, truths, masks = pairs
    wiped = np.full_like(films, films.mean())
    best, none, bad = (
        against_truth(films, each, truths, masks, np.ones(6), np.zeros(6)) for each in (truths, films, wiped)
    )
    np.testing.assert_array_equal(best.distance, 0)
    np.testing.assert_array_equal(best.share_inside, best.truth_inside)
    np.testing.assert_array_equal(bad.truth_inside, best.truth_inside)
    assert best.intervals["truth_inside"].value < 1
    np.testing.assert_array_equal(none.distance, 1)
    assert (bad.distance > 1).all()
    assert (best.share_inside > 2 * bad.share_inside).all()
    assert (best.change_ratio > bad.change_ratio).all()
    assert best.intervals["effectiveness"].value == 1
    assert best.intervals["log_change_ratio"].n == 6


def test_half_the_way_is_half_the_distance(pairs):
    films, truths, _ = (each.astype(float) if each.dtype != bool else each for each in pairs)
    np.testing.assert_allclose(distance_to_truth(films, (films + truths) / 2, truths), 0.5)


def test_effectiveness_is_the_fall_of_the_probability():
    np.testing.assert_allclose(effectiveness([0.9, 0.2], torch.tensor([0.1, 0.5])), [0.8, -0.3], atol=1e-7)
    with pytest.raises(InputError, match="effectiveness"):
        effectiveness([0.9], [0.1, 0.2])


def test_the_way_back_is_measured_against_the_way_there():
    start = np.zeros((3, 4, 4))
    there = start + 2
    back = np.stack([np.zeros((4, 4)), np.full((4, 4), 2.0), np.full((4, 4), 0.5)])
    np.testing.assert_allclose(reversibility(start, there, back), [0, 1, 0.25])
    assert np.isnan(reversibility(start, start, back)).all()


def test_what_is_undefined_is_nan_and_an_untouched_surrounding_has_no_bound():
    films = np.zeros((4, 3, 3))
    others, masks = films.copy(), np.zeros((4, 3, 3), bool)
    masks[0, 1, 1] = masks[1, 1, 1] = True
    masks[3] = True
    others[0, 1, 1] = others[2, 1, 1] = others[3, 1, 1] = 1
    shares, ratios = change_inside(films, others, masks), change_ratio(films, others, masks)
    assert (shares[0], shares[1], shares[3]) == (1, 0, 1)
    assert math.isnan(shares[2])
    assert ratios[0] == math.inf
    assert np.isnan(ratios[1:]).all()
    truth = against_truth(films, others, films, masks, np.zeros(4), np.zeros(4))
    assert np.isnan(truth.distance).all()
    assert truth.intervals["log_change_ratio"].n_excluded == 4


def test_channels_are_averaged_and_tensors_taken(pairs):
    films, truths, masks = pairs
    coloured = torch.from_numpy(films)[:, None].repeat(1, 3, 1, 1)
    other = torch.from_numpy(truths)[:, None].repeat(1, 3, 1, 1)
    np.testing.assert_allclose(
        change_inside(coloured, other, torch.from_numpy(masks)),
        change_inside(films, truths, masks),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        distance_to_truth(coloured, other + 0.1, other),
        distance_to_truth(films, truths + 0.1, truths),
        rtol=1e-4,
    )


def test_films_that_do_not_match_are_refused(pairs):
    films, truths, masks = pairs
    with pytest.raises(InputError, match="one shape"):
        distance_to_truth(films, truths[:3], truths)
    with pytest.raises(InputError, match="one a film"):
        change_inside(films, truths, masks[:3])
    with pytest.raises(InputError, match="one shape"):
        change_ratio(films, truths[:, :32], masks)
    with pytest.raises(NumericError, match="finite"):
        reversibility(films, truths, truths * np.nan)
