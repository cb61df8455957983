from __future__ import annotations

import numpy as np
import pytest

from plainfilm.errors import InputError
from plainfilm.masks.lungs import split_lungs, two_lungs


def two_boxes(height=96, width=120):
    """Two lungs that are boxes; the patient's right one first."""
    right, left = np.zeros((2, height, width), bool)
    right[20:70, 15:50] = True
    left[20:75, 70:105] = True
    return right, left


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_specks_are_dropped_and_holes_filled():
    right, left = two_boxes()
    mask = right | left
    mask[40:44, 30:34] = False
    mask[2:5, 2:5] = True
    found = split_lungs(mask)
    np.testing.assert_array_equal(found[0], right)
    np.testing.assert_array_equal(found[1], left)


def test_lungs_that_touch_are_separated():
    right, left = two_boxes()
    mask = right | left
    mask[30:36, 45:75] = True
    found = split_lungs(mask)
    assert dice(found[0], right) > 0.95
    assert dice(found[1], left) > 0.95


@pytest.mark.parametrize("side", [0, 1])
def test_a_single_lung_is_not_cut_in_two(side):
    lung = two_boxes()[side]
    found = split_lungs(lung)
    np.testing.assert_array_equal(found[side], lung)
    assert not found[1 - side].any()


def test_the_middle_of_a_padded_film_decides_whose_lung_a_single_one_is():
    lung = two_boxes()[0]
    right, left = split_lungs(lung, middle=10)
    assert not right.any()
    np.testing.assert_array_equal(left, lung)


def test_a_mask_without_two_lungs_is_refused_and_the_film_named():
    right, left = two_boxes()
    np.testing.assert_array_equal(two_lungs(right | left, "a film"), (right, left))
    speck = left & (np.arange(120) < 74)
    for mask in (right, speck | right, np.zeros_like(right)):
        with pytest.raises(InputError, match=r"a film: got a lung mask without two lungs"):
            two_lungs(mask, "a film")
