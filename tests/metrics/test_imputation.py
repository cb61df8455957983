from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from plainfilm.errors import InputError
from plainfilm.metrics.imputation import imputed, road


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 2, 12, 9, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def score():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3))
    return lambda images: network(images).mean((2, 3))[:, 0].sigmoid()


def slowly(pixels, removed):
    """Each removed pixel takes its neighbours' weighted mean, over and over until nothing moves."""
    filled = np.where(removed, 0.5, pixels)
    height, width = pixels.shape
    for _ in range(5000):
        before = filled.copy()
        for row, column in np.argwhere(removed):
            total = weights = 0.0
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    y, x = row + down, column + right
                    if (down or right) and 0 <= y < height and 0 <= x < width:
                        weight = 1 / 12 if down and right else 1 / 6
                        total, weights = total + weight * filled[y, x], weights + weight
            filled[row, column] = total / weights
        if np.abs(filled - before).max() < 1e-10:
            break
    return filled


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_imputed_pixels_are_the_weighted_mean_of_their_neighbours(image, share):
    removed = np.random.default_rng(1).random((12, 9)) < share
    found = imputed(image, removed, noise=0).numpy()[0]
    for channel in range(2):
        np.testing.assert_allclose(found[channel], slowly(image[0, channel].numpy(), removed), atol=1e-6)


def test_pixels_that_stay_are_untouched_and_the_image_itself_too(image):
    removed, before = np.random.default_rng(2).random((12, 9)) < 0.4, image.clone()
    found = imputed(image, removed)
    assert torch.equal(found[..., torch.from_numpy(~removed)], image[..., torch.from_numpy(~removed)])
    assert torch.equal(image, before)


@given(st.integers(0, 50), st.floats(0.05, 0.95))
def test_a_slope_is_imputed_within_its_range_and_a_constant_exactly(seed, share):
    removed = np.random.default_rng(seed).random((10, 10)) < share
    if removed.all():
        return
    slope = torch.linspace(0, 1, 10).expand(1, 1, 10, 10)
    found = imputed(slope, removed, noise=0)
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6
    assert torch.allclose(imputed(torch.full_like(slope, 0.3), removed, noise=0), torch.tensor(0.3))


def test_noise_is_seeded_and_has_its_width():
    image, removed = torch.zeros(1, 1, 100, 100), np.zeros((100, 100), bool)
    removed[:, :60] = True
    first, again, other = (imputed(image, removed, 0.05, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first[0, 0, :, :60].std().item() == pytest.approx(0.05, rel=0.05)


def test_imputation_is_that_of_quantus():
    perturb = pytest.importorskip("quantus.functions.perturb_func")
    rng = np.random.default_rng(3)
    for share in (0.05, 0.4, 0.8):
        pixels, removed = rng.random((3, 32, 32)), rng.random((32, 32)) < share
        theirs = perturb.noisy_linear_imputation(pixels, np.flatnonzero(removed), noise=0.0)
        ours = imputed(torch.from_numpy(pixels)[None], removed, noise=0)[0].numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_the_curves_are_those_of_quantus():
    """With a score that says whether the class still wins, whose mean over films Quantus calls ROAD."""
    quantus = pytest.importorskip("quantus")
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 4)
    )
    rng = np.random.default_rng(4)
    images, maps = rng.random((12, 1, 20, 20)).astype(np.float32), rng.random((12, 1, 20, 20))
    percentages = [10, 30, 50, 80]
    with torch.no_grad():
        labels = network(torch.from_numpy(images)).argmax(1).numpy()
    theirs = quantus.ROAD(
        percentages=percentages, noise=0.0, disable_warnings=True, display_progressbar=False
    )(model=network.eval(), x_batch=images, y_batch=labels, a_batch=maps, device="cpu")
    ours = [
        road(lambda x, k=label: (network(x).argmax(1) == k).float(), torch.from_numpy(image), map,
             [p / 100 for p in percentages], noise=0).most_relevant_first
        for image, map, label in zip(images, maps, labels, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(np.mean(ours, axis=0), [theirs[p] for p in percentages], atol=1e-4)


def test_the_curves_are_those_of_removing_by_hand(image, score):
    map = np.random.default_rng(5).random((12, 9)).round(1)
    found = road(score, image[0], map, (0.1, 0.4), noise=0)
    order = sorted(range(108), key=lambda pixel: (-map.flat[pixel], pixel))
    for k, count in enumerate((10, 43)):
        for curve, gone in (("most", order[:count]), ("least", order[::-1][:count])):
            removed = np.zeros((12, 9), bool)
            removed.flat[gone] = True
            changed = np.stack([slowly(channel, removed) for channel in image[0].double().numpy()])
            expected = score(torch.from_numpy(changed)[None].float()).item()
            assert getattr(found, f"{curve}_relevant_first")[k] == pytest.approx(expected, abs=1e-5)
    assert found.gap == pytest.approx((found.least_relevant_first - found.most_relevant_first).mean())


def test_a_map_of_the_cause_has_a_gap_its_opposite_the_reverse():
    image = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(1))
    where = np.zeros((32, 32))
    where[8:16, 8:16] = 1

    def texture(images):
        return 10 * images[:, :, 8:16, 8:16].var((1, 2, 3))

    assert road(texture, image, where).gap > 0.5
    assert road(texture, image, -where).gap < -0.5


def test_a_constant_map_says_so(image, score):
    assert road(score, image, np.ones((12, 9))).flat
    assert not road(score, image, np.eye(12, 9)).flat


@pytest.mark.parametrize("shares", [(), (0.0,), (0.5, 1.0), (0.001,)])
def test_shares_that_remove_none_or_all_are_refused(image, score, shares):
    with pytest.raises(InputError, match="road"):
        road(score, image, np.eye(12, 9), shares)


def test_nothing_to_impute_from_is_refused_and_nothing_to_impute_changes_nothing(image):
    with pytest.raises(InputError, match="imputed"):
        imputed(image, np.ones((12, 9), bool))
    with pytest.raises(InputError, match="imputed"):
        imputed(image, np.zeros((9, 12), bool))
    assert torch.equal(imputed(image, np.zeros((12, 9), bool)), image)
