from __future__ import annotations

from itertools import product

import captum.attr
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from plainfilm.attribution import DeepLift
from plainfilm.errors import ModelError
from plainfilm.models.densenet import DenseNet, densenet121


def score_changes(network: nn.Module, images: Tensor, targets: list[int], baseline: float = 0.0) -> Tensor:
    with torch.no_grad():
        changes = network(images) - network(torch.full_like(images, baseline))
    return changes[torch.arange(len(targets)), targets]


def test_follows_the_rescale_rule_on_two_layers():
    torch.manual_seed(0)
    first, second = nn.Linear(4, 5).double(), nn.Linear(5, 2).double()
    network = nn.Sequential(nn.Flatten(), first, nn.ReLU(inplace=True), second)
    image, baseline = torch.rand(1, 1, 2, 2, dtype=torch.float64), -0.7
    x = [v.item() for v in first(image.flatten())]
    b = [v.item() for v in first(torch.full((4,), baseline, dtype=torch.float64))]
    expected = torch.zeros(4, dtype=torch.float64)
    for j in range(5):
        multiplier = (max(x[j], 0) - max(b[j], 0)) / (x[j] - b[j])
        for i in range(4):
            expected[i] += second.weight[1, j].item() * multiplier * first.weight[j, i].item()
    expected *= image.flatten() - baseline
    ours = DeepLift(network, baseline=baseline).attribute(image, 1)
    torch.testing.assert_close(ours.flatten(), expected)


class Offset(nn.Module):
    """Makes a baseline of 0 an uneven one, in which no two places tie for a maximum."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.randn(1, 1, size, size))

    def forward(self, images):
        return images + self.values


def slow_maxima(image: Tensor, baseline: Tensor, weights: Tensor) -> Tensor:
    """Window by window of size 3, stride 2, padding 1: who made the step, and by how much of its own."""
    multipliers = torch.zeros_like(image)
    for channel, row, column in product(*map(range, weights.shape)):
        rows = range(max(0, 2 * row - 1), min(image.shape[1], 2 * row + 2))
        columns = range(max(0, 2 * column - 1), min(image.shape[2], 2 * column + 2))
        window = [(channel, i, j) for i in rows for j in columns]
        peak, former = max(window, key=lambda p: image[p]), max(window, key=lambda p: baseline[p])
        step = image[peak] - baseline[former]
        place = peak if step > 0 else former
        multipliers[place] += weights[channel, row, column] * step / (image[place] - baseline[place])
    return multipliers


def test_follows_the_rule_for_maxima_done_slowly():
    torch.manual_seed(7)
    stem, head = nn.Conv2d(1, 2, 3), nn.Linear(2 * 9, 1)
    network = nn.Sequential(Offset(8), stem, nn.MaxPool2d(3, 2, 1), nn.Flatten(), head).double()
    image = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before, black = stem(network[0](image))[0], stem(network[0](torch.zeros_like(image)))[0]
        multipliers = slow_maxima(before, black, head.weight.view(2, 3, 3))
        expected = F.conv_transpose2d(multipliers[None], stem.weight) * image
    torch.testing.assert_close(DeepLift(network).attribute(image, 0), expected)


def test_a_step_of_a_maximum_goes_to_the_place_that_made_it():
    """Window by window: a rise to the image's peak, a fall to the place of the baseline's."""
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(2), nn.Flatten())
    network[0].weight.data.fill_(1.0)
    network[0].bias.data = torch.tensor([0.0])
    rising = torch.tensor([[0.0, 3.0], [1.0, 2.0]])[None, None]
    expected = torch.tensor([[0.0, 3.0], [0.0, 0.0]])[None, None]
    torch.testing.assert_close(DeepLift(network).attribute(rising, 0), expected)
    falling = torch.tensor([[-4.0, -3.0], [-1.0, -2.0]])[None, None]
    # All places of the baseline are level; its first place holds the maximum.
    expected = torch.tensor([[-1.0, 0.0], [0.0, 0.0]])[None, None]
    torch.testing.assert_close(DeepLift(network).attribute(falling, 0), expected)


def test_is_complete_on_public_densenets(densenet):
    network, images = densenet
    targets = [0, 3]
    changes = score_changes(network, images, targets)
    assert (DeepLift(network).completeness(images, targets).abs() < 1e-5 * changes.abs()).all()
    maps = DeepLift(network).attribute(images, targets)
    torch.testing.assert_close(maps.sum((1, 2, 3)), changes, rtol=1e-5, atol=0)


def test_is_complete_where_one_relu_serves_many_places():
    torch.manual_seed(2)
    network = torchvision.models.resnet50(weights=None, num_classes=3).eval()
    images = torch.randn(2, 3, 64, 64)
    gaps = DeepLift(network).completeness(images, 1)
    assert (gaps.abs() < 1e-5 * score_changes(network, images, [1, 1]).abs()).all()


def test_a_functional_end_gives_the_map_of_its_modular_twin(densenet):
    network, images = densenet
    twin = densenet121(5, images.shape[1]).eval()
    twin.load_state_dict(network.state_dict(), strict=True)
    network, twin, images = network.double(), twin.double(), images.double()
    expected = DeepLift(twin).attribute(images, 2)
    ours = DeepLift(network).attribute(images, 2)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6 * expected.abs().max().item())


@pytest.mark.filterwarnings("ignore:Setting forward", "ignore:Input Tensor 0")
@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.ELU])
def test_agrees_with_captum_on_a_network_of_modules_without_maxima(activation):
    """Through max-pooling captum 0.9 sends the plain gradient, and its maps are incomplete."""
    torch.manual_seed(4)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), activation(), nn.AvgPool2d(2),
        nn.Conv2d(6, 8, 3), activation(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(8 * 9, 10), activation(), nn.Linear(10, 3),
    ).double().eval()  # fmt: skip
    images, targets = torch.randn(3, 1, 16, 16, dtype=torch.float64), torch.tensor([2, 0, 1])
    expected = captum.attr.DeepLift(network).attribute(images, target=targets).detach()
    ours = DeepLift(network).attribute(images, targets)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.filterwarnings("ignore:Setting forward", "ignore:Input Tensor 0")
def test_agrees_with_captum_on_a_densenet_without_maxima():
    torch.manual_seed(5)
    network = DenseNet(3, growth_rate=8, block_config=(2, 2), num_init_features=8).double().eval()
    network.features.pool0 = nn.AvgPool2d(2)
    images = torch.randn(2, 1, 32, 32, dtype=torch.float64)
    expected = captum.attr.DeepLift(network).attribute(images, target=1).detach()
    ours = DeepLift(network).attribute(images, 1)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


class Curved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

    def forward(self, images):
        features = F.silu(F.gelu(self.stem(images)), inplace=True)
        return self.head(F.adaptive_max_pool2d(features, 1).flatten(1))


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e-3, 1.0, 1e3])
def test_small_and_large_differences_stay_complete_and_finite(scale):
    torch.manual_seed(6)
    network, images = Curved(), torch.randn(4, 1, 8, 8) * scale
    maps = DeepLift(network).attribute(images, 1)
    gaps = DeepLift(network).completeness(images, 1)
    assert torch.isfinite(maps).all()
    assert (gaps.abs() <= 1e-5 * maps.abs().sum((1, 2, 3)) + 1e-6).all()


def test_batches_and_chunks_change_nothing(small):
    images, targets = torch.rand(4, 1, 16, 16), [2, 0, 1, 0]
    batch = DeepLift(small).attribute(images, targets)
    singles = [DeepLift(small).attribute(image[None], t) for image, t in zip(images, targets, strict=True)]
    torch.testing.assert_close(batch, torch.cat(singles), rtol=1e-4, atol=1e-7)
    little = DeepLift(small, memory=1e-6).attribute(images, targets)
    torch.testing.assert_close(batch, little, rtol=1e-4, atol=1e-7)


def test_an_image_that_is_its_baseline_gives_a_flat_map(small):
    assert not DeepLift(small, baseline=0.5).attribute(torch.full((2, 1, 8, 8), 0.5), 1).any()


def test_an_operation_that_no_rule_covers_is_refused():
    class Gated(nn.Module):
        def forward(self, images):
            return (images * images.exp()).flatten(1).sum(1, keepdim=True)

    with pytest.raises(ModelError, match="integrated-gradients"):
        DeepLift(Gated()).attribute(torch.rand(1, 1, 4, 4), 0)


def test_the_network_is_returned_as_found(small, returned_as_found):
    small.train()
    images = torch.rand(2, 1, 8, 8)
    returned_as_found(small, lambda: DeepLift(small).attribute(images, 1))
    returned_as_found(small, lambda: DeepLift(small).completeness(images, 1))
    with pytest.raises(ModelError):
        returned_as_found(small, lambda: DeepLift(small).attribute(images, 7))


@pytest.mark.parametrize("baseline", [float("nan"), "black", None])
def test_an_impossible_baseline_is_refused(baseline, small):
    with pytest.raises(ModelError, match="baseline"):
        DeepLift(small, baseline=baseline)
