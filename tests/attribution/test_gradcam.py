from __future__ import annotations

import captum.attr
import pytest
import torch
import torchvision
from torch import nn

from plainfilm.attribution import GradCAM
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


def test_a_setting_that_is_no_layer_is_refused(small):
    with pytest.raises(ModelError, match="layer 5"):
        GradCAM(small, 5)


def test_a_layer_that_is_never_called_is_refused(small):
    small.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ModelError, match="never calls"):
        GradCAM(small, "spare").attribute(torch.rand(1, 1, 16, 16), 0)


def test_the_tokens_of_a_transformer_are_laid_out_on_its_patches(transformer):
    """Re-derived with the class token cut off by hand and the rows filled cell by cell."""
    images, name = torch.rand(2, 3, 32, 32), "encoder.layers.encoder_layer_2.ln_1"
    kept = {}

    def keep(module, inputs, output):
        kept["tokens"] = output.detach().clone().requires_grad_()
        return kept["tokens"].clone()

    handle = transformer.get_submodule(name).register_forward_hook(keep)
    transformer(images)[:, 1].sum().backward()
    handle.remove()
    tokens, gradient = kept["tokens"][:, 1:], kept["tokens"].grad[:, 1:]
    expected = torch.zeros(2, 4, 4)
    for image in range(2):
        weights = gradient[image].mean(0)
        for cell in range(16):
            expected[image, cell // 4, cell % 4] = (weights * tokens[image, cell]).sum()
    maps = GradCAM(transformer, name).attribute(images, 1)
    torch.testing.assert_close(maps[:, 0], expected)
    assert maps.any()


def test_a_transformer_without_a_named_layer_gets_the_last_tokens_that_matter(transformer):
    images = torch.rand(2, 3, 32, 32)
    named = GradCAM(transformer, "encoder.layers.encoder_layer_2.ln_1").attribute(images, 2)
    found = GradCAM(transformer)
    torch.testing.assert_close(found.attribute(images, 2), named)
    assert found.settings()["layer"] == "encoder.layers.encoder_layer_2.ln_1"


def test_a_map_with_channels_last_is_the_map_with_channels_first():
    """Swin's last norm returns (B, h, w, C), the module behind it the same with channels first."""
    torch.manual_seed(0)
    swin = torchvision.models.SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], num_classes=3).eval()
    images = torch.rand(2, 3, 64, 64)
    last, first = (GradCAM(swin, layer).attribute(images, [0, 2]) for layer in ("norm", "permute"))
    assert last.shape == (2, 1, 8, 8)
    torch.testing.assert_close(last, first)
    for image, target, map_ in zip(images, [0, 2], first, strict=True):
        expected = slow_gradcam(swin, swin.permute, image[None], target)
        torch.testing.assert_close(map_[0], expected, rtol=1e-4, atol=1e-7)


def test_the_layer_that_was_found_is_recorded(small):
    method = GradCAM(small)
    assert method.settings()["layer"] is None
    method.attribute(torch.rand(1, 1, 16, 16), 0)
    assert method.settings()["layer"] == "second"


def test_a_network_that_flattens_with_view_is_explained():
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
            self.head = nn.Linear(4 * 8 * 8, 2)

        def forward(self, images):
            features = self.second(self.first(images).relu())
            return self.head(features.view(features.size(0), -1))

    network, image = Viewing(), torch.rand(1, 1, 8, 8)
    features = network.second(network.first(image).relu())
    weights = network.head.weight[1].reshape(4, 8, 8).mean((1, 2))
    expected = (weights[:, None, None] * features[0]).sum(0)
    torch.testing.assert_close(GradCAM(network).attribute(image, 1)[0, 0], expected.detach())
