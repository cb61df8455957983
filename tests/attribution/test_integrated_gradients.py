from __future__ import annotations

import captum.attr
import numpy as np
import torch

from plainfilm.attribution import IntegratedGradients


def test_agrees_with_its_integral_done_slowly(small):
    network, image, baseline = small.double(), torch.rand(1, 1, 8, 8, dtype=torch.float64), 0.3
    nodes, weights = np.polynomial.legendre.leggauss(20)
    total = torch.zeros_like(image)
    for node, weight in zip(nodes, weights, strict=True):
        point = (baseline + (image - baseline) * (node + 1) / 2).requires_grad_()
        network(point)[0, 1].backward()
        total += point.grad * weight / 2
    expected = total * (image - baseline)
    ours = IntegratedGradients(network, steps=20, baseline=baseline).attribute(image, 1)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-9)  # captum rounds the nodes


def test_is_complete(small):
    images = torch.rand(3, 1, 16, 16)
    maps = IntegratedGradients(small, steps=400).attribute(images, 2)
    with torch.no_grad():
        difference = small(images)[:, 2] - small(torch.zeros_like(images))[:, 2]
    torch.testing.assert_close(
        maps.sum((1, 2, 3)), difference, rtol=0, atol=2e-3 * difference.abs().max().item()
    )


def test_is_complete_on_a_transformer(transformer):
    images = torch.rand(2, 3, 32, 32)
    maps = IntegratedGradients(transformer, steps=100).attribute(images, 1)
    with torch.no_grad():
        difference = (transformer(images) - transformer(torch.zeros_like(images)))[:, 1]
    torch.testing.assert_close(maps.sum((1, 2, 3)), difference, rtol=1e-3, atol=1e-3)


def test_agrees_with_captum_on_public_densenets(densenet):
    network, images = densenet
    targets = torch.tensor([2, 0])
    theirs = captum.attr.IntegratedGradients(network).attribute(images, target=targets, n_steps=4)
    expected = theirs.sum(1, keepdim=True).detach()
    ours = IntegratedGradients(network, steps=4, memory=16.0).attribute(images, targets)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * expected.abs().max().item())
