from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.errors import InputError
from plainfilm.radiograph import FITS, Placement, Radiograph

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))


@given(st.sampled_from(FITS), SIZES, SIZES, st.integers(0, 2**31))
def test_points_go_to_the_grid_and_back_exactly(fit, film, grid, seed):
    placement = Placement.fit(fit, film, grid)
    points = np.random.default_rng(seed).uniform(-10, 70, (20, 2))
    np.testing.assert_allclose(placement.to_film(placement.to_grid(points)), points, atol=1e-9)
    np.testing.assert_allclose(placement.to_grid(placement.to_film(points)), points, atol=1e-9)


@given(SIZES, SIZES)
def test_each_fit_keeps_its_promise(film, grid):
    resized, cropped, boxed = (Placement.fit(fit, film, grid) for fit in FITS)
    corners = np.array([[0, 0], film], float)
    np.testing.assert_allclose(resized.to_grid(corners), [[0, 0], grid], atol=1e-9)
    for placement in (cropped, boxed):
        height, width = placement.box[2:]
        assert height / width == pytest.approx(grid[0] / grid[1])
        centre = placement.box[0] + height / 2, placement.box[1] + width / 2
        assert centre == pytest.approx((film[0] / 2, film[1] / 2))
    assert cropped.box[2] <= film[0] + 1e-9
    assert cropped.box[3] <= film[1] + 1e-9
    assert boxed.box[2] >= film[0] - 1e-9
    assert boxed.box[3] >= film[1] - 1e-9


def test_a_ramp_keeps_its_place_through_grid_and_film():
    """A linear film is drawn on any grid without a shift: the value at a cell is that of its centre."""
    rows, columns = np.mgrid[0:90, 0:120] + 0.5
    film = ((rows + 2 * columns) / 400).astype(np.float32)
    for fit in FITS:
        placement = Placement.fit(fit, film.shape, (30, 30))
        cells = np.stack(np.mgrid[0:30, 0:30] + 0.5, -1)
        centre = placement.to_film(cells)
        expected = (centre[..., 0] + 2 * centre[..., 1]) / 400
        inside = np.all((centre > 6) & (centre < np.array([84, 114])), -1)
        np.testing.assert_allclose(placement.sample(film)[inside], expected[inside], atol=1e-3)


@pytest.mark.parametrize("fit", FITS)
def test_a_map_returns_to_where_it_was_taken(fit):
    placement = Placement.fit(fit, (200, 150), (20, 20))
    map_ = np.zeros((20, 20), np.float32)
    map_[5, 12] = 7.0
    on_film = placement.restore(map_)
    peak = np.array(np.unravel_index(on_film.argmax(), on_film.shape)) + 0.5
    np.testing.assert_allclose(placement.to_film(np.array([5.5, 12.5])), peak, atol=0.6)
    assert on_film.max() == pytest.approx(7.0, rel=0.15)


def test_what_the_grid_does_not_reach_is_zero_and_the_rim_is_not_faded():
    placement = Placement.centre_crop((100, 60), (6, 6))
    on_film = placement.restore(np.ones((6, 6), np.float32))
    np.testing.assert_array_equal(on_film > 0, placement.covered())
    assert np.unique(on_film).tolist() == [0.0, 1.0]
    assert placement.covered()[20:80].all()
    assert not placement.covered()[:20].any()


def test_a_letterbox_is_black_outside_the_film():
    grid = Placement.letterbox((10, 20), (20, 20)).sample(np.ones((10, 20), np.float32))
    assert not grid[:4].any()
    assert grid[6:14].min() == 1


@given(st.sampled_from(FITS), SIZES, SIZES, st.integers(0, 2**31))
def test_masks_stay_binary_and_survive_the_way_back(fit, film, grid, seed):
    mask = np.random.default_rng(seed).random(film) > 0.5
    placement = Placement.fit(fit, film, grid)
    on_grid = placement.sample_mask(mask)
    assert on_grid.dtype == bool
    assert placement.restore_mask(on_grid).dtype == bool
    same = Placement.resize(film, film)
    np.testing.assert_array_equal(same.restore_mask(same.sample_mask(mask)), mask)


def test_an_equal_grid_changes_nothing():
    film = np.random.default_rng(0).random((17, 31), dtype=np.float32)
    placement = Placement.resize(film.shape, film.shape)
    np.testing.assert_array_equal(placement.sample(film), film)
    np.testing.assert_array_equal(placement.restore(film), film)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2, 3)), np.zeros(4), np.zeros((0, 3))])
def test_only_grey_images_are_radiographs(pixels):
    with pytest.raises(InputError, match="grey image"):
        Radiograph(pixels)


def test_bad_pixels_are_counted_and_placed():
    pixels = np.zeros((4, 5), np.float32)
    pixels[2, 3] = np.nan
    pixels[3, 1] = np.inf
    with pytest.raises(InputError, match=r"case-7: got 2 pixels .* row 2, column 3"):
        Radiograph(pixels, "case-7")
    with pytest.raises(InputError, match=r"from 0 to 255"):
        Radiograph(np.array([[0.0, 255.0]]))


def test_another_shape_or_fit_is_refused():
    with pytest.raises(InputError, match=r"shape \(3, 3\)"):
        Placement.resize((4, 4), (2, 2)).sample(np.zeros((3, 3)))
    with pytest.raises(InputError, match="'squeeze'"):
        Placement.fit("squeeze", (4, 4), (2, 2))
    with pytest.raises(InputError, match="above zero"):
        Placement((4, 4), (2, 2), (0, 0, 0, 4))
