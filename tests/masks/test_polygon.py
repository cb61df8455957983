from __future__ import annotations

import contextlib
import csv
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plainfilm.errors import InputError
from plainfilm.masks.polygon import mask_polygons, polygon_mask
from plainfilm.masks.rle import decode_rle
from plainfilm.masks.threshold import otsu_mask
from plainfilm.metrics.localisation import iou

coordinates = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-30, 30)


def test_a_rectangle_includes_its_outline():
    mask = polygon_mask((6, 8), [[(1, 2), (4, 2), (4, 5), (1, 5)]])
    assert mask.dtype == bool
    assert np.argwhere(mask).min(0).tolist() == [2, 1]
    assert np.argwhere(mask).max(0).tolist() == [5, 4]
    assert mask.sum() == 16


def test_polygons_are_united_not_cut_out_of_each_other():
    outer, inner = [(0, 0), (7, 0), (7, 7), (0, 7)], [(2, 2), (5, 2), (5, 5), (2, 5)]
    assert polygon_mask((8, 8), [outer, inner]).all()


def test_what_lies_beyond_the_film_is_cut_off():
    assert polygon_mask((4, 4), [[(-9, -9), (30, -9), (30, 30), (-9, 30)]]).all()
    assert not polygon_mask((4, 4), [[(10, 10), (12, 10), (12, 12)]]).any()


@pytest.mark.parametrize(
    ("ring", "pixels"), [([], 0), ([(1, 2)], 1), ([(0, 0), (3, 0)], 4), ([(1, 1)] * 5, 1)]
)
def test_a_ring_without_an_area_is_a_line_or_a_point(ring, pixels):
    assert polygon_mask((4, 4), [ring]).sum() == pixels


@pytest.mark.parametrize(
    "ring",
    [[(0, np.nan), (1, 1)], [(1e9, 0), (1, 1)], [(1, 2, 3)], [1, 2, 3], [(1,), (2, 3)], ["ab", "cd"], 7],
)
def test_a_ring_of_something_else_is_refused(ring):
    with pytest.raises(InputError, match="polygon_mask"):
        polygon_mask((4, 4), [ring])


@given(st.lists(st.lists(st.tuples(coordinates, coordinates), max_size=6), max_size=3))
def test_no_ring_brings_anything_but_an_input_error(polygons):
    with contextlib.suppress(InputError):
        assert polygon_mask((9, 7), polygons).shape == (9, 7)


@given(arrays(bool, (9, 11)))
def test_the_outlines_of_a_mask_leave_no_pixel_of_it_out(mask):
    assert not (mask & ~polygon_mask(mask.shape, mask_polygons(mask))).any()


ellipses = st.tuples(st.floats(0, 40), st.floats(0, 50), st.floats(1, 25), st.floats(1, 25))


@given(ellipses)
def test_an_ellipse_comes_back_from_its_outline(ellipse):
    row, column, tall, wide = ellipse
    rows, columns = np.mgrid[:40, :50]
    mask = ((rows - row) / tall) ** 2 + ((columns - column) / wide) ** 2 < 1
    assert np.array_equal(polygon_mask(mask.shape, mask_polygons(mask)), mask)


def test_holes_are_filled():
    ring = np.ones((9, 9), bool)
    ring[3:6, 3:6] = False
    assert polygon_mask(ring.shape, mask_polygons(ring)).all()


@pytest.fixture(scope="module")
def chexlocalize(real_data):
    folder = real_data / "chexlocalize"
    names = ("gt_annotations_val", "gt_segmentations_val", "gradcam_segmentations_val_sample")
    return folder, *(json.loads((folder / f"{name}.json").read_text()) for name in names)


def test_the_experts_masks_of_chexlocalize_follow_from_their_polygons(chexlocalize):
    _, polygons, masks, _ = chexlocalize
    for film, drawn in polygons.items():
        for task, code in masks[film].items():
            truth = decode_rle(code["size"], code["counts"])
            assert np.array_equal(polygon_mask(tuple(drawn["img_size"]), drawn.get(task, [])), truth)
            assert np.array_equal(polygon_mask(truth.shape, mask_polygons(truth)), truth)


def test_the_grad_cam_masks_and_ious_of_chexlocalize_follow_from_its_maps(chexlocalize):
    """Published masks: bilinear to the film, stretched to 8 bits, Otsu; one pixel may round the other way."""
    folder, _, experts, published = chexlocalize
    for row in csv.DictReader((folder / "golden_iou.csv").open()):
        film, task = row["image"], row["task"]
        code, truth = published[film][task], decode_rle(**experts[film][task])
        values = np.load(folder / "gradcam_npz" / f"{film}_{task.replace(' ', '_')}.npz")["map"]
        grid = torch.from_numpy(values).reshape(1, 1, 320, 320)
        mask = otsu_mask(torch.nn.functional.interpolate(grid, code["size"], mode="bilinear")[0, 0])
        assert np.count_nonzero(mask != decode_rle(**code)) <= 1
        assert mask.sum() == pytest.approx(int(row["gradcam_pixels"]), abs=1)
        assert truth.sum() == int(row["gt_pixels"])
        expected = (
            float(row["iou"]) if truth.any() else np.nan
        )  # a film without the finding counts as 0 there
        assert iou(mask, truth) == pytest.approx(expected, abs=5e-5, nan_ok=True)
