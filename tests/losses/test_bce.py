from __future__ import annotations

import math

import pytest
import torch

from plainfilm.errors import LabelError
from plainfilm.losses.bce import balancing_weights, masked_bce

NAN = float("nan")


def slow(logits, labels, weights):
    terms = []
    for row, truth in zip(logits.tolist(), labels.tolist(), strict=True):
        for logit, label, weight in zip(row, truth, weights, strict=True):
            if math.isnan(label):
                continue
            p = 1 / (1 + math.exp(-logit))
            terms.append(-weight * label * math.log(p) - (1 - label) * math.log(1 - p))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 0.5]])
def test_is_its_definition_over_known_labels(weights):
    torch.manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64)
    labels = torch.tensor([[1, 0, NAN], [NAN, NAN, NAN], [0, 1, 1], [1, NAN, 0]], dtype=torch.float64)
    expected = slow(logits, labels, weights or [1, 1, 1])
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    assert masked_bce(logits, labels, weight).item() == pytest.approx(expected, rel=1e-12)


def test_its_gradient_is_right():
    labels = torch.tensor([[1, 0, NAN], [0, NAN, 1]], dtype=torch.float64)
    logits = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: masked_bce(x, labels), logits)


def test_without_a_known_label_it_is_zero_with_a_graph():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = masked_bce(logits, torch.full((2, 3), NAN))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("label", [-1.0, 2.0, 0.5])
def test_other_labels_are_refused(label):
    with pytest.raises(LabelError, match=f"{label:g}"):
        masked_bce(torch.zeros(1, 2), torch.tensor([[1.0, label]]))


def test_weights_balance_and_stay_bounded():
    labels = torch.tensor([[1, 0, 0, NAN], [0, 0, 0, NAN], [0, 0, NAN, NAN], [0, 1, 1, NAN]])
    assert balancing_weights(labels).tolist() == pytest.approx([3, 3, 2, 1])
    rare = torch.zeros(1000, 1)
    assert balancing_weights(rare, limit=8).item() == 8
