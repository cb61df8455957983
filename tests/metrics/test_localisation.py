from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from sklearn.metrics import f1_score, jaccard_score

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.localisation import (
    best_case_iou,
    dice,
    hit,
    iou,
    is_flat,
    mass_inside,
    otsu_iou,
    percentile_iou,
    rank_inside,
)

MEASURES = [
    partial(iou, threshold=0.5), partial(dice, threshold=0.5), best_case_iou, percentile_iou, otsu_iou, hit,
    mass_inside, rank_inside,
]  # fmt: skip
maps = arrays(np.float64, (6, 7), elements=st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0]))
masks = arrays(bool, (6, 7))


def spot(shape=(10, 12), row=4, column=6) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)


@settings(deadline=None)
@given(maps, masks, st.sampled_from([-1.0, 0.0, 0.75]))
def test_iou_agrees_with_scikit_learn(map, mask, threshold):
    if mask.any():
        expected = jaccard_score(mask.ravel(), (map > threshold).ravel(), zero_division=0)
        assert iou(map, mask, threshold) == pytest.approx(expected)


def test_iou_of_two_masks_needs_no_threshold():
    assert iou(np.array([[1, 1, 0]]), np.array([[0, 255, 255]])) == pytest.approx(1 / 3)


def test_iou_of_a_map_without_a_threshold_is_refused():
    with pytest.raises(InputError, match="Threshold it first"):
        iou(spot(), spot() > 0.5)


@settings(deadline=None)
@given(arrays(np.float64, (6, 7), elements=st.integers(1, 10**6), unique=True), masks)
def test_best_case_iou_is_that_of_the_published_percentile(map, mask):
    if 0 < mask.sum() < mask.size:
        predicted = map > np.percentile(map, 100 * (1 - mask.mean()))
        assert predicted.sum() == mask.sum()
        assert best_case_iou(map, mask) == best_case_iou(map, mask, "first")
        assert best_case_iou(map, mask) == (predicted & mask).sum() / (predicted | mask).sum()


def test_best_case_iou_of_a_sparse_map_counts_its_few_pixels_only():
    map, mask = np.zeros((4, 4)), np.zeros((4, 4), bool)
    map[0, :2], mask[0] = (1, 2), True
    assert best_case_iou(map, mask) == best_case_iou(map, mask, "first") == 2 / 4


def test_a_constant_map_points_at_nothing_or_by_choice_follows_the_index_order():
    mask = np.zeros((4, 4), bool)
    mask[0, 2:], mask[1, :2] = True, True
    assert best_case_iou(np.ones((4, 4)), mask) == 0
    assert best_case_iou(np.ones((4, 4)), mask, "first") == 2 / 6
    assert best_case_iou(np.zeros((4, 4)), mask) == 0


def test_percentile_iou_judges_the_top_twentieth():
    map = np.arange(400.0).reshape(20, 20)
    assert percentile_iou(map, map >= 380) == 1
    assert percentile_iou(map, map >= 300, percent=50) == 0.5


def test_otsu_iou_finds_a_bright_block():
    mask = np.zeros((9, 9), bool)
    mask[2:5, 3:6] = True
    assert otsu_iou(mask + 0.01 * spot((9, 9)), mask) == 1


def test_the_highest_pixel_decides_a_hit():
    mask = np.zeros((10, 12), bool)
    mask[4, 6] = True
    assert hit(spot(), mask) == 1
    assert hit(-spot(), mask) == 0


def test_of_several_highest_pixels_the_first_decides():
    map = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert hit(map, np.array([[False, True], [False, False]])) == 1
    assert hit(map, np.array([[False, False], [True, False]])) == 0


def test_a_tolerance_reaches_as_far_as_it_says():
    mask = np.zeros((10, 12), bool)
    mask[1, 2] = True  # 3 rows and 4 columns away
    assert hit(spot(), mask, tolerance=4.99) == 0
    assert hit(spot(), mask, tolerance=5) == 1


@pytest.mark.parametrize("tolerance", [-1, np.nan])
def test_a_tolerance_below_zero_is_refused(tolerance):
    with pytest.raises(InputError, match="0 or more"):
        hit(spot(), spot() > 0.5, tolerance)


def test_mass_inside_counts_positive_relevance_only():
    map = np.array([[3.0, 1.0, -8.0]])
    assert mass_inside(map, np.array([[True, False, True]])) == 0.75
    assert mass_inside(-np.ones((1, 3)), np.array([[True, False, True]])) == 0


@settings(deadline=None)
@given(maps, masks, st.sampled_from([1e-250, 1e-3, 1e250]))
def test_mass_inside_does_not_depend_on_the_unit(map, mask, unit):
    if mask.any():
        assert mass_inside(map * unit, mask) == pytest.approx(mass_inside(map, mask), rel=1e-12)


@settings(deadline=None)
@given(maps, masks)
def test_every_measure_stays_within_0_and_1(map, mask):
    for measure in MEASURES:
        value = measure(map, mask)
        assert 0 <= value <= 1 if mask.any() else math.isnan(value)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_map_that_is_the_mask_is_perfect_and_its_opposite_worthless(measure):
    mask = np.zeros((10, 10), bool)
    mask[3, 2:7] = True  # 5 %, for the percentile's sake
    graded = mask * (1 + 0.01 * np.arange(100).reshape(10, 10) / 100)
    assert measure(graded, mask) == 1
    assert measure(1.0 - mask, mask) == 0


@pytest.mark.parametrize("measure", MEASURES)
def test_an_empty_mask_is_undefined_even_for_an_empty_map(measure):
    assert math.isnan(measure(spot(), np.zeros((10, 12), bool)))
    assert math.isnan(measure(np.zeros((10, 12)), np.zeros((10, 12), bool)))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("shape", [(1, 12), (10, 1), (12, 10), (1, 10, 12)])
def test_shapes_that_would_broadcast_are_refused(measure, shape):
    with pytest.raises(InputError):
        measure(spot(), np.ones(shape, bool))
    with pytest.raises(InputError):
        measure(np.ones(shape), spot() > 0.5)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_map_that_is_not_finite_is_refused(measure):
    map = spot()
    map[0, 0] = np.nan
    with pytest.raises(NumericError, match="row 0, column 0"):
        measure(map, spot() > 0.5)


@pytest.mark.parametrize("measure", MEASURES)
def test_tensors_and_arrays_give_one_result(measure):
    map, mask = spot(), spot(row=5) > 0.5
    assert measure(torch.tensor(map, requires_grad=True), torch.tensor(mask)) == measure(map, mask)


@settings(deadline=None)
@given(maps, masks)
def test_dice_agrees_with_scikit_learns_f1(map, mask):
    if mask.any():
        expected = f1_score(mask.ravel(), (map > 0.5).ravel(), zero_division=0)
        assert dice(map, mask, 0.5) == pytest.approx(expected)


@settings(deadline=None)
@given(arrays(np.float64, (6, 7), elements=st.integers(1, 10**6), unique=True), masks)
def test_rank_inside_is_the_share_of_the_highest_pixels_that_lie_inside(map, mask):
    if mask.any():
        highest = np.argsort(map.ravel())[::-1][: mask.sum()]
        assert rank_inside(map, mask) == pytest.approx(mask.ravel()[highest].mean())


def test_pixels_that_tie_share_the_last_places():
    map = np.array([[5.0, 1, 1, 1, 1, 0]])
    mask = np.array([[True, True, False, False, False, False]])
    # One place is left for four pixels, one of which lies inside.
    assert rank_inside(map, mask) == (1 + 0.25) / 2
    assert rank_inside(np.ones((1, 6)), mask) == pytest.approx(mask.mean())


def test_pixels_without_evidence_have_no_rank():
    map = np.array([[5.0, 0, 0, -1]])
    assert rank_inside(map, np.array([[True, True, False, False]])) == 0.5
    assert rank_inside(-np.ones((1, 4)), np.array([[True, True, False, False]])) == 0


def test_only_a_constant_map_is_flat():
    assert is_flat(np.full((3, 3), 0.2))
    assert not is_flat(spot())


def chexlocalize_cases(folder) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Grad-CAM on the film's grid, the expert's mask, and their IoU as recorded."""
    outlines = json.loads((folder / "gt_annotations_val.json").read_text())
    for row in csv.DictReader((folder / "golden_iou.csv").read_text().splitlines()):
        if int(row["gt_pixels"]) == 0:
            continue
        record = outlines[row["image"]]
        height, width = record["img_size"]
        mask = Image.new("1", (width, height))
        for outline in record[row["task"]]:
            ImageDraw.Draw(mask).polygon([tuple(point) for point in outline], outline=1, fill=1)
        stored = np.load(folder / "gradcam_npz" / f"{row['image']}_{row['task'].replace(' ', '_')}.npz")[
            "map"
        ]
        heat = torch.nn.functional.interpolate(
            torch.tensor(stored)[None, None], (height, width), mode="bilinear", align_corners=False
        )
        yield heat[0, 0].numpy(), np.array(mask), float(row["iou"])


def test_otsu_iou_of_real_grad_cams_is_that_of_chexlocalize(real_data):
    for heat, mask, expected in chexlocalize_cases(real_data / "chexlocalize"):
        assert otsu_iou(heat, mask) == pytest.approx(expected, abs=6e-5)
