from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.errors import ModelError, NumericError
from plainfilm.models.spec import InputSpec

XRV = InputSpec(4, -1024, 1024)
UNIT = InputSpec(4)


def images(low: float, high: float, channels: int = 1, size: int = 4) -> torch.Tensor:
    return torch.linspace(low, high, channels * size * size).reshape(1, channels, size, size)


@given(low=st.floats(-2000, 0), width=st.floats(0.01, 4000))
def test_black_becomes_low_and_white_becomes_high(low, width):
    scaled = InputSpec(2, low, low + width).scale(np.array([[0, 1], [0.5, 1]], np.float32))
    np.testing.assert_allclose(scaled[0, 0], [low, low + width], rtol=1e-6, atol=1e-3)
    assert scaled.dtype == np.float32


def test_imagenet_levels_are_those_of_its_mean_and_deviation():
    pixels = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    scaled = InputSpec.imagenet(4).scale(pixels)
    for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        np.testing.assert_allclose(scaled[channel], (pixels - mean) / std, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "low", "high"),
    [
        pytest.param(XRV, 0, 1, id="[0, 1] into [-1024, 1024]"),
        pytest.param(XRV, 0, 65535, id="16 bits into [-1024, 1024]"),
        pytest.param(UNIT, 0, 255, id="8 bits into [0, 1]"),
        pytest.param(UNIT, -1024, 1024, id="[-1024, 1024] into [0, 1]"),
        pytest.param(InputSpec.imagenet(4), 0, 255, id="8 bits into ImageNet's range"),
    ],
)
def test_a_mistaken_range_is_refused_with_both_ranges(spec, low, high):
    with pytest.raises(ModelError, match=r"images from .* to .*, expected the range") as refused:
        spec.check(images(low, high, spec.channels))
    assert "prepare" in refused.value.advice


@pytest.mark.parametrize(
    ("spec", "low", "high"),
    [(XRV, -1024, 1024), (XRV, -1200, 1300), (XRV, 0, 0), (XRV, -5, 5), (UNIT, 0, 1), (UNIT, -0.4, 1.4)],
)
def test_films_perturbed_films_and_constant_baselines_pass(spec, low, high):
    spec.check(images(low, high))


@pytest.mark.parametrize("film", [(500, 100), (100, 500)])
def test_a_film_of_one_to_five_is_letterboxed_whole_and_maps_go_back_to_where_they_belong(film):
    long_side = film.index(500)
    pixels = np.zeros(film, np.float32)
    np.moveaxis(pixels, long_side, 0)[450:460, 20:40] = 1  # near the end
    placement = InputSpec(100, fit="letterbox").placement(film)
    grid = placement.sample(pixels)
    assert grid.sum() * 25 == pytest.approx(pixels.sum(), rel=0.05)  # whole, and of one scale on both sides
    bars = np.delete(grid, np.r_[40:60], axis=1 - long_side)
    assert not bars.any()
    on_film = placement.restore(grid)
    assert on_film.shape == film
    centre = [(coordinates * on_film).sum() / on_film.sum() for coordinates in np.indices(film) + 0.5]
    assert centre[long_side] == pytest.approx(455, abs=1)
    assert centre[1 - long_side] == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    "batch",
    [
        torch.rand(1, 3, 4, 4), torch.rand(1, 1, 5, 4), torch.rand(1, 4, 4), torch.rand(0, 1, 4, 4),
        torch.zeros(1, 1, 4, 4, dtype=torch.uint8),
    ],
)  # fmt: skip
def test_a_batch_of_another_shape_or_kind_is_refused(batch):
    with pytest.raises(ModelError, match=r"floating-point images \(B, 1, 4, 4\)"):
        UNIT.check(batch)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_images_that_are_not_finite_are_refused(bad):
    batch = images(0, 1)
    batch[0, 0, 1, 1] = bad
    with pytest.raises(NumericError, match="NaN or infinite"):
        UNIT.check(batch)


@pytest.mark.parametrize(
    "arguments",
    [
        {"size": 0}, {"size": 8, "channels": 0}, {"size": 8, "low": 1, "high": 1},
        {"size": 8, "fit": "squash"}, {"size": 8, "low": float("nan")},
        {"size": 8, "low": (0.0, 0.0), "channels": 3},
    ],
)  # fmt: skip
def test_a_specification_that_contradicts_itself_is_refused(arguments):
    with pytest.raises(ModelError, match="expected"):
        InputSpec(**arguments)
