from __future__ import annotations

import captum.attr
import pytest
import torch
import torchvision
from torch import nn

from plainfilm.attribution import GradCAM
from plainfilm.attribution.gradcam import last_feature_map
from plainfilm.errors import ModelError
from plainfilm.models.densenet import densenet121


def slow_gradcam(network, layer, image, target):
    """Selvaraju et al. 2017, eq. 1 and 2 without the ReLU, cell by cell."""
    kept = {}

    def keep(module, inputs, output):
        kept["features"] = output.detach().clone().requires_grad_()
        return kept["features"].clone()

    handle = layer.register_forward_hook(keep)
    network(image)[0, target].backward()
    handle.remove()
    features, gradient = kept["features"][0], kept["features"].grad[0]
    map_ = torch.zeros(features.shape[1:])
    for channel in range(len(features)):
        map_ += gradient[channel].mean() * features[channel].detach()
    return map_


@pytest.mark.parametrize("layer", ["norm", "second"])
def test_follows_its_definition(small, layer):
    images = torch.rand(2, 1, 16, 16)
    maps = GradCAM(small, layer).attribute(images, [0, 2])
    for image, target, map_ in zip(images, [0, 2], maps, strict=True):
        torch.testing.assert_close(map_[0], slow_gradcam(small, getattr(small, layer), image[None], target))


def test_agrees_with_captum_on_public_densenets(densenet):
    network, images = densenet
    targets = torch.tensor([3, 1])
    expected = captum.attr.LayerGradCam(network, network.features).attribute(images, target=targets).detach()
    scale = expected.abs().max().item()
    for layer in (None, "features", network.features):
        ours = GradCAM(network, layer).attribute(images, targets)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * scale)


def test_functional_in_place_and_module_twins_have_one_map(densenet):
    network, images = densenet
    twin = densenet121(5, images.shape[1]).eval()
    twin.load_state_dict(network.state_dict())
    ours, theirs = GradCAM(twin).all_targets(images), GradCAM(network).all_targets(images)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6 * theirs.abs().max().item())


def test_all_targets_are_the_targets_one_by_one(small):
    images = torch.rand(3, 1, 16, 16)
    every = GradCAM(small, "second").all_targets(images)
    assert every.shape == (3, 3, 8, 8)
    for target in range(3):
        one = GradCAM(small, "second").attribute(images, target)
        torch.testing.assert_close(every[:, [target]], one)


def test_all_targets_take_one_forward_pass(small):
    calls = []
    small.register_forward_hook(lambda *call: calls.append(1))
    GradCAM(small, "second").all_targets(torch.rand(1, 1, 16, 16))
    assert len(calls) == 1


def test_the_last_feature_map_is_found():
    resnet = torchvision.models.resnet18(weights=None, num_classes=2).eval()
    assert last_feature_map(resnet, torch.rand(1, 3, 64, 64)) is resnet.layer4[-1]
    densenet = densenet121(2).eval()
    assert last_feature_map(densenet, torch.rand(1, 1, 64, 64)) is densenet.features.norm5


def test_a_final_relu_as_module_or_function_gets_one_layer():
    class Functional(nn.Module):
        def __init__(self, features: nn.Module, head: nn.Module) -> None:
            super().__init__()
            self.features, self.head = features, head

        def forward(self, images):
            return self.head(torch.relu_(self.features(images)).mean((2, 3)))

    convolution, head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)
    as_module = nn.Sequential(
        nn.Sequential(convolution, nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    )
    images = torch.rand(2, 1, 12, 12)
    one = GradCAM(as_module).attribute(images, 1)
    other = GradCAM(Functional(nn.Sequential(convolution), head)).attribute(images, 1)
    torch.testing.assert_close(one, other)


def test_a_perceptron_is_refused_with_methods_that_apply():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"without a feature map.*integrated-gradients"):
        GradCAM(network).attribute(torch.rand(1, 1, 4, 4), 0)


def test_a_missing_layer_is_answered_with_close_names(small):
    with pytest.raises(ModelError, match=r"'secnd'.*Close: second"):
        GradCAM(small, "secnd").attribute(torch.rand(1, 1, 16, 16), 0)
    with pytest.raises(ModelError, match="layer 5"):
        GradCAM(small, 5)
    with pytest.raises(ModelError, match="another network"):
        GradCAM(small, nn.Conv2d(1, 1, 1)).attribute(torch.rand(1, 1, 16, 16), 0)
