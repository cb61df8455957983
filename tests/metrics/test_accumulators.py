from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.accumulators import HitRate, LocalisationDice, LocalisationIoU, MassInside, RankInside
from plainfilm.metrics.localisation import (
    best_case_iou,
    dice,
    hit,
    iou,
    mass_inside,
    otsu_iou,
    percentile_iou,
    rank_inside,
)

MEASURES = {
    "area": (LocalisationIoU, best_case_iou),
    "fixed": (partial(LocalisationIoU, "fixed", 0.6), partial(iou, threshold=0.6)),
    "percentile": (partial(LocalisationIoU, "percentile", 80), partial(percentile_iou, percent=80)),
    "otsu": (partial(LocalisationIoU, "otsu"), otsu_iou),
    "hit": (HitRate, hit),
    "hit nearby": (partial(HitRate, tolerance=3), partial(hit, tolerance=3)),
    "mass": (MassInside, mass_inside),
    "rank": (RankInside, rank_inside),
    "dice": (partial(LocalisationDice, "fixed", 0.6), partial(dice, threshold=0.6)),
}


@pytest.fixture
def films():
    """Noise with the finding somewhat brighter; the third mask is empty, the fifth map constant."""
    rng = np.random.default_rng(0)
    masks = rng.random((9, 16, 16)) < 0.2
    masks[2] = False
    maps = rng.random((9, 16, 16)) + 0.3 * masks
    maps[4] = 0.5
    return list(zip(maps, masks, strict=True))


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_keeps_its_contract(name, films, check_metric):
    check_metric(*MEASURES[name], films)


def test_flat_maps_count_and_are_reported(films):
    metric = LocalisationIoU()
    for film in films:
        metric.update(*film)
    assert (metric.films, metric.undefined, metric.flat) == (8, 1, 1)


def test_no_film_gives_nan_and_the_word_undefined(films):
    metric = HitRate()
    metric.update(*films[2])
    assert metric.compute().isnan()
    assert str(metric.interval()) == "undefined"


def test_a_film_that_fails_leaves_no_half_counted_batch(films):
    maps, masks = (np.stack(part) for part in zip(*films, strict=True))
    maps[-1, 0, 0] = np.nan
    metric = MassInside()
    with pytest.raises(NumericError):
        metric.update(maps, masks)
    assert metric.films == metric.total == 0


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (16,), (16, 1), (3, 16, 16)])
def test_a_batch_of_another_shape_is_refused(shape):
    with pytest.raises(InputError, match=r"squeeze\(1\)"):
        HitRate().update(np.zeros(shape), np.zeros((2, 16, 16)))


def test_channels_are_refused_even_where_both_have_them():
    with pytest.raises(InputError, match=r"squeeze\(1\)"):
        HitRate().update(np.zeros((2, 1, 4, 4)), np.zeros((2, 1, 4, 4)))


@pytest.mark.parametrize(("rule", "value"), [("best", None), ("fixed", None), ("area", 0.5), ("otsu", 1)])
def test_a_rule_with_the_wrong_value_is_refused(rule, value):
    with pytest.raises(InputError, match="LocalisationIoU"):
        LocalisationIoU(rule, value)
