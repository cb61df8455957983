from __future__ import annotations

import captum.attr
import pytest
import torch
from torch import nn

from plainfilm.attribution import GuidedBackprop
from plainfilm.errors import ModelError
from plainfilm.models.densenet import densenet121


def test_follows_its_rule_on_two_layers():
    first, second = nn.Linear(4, 5), nn.Linear(5, 2)
    network = nn.Sequential(nn.Flatten(), first, nn.ReLU(inplace=True), second)
    image = torch.rand(1, 1, 2, 2)
    before = first(image.flatten(1))
    back = second.weight[1].clamp(min=0) * (before[0] > 0)
    expected = (back @ first.weight).detach().reshape(1, 1, 2, 2)
    torch.testing.assert_close(GuidedBackprop(network).attribute(image, 1), expected)


@pytest.mark.filterwarnings("ignore:Setting backward hooks")
def test_agrees_with_captum_on_a_network_of_modules(densenet):
    """captum passes over the last, functional ReLU of public DenseNets; on our twin it sees every one."""
    network, images = densenet
    twin = densenet121(5, images.shape[1]).eval()
    twin.load_state_dict(network.state_dict(), strict=True)
    targets = torch.tensor([0, 3])
    theirs = captum.attr.GuidedBackprop(twin).attribute(images.clone().requires_grad_(), target=targets)
    expected = theirs.sum(1, keepdim=True)
    for each in (network, twin):
        ours = GuidedBackprop(each).attribute(images, targets)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


class OverwrittenAndReused(nn.Module):
    def __init__(self, in_place: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem, self.branch, self.head = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 1), nn.Linear(3, 2)
        self.relu = nn.ReLU(inplace=in_place)

    def forward(self, images):
        features = self.stem(images)
        active = self.relu(features)
        # Where the ReLU works in place, this adds what it left behind.
        rest = features if self.relu.inplace else active
        return self.head((self.branch(active) + rest).mean((2, 3)))


def test_a_tensor_that_a_relu_overwrites_stays_overwritten():
    images = torch.rand(2, 1, 8, 8)
    in_place, apart = (
        GuidedBackprop(OverwrittenAndReused(flag)).attribute(images, 1) for flag in (True, False)
    )
    torch.testing.assert_close(in_place, apart)


def test_a_network_without_relu_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.GELU())
    with pytest.raises(ModelError, match="without a ReLU"):
        GuidedBackprop(network).attribute(torch.rand(1, 1, 4, 4), 0)
