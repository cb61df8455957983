from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from plainfilm.errors import InputError
from plainfilm.metrics.removal import KERNEL, SIDE, SIGMA, blurred, removal_drop


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
