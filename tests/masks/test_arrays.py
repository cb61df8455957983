from __future__ import annotations

import numpy as np
import pytest
import torch

from plainfilm.errors import InputError, NumericError
from plainfilm.masks.arrays import as_array, as_map, as_mask


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
def test_a_tensor_of_any_type_becomes_the_same_map(dtype):
    tensor = torch.tensor([[0, 1], [2, 3]], dtype=dtype)
    np.testing.assert_array_equal(as_map(tensor), [[0, 1], [2, 3]])


def test_a_tensor_that_needs_a_gradient_is_detached():
    assert as_array(torch.ones(2, requires_grad=True)).tolist() == [1, 1]


@pytest.mark.parametrize("values", [np.eye(3, dtype=bool), np.eye(3), np.eye(3, dtype=np.uint8) * 255])
def test_masks_of_bool_or_0_and_1_or_0_and_255_are_equal(values):
    np.testing.assert_array_equal(as_mask(values), np.eye(3, dtype=bool))
    np.testing.assert_array_equal(as_mask(torch.as_tensor(values)), np.eye(3, dtype=bool))


def test_a_mask_without_a_pixel_is_a_mask():
    assert not as_mask(np.zeros((2, 3), np.uint8)).any()


@pytest.mark.parametrize(
    "values", [[[0, 2]], [[0, 1, 255]], [[0, 0.5]], [[-1, 0]], [[-1, 1]], [[0, 128, 255]]]
)
def test_other_values_in_a_mask_are_refused(values):
    with pytest.raises(InputError, match="0 and 255"):
        as_mask(np.array(values))


@pytest.mark.parametrize("shape", [(4,), (1, 4, 4), (2, 1, 4, 4), (0, 4), ()])
@pytest.mark.parametrize("read", [as_map, as_mask])
def test_only_one_film_at_a_time_is_taken(read, shape):
    with pytest.raises(InputError, match=r"\(H, W\)"):
        read(np.zeros(shape))


def test_text_is_no_map():
    with pytest.raises(InputError, match="numbers"):
        as_map(np.array([["a", "b"]]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("read", [as_map, as_mask])
def test_values_that_are_not_finite_are_counted_and_placed(read, value):
    values = np.zeros((3, 4))
    values[1, 2] = values[2, 0] = value
    with pytest.raises(NumericError, match=r"2 values .* row 1, column 2"):
        read(values)


def test_what_is_read_is_a_copy_of_a_map():
    values = np.zeros((2, 2))
    as_map(values)[0, 0] = 1
    assert not values.any()
