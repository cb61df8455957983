from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from plainfilm.errors import InputError, LabelError, NumericError
from plainfilm.metrics.accumulators import HitRate, LocalisationIoU, MassInside, MultilabelAUROC
from plainfilm.metrics.classification import auroc, auroc_interval
from plainfilm.metrics.localisation import best_case_iou, hit, iou, mass_inside, otsu_iou, percentile_iou

MEASURES = {
    "area": (LocalisationIoU, best_case_iou),
    "fixed": (partial(LocalisationIoU, "fixed", 0.6), partial(iou, threshold=0.6)),
    "percentile": (partial(LocalisationIoU, "percentile", 80), partial(percentile_iou, percent=80)),
    "otsu": (partial(LocalisationIoU, "otsu"), otsu_iou),
    "hit": (HitRate, hit),
    "hit nearby": (partial(HitRate, tolerance=3), partial(hit, tolerance=3)),
    "mass": (MassInside, mass_inside),
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


TARGETS = ("Mass", "Nodule", "Hernia")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    truth = (rng.random((60, 3)) < 0.4).astype(np.float32)
    prediction = (truth + rng.normal(size=truth.shape)).astype(np.float32)
    truth[rng.random(truth.shape) < 0.1] = np.nan
    truth[:, 2] = 0
    return torch.tensor(prediction), torch.tensor(truth)


def test_auroc_by_target_equals_its_function_for_shards_and_batches(scores):
    prediction, truth = scores
    whole, *shards = (MultilabelAUROC(TARGETS) for _ in range(4))
    whole.update(prediction, truth)
    for shard, part in zip(shards, (slice(40, 60), slice(0, 7), slice(7, 40)), strict=True):
        shard.update(prediction[part], truth[part])
    for shard in shards[1:]:
        shards[0].merge_state(shard)
    for metric in (whole, shards[0]):
        for k, name in enumerate(TARGETS[:2]):
            interval, expected = metric.intervals()[name], auroc_interval(prediction[:, k], truth[:, k])
            assert metric.compute()[name].item() == pytest.approx(
                auroc(prediction[:, k], truth[:, k]), abs=1e-12
            )
            assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
            assert interval.n_excluded == expected.n_excluded == truth[:, k].isnan().sum()


def test_a_target_without_positives_is_undefined_and_left_out_of_the_mean(scores):
    metric = MultilabelAUROC(TARGETS)
    metric.update(*scores)
    areas = metric.compute()
    assert areas["Hernia"].isnan()
    assert metric.intervals()["Hernia"].status == "undefined"
    assert metric.mean().item() == pytest.approx((areas["Mass"] + areas["Nodule"]).item() / 2)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_auroc_before_the_first_film_is_undefined():
    metric = MultilabelAUROC(TARGETS)
    assert metric.mean().isnan()
    assert metric.intervals()["Mass"].n == 0


def test_half_precision_scores_are_ranked_as_they_are():
    metric = MultilabelAUROC(["Mass"])
    metric.update(torch.tensor([[0.1], [0.7], [0.6]], dtype=torch.bfloat16), torch.tensor([[0], [1], [0]]))
    assert metric.compute()["Mass"] == 1


def test_scores_of_another_width_are_refused():
    with pytest.raises(InputError, match=r"\(B, 3\)"):
        MultilabelAUROC(TARGETS).update(torch.zeros(4, 2), torch.zeros(4, 2))


def test_an_uncertain_label_is_refused_in_compute():
    metric = MultilabelAUROC(["Mass"])
    metric.update(torch.zeros(2, 1), torch.tensor([[1.0], [-1.0]]))
    with pytest.raises(LabelError):
        metric.compute()
