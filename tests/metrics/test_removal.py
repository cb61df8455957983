from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torchvision.transforms import GaussianBlur

from plainfilm.errors import InputError
from plainfilm.metrics.removal import (
    KERNEL,
    SIDE,
    SIGMA,
    blurred,
    counterfactual_recovery,
    gaussian_blur,
    removal_drop,
)


@pytest.fixture
def images():
    return torch.rand(3, 1, 56, 56, generator=torch.Generator().manual_seed(0))


def corner(images):
    """A score that sees the upper left quarter alone: how much it varies there."""
    return images[:, 0, :28, :28].var((1, 2))


def quarter(row, column):
    found = np.zeros((2, 2), np.float32)
    found[row, column] = 1
    return found


def test_the_blur_is_a_gaussian_cut_at_its_kernel(images):
    reach = round(KERNEL * 56 / SIDE) // 2
    sigma = SIGMA * 56 / SIDE
    expected = gaussian_filter(
        images[0, 0].double().numpy(), sigma, mode="mirror", truncate=(reach + 0.01) / sigma
    )
    np.testing.assert_allclose(blurred(images)[0, 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("kernel", "sigma"), [(19, 10.0), (9, 5.0), (5, 0.7), (1, 3.0)])
def test_the_blur_is_that_of_torchvision(images, kernel, sigma):
    expected = GaussianBlur(kernel, sigma)(images)
    torch.testing.assert_close(gaussian_blur(images, kernel, sigma), expected, atol=1e-6, rtol=0)


def test_at_the_size_of_the_paper_both_ways_of_blurring_are_one():
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    assert torch.equal(blurred(images), gaussian_blur(images, 19, 10.0))


@pytest.mark.parametrize(("kernel", "sigma"), [(18, 10.0), (113, 10.0), (19, 0.0), (-1, 1.0)])
def test_a_blur_that_means_nothing_is_refused(images, kernel, sigma):
    with pytest.raises(InputError, match="odd kernel"):
        gaussian_blur(images, kernel, sigma)


def test_blur_keeps_a_constant_film(images):
    assert torch.allclose(blurred(torch.full_like(images, 0.7)), torch.tensor(0.7))


def test_only_what_the_score_sees_counts(images):
    seen = removal_drop(corner, images, np.stack([quarter(0, 0)] * 3), share=0.2)
    unseen = removal_drop(corner, images, np.stack([quarter(1, 1)] * 3), share=0.2)
    assert (seen > 0.02).all()
    np.testing.assert_array_equal(unseen, 0)


def test_the_drop_is_that_of_the_blurred_pixels(images):
    map = np.random.default_rng(1).random((3, 56, 56)).astype(np.float32)
    found = removal_drop(corner, images, map, share=0.25)
    for k in range(3):
        changed = images[k].clone()
        order = np.argsort(-map[k].ravel(), kind="stable")[: 56 * 56 // 4]
        changed.view(-1)[order] = blurred(images[k : k + 1]).view(-1)[order]
        expected = corner(images[k : k + 1]) - corner(changed[None])
        assert found[k] == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e6])
def test_the_unit_of_a_map_changes_nothing(images, unit):
    map = np.random.default_rng(3).random((3, 7, 7)).astype(np.float32)
    scaled = removal_drop(corner, images, map * np.float32(unit))
    np.testing.assert_allclose(scaled, removal_drop(corner, images, map), atol=1e-4)


def test_a_batch_is_its_films_one_by_one(images):
    map = np.random.default_rng(2).random((3, 7, 7)).astype(np.float32)
    one_by_one = [removal_drop(corner, images[k : k + 1], map[k : k + 1])[0] for k in range(3)]
    np.testing.assert_allclose(removal_drop(corner, images, map), one_by_one, atol=1e-6)


def test_a_map_of_zeros_fills_its_share_in_index_order(images):
    found = removal_drop(corner, images, np.zeros((3, 56, 56), np.float32), share=0.5)
    changed = images.clone()
    changed[:, :, :28] = blurred(images)[:, :, :28]
    np.testing.assert_allclose(found, (corner(images) - corner(changed)).numpy(), atol=1e-6)


@pytest.mark.parametrize(("share", "maps"), [(0, 3), (1, 3), (0.1, 2)])
def test_what_means_nothing_is_refused(images, share, maps):
    with pytest.raises(InputError, match="removal_drop"):
        removal_drop(corner, images, np.ones((maps, 7, 7)), share=share)


def test_the_cause_recovers_all_and_elsewhere_nothing(images):
    without = images.clone()
    without[:, :, 4:12, 4:20] = 0.5
    cause = np.zeros((3, 56, 56))
    cause[:, 4:12, 4:20] = 1
    half = cause.copy()
    half[:, 4:12, 12:20] = 0
    found = [
        counterfactual_recovery(corner, images, without, maps, [128] * 3) for maps in (cause, half, -cause)
    ]
    np.testing.assert_allclose(found[0], 1, atol=1e-6)
    assert ((found[1] > 0.2) & (found[1] < 0.9)).all()
    np.testing.assert_array_equal(found[2], 0)


def test_a_score_that_does_not_fall_without_the_finding_leaves_nothing_to_recover(images):
    maps = np.ones((3, 56, 56))
    assert np.isnan(counterfactual_recovery(corner, images, images, maps, [10] * 3)).all()
    risen = counterfactual_recovery(corner, images, 2 * images, maps, [10] * 3)
    assert np.isnan(risen).all()


@pytest.mark.parametrize("areas", [[10, 10], [10, 10, 0]])
def test_areas_that_mean_nothing_are_refused(images, areas):
    with pytest.raises(InputError, match="counterfactual_recovery"):
        counterfactual_recovery(corner, images, images, np.ones((3, 7, 7)), areas)
