from __future__ import annotations

import math

import numpy as np
import pytest

from plainfilm.errors import InputError
from plainfilm.metrics.baselines import centre_prior, expected_random_iou, random_map
from plainfilm.metrics.localisation import best_case_iou, hit, mass_inside


def test_a_random_map_is_a_function_of_its_seed():
    np.testing.assert_array_equal(random_map((5, 7), 3), random_map((5, 7), 3))
    assert (random_map((5, 7), 3) != random_map((5, 7), 4)).any()
    assert random_map((5, 7), 3).dtype == np.float32


def test_random_maps_score_what_is_expected_of_them():
    mask = np.zeros((20, 20), bool)
    mask[2:8, 5:15] = True
    films = [random_map(mask.shape, seed) for seed in range(1500)]
    scores = np.array(
        [[best_case_iou(film, mask), hit(film, mask), mass_inside(film, mask)] for film in films]
    )
    expected = [expected_random_iou(60, 400), mask.mean(), mask.mean()]
    error = scores.std(axis=0) / math.sqrt(len(films))
    assert (abs(scores.mean(axis=0) - expected) < 4 * error).all()


@pytest.mark.parametrize(("area", "pixels"), [(1, 5), (2, 5), (4, 6), (6, 6)])
def test_the_expected_iou_is_the_mean_over_all_subsets(area, pixels):
    ways = {i: math.comb(area, i) * math.comb(pixels - area, area - i) for i in range(area + 1)}
    mean = sum(n * i / (2 * area - i) for i, n in ways.items()) / math.comb(pixels, area)
    assert expected_random_iou(area, pixels) == pytest.approx(mean)


def test_the_expected_iou_is_near_its_plain_estimate_on_a_film():
    share = 500 / 224**2
    assert expected_random_iou(500, 224**2) == pytest.approx(share / (2 - share), rel=0.01)


def test_the_expected_iou_of_an_empty_mask_is_undefined():
    assert math.isnan(expected_random_iou(0, 10))


@pytest.mark.parametrize("area", [-1, 11])
def test_a_mask_larger_than_the_film_is_refused(area):
    with pytest.raises(InputError, match="a part of the film"):
        expected_random_iou(area, 10)


def test_the_centre_prior_falls_off_evenly_from_the_centre():
    prior = centre_prior((9, 15))
    assert prior.argmax() == 9 * 15 // 2
    assert prior.max() == 1
    np.testing.assert_array_equal(prior, prior[::-1, ::-1])


def test_the_centre_prior_has_the_stated_width():
    prior = centre_prior((101, 201), sigma=0.25)
    assert prior[50, 100 + 201 // 4] == pytest.approx(math.exp(-0.5), abs=0.01)
    assert prior[50 + 101 // 4, 100] == pytest.approx(math.exp(-0.5), abs=0.01)


@pytest.mark.parametrize("shape", [(0, 4), (4,), (1, 4, 4)])
def test_a_shape_that_is_no_film_is_refused(shape):
    for baseline in (centre_prior, lambda shape: random_map(shape, 0)):
        with pytest.raises(InputError, match="height and width"):
            baseline(shape)


@pytest.mark.parametrize("sigma", [0, -1, np.nan])
def test_a_prior_without_width_is_refused(sigma):
    with pytest.raises(InputError, match="above zero"):
        centre_prior((4, 4), sigma)
