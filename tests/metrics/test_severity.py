from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics import (
    PAPER_THRESHOLDS,
    best_case_iou,
    bootstrap_interval,
    mean,
    peak_at_one,
    pearson,
    severity_correlation,
    tuned_threshold,
    zone_means,
)

ZONES = ((2, 0, 4, 3), (2, 3, 4, 3), (2, 6, 4, 3), (10, 1, 4, 3), (10, 4, 4, 3), (10, 7, 4, 3))


def severity(scores):
    """Drawn by hand on a film of 12 x 16 pixels."""
    drawn = np.zeros((12, 16))
    for (left, top, width, height), score in zip(ZONES, scores, strict=True):
        drawn[top : top + height, left : left + width] = score
    return drawn


def slow_pearson(first, second):
    n, sums = len(first), [0.0] * 5
    for x, y in zip(first, second, strict=True):
        for k, term in enumerate((x, y, x * x, y * y, x * y)):
            sums[k] += term
    x, y, xx, yy, xy = sums
    return (n * xy - x * y) / math.sqrt((n * xx - x * x) * (n * yy - y * y))


@pytest.fixture
def heat():
    return np.random.default_rng(0).random((12, 16))


def test_the_correlation_is_that_of_the_flattened_pixels(heat):
    truth = severity([0, 1, 2, 3, 0, 1])
    found = severity_correlation(heat, truth)
    assert found == pytest.approx(np.corrcoef(heat.ravel(), truth.ravel())[0, 1])
    assert found == pytest.approx(slow_pearson(heat.ravel().tolist(), truth.ravel().tolist()))
    assert severity_correlation(torch.from_numpy(heat), truth) == found
    assert severity_correlation(5 - 2 * truth, truth) == pytest.approx(-1)


def test_inside_a_mask_only_its_pixels_count(heat):
    truth = severity([0, 1, 2, 3, 0, 1])
    zones = severity([1] * 6) > 0
    expected = pearsonr(heat[zones], truth[zones]).statistic
    assert severity_correlation(heat, truth, zones) == pytest.approx(expected)
    # Lungs as a map say nothing of severity, which only the second figure shows.
    assert severity_correlation(zones, truth) > 0.5
    assert math.isnan(severity_correlation(zones, truth, zones))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e-300])
def test_a_constant_map_or_severity_map_is_undefined_and_counted(heat, constant):
    truth, flat = severity([0, 1, 2, 3, 0, 1]), np.full((12, 16), constant)
    values = [severity_correlation(*pair) for pair in ((heat, truth), (flat, truth), (heat, flat))]
    assert not math.isnan(values[0])
    assert np.isnan(values[1:]).all()
    found = bootstrap_interval(mean, values, patients=["a", "b", "c"])
    assert (found.value, found.n, found.n_excluded) == (values[0], 1, 2)


def test_tiny_and_huge_units_do_not_change_the_correlation(heat):
    truth = severity([0, 1, 2, 3, 0, 1])
    for unit in (1e-200, 1e200):
        assert severity_correlation(unit * heat, truth) == pytest.approx(severity_correlation(heat, truth))


def test_pearson_is_scipys_and_undefined_for_lists_that_do_not_vary():
    one, two = np.random.default_rng(1).random((2, 30))
    assert pearson(one, two) == pytest.approx(pearsonr(one, two).statistic)
    assert math.isnan(pearson(one, np.full(30, 0.1)))
    assert math.isnan(pearson([], []))
    with pytest.raises(InputError, match="one length"):
        pearson(one, two[:5])


def test_shapes_that_differ_and_maps_that_are_not_finite_are_refused(heat):
    with pytest.raises(InputError, match="one shape"):
        severity_correlation(heat, severity([1] * 6)[:, :8])
    with pytest.raises(InputError, match="one shape"):
        severity_correlation(heat, severity([1] * 6), np.ones((3, 3), bool))
    heat[0, 0] = np.nan
    with pytest.raises(NumericError):
        severity_correlation(heat, severity([1] * 6))


def test_zone_means_follow_the_order_of_the_zones():
    scores = [0, 1, 2, 3, 0.5, 1]
    np.testing.assert_allclose(zone_means(severity(scores), ZONES), scores)
    assert math.isnan(zone_means(severity(scores), [(-9, 0, 2, 2)])[0])


def test_a_map_is_brought_to_a_peak_of_one_and_an_empty_one_stays_empty():
    np.testing.assert_allclose(peak_at_one([[-2.0, 0.5], [2.0, 1.0]]), [[0, 0.25], [1, 0.5]])
    assert not peak_at_one([[-2.0, -1.0]]).any()


def test_the_thresholds_of_the_paper_find_the_zones_of_a_detector():
    assert len(PAPER_THRESHOLDS) == 50
    np.testing.assert_allclose(PAPER_THRESHOLDS, np.arange(50) / 50)
    truth = [severity([3, 0, 2, 0, 3, 1]), severity([0, 3, 3, 2, 2, 0])]
    severe = [drawn == 3 for drawn in truth]
    maps = [peak_at_one(unit * drawn) for unit, drawn in zip((0.01, 7.0), truth, strict=True)]
    found = tuned_threshold(maps, severe, PAPER_THRESHOLDS)
    assert (found.mean_iou, found.threshold) == (1.0, 0.68)  # the first above 2 / 3
    assert best_case_iou(maps[0], severe[0]) == 1
