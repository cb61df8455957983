from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch import nn

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.sensitivity import sensitivity_n

SIZES = (3, 20, 100)


@pytest.fixture(scope="module")
def score():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 6, 5), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU())
    return lambda images: (4 * network(images).mean((2, 3))[:, 0]).sigmoid()


@pytest.fixture(scope="module")
def image():
    return torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def maps():
    return np.random.default_rng(2).normal(size=(3, 16, 16))


@pytest.fixture(scope="module")
def masks():
    """``(sizes, masks, H, W)``."""
    rng, found = np.random.default_rng(3), np.zeros((len(SIZES), 12, 16, 16), bool)
    for k, size in enumerate(SIZES):
        for mask in found[k]:
            mask.flat[rng.permutation(256)[:size]] = True
    return found


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_it_is_the_correlation_of_a_slow_loop(score, image, maps, masks, baseline):
    found = sensitivity_n(score, image, maps, SIZES, masks, baseline)
    whole = score(image[None]).item()
    for method, map in enumerate(maps):
        for column in range(len(SIZES)):
            sums, falls = [], []
            for mask in masks[column]:
                changed = image.clone()
                changed[:, torch.from_numpy(mask)] = baseline
                sums.append(sum(map[row, place] for row, place in np.argwhere(mask)))
                falls.append(whole - score(changed[None]).item())
            expected = pearsonr(sums, falls).statistic
            assert found.correlations[method, column] == pytest.approx(expected, abs=1e-4)
    assert not found.undefined.any()


def test_an_image_as_baseline_takes_its_pixels(score, image, maps, masks):
    constant = sensitivity_n(score, image, maps, SIZES, masks, 0.7)
    drawn = sensitivity_n(score, image, maps, SIZES, masks, torch.full_like(image, 0.7))
    np.testing.assert_array_equal(drawn, constant)


def test_the_contributions_of_a_linear_score_are_a_perfect_map(image):
    weights = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(4))
    exact = (weights * image).sum(0).numpy()
    found = sensitivity_n(lambda x: (x * weights).sum((1, 2, 3)), image, [exact, -2 * exact], SIZES)
    np.testing.assert_allclose(found.correlations, [[1, 1, 1], [-1, -1, -1]], atol=1e-5)


def test_all_methods_cost_what_one_does_and_get_what_they_get_alone(score, image, maps):
    asked = []

    def counted(images):
        asked.append(len(images))
        return score(images)

    together = sensitivity_n(counted, image, {"a": maps[0], "b": maps[1], "c": maps[2]}, SIZES, masks=40)
    assert sum(asked) == together.passes == len(SIZES) * 40 + 1
    alone = np.concatenate([sensitivity_n(score, image, map, SIZES, masks=40) for map in maps])
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_a_size_named_twice_is_scored_once(score, image, maps):
    sizes = np.logspace(0, 2.3, 20).astype(int)
    found = sensitivity_n(score, image, maps, sizes, masks=5)
    assert found.passes == len(np.unique(sizes)) * 5 + 1 < 101
    assert found.correlations.shape == (3, 20)
    np.testing.assert_array_equal(found.correlations[:, 0], found.correlations[:, 1])


def test_one_seed_draws_the_same_masks(score, image, maps):
    first, again, other = (sensitivity_n(score, image, maps, SIZES, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(np.asarray(first) != np.asarray(other))


def test_masks_remove_so_many_pixels_each_once(image):
    removed = []

    def seen(images):
        removed.extend((images[:, 0] == 0).sum((1, 2)).tolist())
        return images.mean((1, 2, 3))

    sensitivity_n(seen, image, np.ones((16, 16)), (1, 17, 256), masks=4)
    assert removed == [0, *[1] * 4, *[17] * 4, *[256] * 4]


def test_a_constant_map_is_undefined_counts_as_zero_and_is_told(score, image, maps):
    found = sensitivity_n(score, image, [np.full((16, 16), 0.1), maps[0]], SIZES)
    np.testing.assert_array_equal(found.undefined, [[True] * 3, [False] * 3])
    np.testing.assert_array_equal(found.correlations[0], 0)


def test_a_score_that_never_moves_and_all_pixels_at_once_are_undefined(image, maps):
    blind = sensitivity_n(lambda images: torch.full((len(images),), 0.4), image, maps, SIZES)
    assert blind.undefined.all()
    whole = sensitivity_n(lambda images: images.mean((1, 2, 3)), image, maps, (256,))
    assert whole.undefined.all()
    np.testing.assert_array_equal(whole.correlations, 0)


@pytest.mark.parametrize(
    ("sizes", "masks"),
    [((), 30), ((0,), 30), ((257,), 30), (SIZES, 2), (SIZES, np.ones((2, 5, 16, 16), bool))],
)
def test_what_means_nothing_is_refused(score, image, maps, sizes, masks):
    with pytest.raises(InputError, match="sensitivity_n"):
        sensitivity_n(score, image, maps, sizes, masks)


@pytest.mark.parametrize("none", [[], {}, np.zeros((0, 16, 16))])
def test_no_map_at_all_is_refused(score, image, none):
    with pytest.raises(InputError, match="no map"):
        sensitivity_n(score, image, none, SIZES)


def test_a_map_with_nan_is_refused(score, image):
    with pytest.raises(NumericError):
        sensitivity_n(score, image, np.full((16, 16), np.nan), SIZES)
