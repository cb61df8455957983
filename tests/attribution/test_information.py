from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
import skimage.transform
import torch
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.attribution.information import MOST_PASSED, capacity, mask, per_pixel, smoothed
from plainfilm.errors import ModelError


@given(st.integers(3, 9), st.integers(3, 9), st.integers(3, 40), st.integers(3, 40))
def test_bits_are_spread_as_skimage_does(h, w, height, width):
    bits = torch.rand(2, h, w, generator=torch.Generator().manual_seed(h * w)).double()
    spread = per_pixel(bits, (height, width))
    for one, cells in zip(spread[:, 0], bits, strict=True):
        theirs = skimage.transform.resize(
            cells.numpy(), (height, width), order=1, preserve_range=True, anti_aliasing=False
        )
        np.testing.assert_allclose(one, theirs * (h * w) / (height * width), rtol=1e-6, atol=1e-9)


def test_in_single_precision_too():
    bits = torch.rand(1, 14, 14)
    theirs = skimage.transform.resize(bits[0].numpy(), (224, 224), order=1, preserve_range=True) / 256
    np.testing.assert_allclose(per_pixel(bits, (224, 224))[0, 0], theirs, rtol=0, atol=1e-6 * theirs.max())


def test_a_constant_map_keeps_its_sum():
    assert per_pixel(torch.full((1, 7, 7), 3.0), (224, 200)).sum().item() == pytest.approx(3 * 49, rel=1e-5)


@pytest.mark.parametrize("shape", [(3, 3), (3, 8), (14, 14)])
def test_smoothing_is_that_of_scipy(shape):
    values = torch.rand(2, *shape, 3).double()
    offsets = np.arange(-2, 3)
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / 2)
    ours = smoothed(values)
    for image in range(2):
        for channel in range(3):
            theirs = scipy.ndimage.correlate(
                values[image, ..., channel].numpy(), kernel / kernel.sum(), mode="mirror"
            )
            np.testing.assert_allclose(ours[image, ..., channel], theirs, rtol=1e-12)


def test_too_few_cells_are_refused():
    with pytest.raises(ModelError, match="2 x 7"):
        smoothed(torch.rand(1, 2, 7, 3))


def test_capacity_is_the_divergence_of_two_normals():
    """Of ``N(mean + passed (f - mean), ((1 - passed) s)^2)`` from ``N(mean, s^2)``."""
    for passed in (0.0, 0.3, 0.9, 0.999):
        for feature, mean, deviation in ((2.0, 0.5, 0.7), (-1.0, 0.2, 3.0)):
            mixture = torch.distributions.Normal(
                mean + passed * (feature - mean), (1 - passed) * deviation, validate_args=False
            )
            expected = torch.distributions.kl_divergence(mixture, torch.distributions.Normal(mean, deviation))
            ours = capacity(torch.tensor(passed), torch.tensor((feature - mean) / deviation))
            torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("alpha", [17.0, 100.0, 1e30])
def test_a_mask_that_is_wide_open_stays_finite_with_its_gradient(alpha):
    opened = torch.full((1, 4, 4, 2), alpha, requires_grad=True)
    nats = capacity(mask(opened), torch.full((1, 4, 4, 2), 5.0))
    nats.sum().backward()
    assert mask(opened).max() <= MOST_PASSED
    assert nats.max().item() == pytest.approx(12.0 - math.log(1e-6), abs=0.1)
    assert torch.isfinite(opened.grad).all()
