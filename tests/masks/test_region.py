from __future__ import annotations

import numpy as np
from skimage.measure import label, regionprops

from plainfilm.masks.region import largest_region


def test_the_largest_region_is_the_one_that_scikit_image_finds():
    mask = np.random.default_rng(0).random((40, 30)) < 0.45
    largest = max(regionprops(label(mask, connectivity=1)), key=lambda region: region.area)
    expected = np.zeros_like(mask)
    expected[tuple(largest.coords.T)] = True
    for hole in regionprops(label(~expected, connectivity=1)):
        top, left, bottom, right = hole.bbox
        if top > 0 and left > 0 and bottom < 40 and right < 30:
            expected[tuple(hole.coords.T)] = True
    assert np.array_equal(largest_region(mask), expected)


def test_holes_are_filled_and_smaller_regions_left_out():
    mask = np.zeros((12, 12), bool)
    mask[1:8, 1:8] = True
    mask[3:5, 3:5] = False
    mask[9:11, 9:11] = True
    found = largest_region(mask)
    assert found[1:8, 1:8].all()
    assert found.sum() == 49


def test_an_empty_mask_stays_empty_and_the_mask_given_is_not_changed():
    mask = np.zeros((4, 5), bool)
    found = largest_region(mask)
    assert found.shape == (4, 5)
    assert not found.any()
    found[0, 0] = True
    assert not mask.any()
