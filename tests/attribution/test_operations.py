from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from plainfilm.attribution.operations import Replaced, name_of

WAYS = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "function": F.relu,
    "function in place": lambda x: F.relu(x, True),
    "keyword": lambda x: F.relu(input=x, inplace=True),
    "underscore": F.relu_,
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
}


def negated(operation, values, *args, **kwargs):
    return -operation(values, *args, **kwargs)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_of_calling_a_relu_is_met(way):
    leaf = torch.linspace(-1, 1, 5).requires_grad_()
    with Replaced({"relu": negated}):
        result = way(leaf.clone())
    result.sum().backward()
    torch.testing.assert_close(result.detach(), -leaf.detach().clamp(min=0))
    torch.testing.assert_close(leaf.grad, -(leaf.detach() > 0).float())


@pytest.mark.parametrize("way", [w for w in WAYS if "in place" in w or w in ("keyword", "underscore")])
def test_what_is_overwritten_stays_overwritten(way):
    leaf = torch.linspace(-1, 1, 5).requires_grad_()
    values = leaf.clone()
    with Replaced({"relu": negated}):
        result = WAYS[way](values)
    torch.testing.assert_close(values, result)
    values.sum().backward()
    torch.testing.assert_close(leaf.grad, -(leaf.detach() > 0).float())


def test_an_operator_that_assigns_is_met():
    leaf = torch.ones(3, requires_grad=True)
    with Replaced({"add": lambda operation, a, b: operation(a, b) * 10}):
        values = leaf.clone()
        values += leaf
    torch.testing.assert_close(values.detach(), torch.full((3,), 20.0))


def test_what_carries_no_gradient_is_left_alone():
    with Replaced({"relu": negated}):
        assert torch.equal(F.relu(torch.ones(2)), torch.ones(2))


def test_one_name_for_one_operation():
    assert {name_of(f) for f in (torch.relu, F.relu, torch.relu_, torch.Tensor.relu_)} == {"relu"}
    assert name_of(F.max_pool2d) == name_of(torch.max_pool2d) == "max_pool2d"
