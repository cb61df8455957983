"""The rules derived again, number by number, on networks of a few units."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from plainfilm.attribution import LRP

EPSILON = 1e-6


def shared(contributions: list[float], relevance: float, bias: float = 0.0) -> list[float]:
    total = sum(contributions) + bias
    total += EPSILON if total >= 0 else -EPSILON
    return [each / total * relevance for each in contributions]


class Tiny(nn.Module):
    """1 x 1 convolutions on one row of pixels, a skip connection, an average, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(11)
        self.first = nn.Conv2d(1, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(3, 2)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, images):
        features = self.norm(self.first(images)).relu_()
        # Both branches are signed.
        total = self.second(features) + (features - 0.3)
        return self.head(total.mean((2, 3)))


def slow_relevance(network: Tiny, image: Tensor, target: int, signed: bool) -> tuple[list[float], float]:
    """The relevance of each pixel, and what the biases keep, with loops and floats alone."""
    pixels, channels = image.flatten().tolist(), range(3)
    with torch.no_grad():
        features = network.norm(network.first(image)).clamp(min=0)[0, :, 0]
        branch = network.second(features[None, :, None])[0, :, 0]
        score = network(image)[0, target].item()
    total = (branch + features - 0.3).tolist()
    features, branch = features.tolist(), branch.tolist()
    weigh = (lambda value: value) if signed else abs
    head, second = network.head.weight[target].tolist(), network.second.weight[:, :, 0, 0].tolist()
    means = [sum(row) / len(row) for row in total]
    bias = network.head.bias[target].item()
    at_mean = shared([means[c] * head[c] for c in channels], score, bias)
    kept = score - sum(at_mean)
    relevance = [0.0] * len(pixels)
    for c in channels:
        at_total = shared([weigh(v) / len(pixels) for v in total[c]], at_mean[c])
        for p, here in enumerate(at_total):
            # The constant 0.3 is passed over: the skip's value is what it was after subtraction.
            to_branch, to_skip = shared([weigh(branch[c][p]), weigh(features[c][p] - 0.3)], here)
            rising = [max(second[c][k], 0) * features[k][p] for k in channels]
            at_features = shared(rising, to_branch, max(network.second.bias[c].item(), 0))
            kept += to_branch - sum(at_features)
            # Norm and activation pass; a 1 x 1 convolution of one channel has one pixel to give to.
            relevance[p] += sum(at_features) + to_skip
    return relevance, kept


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("target", [0, 1])
def test_every_rule_agrees_with_its_slow_twin(signed, target):
    network = Tiny().double().eval()
    image = torch.randn(1, 1, 1, 5, dtype=torch.float64)
    expected, kept = slow_relevance(network, image, target, signed)
    method = LRP(network, signed_sums=signed, epsilon=EPSILON)
    ours = method.attribute(image, target).flatten()
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-7)
    reported = method.conservation(image, target)
    assert reported.biases.item() == pytest.approx(kept, rel=1e-3, abs=1e-5)
    assert reported.lost.item() == pytest.approx(0, abs=1e-4)


def test_the_first_convolution_spreads_evenly_over_its_window():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.Flatten())
    image = torch.rand(1, 1, 3, 3)
    score = network(image).item()
    expected = torch.full((1, 1, 3, 3), score / 9)
    torch.testing.assert_close(LRP(network).attribute(image, 0), expected, rtol=1e-5, atol=0)


def test_a_maximum_gives_all_to_the_winner():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.MaxPool2d(2), nn.Flatten())
    network[0].weight.data.fill_(2.0)
    image = torch.tensor([[1.0, 3.0], [2.0, 0.0]])[None, None]
    expected = torch.tensor([[0.0, 6.0], [0.0, 0.0]])[None, None]
    torch.testing.assert_close(LRP(network).attribute(image, 0), expected, rtol=1e-5, atol=0)


def test_negative_inputs_count_where_their_weights_are_negative_too():
    network = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False), nn.Flatten())
    network[0].weight.data = torch.eye(2)[:, :, None, None]
    network[1].weight.data = torch.tensor([3.0, -1.0]).view(1, 2, 1, 1)
    image = torch.tensor([2.0, -4.0]).view(1, 2, 1, 1)
    # Contributions 6 and 4 of a score of 10; the flat first layer then sums over channels.
    kept = LRP(network).conservation(image, 0)
    torch.testing.assert_close(kept.relevance, torch.tensor([10.0]), rtol=1e-5, atol=0)
