from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from plainfilm.errors import ModelError
from plainfilm.models.densenet import DenseNet, densenet121, densenet_slim


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, 96, 80, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def twins(randomise) -> tuple[nn.Module, DenseNet]:
    torch.manual_seed(0)
    peer = randomise(torchvision.models.densenet121(num_classes=5))
    ours = densenet121(5, in_channels=3).eval()
    ours.load_state_dict(peer.state_dict(), strict=True)
    return peer, ours


def test_torchvision_weights_load_strictly_and_give_equal_outputs(twins, images):
    peer, ours = twins
    with torch.no_grad():
        expected = peer(images)
        torch.testing.assert_close(ours(images), expected, rtol=0, atol=1e-6)
    assert expected.std() > 0.01


def test_our_weights_load_strictly_into_torchvision(twins):
    peer, ours = twins
    assert list(ours.state_dict()) == list(peer.state_dict())
    peer.load_state_dict(ours.state_dict(), strict=True)


def test_gradients_equal_those_of_torchvision(twins, images):
    gradients = []
    for network in twins:
        leaf = images.clone().requires_grad_()
        network(leaf)[:, 2].sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(
        gradients[1], gradients[0], rtol=1e-4, atol=1e-5 * gradients[0].abs().max().item()
    )


def test_training_moves_batch_statistics_as_torchvision_does(twins, images):
    peer, ours = twins
    for network in (peer, ours):
        network.train()(images)
    for name, expected in peer.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], expected, rtol=1e-4, atol=1e-5, msg=name)


def test_every_operation_is_a_module_of_its_own_and_none_works_in_place(images):
    network = densenet_slim(4, in_channels=3).eval()
    calls: dict[nn.Module, int] = {}
    for module in network.modules():
        module.register_forward_hook(lambda module, *_: calls.update({module: calls.get(module, 0) + 1}))
    network(images)
    assert set(calls) == set(network.modules())
    assert set(calls.values()) == {1}
    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    assert len(relus) == 2 * (4 + 8 + 12 + 8) + 3 + 2
    assert not any(relu.inplace for relu in relus)


def test_the_last_feature_map_can_be_hooked_before_and_after_its_relu(images):
    network = densenet_slim(4, in_channels=3).eval()
    seen = {}
    for name in ("features.norm5", "relu5"):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: seen.update({name: out})
        )
    logits = network(images)
    before, after = seen["features.norm5"], seen["relu5"]
    assert before.min() < 0
    torch.testing.assert_close(after, before.clamp(min=0), rtol=0, atol=0)
    by_hand = F.linear(after.mean((2, 3)), network.classifier.weight, network.classifier.bias)
    torch.testing.assert_close(by_hand, logits, rtol=1e-5, atol=1e-6)


def test_features_are_those_before_the_last_relu_as_in_torchvision(twins, images):
    peer, ours = twins
    with torch.no_grad():
        torch.testing.assert_close(ours.features(images), peer.features(images), rtol=0, atol=1e-5)


def test_channels_last_gives_the_same_outputs(images):
    network = densenet_slim(4, in_channels=3).eval()
    with torch.no_grad():
        expected = network(images)
        network = network.to(memory_format=torch.channels_last)
        found = network(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_slim_network_is_small_enough_to_ship():
    count = sum(weight.numel() for weight in densenet_slim(15).parameters())
    assert 0.6e6 < count < 0.75e6


def test_arguments_rebuild_the_same_network():
    network = DenseNet(2, 3, 6, block_config=(1, 2, 1), num_init_features=8, bottleneck=3)
    twin = DenseNet(**network.arguments)
    twin.load_state_dict(network.state_dict(), strict=True)


@pytest.mark.parametrize("arguments", [{"num_classes": 0}, {"num_classes": 2, "block_config": ()}])
def test_sizes_below_one_are_refused(arguments):
    with pytest.raises(ModelError, match="every size 1 or more"):
        DenseNet(**arguments)


def test_it_does_not_import_torchvision():
    code = "import sys, plainfilm.models.zoo; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
