from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from plainfilm.attribution.layer import named_layer
from plainfilm.attribution.probe import probe
from plainfilm.attribution.splitting import Split, outputs_of, split
from plainfilm.errors import ModelError
from plainfilm.models.densenet import densenet_slim


class Skipping(nn.Module):
    """A small U-Net with scores: connections pass by the layer, the image itself among them."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.bottom = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.up = nn.Conv2d(9, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.relu(self.down(images))
        coarse = F.relu_(self.bottom(F.max_pool2d(fine, 2)))
        raised = F.interpolate(coarse, size=images.shape[2:])
        return self.head(self.relu(self.up(torch.cat([images, fine, raised], 1))).mean((2, 3)))


class Viewing(nn.Module):
    """Flattens by a view, which features in the order of channels last do not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4 * 16 * 16, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = self.second(self.first(images))
        return self.head(features.view(features.size(0), -1))


def hooked(network: nn.Module, layer: nn.Module, features: Tensor, images: Tensor) -> Tensor:
    """The whole network, with a hook that replaces what the layer returns."""
    handle = layer.register_forward_hook(lambda *call: features.clone())
    try:
        return network(images.clone())
    finally:
        handle.remove()


def assert_split(network: nn.Module, layer: str, images: Tensor, cached: bool = True) -> Split:
    """Scores of other features, and their gradient, are those of the whole network."""
    with probe(network):
        part = split(network, [layer], images)[layer]
        assert (part.before is not None) == cached
        image = torch.tensor([1, 0, 1])
        features = (part.features[image] + 0.1 * torch.randn_like(part.features[image])).requires_grad_()
        before = features.detach().clone()
        ours = part.tail(features.clone(), image)
        whole = hooked(network, network.get_submodule(layer), features, images[image])
        torch.testing.assert_close(ours, whole, rtol=0, atol=1e-5)
        (one,) = torch.autograd.grad(ours[:, 1].sum(), features)
        (other,) = torch.autograd.grad(whole[:, 1].sum(), features)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        assert torch.equal(features, before)
    return part


@pytest.mark.parametrize("layer", ["features.denseblock3", "features.denseblock1", "features"])
def test_public_densenets_are_split_behind_a_block(layer, densenet):
    network, images = densenet
    assert_split(network, layer, images)


@pytest.mark.parametrize("layer", ["features.transition1.conv", "features.denseblock2.denselayer3"])
def test_our_densenet_is_split_inside_a_block(layer):
    assert_split(densenet_slim(3).eval(), layer, torch.rand(2, 1, 64, 64))


@pytest.mark.parametrize("layer", ["layer2", "layer2.0", "layer3.1.conv1", "bn1", "layer1.0.bn2"])
def test_a_resnet_is_split_at_any_layer_whatever_it_overwrites(layer):
    assert_split(torchvision.models.resnet18(weights=None).eval(), layer, torch.rand(2, 3, 64, 64))


@pytest.mark.parametrize("layer", ["bottom", "up"])
def test_connections_pass_by_the_layer(layer):
    assert_split(Skipping().eval(), layer, torch.rand(2, 1, 16, 16))


def test_the_first_layer_has_nothing_before_it():
    assert assert_split(Skipping().eval(), "down", torch.rand(2, 1, 16, 16)).before == ()


@pytest.mark.parametrize("layer", ["first", "norm", "second"])
def test_a_module_that_is_used_on_both_sides_runs_behind_the_layer(layer, small):
    assert_split(small, layer, torch.rand(2, 1, 16, 16))


def test_a_network_that_flattens_by_a_view_is_split():
    part = assert_split(Viewing().eval(), "second", torch.rand(2, 1, 16, 16))
    assert part.order is torch.contiguous_format
    assert assert_split(Skipping().eval(), "up", torch.rand(2, 1, 16, 16)).order is torch.channels_last


def test_what_lies_before_the_layer_runs_once():
    network, calls = densenet_slim(3).eval(), []
    network.features.denseblock1.denselayer1.conv1.register_forward_hook(lambda *call: calls.append("head"))
    network.features.denseblock4.denselayer1.conv1.register_forward_hook(lambda *call: calls.append("tail"))
    with probe(network):
        part = split(network, ["features.denseblock3"], torch.rand(2, 1, 64, 64))["features.denseblock3"]
        for _ in range(3):
            part.tail(part.features.clone(), torch.tensor([0, 1]))
    # The tail also runs in the first forward pass and in the proof.
    assert calls.count("head") == 1
    assert calls.count("tail") == 1 + 1 + 3


def test_several_layers_are_split_in_one_pass(small):
    images = torch.rand(2, 1, 16, 16)
    with probe(small):
        every = split(small, ["first", small.second], images)
        assert list(every) == ["first", "second"]
        for name, part in every.items():
            alone = split(small, [name], images)[name]
            assert torch.equal(part.features, alone.features)
            again = part.tail(2 * part.features, torch.tensor([1, 1]))
            torch.testing.assert_close(again, alone.tail(2 * alone.features, torch.tensor([1, 1])))


def test_layers_may_lie_inside_each_other():
    network, images = densenet_slim(3).eval(), torch.rand(2, 1, 64, 64)
    names = ["features.denseblock2", "features.denseblock2.denselayer2", "features"]
    with probe(network):
        for name, part in split(network, names, images).items():
            image = torch.tensor([1, 0])
            whole = hooked(network, network.get_submodule(name), 2 * part.features[image], images[image])
            torch.testing.assert_close(part.tail(2 * part.features[image], image), whole, rtol=0, atol=1e-5)


def test_rows_that_multiply_before_the_layer_end_in_the_whole_network():
    class Tiled(nn.Module):
        """A module returns four rows for each image, as attention in windows does."""

        def __init__(self) -> None:
            super().__init__()
            self.tiles, self.second = nn.Unflatten(1, (4, 1)), nn.Conv2d(4, 4, 3, padding=1)
            self.rows, self.head = nn.Flatten(0, 1), nn.Linear(4, 3)

        def forward(self, images):
            rows = self.rows(self.tiles(images.repeat(1, 4, 1, 1)))
            return self.head(self.second(rows.reshape(len(images), 4, *images.shape[2:])).mean((2, 3)))

    assert_split(Tiled().eval(), "second", torch.rand(3, 1, 16, 16), cached=False)


def test_where_records_mislead_the_whole_network_runs():
    class Rewriting(nn.Module):
        """What a module returned is overwritten later by another module, and then used again."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)
            self.head = nn.Linear(4, 3)

        def forward(self, images):
            features = self.first(images)
            rectified = self.relu(features)
            return self.head((features + self.second(rectified)).mean((2, 3)))

    assert_split(Rewriting().eval(), "second", torch.rand(2, 1, 16, 16), cached=False)


def test_a_network_that_draws_random_numbers_is_refused(small):
    class Random(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small

        def forward(self, images):
            return self.inner(images) + torch.randn(3)

    with probe(Random()) as network, pytest.raises(ModelError, match="the same scores"):
        split(network, ["inner.second"], torch.rand(2, 1, 16, 16))


@pytest.mark.parametrize(
    ("layer", "message"),
    [("relu", "2 calls"), ("head", r"shape \(2, 3\)"), ("secnd", "Close: second"), ("", "named_modules")],
)
def test_a_layer_that_does_not_split_is_refused(layer, message, small):
    with probe(small), pytest.raises(ModelError, match=message):
        split(small, [layer], torch.rand(2, 1, 16, 16))


def test_a_layer_that_is_never_called_or_of_another_network_is_refused(small):
    small.unused = nn.Conv2d(1, 1, 1)
    with probe(small), pytest.raises(ModelError, match="0 calls"):
        split(small, ["unused"], torch.rand(1, 1, 16, 16))
    with pytest.raises(ModelError, match="a Conv2d of another network"):
        named_layer(small, nn.Conv2d(1, 1, 1))


def test_a_layer_of_tokens_is_refused(transformer):
    with probe(transformer), pytest.raises(ModelError, match=r"floating-point \(B, C, h, w\)"):
        split(transformer, ["encoder"], torch.rand(1, 3, 32, 32))


def test_outputs_are_those_of_the_layers(small):
    images = torch.rand(2, 1, 16, 16)
    found = outputs_of(small, ["norm", "first"], images)
    torch.testing.assert_close(found["first"], small.first(images))
    torch.testing.assert_close(found["norm"], small.norm(small.first(images)))


def test_no_module_keeps_a_forward_of_ours(small):
    def fail(*call: object) -> None:
        raise KeyboardInterrupt

    own = small.norm.forward
    small.norm.forward = lambda images: own(images)
    kept = small.norm.forward
    images = torch.rand(2, 1, 16, 16)
    with probe(small):
        part = split(small, ["second"], images)["second"]
        small.head.register_forward_hook(fail)
        for run in (
            lambda: part.tail(part.features.clone(), torch.tensor([0, 1])),
            lambda: split(small, ["second"], images),
        ):
            with pytest.raises(KeyboardInterrupt):
                run()
    assert small.norm.forward is kept
    assert not any("forward" in vars(module) for module in small.modules() if module is not small.norm)
