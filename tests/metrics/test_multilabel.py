from __future__ import annotations

import numpy as np
import pytest
import torch

from plainfilm.errors import InputError, LabelError
from plainfilm.metrics.classification import auroc, auroc_interval
from plainfilm.metrics.multilabel import MultilabelAUROC, MultilabelAveragePrecision
from plainfilm.metrics.precision import average_precision

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


def test_average_precision_by_target_equals_its_function_for_shards(scores):
    prediction, truth = scores
    whole, part, rest = (MultilabelAveragePrecision(TARGETS) for _ in range(3))
    whole.update(prediction, truth)
    part.update(prediction[:11], truth[:11])
    rest.update(prediction[11:], truth[11:])
    part.merge_state(rest)
    for metric in (whole, part):
        values = metric.compute()
        for k, name in enumerate(TARGETS[:2]):
            assert values[name].item() == average_precision(prediction[:, k], truth[:, k])
        assert values["Hernia"].isnan()
        assert metric.mean().item() == pytest.approx((values["Mass"] + values["Nodule"]).item() / 2)
