from __future__ import annotations

import math

import pytest
import torch
import torchvision
import torchxrayvision as xrv
from torch import nn

from plainfilm.errors import ModelError
from plainfilm.metrics.reinitialisation import randomisation_units, reinitialise, without_default
from plainfilm.models.densenet import densenet121


def published_order():
    """The 65 units of a DenseNet-121, from the specification."""
    order = ["classifier", "features.norm5"]
    for block, depth in ((4, 16), (3, 24), (2, 12), (1, 6)):
        order += [f"features.denseblock{block}.denselayer{layer}" for layer in range(depth, 0, -1)]
        order += [f"features.transition{block - 1}"] if block > 1 else []
    return (*order, "features.norm0", "features.conv0")


@pytest.mark.parametrize(
    ("network", "channels"),
    [
        (densenet121(3), 1),
        (torchvision.models.densenet121(weights=None, num_classes=3), 3),
        (xrv.models.DenseNet(num_classes=3), 1),
    ],
    ids=["ours", "torchvision", "torchxrayvision"],
)
def test_the_units_of_a_densenet_are_the_65_of_the_paper(network, channels):
    network.train()
    assert len(published_order()) == 65
    assert randomisation_units(network) == published_order()
    assert randomisation_units(network, torch.zeros(1, channels, 64, 64)) == published_order()
    assert network.training


def test_residual_blocks_are_units_and_rows_of_convolutions_are_not():
    resnet = randomisation_units(torchvision.models.resnet18(weights=None))
    blocks = [f"layer{layer}.{block}" for layer in (4, 3, 2, 1) for block in (1, 0)]
    assert resnet == ("fc", *blocks, "bn1", "conv1")
    vgg = randomisation_units(torchvision.models.vgg11(weights=None))
    assert vgg[:3] == ("classifier.6", "classifier.3", "classifier.0")
    assert vgg[-1] == "features.0"


def test_a_wrapper_around_a_network_is_no_unit():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 1))

        def forward(self, images):
            return self.model(images)

    assert randomisation_units(Wrapper()) == ("model.2", "model.0")
    assert randomisation_units(nn.Linear(2, 1)) == ("",)


class Backwards(nn.Module):
    """Registered in the reverse of the order of use; the weight of ``aside`` is used without calling it."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.aside = nn.Linear(4, 4)
        self.norm = nn.BatchNorm2d(4)
        self.stem = nn.Conv2d(1, 4, 3)

    def forward(self, images):
        features = self.norm(self.stem(images)).mean((2, 3))
        return self.head(features @ self.aside.weight)


def test_the_order_is_that_of_use():
    network = Backwards()
    assert randomisation_units(network) == ("stem", "norm", "aside", "head")
    assert randomisation_units(network, torch.zeros(1, 1, 8, 8)) == ("aside", "head", "norm", "stem")
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_network_without_parameters_is_refused():
    with pytest.raises(ModelError, match="without parameters"):
        randomisation_units(nn.Flatten())


def test_a_unit_gets_the_default_initialisation_and_fresh_statistics():
    unit = nn.Sequential(nn.Conv2d(8, 64, 3), nn.BatchNorm2d(64), nn.Linear(50, 40))
    for tensor in (*unit.parameters(), unit[1].running_mean, unit[1].running_var):
        tensor.data.fill_(7)
    reinitialise(unit, 0, "x")
    for layer, inputs in ((unit[0], 72), (unit[2], 50)):
        bound = 1 / math.sqrt(inputs)  # Kaiming uniform with a = sqrt(5)
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert (unit[1].weight == 1).all()
    assert (unit[1].bias == 0).all()
    assert (unit[1].running_mean == 0).all()
    assert (unit[1].running_var == 1).all()


def test_new_weights_depend_on_seed_and_name_alone():
    def drawn(seed, name):
        layer = nn.Linear(5, 5)
        torch.rand(3)
        reinitialise(layer, seed, name)
        return layer.weight

    before = torch.get_rng_state()
    first = nn.Linear(5, 5)
    torch.set_rng_state(before)
    reinitialise(first, 1, "a")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.weight, drawn(1, "a"))
    assert not torch.equal(first.weight, drawn(2, "a"))
    assert not torch.equal(first.weight, drawn(1, "b"))


def test_parameters_that_know_no_default_are_named():
    network = torchvision.models.VisionTransformer(32, 8, 2, 2, 24, 48, num_classes=3)
    assert without_default(network) == ("class_token", "encoder.pos_embedding")
    units = randomisation_units(network, torch.zeros(1, 3, 32, 32))
    assert units[:3] == ("heads", "encoder.ln", "encoder.layers.encoder_layer_1.mlp")
    assert units[-1] == "conv_proj"
    attention = network.encoder.layers[0].self_attention
    before = attention.in_proj_weight.detach().clone()
    reinitialise(attention, 0, "attention")
    assert not torch.equal(attention.in_proj_weight, before)
