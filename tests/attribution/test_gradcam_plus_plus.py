from __future__ import annotations

import torch
from torch import nn

from plainfilm.attribution import GradCAM, GradCAMPlusPlus


def features_and_gradient(network, layer, image, target):
    kept = {}

    def keep(module, inputs, output):
        kept["features"] = output.detach().clone().requires_grad_()
        return kept["features"].clone()

    handle = layer.register_forward_hook(keep)
    network(image)[0, target].backward()
    handle.remove()
    return kept["features"].detach()[0], kept["features"].grad[0]


def slow_map(features, gradient):
    """Chattopadhay et al. 2018, eq. 19 and 7, number by number."""
    map_ = torch.zeros(features.shape[1:])
    for channel in range(len(features)):
        weight = 0.0
        for row in range(features.shape[1]):
            for column in range(features.shape[2]):
                g = gradient[channel, row, column].item()
                bottom = 2 * g**2 + g**3 * features[channel].sum().item()
                if bottom:
                    weight += g**2 / bottom * max(g, 0.0)
        map_ += weight * features[channel]
    return map_


def test_follows_its_definition(small):
    images = torch.rand(2, 1, 16, 16)
    maps = GradCAMPlusPlus(small, "norm").attribute(images, [0, 2])
    for image, target, map_ in zip(images, [0, 2], maps, strict=True):
        expected = slow_map(*features_and_gradient(small, small.norm, image[None], target))
        torch.testing.assert_close(map_[0], expected, rtol=1e-4, atol=1e-6)


def test_the_closed_form_is_that_of_the_exponential(small):
    """Eq. 10 with derivatives of exp(score) taken by autograd, where the score is linear in the features."""
    head = nn.Linear(2 * 3 * 4, 1, bias=False).double()
    features = torch.rand(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    score = head(features.flatten(1)).squeeze()
    first, second, third = (torch.zeros(24, dtype=torch.float64) for _ in range(3))
    (d1,) = torch.autograd.grad(score.exp(), features, create_graph=True)
    for cell in range(24):
        (d2,) = torch.autograd.grad(d1.flatten()[cell], features, create_graph=True)
        (d3,) = torch.autograd.grad(d2.flatten()[cell], features, retain_graph=True)
        first[cell], second[cell], third[cell] = d1.flatten()[cell], d2.flatten()[cell], d3.flatten()[cell]
    sums = features.sum((2, 3)).repeat_interleave(12)
    alpha = second / (2 * second + sums * third)
    expected = (alpha * first.relu()).view(2, 12).sum(1) / score.exp()
    ours = GradCAMPlusPlus(small).weights(features.detach(), head.weight.detach().view(1, 2, 3, 4))
    torch.testing.assert_close(ours.flatten(), expected.detach())


def test_agrees_with_the_formula_of_the_library_grad_cam(small):
    """Its numpy formula, written out again: a small constant below the line, zero gradients left out."""
    image = torch.rand(1, 1, 16, 16)
    features, gradient = features_and_gradient(small, small.second, image, 1)
    sums = features.sum((1, 2), keepdim=True)
    alpha = torch.where(gradient != 0, gradient**2 / (2 * gradient**2 + sums * gradient**3 + 1e-6), 0)
    expected = ((gradient.relu() * alpha).sum((1, 2), keepdim=True) * features).sum(0)
    ours = GradCAMPlusPlus(small, "second").attribute(image, 1)[0, 0]
    assert torch.corrcoef(torch.stack([ours.flatten(), expected.flatten()]))[0, 1] > 0.98


def test_takes_the_layer_and_grid_of_grad_cam(small, transformer):
    for network, images in ((small, torch.rand(2, 1, 16, 16)), (transformer, torch.rand(2, 3, 32, 32))):
        plain, plus = GradCAM(network), GradCAMPlusPlus(network)
        assert plain.attribute(images, 1).shape == plus.attribute(images, 1).shape
        assert plain.settings()["layer"] == plus.settings()["layer"]
        every = plus.all_targets(images)
        torch.testing.assert_close(every[:, [2]], plus.attribute(images, 2))


def test_where_the_fraction_has_no_value_there_is_no_evidence(small):
    gradient = torch.tensor([[[[1.0, 0.0]]]])
    features = torch.tensor([[[[-1.0, -1.0]]]])
    assert not GradCAMPlusPlus(small).weights(features, gradient).any()
