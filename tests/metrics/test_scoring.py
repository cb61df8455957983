from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.scoring import drawn, one_film, one_map, places, scores_of


@given(st.lists(st.integers(-3, 3), min_size=12, max_size=12))
def test_places_count_down_from_the_highest_and_ties_go_by_index(values):
    map = np.array(values, float).reshape(3, 4)
    order = sorted(range(12), key=lambda pixel: (-values[pixel], pixel))
    assert [order.index(pixel) for pixel in range(12)] == places(map).ravel().tolist()


def test_a_map_on_the_grid_stays_and_a_coarse_one_is_interpolated():
    map = np.random.default_rng(0).random((4, 4))
    assert drawn(map, (4, 4)) is map
    assert drawn(np.full((2, 3), 0.25), (8, 9)) == pytest.approx(0.25)


def test_one_map_drops_axes_of_one_alone():
    map = torch.rand(4, 5)
    np.testing.assert_array_equal(one_map(map[None, None]), map.double())
    with pytest.raises(InputError):
        one_map(torch.rand(2, 4, 5))
    with pytest.raises(NumericError):
        one_map(map * torch.nan)


def test_one_film_has_an_axis_for_the_batch():
    image = torch.rand(3, 4, 5)
    assert one_film(image).shape == one_film(image[None]).shape == (1, 3, 4, 5)
    for wrong in (image[0], torch.rand(2, 3, 4, 5)):
        with pytest.raises(InputError, match="one film"):
            one_film(wrong)


def test_scores_are_numbers_without_gradients_asked_for_in_parts():
    images = torch.rand(2, 1, 3, 3, requires_grad=True)
    found = scores_of(lambda x: x.mean((1, 2, 3)), images)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, images.detach().mean((1, 2, 3)))
    sizes = []
    many = scores_of(lambda x: (sizes.append(len(x)), x.mean((1, 2, 3)))[1], torch.rand(70, 1, 3, 3))
    assert (len(many), sizes) == (70, [32, 32, 6])
    with pytest.raises(InputError, match="one an image"):
        scores_of(lambda x: x.mean((1, 2, 3))[:, None], images)
    with pytest.raises(NumericError):
        scores_of(lambda x: x.mean((1, 2, 3)) / 0 * 0, images)
