from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from plainfilm.errors import InputError, LabelError, NumericError
from plainfilm.metrics.classification import (
    auroc,
    auroc_interval,
    delong_variance,
    multilabel_auroc,
    youden_point,
)

scored_films = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 0.9]), st.sampled_from([0.0, 1.0])), min_size=2
)


def slow_kernel(prediction, truth) -> np.ndarray:
    """One for each pair in order, a half for each tie: positives by negatives."""
    positive = [p for p, t in zip(prediction, truth, strict=True) if t == 1]
    negative = [p for p, t in zip(prediction, truth, strict=True) if t == 0]
    return np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in negative] for x in positive])


def slow_variance(prediction, truth) -> float:
    """DeLong 1988, equations 4 to 6, by both margins of the kernel."""
    kernel = slow_kernel(prediction, truth)
    m, n = kernel.shape
    area = kernel.mean()
    s10 = sum((row.mean() - area) ** 2 for row in kernel) / (m - 1)
    s01 = sum((column.mean() - area) ** 2 for column in kernel.T) / (n - 1)
    return s10 / m + s01 / n


def example(n=300, seed=0, shift=1.0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.3).astype(float)
    return np.round(rng.normal(shift * truth), 1), truth


def test_the_published_areas_of_a_real_chexnet_are_found_again(real_data):
    folder = real_data / "nih"
    scores = pd.read_csv(folder / "chexnet_zech_test_preds.csv.gz").set_index("Image Index")
    labels = pd.read_csv(folder / "chexnet_zech_test_labels.csv.gz").set_index("Image Index")
    found = labels.loc[scores.index, "Finding Labels"].str.get_dummies("|")
    published = pd.read_csv(folder / "chexnet_zech_aucs.csv", index_col="label")["auc"]
    targets = list(published.index)
    measured = multilabel_auroc(scores[[f"prob_{name}" for name in targets]], found[targets], targets)
    for name in targets:
        assert measured[name].value == pytest.approx(published[name], abs=1e-6)
        assert measured[name].low < published[name] < measured[name].high


@settings(deadline=None)
@given(scored_films)
def test_the_area_is_the_share_of_pairs_in_order(films):
    prediction, truth = zip(*films, strict=True)
    expected = slow_kernel(prediction, truth)
    if expected.size:
        assert auroc(prediction, truth) == pytest.approx(expected.mean(), abs=1e-12)
    else:
        assert math.isnan(auroc(prediction, truth))


def test_the_area_agrees_with_scikit_learn():
    prediction, truth = example()
    assert auroc(prediction, truth) == pytest.approx(roc_auc_score(truth, prediction), abs=1e-12)


@settings(deadline=None)
@given(scored_films)
def test_the_variance_is_delongs(films):
    prediction, truth = zip(*films, strict=True)
    if 2 <= sum(truth) <= len(truth) - 2:
        expected = slow_variance(prediction, truth)
        assert delong_variance(prediction, truth) == pytest.approx(expected, abs=1e-12)
    else:
        assert math.isnan(delong_variance(prediction, truth))


def test_the_variance_agrees_with_a_bootstrap():
    prediction, truth = example(n=400)
    rng = np.random.default_rng(1)
    positive, negative = prediction[truth == 1], prediction[truth == 0]
    areas = [
        auroc(
            np.r_[rng.choice(positive, positive.size), rng.choice(negative, negative.size)],
            np.sort(truth)[::-1],
        )
        for _ in range(2000)
    ]
    assert np.var(areas) == pytest.approx(delong_variance(prediction, truth), rel=0.1)


def test_the_limits_are_symmetric_on_the_logit_scale():
    prediction, truth = example()
    interval = auroc_interval(prediction, truth)
    logits = [math.log(p / (1 - p)) for p in (interval.low, interval.value, interval.high)]
    spread = math.sqrt(slow_variance(prediction, truth)) / (interval.value * (1 - interval.value))
    assert logits[1] - logits[0] == pytest.approx(1.959964 * spread, rel=1e-6)
    assert logits[2] - logits[1] == pytest.approx(1.959964 * spread, rel=1e-6)


def test_the_limits_cover_the_true_area_about_as_often_as_they_say():
    truth = np.r_[np.ones(40), np.zeros(200)]
    rng = np.random.default_rng(0)
    true_area = 0.5 * (1 + math.erf(1.5 / 2))  # of two normals 1.5 standard deviations apart
    intervals = [auroc_interval(rng.normal(1.5 * truth), truth) for _ in range(1000)]
    assert np.mean([i.low <= true_area <= i.high for i in intervals]) == pytest.approx(0.94, abs=0.025)


def test_a_perfect_separation_is_not_certain():
    interval = auroc_interval([0.1, 0.2, 0.3, 0.8, 0.9], [0, 0, 0, 1, 1])
    assert interval.value == interval.high == 1
    assert interval.low == pytest.approx(math.sqrt(0.025))
    mirrored = auroc_interval([0.1, 0.2, 0.3, 0.8, 0.9], [1, 1, 1, 0, 0])
    assert (mirrored.low, mirrored.high) == pytest.approx((0, 1 - math.sqrt(0.025)))


def test_a_constant_score_has_an_area_of_one_half_and_no_interval():
    interval = auroc_interval(np.zeros(10), [0, 1] * 5)
    assert interval.value == 0.5
    assert interval.status == "no interval"


@pytest.mark.parametrize("truth", [[1, 1, 1], [0, 0, 0], [np.nan] * 3, [1, np.nan, 1]])
def test_one_class_alone_is_undefined_and_never_0(truth):
    interval = auroc_interval([0.1, 0.2, 0.3], truth)
    assert math.isnan(auroc([0.1, 0.2, 0.3], truth))
    assert math.isnan(interval.value)
    assert interval.status == "undefined"


def test_no_films_at_all_are_undefined():
    assert auroc_interval([], []).status == "undefined"


def test_a_single_positive_film_has_a_value_without_limits():
    interval = auroc_interval([0.1, 0.2, 0.15], [0, 0, 1])
    assert interval.value == 0.5
    assert interval.status == "no interval"


def test_unknown_truth_is_left_out_and_counted():
    prediction, truth = example()
    with_unknown = np.r_[truth, np.full(7, np.nan)]
    interval = auroc_interval(np.r_[prediction, np.arange(7)], with_unknown)
    plain = auroc_interval(prediction, truth)
    assert (interval.value, interval.low, interval.high) == (plain.value, plain.low, plain.high)
    assert (interval.n, interval.n_excluded) == (300, 7)
    assert (interval.n_positive, interval.n_negative) == (truth.sum(), 300 - truth.sum())


def test_any_monotone_scale_gives_the_same_area():
    prediction, truth = example()
    assert auroc(np.exp(prediction), truth) == auroc(prediction, truth)
    assert auroc(-prediction, truth) == pytest.approx(1 - auroc(prediction, truth))


@pytest.mark.parametrize("label", [-1, 2, 0.5, np.inf])
def test_labels_of_another_kind_are_refused_with_their_count(label):
    with pytest.raises(LabelError, match="2 truth values"):
        auroc([0.1, 0.2, 0.3, 0.4], [0, 1, label, label])


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(score):
    with pytest.raises(NumericError, match=r"1 scores .* first at 1"):
        auroc([0.1, score], [0, 1])


@pytest.mark.parametrize(
    ("prediction", "truth"), [(np.zeros(3), np.zeros(4)), (np.zeros((2, 2)), np.zeros((2, 2)))]
)
def test_shapes_that_differ_are_refused(prediction, truth):
    with pytest.raises(InputError, match=r"\(n,\)"):
        auroc(prediction, truth)


def test_tensors_and_arrays_give_one_result():
    prediction, truth = example()
    tensor = torch.tensor(prediction, requires_grad=True)
    assert auroc(tensor, torch.tensor(truth).bool()) == auroc(prediction, truth)


def test_the_targets_must_match_the_columns():
    with pytest.raises(InputError, match=r"\(n, 2\)"):
        multilabel_auroc(np.zeros((5, 3)), np.zeros((5, 3)), ["Mass", "Nodule"])


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=40))
def test_youdens_point_is_the_best_of_all_scores(films):
    scores, truth = (np.array(column, float) for column in zip(*films, strict=True))
    if truth.min() == truth.max():
        assert np.isnan(youden_point(scores, truth))
        return

    def gain(point):
        called = scores >= point
        return called[truth == 1].mean() + (~called)[truth == 0].mean()

    found = youden_point(scores, truth)
    assert found in scores
    assert gain(found) == pytest.approx(max(map(gain, scores)))
