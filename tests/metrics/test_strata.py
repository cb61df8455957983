from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from plainfilm.errors import InputError
from plainfilm.metrics.strata import NONE, count_stratum, lesions, relative_area, size_stratum


def of_area(pixels: int) -> np.ndarray:
    mask = np.zeros(1000, bool)
    mask[:pixels] = True
    return mask.reshape(20, 50)


@pytest.mark.parametrize(
    ("pixels", "stratum"),
    [(0, NONE), (1, "small"), (9, "small"), (10, "medium"), (49, "medium"), (50, "large"), (1000, "large")],
)
def test_sizes_are_parted_at_the_edges(pixels, stratum):
    assert size_stratum(of_area(pixels)) == stratum
    assert relative_area(of_area(pixels)) == pixels / 1000


def test_edges_can_be_given():
    assert size_stratum(of_area(100), edges=(0.2, 0.4)) == "small"


@pytest.mark.parametrize("edges", [(0.1,), (0.5, 0.1), (0.1, 0.2, 0.3)])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(InputError, match="two shares that rise"):
        size_stratum(of_area(3), edges)


def test_lesions_are_the_regions_of_scikit_image():
    mask = np.random.default_rng(0).random((40, 40)) < 0.15
    assert lesions(mask) == label(mask, connectivity=2).max()


def test_pixels_that_touch_by_a_corner_are_one_lesion():
    assert lesions(np.eye(4, dtype=bool)) == 1


def test_counts_from_the_most_on_are_one_stratum():
    mask = np.zeros((3, 11), bool)
    assert count_stratum(mask) == NONE
    for k, stratum in enumerate(["1", "2", "3+", "3+"]):
        mask[0, 2 * k] = True
        assert count_stratum(mask) == stratum
    with pytest.raises(InputError, match="1 or more"):
        count_stratum(mask, most=0)
