from __future__ import annotations

import captum.attr
import torch
from torch import nn

from plainfilm.attribution import Gradient


def test_of_a_linear_network_is_its_weights():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
    maps = Gradient(network).attribute(torch.rand(3, 1, 4, 4), [0, 1, 1])
    for map_, target in zip(maps, [0, 1, 1], strict=True):
        torch.testing.assert_close(map_[0], network[1].weight[target].detach().reshape(4, 4))


def test_agrees_with_central_differences(small):
    network, image = small.double(), torch.rand(1, 1, 6, 6, dtype=torch.float64)
    slow = torch.zeros(6, 6, dtype=torch.float64)
    for row in range(6):
        for column in range(6):
            step = torch.zeros_like(image)
            step[0, 0, row, column] = 1e-6
            with torch.no_grad():
                slow[row, column] = (network(image + step) - network(image - step))[0, 2] / 2e-6
    torch.testing.assert_close(Gradient(network).attribute(image, 2)[0, 0], slow, rtol=1e-6, atol=1e-9)


def test_agrees_with_captum_on_public_densenets(densenet):
    network, images = densenet
    targets = torch.tensor([1, 4])
    theirs = captum.attr.Saliency(network).attribute(images.requires_grad_(), target=targets, abs=False)
    expected = theirs.sum(1, keepdim=True)
    ours = Gradient(network).attribute(images, targets)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_agrees_with_central_differences_on_a_transformer(transformer):
    network, image = transformer.double(), torch.rand(1, 3, 32, 32, dtype=torch.float64)
    ours = Gradient(network).attribute(image, 1)[0, 0]
    for row, column in ((0, 0), (7, 8), (31, 13)):
        step = torch.zeros_like(image)
        step[0, :, row, column] = 1e-6
        with torch.no_grad():
            slow = (network(image + step) - network(image - step))[0, 1] / 2e-6
        torch.testing.assert_close(ours[row, column], slow, rtol=1e-5, atol=1e-9)


def test_channels_add_up(small):
    class Repeated(nn.Module):
        def forward(self, images):
            return small(images.mean(1, keepdim=True))

    grey = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(
        Gradient(Repeated()).attribute(grey.repeat(1, 3, 1, 1), 0), Gradient(small).attribute(grey, 0)
    )
