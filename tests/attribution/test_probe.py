from __future__ import annotations

import pytest
import torch
from torch import nn

from plainfilm.attribution import (
    ExpectedGradients,
    GradCAM,
    GradCAMPlusPlus,
    Gradient,
    GuidedBackprop,
    IntegratedGradients,
    IterativeDelete,
    Occlusion,
    SmoothGrad,
)
from plainfilm.attribution.probe import probe

METHODS = [
    Gradient, GuidedBackprop, IntegratedGradients, GradCAM, GradCAMPlusPlus, Occlusion, SmoothGrad,
    ExpectedGradients, IterativeDelete,
]  # fmt: skip


def prepared(network: nn.Module) -> nn.Module:
    """A network in the middle of training: mixed modes, gradients, a frozen weight, a hook of the user."""
    network.train()
    network.norm.eval()
    network.first.weight.requires_grad_(False)
    network.head.weight.grad = torch.ones_like(network.head.weight)
    network.second.register_forward_hook(lambda *call: None)
    return network


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_returned_byte_for_byte(method, small, returned_as_found):
    network = prepared(small)
    images = torch.rand(3, 1, 16, 16)
    returned_as_found(network, lambda: method(network).attribute(images, [0, 1, 2]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_network_is_returned_after_an_exception(method, error, small, returned_as_found):
    network = prepared(small)

    def fail(*call):
        raise error

    network.head.register_forward_hook(fail)
    images = torch.rand(1, 1, 16, 16)
    with pytest.raises(error):
        returned_as_found(network, lambda: method(network).attribute(images, 0))


def test_public_densenets_are_returned_byte_for_byte(densenet, returned_as_found):
    network, images = densenet
    network.train()
    returned_as_found(network, lambda: GradCAM(network).all_targets(images))
    returned_as_found(network, lambda: GuidedBackprop(network).attribute(images, 1))


def test_a_network_in_training_mode_is_explained_in_evaluation_mode(small):
    images = torch.rand(2, 1, 16, 16)
    expected = Gradient(small.eval()).attribute(images, 1)
    torch.testing.assert_close(Gradient(small.train()).attribute(images, 1), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_computed_in_float32(dtype, small, returned_as_found):
    network = small.to(dtype)
    images = torch.rand(2, 1, 16, 16)
    maps = Gradient(network).attribute(images, 0)
    widened = type(network)()
    widened.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    )
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps, Gradient(widened.eval()).attribute(images, 0))
    returned_as_found(network, lambda: Gradient(network).attribute(images, 0))


def test_buffers_that_a_forward_pass_changes_are_put_back(small, returned_as_found):
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, images):
            self.calls += 1
            return self.inner(images)

    network, images = Counting(), torch.rand(1, 1, 16, 16)
    returned_as_found(network, lambda: Gradient(network).attribute(images, 0))


def test_a_buffer_that_a_forward_pass_replaces_is_put_back(small):
    class Replacing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, images):
            self.calls = self.calls + 1
            return self.inner(images)

    network = Replacing()
    found = network.calls
    Gradient(network).attribute(torch.rand(1, 1, 16, 16), 0)
    assert network.calls is found
    assert network.calls == 0


def test_gradients_work_inside_no_grad_and_inference_mode(small):
    images = torch.rand(1, 1, 16, 16)
    expected = Gradient(small).attribute(images, 0)
    with torch.no_grad():
        torch.testing.assert_close(Gradient(small).attribute(images, 0), expected)


def test_hooks_set_inside_are_removed(small):
    with probe(small):
        small.first.register_forward_hook(lambda *call: None)
    assert not small.first._forward_hooks
