from __future__ import annotations

import warnings
from importlib import import_module

import pytest
import torch
from torch import nn

from plainfilm import models
from plainfilm.errors import ModelError, NumericError
from plainfilm.models.autoencoder import (
    Autoencoder,
    Bottleneck,
    Enlarged,
    Spread,
    Thinned,
    autoencoder50,
    autoencoder101,
    autoencoder152,
    autoencoder_slim,
)

TINY = {"size": 32, "low": 0.0, "high": 1.0, "blocks": (1, 1, 2, 1), "planes": (2, 3, 4, 4),
        "strides": (1, 2, 2, 1), "stem": 4, "top": 3, "up_planes": (4, 3, 2, 2)}  # fmt: skip


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("torchxrayvision")
    with warnings.catch_warnings():
        return import_module("torchxrayvision").autoencoders


def shaken(network):
    """Batch norms that do something."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
    return network.eval()


@pytest.mark.parametrize(("ours", "name"), [(autoencoder101, "ResNetAE101"), (autoencoder50, "ResNetAE50")])
def test_weights_of_torchxrayvision_give_its_codes_and_films(theirs, ours, name):
    reference, network = shaken(getattr(theirs, name)()), ours().eval()
    network.load_state_dict(reference.state_dict(), strict=True)
    images = torch.rand(2, 1, 224, 224, generator=torch.Generator().manual_seed(0)) * 2048 - 1024
    with torch.no_grad():
        codes, wanted = network.encode(images), reference.encode(images)
        films, drawn = network.decode(wanted), reference.decode(wanted, images.size())
    assert codes.shape == (2, 512, 3, 3)
    assert (codes - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert (films - drawn).abs().max() <= 1e-5 * drawn.abs().max()


def test_the_deepest_has_the_blocks_of_a_resnet_152():
    network = autoencoder152()
    assert [len(getattr(network, f"layer{k}")) for k in (1, 2, 3, 4)] == [3, 8, 36, 3]
    assert [len(getattr(network, f"uplayer{k}")) for k in (1, 2, 3, 4)] == [3, 36, 8, 3]


@pytest.mark.parametrize(
    ("latent", "numbers"), [((128, 12), 2048), ((128, 6), 4608), ((32, 2), 6272), ((128, 2), 25088)]
)
def test_the_sizes_of_the_papers_comparison_can_be_built(latent, numbers):
    network = autoencoder50(latent=latent).eval()
    assert torch.Size(network.latent).numel() == numbers
    with torch.no_grad():
        assert network(torch.full((1, 1, 224, 224), 7.0)).shape == (1, 1, 224, 224)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("size", [33, 46, 65])
@pytest.mark.parametrize("strides", [(1, 2, 2, 1), (2, 2, 3, 2), (1, 1, 1, 5)])
def test_any_size_comes_back(size, strides, smooth):
    network = Autoencoder(**{**TINY, "size": size, "strides": strides, "smooth": smooth}).eval()
    images = torch.rand(2, 1, size, size)
    codes = network.encode(images)
    assert codes.shape == (2, *network.latent)
    assert network(images).shape == images.shape


def test_codes_are_never_negative_and_gradients_reach_them():
    network = shaken(Autoencoder(**TINY))
    codes = network.encode(torch.rand(2, 1, 32, 32)).detach().requires_grad_()
    network.decode(codes).square().sum().backward()
    assert codes.min() >= 0
    assert codes.grad.abs().sum() > 0


def test_the_arguments_rebuild_it():
    network = shaken(Autoencoder(**TINY))
    again = Autoencoder(**network.arguments).eval()
    again.load_state_dict(network.state_dict())
    images = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(again(images), network(images))
    assert (again.spec, again.spec.ends) == (network.spec, (0.0, 1.0))


def test_a_block_is_the_published_one_with_a_relu_before_the_sum():
    block = shaken(Bottleneck(6, 2, 8, stride=2))
    features = torch.randn(2, 6, 9, 9)
    inner = block.conv1(features)
    inner = block.conv2(block.bn1(inner).clamp(min=0))
    inner = block.bn3(block.conv3(block.bn2(inner).clamp(min=0))).clamp(min=0)
    beside = nn.functional.conv2d(features, block.downsample[0].weight, stride=2)
    torch.testing.assert_close(block(features), (inner + block.downsample[1](beside)).clamp(min=0))


def test_a_smooth_block_has_none_and_enlarges_by_interpolation():
    block = shaken(Bottleneck(6, 2, 8, stride=2, rest=1, smooth=True))
    features = torch.randn(2, 6, 5, 5)

    def larger(values):
        return nn.functional.interpolate(values, size=(10, 10), mode="bilinear")

    inner = block.bn1(nn.functional.conv2d(features, block.conv1.weight)).clamp(min=0)
    inner = nn.functional.conv2d(larger(inner), block.conv2[1].weight, padding=1)
    inner = block.bn3(block.conv3(block.bn2(inner).clamp(min=0)))
    beside = block.upsample[1](larger(nn.functional.conv2d(features, block.upsample[0][0].weight)))
    torch.testing.assert_close(block(features), (inner + beside).clamp(min=0))


def test_a_smooth_block_whose_shape_stays_begins_as_its_shortcut():
    features = torch.rand(2, 8, 5, 5)
    torch.testing.assert_close(Bottleneck(8, 2, 8, smooth=True).eval()(features), features)


@pytest.mark.parametrize(("stride", "rest"), [(2, 0), (2, 1), (3, 2), (6, 1)])
def test_what_is_level_stays_level_when_smoothly_enlarged(stride, rest):
    level = Enlarged(stride, rest)(torch.full((1, 2, 7, 7), 3.0))
    assert level.shape[2:] == Spread(2, 4, stride, rest)(torch.zeros(1, 2, 7, 7)).shape[2:]
    torch.testing.assert_close(level, torch.full_like(level, 3.0))


@pytest.mark.parametrize(("stride", "rest"), [(2, 0), (2, 1), (3, 2), (6, 1)])
def test_leaving_cells_out_and_spreading_them_are_strided_convolutions(stride, rest):
    thin, spread = Thinned(3, 4, stride), Spread(3, 4, stride, rest)
    features = torch.randn(2, 3, 7, 7).to(memory_format=torch.channels_last)
    wanted = nn.functional.conv2d(features, thin.weight, stride=stride)
    torch.testing.assert_close(thin(features), wanted)
    plain = features.contiguous()
    wanted = nn.functional.conv_transpose2d(plain, spread.weight, stride=stride, output_padding=rest)
    torch.testing.assert_close(spread(features), wanted)


def test_nothing_works_in_place_and_every_relu_is_used_once():
    network, calls = Autoencoder(**TINY).eval(), []
    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    for relu in relus:
        relu.register_forward_hook(lambda module, *_: calls.append(module))
    network(torch.rand(1, 1, 32, 32))
    assert not any(relu.inplace for relu in relus)
    assert sorted(map(id, calls)) == sorted(map(id, relus))


def test_the_small_one_is_small_enough_to_ship():
    network = autoencoder_slim()
    assert sum(tensor.nbytes for tensor in network.state_dict().values()) < 2.5e6
    assert network.spec.ends == (0.0, 1.0)


@pytest.mark.parametrize("change", [
    {"blocks": (1, 1)}, {"planes": (2, 3, 4, 0)}, {"top": 0}, {"size": 0}, {"low": 1.0, "high": 0.0},
    {"blocks": (), "planes": (), "strides": (), "up_planes": ()}, {"planes": ()},
])  # fmt: skip
def test_stages_that_do_not_go_together_are_refused(change):
    with pytest.raises(ModelError):
        Autoencoder(**{**TINY, **change})


def test_films_of_another_size_or_range_are_named():
    network = autoencoder50().eval()
    with pytest.raises(ModelError, match=r"shape \(1, 1, 200, 200\)"):
        network.encode(torch.zeros(1, 1, 200, 200))
    with pytest.raises(ModelError, match=r"from .* expected the range \[-1024, 1024\]"):
        network.encode(torch.rand(1, 1, 224, 224))
    with pytest.raises(NumericError, match="NaN or infinite"):
        network.encode(torch.full((1, 1, 224, 224), torch.nan))


def test_codes_of_another_shape_or_without_values_are_named():
    network = Autoencoder(**TINY).eval()
    with pytest.raises(ModelError, match=r"codes of shape \(1, 16, 3, 3\), expected \(B, 16, 2, 2\)"):
        network.decode(torch.zeros(1, 16, 3, 3))
    with pytest.raises(NumericError, match="codes with NaN"):
        network.decode(torch.full((1, 16, 2, 2), torch.inf))


def test_the_package_names_it_without_importing_it_first():
    assert models.Autoencoder is Autoencoder
    with pytest.raises(AttributeError, match="Autoencoders"):
        _ = models.Autoencoders


def test_channels_last_training_steps_survive():
    """Where the library's own strided 1 x 1 convolutions ended the process (see ``Thinned``)."""
    network = autoencoder_slim(size=96).to(memory_format=torch.channels_last)
    images = torch.rand(2, 1, 96, 96).contiguous(memory_format=torch.channels_last)
    network(images).square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
