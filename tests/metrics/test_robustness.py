from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from scipy.stats import spearmanr
from torch import nn

from plainfilm.attribution import Gradient, SmoothGrad
from plainfilm.errors import InputError
from plainfilm.metrics import best_case_iou, blur_curve, hit, noise_curve, repeatability
from plainfilm.metrics.robustness import BLUR_LEVELS, NOISE_LEVELS, noisy, softened


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Conv2d(4, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 3)
    )


@pytest.fixture
def images():
    return 2048 * torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1)) - 1024


@pytest.fixture
def masks():
    found = np.zeros((3, 32, 32), bool)
    found[0, 4:12, 4:12] = found[1, 20:, 10:20] = found[2, 5:9, 20:30] = True
    return found


def test_the_published_noise_is_positive_uniform_and_unclipped(images):
    assert [2048 * level for level in NOISE_LEVELS] == list(range(0, 5000, 500))
    added = noisy(images, NOISE_LEVELS[3], -1024, 1024, seed=7, reference=True) - images
    assert added.min() >= 0
    assert 1480 < added.max() <= 1500
    assert added.mean() == pytest.approx(750, rel=0.02)
    assert (images + added).max() > 1024
    expected = 1500 * np.random.default_rng([7, 2]).random((1, 32, 32))
    np.testing.assert_allclose(added[2].numpy(), expected, atol=1e-3)


def test_the_default_noise_is_centred_and_stays_in_the_range(images):
    changed = noisy(images, 0.1, -1024, 1024)
    inside = (images.abs() < 900).numpy()
    added = (changed - images).numpy()[inside]
    assert abs(added.mean()) < 3
    assert 100 < np.abs(added).max() <= 102.4
    assert changed.abs().max() <= 1024
    assert noisy(images, 2.0, -1024, 1024).abs().max() <= 1024


def test_noise_as_a_share_means_the_same_in_every_range(images):
    unit = (images + 1024) / 2048
    np.testing.assert_allclose(
        noisy(unit, 0.3, 0, 1).numpy(), (noisy(images, 0.3, -1024, 1024).numpy() + 1024) / 2048, atol=1e-5
    )


def test_films_get_noise_of_their_own_which_grows_with_the_level(images):
    first, again, other = (noisy(images, 0.2, -1024, 1024, seed=s, reference=True) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    added = first - images
    assert not torch.equal(added[0], added[1])
    doubled = noisy(images, 0.4, -1024, 1024, seed=1, reference=True) - images
    torch.testing.assert_close(doubled, 2 * added, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("sigma", [1.0, 10.0])
def test_the_blur_is_a_gaussian_that_ends_at_three_and_a_half_sigma_with_zeros_beyond(images, sigma):
    reach = int(3.5 * sigma + 0.5)
    weights = np.array([math.exp(-(x**2) / (2 * sigma**2)) for x in range(-reach, reach + 1)])
    weights /= weights.sum()
    for k in range(3):
        padded = np.pad(images[k, 0].double().numpy(), reach)
        slow = correlate1d(correlate1d(padded, weights, 0, mode="constant"), weights, 1, mode="constant")
        inside = slow[reach:-reach, reach:-reach]
        np.testing.assert_allclose(softened(images, sigma)[k, 0].numpy(), inside, atol=1e-3)
    assert torch.equal(softened(images, 0), images)
    assert BLUR_LEVELS == (0, 10, 20, 30, 40)


def test_curves_are_those_of_a_slow_loop(network, images, masks):
    method = Gradient(network)

    def maps(x, target):
        return method.attribute(x, target).abs()

    targets = [0, 1, 2]
    noise = noise_curve(maps, images, targets, masks, -1024, 1024, levels=(0, 0.3), seed=3)
    blur = blur_curve(maps, images, targets, masks, sigmas=(0, 2), measure=hit)
    for k in range(3):
        rough = noisy(images, 0.3, -1024, 1024, seed=3)[k : k + 1]
        for row, film in enumerate((images[k : k + 1], rough)):
            expected = best_case_iou(maps(film, k)[0, 0].numpy(), masks[k])
            assert noise.values[row, k] == pytest.approx(expected)
        expected = hit(maps(softened(images, 2)[k : k + 1], k)[0, 0].numpy(), masks[k])
        assert blur.values[1, k] == expected


def test_errors_are_those_over_films(network, images, masks):
    found = noise_curve(Gradient(network).attribute, images, 0, masks, -1024, 1024, levels=(0, 0.5, 1))
    for row, interval, change in zip(found.values, found.intervals, found.changes, strict=True):
        assert interval.value == pytest.approx(row.mean())
        assert (interval.high - interval.low) / 2 == pytest.approx(
            4.3027 * row.std(ddof=1) / math.sqrt(3), rel=1e-3
        )
        assert change.value == pytest.approx((row - found.values[0]).mean())
    assert found.changes[0].low == found.changes[0].high == 0


def test_an_empty_mask_is_left_out_and_masks_that_do_not_fit_are_refused(network, images, masks):
    masks[1] = False
    attribute = Gradient(network).attribute
    found = blur_curve(attribute, images, 0, masks, sigmas=(0,))
    assert (found.intervals[0].n, found.intervals[0].n_excluded) == (2, 1)
    for wrong in (masks[:2], masks[:, :16]):
        with pytest.raises(InputError, match="one mask"):
            blur_curve(attribute, images, 0, wrong, sigmas=(0,))
    with pytest.raises(InputError, match="no level"):
        blur_curve(attribute, images, 0, masks, sigmas=())
    with pytest.raises(InputError, match="low below high"):
        noise_curve(attribute, images, 0, masks, 1, 0)
    with pytest.raises(InputError, match="sigma"):
        softened(images, -1)


def test_repeatability_compares_every_two_seeds(network, images):
    method = SmoothGrad(network, samples=2, seed=4)
    found = repeatability(method, images, [0, 1, 2], repeats=3)
    for k in range(3):
        maps = [
            SmoothGrad(network, samples=2, seed=s).attribute(images[k : k + 1], k).abs() for s in (4, 5, 6)
        ]
        flat = [each.numpy().ravel() for each in maps]
        expected = [spearmanr(flat[a], flat[b]).statistic for a, b in ((0, 1), (0, 2), (1, 2))]
        assert found.correlation[k] == pytest.approx(np.mean(expected), abs=1e-5)
    more = repeatability(SmoothGrad(network, samples=64), images, [0, 1, 2], repeats=3)
    assert more.intervals["correlation"].value > found.intervals["correlation"].value
    assert more.intervals["similarity"].value > found.intervals["similarity"].value


def test_a_method_without_chance_repeats_itself_but_not_under_noise(network, images):
    same = repeatability(Gradient(network), images, 0, repeats=2)
    np.testing.assert_allclose(same.correlation, 1)
    np.testing.assert_allclose(same.similarity, 1, atol=1e-6)
    little, much = (repeatability(Gradient(network), images, 0, repeats=2, noise=n) for n in (0.01, 0.3))
    assert (little.correlation > much.correlation).all()
    again = repeatability(Gradient(network), images, 0, repeats=2, noise=0.3)
    np.testing.assert_array_equal(much.correlation, again.correlation)


def test_a_flat_map_agrees_with_none_and_repeats_have_a_least_number(images):
    @dataclass(frozen=True)
    class Flat:
        def attribute(self, images, target):
            return torch.zeros_like(images)

    assert np.isnan(repeatability(Flat(), images, 0).correlation).all()
    for wrong in ({"repeats": 1}, {"noise": -0.1}):
        with pytest.raises(InputError, match="repeatability"):
            repeatability(Flat(), images, 0, **wrong)
