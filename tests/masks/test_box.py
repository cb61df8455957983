from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plainfilm.errors import InputError
from plainfilm.masks.box import box_mask, mask_box

boxes = st.tuples(st.floats(-5, 15), st.floats(-5, 15), st.floats(0.01, 20), st.floats(0.01, 20))


@given(st.lists(boxes, max_size=3))
def test_a_pixel_belongs_where_its_centre_lies_in_a_box(given):
    expected = np.zeros((7, 9), bool)
    for row in range(7):
        for column in range(9):
            expected[row, column] = any(
                x <= column + 0.5 < x + w and y <= row + 0.5 < y + h for x, y, w, h in given
            )
    assert np.array_equal(box_mask((7, 9), given), expected)


@given(arrays(bool, (6, 8)))
def test_the_box_of_a_mask_is_the_smallest_that_holds_it(mask):
    box = mask_box(mask)
    if box is None:
        assert not mask.any()
        return
    drawn = box_mask(mask.shape, [box])
    assert not (mask & ~drawn).any()
    for axis in (0, 1):
        inside = np.flatnonzero(drawn.any(axis))
        assert mask.any(axis)[inside[0]]
        assert mask.any(axis)[inside[-1]]


def test_a_box_of_whole_pixels_comes_back():
    assert mask_box(box_mask((10, 12), [(3, 2, 5, 4)])) == (3, 2, 5, 4)


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 1), (0, 0, 1, -1), (np.nan, 0, 1, 1), (0, 0, np.inf, 1), (1, 2, 3)]
)
def test_a_box_without_a_size_is_refused(box):
    with pytest.raises(InputError, match="box_mask"):
        box_mask((4, 4), [box])
