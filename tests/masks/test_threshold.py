from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.filters import threshold_otsu

from plainfilm.errors import InputError
from plainfilm.masks.threshold import area_mask, fixed_mask, otsu_level, otsu_mask, percentile_mask

small_maps = arrays(np.float64, (5, 6), elements=st.sampled_from([-1.0, 0.0, 0.25, 0.5, 2.0]))


def test_a_fixed_threshold_is_strict():
    assert fixed_mask(np.array([[0.1, 0.2, 0.3]]), 0.2).tolist() == [[False, False, True]]


@pytest.mark.parametrize("threshold", [np.nan, np.inf])
def test_a_threshold_that_is_not_finite_is_refused(threshold):
    with pytest.raises(InputError, match="finite"):
        fixed_mask(np.ones((2, 2)), threshold)


def test_percentile_95_keeps_the_top_twentieth():
    values = np.random.default_rng(0).permutation(400).reshape(20, 20)
    assert set(values[percentile_mask(values, 95)]) == set(range(380, 400))


@pytest.mark.parametrize("percent", [-1, 101, np.nan])
def test_a_percentile_outside_its_range_is_refused(percent):
    with pytest.raises(InputError, match=r"\[0, 100\]"):
        percentile_mask(np.ones((2, 2)), percent)


def slow_area_mask(values: np.ndarray, area: int) -> np.ndarray:
    order = sorted(range(values.size), key=lambda i: (-values.flat[i], i))
    mask = np.zeros(values.shape, bool)
    for i in order[:area]:
        mask.flat[i] = values.flat[i] > 0
    return mask


@settings(deadline=None)
@given(small_maps, st.integers(0, 30))
def test_the_area_rule_takes_the_highest_positive_pixels_in_index_order(values, area):
    np.testing.assert_array_equal(area_mask(values, area), slow_area_mask(values, area))


@settings(deadline=None)
@given(small_maps, st.integers(1, 29))
def test_dropping_ties_is_the_interpolated_percentile_of_gifsplanation(values, area):
    cut = np.percentile(values, 100 * (1 - area / values.size))
    np.testing.assert_array_equal(area_mask(values, area, "drop"), (values > cut) & (values > 0))


def test_a_constant_map_fills_its_area_row_by_row():
    assert area_mask(np.ones((2, 3)), 4).tolist() == [[True, True, True], [True, False, False]]
    assert not area_mask(np.ones((2, 3)), 4, "drop").any()


def test_a_map_without_positive_pixels_fills_nothing():
    assert not area_mask(np.zeros((2, 3)), 4).any()
    assert not area_mask(-np.ones((2, 3)), 4).any()


@pytest.mark.parametrize("area", [-1, 7])
def test_an_area_beyond_the_film_is_refused(area):
    with pytest.raises(InputError, match="0 to 6 pixels"):
        area_mask(np.ones((2, 3)), area)


def test_another_rule_for_ties_is_refused():
    with pytest.raises(InputError, match="'first' or 'drop'"):
        area_mask(np.ones((2, 3)), 2, "random")


def slow_between(histogram: list[int]) -> list[float]:
    result = []
    for cut in range(len(histogram) - 1):
        levels = np.repeat(np.arange(len(histogram)), histogram)
        dark, bright = levels[levels <= cut], levels[levels > cut]
        split = dark.size and bright.size
        result.append(dark.size * bright.size * (dark.mean() - bright.mean()) ** 2 if split else 0.0)
    return result


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=8, max_size=8).filter(lambda counts: sum(map(bool, counts)) > 1))
def test_otsu_maximises_the_variance_between_classes(histogram):
    between = slow_between(histogram)
    assert between[otsu_level(np.array(histogram))] == pytest.approx(max(between), rel=1e-12)


def test_otsu_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    values = np.clip(np.concatenate([rng.normal(60, 20, 3000), rng.normal(170, 30, 1000)]), 0, 255)
    grey = values.astype(np.uint8).reshape(40, 100)
    grey.flat[:2] = 0, 255
    np.testing.assert_array_equal(otsu_mask(grey), grey > threshold_otsu(grey))


def test_otsu_does_not_depend_on_the_unit_of_the_map():
    values = np.random.default_rng(0).random((20, 30))
    for scale in (1e-300, 1e-6, 1024, 1e300):
        np.testing.assert_array_equal(otsu_mask(values * scale), otsu_mask(values))


def test_otsu_survives_the_largest_floats():
    assert otsu_mask(np.array([[-1.7e308, 1.7e308]])).tolist() == [[False, True]]


def test_otsu_of_a_constant_map_is_empty():
    assert not otsu_mask(np.full((3, 3), 7.0)).any()
