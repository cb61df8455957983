from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from plainfilm.metrics.similarity import rank_correlations, structural_similarity, unit_ranks


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    first = rng.random((4, 40, 48))
    second = first + rng.random((4, 40, 48)) * np.arange(4)[:, None, None]
    return first, second


def test_rank_correlations_are_those_of_scipy_ties_included(maps):
    first, second = (np.round(each.reshape(4, -1), 1) for each in maps)
    found = rank_correlations(unit_ranks(first), unit_ranks(second))
    for k in range(4):
        assert found[k] == pytest.approx(spearmanr(first[k], second[k]).statistic)


def slow_ssim(one, two):
    """Equation 13 of Wang et al. 2004 at each pixel, and the mean of it."""

    def local(values):
        return gaussian_filter(values, 1.5, mode="mirror", truncate=3.5)

    mean_one, mean_two = local(one), local(two)
    variances = local(one**2) - mean_one**2 + local(two**2) - mean_two**2
    covariance = local(one * two) - mean_one * mean_two
    luminance = (2 * mean_one * mean_two + 1e-4) / (mean_one**2 + mean_two**2 + 1e-4)
    return (luminance * (2 * covariance + 9e-4) / (variances + 9e-4)).mean()


def test_structural_similarity_is_that_of_the_paper(maps):
    found = structural_similarity(*maps)
    for k in range(4):
        one, two = (each[k] / each[k].max() for each in maps)
        assert found[k] == pytest.approx(slow_ssim(one, two), abs=1e-6)
    assert found[0] == pytest.approx(1)


def test_the_unit_of_a_map_changes_nothing(maps):
    np.testing.assert_allclose(
        structural_similarity(maps[0] * 1e-9, maps[1]), structural_similarity(*maps), atol=1e-6
    )


def test_small_maps_are_compared_too():
    small = np.random.default_rng(1).random((2, 7, 7))
    found = structural_similarity(small, small[::-1].copy())
    assert np.isfinite(found).all()
    assert (found < 0.9).all()
    np.testing.assert_allclose(structural_similarity(small, small), 1)


def test_a_constant_map_is_like_nothing(maps):
    first, second = maps
    second[1] = 3
    assert np.isnan(structural_similarity(first, second)).tolist() == [False, True, False, False]
    flat = rank_correlations(unit_ranks(first.reshape(4, -1)), unit_ranks(second.reshape(4, -1)))
    assert np.isnan(flat).tolist() == [False, True, False, False]
