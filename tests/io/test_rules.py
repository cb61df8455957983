"""Size, colour and notices, for arrays of any origin."""

from __future__ import annotations

import numpy as np
import pytest

from plainfilm.errors import InputError
from plainfilm.io.rules import check_size, grey, notices


def test_sizes_are_judged_by_side_and_by_area() -> None:
    check_size(2, 50, 100, "film")
    with pytest.raises(InputError, match="film: got an image of 1 x 50 pixels, expected at least 2 x 2"):
        check_size(1, 50, 100, "film")
    with pytest.raises(InputError, match=r"at most 0\.0001 million"):
        check_size(2, 51, 100, "film")


def test_equal_channels_keep_their_type() -> None:
    channel = np.arange(4, dtype=np.uint16).reshape(2, 2)
    same = grey(np.stack([channel] * 3, -1), None, "film")
    assert same.dtype == np.uint16
    np.testing.assert_array_equal(same, channel)


def test_luma_weighs_green_most() -> None:
    np.testing.assert_allclose(grey(np.eye(3)[None], "luma", "film"), [[0.299, 0.587, 0.114]], rtol=1e-6)


def test_only_flat_and_nearly_black_films_are_noticed() -> None:
    assert notices(np.array([[0.0, 0.2]])) == ()
    assert "same value" in notices(np.zeros((2, 2)))[0]
    assert "brightest pixel is 0.06" in notices(np.array([[0.0, 0.06]]))[0]
    assert "brightest pixel is 0.2" in notices(np.array([[0.0, 0.2]]), dim=0.5)[0]
