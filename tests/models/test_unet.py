from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plainfilm.errors import ModelError
from plainfilm.models.unet import UNet


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_masks_have_the_size_of_the_image(depth):
    network = UNet(num_classes=2, in_channels=3, width=4, depth=depth)
    side = 3 * network.stride
    assert network(torch.rand(2, 3, side, 2 * side)).shape == (2, 2, side, 2 * side)


def test_the_network_is_the_sum_of_its_stages(randomise):
    network = randomise(UNet(width=4, depth=3))
    image = torch.rand(1, 1, 32, 32)
    fine = network.down[0](network.stem(image))
    middle = network.down[1](F.max_pool2d(fine, 2))
    coarse = network.down[2](F.max_pool2d(middle, 2))
    # The stages of the way up are stored from the finest to the coarsest.
    joined = network.up[1](torch.cat([coarse.repeat_interleave(2, 2).repeat_interleave(2, 3), middle], 1))
    joined = network.up[0](torch.cat([joined.repeat_interleave(2, 2).repeat_interleave(2, 3), fine], 1))
    expected = F.interpolate(network.head(joined), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(network(image), expected)


def test_the_arguments_rebuild_it():
    network = UNet(num_classes=2, width=4, depth=3)
    twin = UNet(**network.arguments)
    assert twin.load_state_dict(network.state_dict())
    assert network.stride == 8


def test_no_module_works_in_place():
    assert not any(getattr(module, "inplace", False) for module in UNet().modules())
    assert any(isinstance(module, nn.MaxPool2d) for module in UNet().modules())


def test_the_network_that_ships_is_small():
    assert sum(weight.numel() for weight in UNet().parameters()) < 130_000


def test_sizes_below_one_are_refused():
    with pytest.raises(ModelError, match="'width': 0"):
        UNet(width=0)
