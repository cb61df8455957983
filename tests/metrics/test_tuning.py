from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from plainfilm.errors import InputError
from plainfilm.masks.threshold import otsu_mask
from plainfilm.metrics.localisation import iou
from plainfilm.metrics.tuning import film_iou, mean_iou, tuned_threshold


def films(n=12, seed=0, finding=0.6, other=0.5):
    """Noise below 0.5, a finding above, and another bright place that a low threshold takes in."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, 16, 16), bool)
    masks[:, 3:8, 4:9] = True
    maps = 0.3 * rng.random((n, 16, 16)) + finding * masks
    maps[:, 12:15, 10:15] += other - 0.2
    return maps, masks


EMPTY = np.zeros((16, 16), bool)


def test_the_best_threshold_lies_between_the_finding_and_the_rest():
    maps, masks = films()
    found = tuned_threshold(maps, masks)
    assert found.threshold == 0.6
    assert found.mean_iou == mean_iou(maps, masks, 0.6)
    assert found.mean_iou == max(mean_iou(maps, masks, t) for t in np.arange(20) / 20)


def test_it_is_applied_to_films_that_did_not_choose_it():
    chosen = tuned_threshold(*films(seed=0)).threshold
    assert mean_iou(*films(seed=1), chosen) > mean_iou(*films(seed=1), 0.3)


def test_of_equal_thresholds_the_lowest_is_taken():
    _, masks = films()
    assert tuned_threshold(np.where(masks, 1.0, 0.0), masks, [0.9, 0.2, 0.5]).threshold == 0.2


def test_films_without_a_mask_choose_nothing():
    maps, masks = films()
    found = tuned_threshold([*maps, maps[0]], [*masks, EMPTY])
    assert found == tuned_threshold(maps, masks)
    nothing = tuned_threshold(maps[:1], [EMPTY])
    assert math.isnan(nothing.threshold)
    assert nothing.films == 0


def test_an_empty_mask_counts_by_the_rule_that_is_named_and_never_silently():
    maps, masks = films(1)
    assert math.isnan(film_iou(maps[0], EMPTY, 0.5))
    assert film_iou(maps[0], EMPTY, 0.5, over="all") == 0
    assert film_iou(maps[0], EMPTY, 2.0, over="all") == 1
    assert film_iou(EMPTY, EMPTY, over="all") == 1
    one = film_iou(maps[0], masks[0], 0.5)
    both = [maps[0]] * 2, [masks[0], EMPTY]
    assert mean_iou(*both, 0.5) == one
    assert mean_iou(*both, 0.5, over="all") == one / 2
    assert math.isnan(mean_iou([maps[0]], [EMPTY], 0.5))


def test_what_means_nothing_is_refused():
    maps, masks = films(2)
    with pytest.raises(InputError, match="'positive' or 'all'"):
        mean_iou(maps, masks, 0.5, over="some")
    with pytest.raises(InputError, match="2 maps and 1 masks"):
        mean_iou(maps, masks[:1], 0.5)
    with pytest.raises(InputError, match="no candidates"):
        tuned_threshold(maps, masks, [])


def test_the_mean_iou_over_all_films_of_chexlocalize_differs_from_that_over_positive_ones(real_data):
    folder = real_data / "chexlocalize"
    outlines = json.loads((folder / "gt_annotations_val.json").read_text())
    predicted, truth = [], []
    for path in sorted((folder / "gradcam_npz").glob("*.npz")):
        image = next(name for name in outlines if path.name.startswith(name))
        task = path.stem.removeprefix(f"{image}_").replace("_", " ")
        height, width = outlines[image]["img_size"]
        mask = Image.new("1", (width, height))
        for outline in outlines[image].get(task, []):
            ImageDraw.Draw(mask).polygon([tuple(point) for point in outline], outline=1, fill=1)
        heat = torch.tensor(np.load(path)["map"])[None, None]
        heat = torch.nn.functional.interpolate(heat, (height, width), mode="bilinear", align_corners=False)
        predicted.append(otsu_mask(heat[0, 0].numpy()))
        truth.append(np.array(mask))
    positive = [iou(*film) for film in zip(predicted, truth, strict=True) if film[1].any()]
    assert len(predicted) == 20
    assert 0 < len(positive) < 20
    assert mean_iou(predicted, truth) == pytest.approx(np.mean(positive))
    assert mean_iou(predicted, truth, over="all") == pytest.approx(np.sum(positive) / 20)
