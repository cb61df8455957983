from __future__ import annotations

import pytest
import torch
from torch import nn

from plainfilm.attribution import Gradient, IterativeDelete
from plainfilm.attribution.iterative_delete import top_pixels
from plainfilm.attribution.registry import build_method
from plainfilm.errors import ModelError
from plainfilm.models.classifier import wrap


class Probabilities(nn.Module):
    """Calibrated outputs in [0, 1], as the published classifiers return them."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        p = self.network(images).sigmoid()
        return torch.where(p < 0.4, p / 0.8, 1 - (1 - p) / 1.2)


def percentile_98(values):
    """By hand: the value at place 0.98 (n - 1) of the sorted list, on a straight line between neighbours."""
    ordered = sorted(values)
    place = 0.98 * (len(ordered) - 1)
    low = int(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def slowly(f, image, rounds, invert=False):
    """One film, one round, one pixel at a time."""
    current, gradients = image.clone(), []
    for _ in range(rounds):
        leaf = current.clone().requires_grad_()
        f(leaf[None])[0].abs().backward()
        gradient = leaf.grad.sum(0)
        gradients.append(gradient)
        limit = percentile_98(gradient.flatten().tolist())
        for row in range(image.shape[1]):
            for column in range(image.shape[2]):
                is_top = gradient[row, column] > limit and gradient[row, column] > 0
                if is_top != invert:
                    current[:, row, column] = 0
    return torch.stack(gradients).mean(0).abs()


@pytest.mark.parametrize("invert", [False, True])
def test_agrees_with_a_slow_loop_on_probabilities(invert, small):
    network, images = Probabilities(small.double()), 4 * torch.randn(2, 1, 16, 16, dtype=torch.float64)
    maps = IterativeDelete(network, rounds=5, invert=invert).attribute(images, [0, 2])
    for image, target, map_ in zip(images, [0, 2], maps, strict=True):
        expected = slowly(lambda x, k=target: network(x)[:, k], image, 5, invert)
        torch.testing.assert_close(map_[0], expected, rtol=1e-6, atol=1e-12)


def test_of_logits_the_sigmoid_is_explained(small):
    network, image = small.double(), 4 * torch.randn(1, 1, 16, 16, dtype=torch.float64)
    found = IterativeDelete(network, rounds=4, output="logit").attribute(image, 1)[0, 0]
    expected = slowly(lambda x: network(x)[:, 1].sigmoid(), image[0], 4)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)


def test_a_score_below_zero_is_explained_by_its_magnitude(small):
    small.head.bias.data[0] = -5
    image = torch.randn(1, 1, 16, 16)
    assert small(image)[0, 0] < 0
    found = IterativeDelete(small, rounds=3).attribute(image, 0)[0, 0]
    torch.testing.assert_close(found, slowly(lambda x: small(x)[:, 0], image[0], 3), rtol=1e-5, atol=1e-7)


def test_channels_add_up_and_are_deleted_together():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 2)).double()
    image = torch.randn(1, 3, 12, 12, dtype=torch.float64)
    found = IterativeDelete(network, rounds=4).attribute(image, 0)[0, 0]
    torch.testing.assert_close(found, slowly(lambda x: network(x)[:, 0], image[0], 4), rtol=1e-6, atol=1e-12)


def test_one_round_is_the_magnitude_of_the_gradient(small):
    images = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(
        IterativeDelete(small, rounds=1).attribute(images, 1), Gradient(small).attribute(images, 1).abs()
    )


def test_one_pixel_in_fifty_is_deleted_and_inverted_all_others_are():
    seen = []

    class Quadratic(nn.Module):
        def forward(self, images):
            seen.append(images.detach().clone())
            return images.square().sum((1, 2, 3))[:, None] / 2

    image = torch.arange(1.0, 401).reshape(1, 1, 20, 20)
    IterativeDelete(Quadratic(), rounds=3).attribute(image, 0)
    # The gradient is the film itself; above the 98th percentile lie 8 of its 400 pixels.
    assert [int((x == 0).sum()) for x in seen[-3:]] == [0, 8, 16]
    assert seen[-1].max() == 384
    IterativeDelete(Quadratic(), rounds=2, invert=True).attribute(image, 0)
    assert int((seen[-1] != 0).sum()) == 8


def test_a_gradient_without_a_positive_pixel_deletes_nothing():
    gradient = -torch.arange(1.0, 101).reshape(1, 1, 10, 10)
    assert not top_pixels(gradient).any()
    assert not top_pixels(torch.ones(1, 1, 10, 10)).any()


def test_the_registry_tells_it_what_the_network_returns(small):
    model = wrap(small, ["Effusion", "Mass", "Nodule"], 16)
    built = build_method("iterative-delete", model, {"rounds": 3})
    assert (built.rounds, built.output) == (3, "logit")
    assert build_method("iterative-delete", model, {"output": "value"}).output == "value"


@pytest.mark.parametrize("settings", [{"rounds": 0}, {"rounds": 2.5}, {"invert": 1}, {"output": "odds"}])
def test_impossible_settings_are_refused(settings, small):
    with pytest.raises(ModelError, match=next(iter(settings))):
        IterativeDelete(small, **settings)
