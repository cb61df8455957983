from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plainfilm.attribution import Bottleneck, FeatureStatistics, MultiLayerBottleneck
from plainfilm.attribution.multilayer_bottleneck import THRESHOLD
from plainfilm.errors import ModelError, NumericError
from plainfilm.models.densenet import DenseNet

LAYERS = ["first", "norm", "second"]


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def statistics(small: nn.Module) -> FeatureStatistics:
    return FeatureStatistics.estimate(
        small, LAYERS, torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    )


def combined(maps: list[np.ndarray], thresholds: list[float], binary: bool) -> np.ndarray:
    """The released rule on maps of one image: divided by their norm, thresholds at the image's own size."""
    kept = np.ones(maps[0].shape, bool)
    for number, (map, threshold) in enumerate(zip(maps, thresholds, strict=True)):
        if number or binary:
            kept &= map / np.linalg.norm(map) >= threshold / math.sqrt(map.size)
    return kept.astype(float) if binary else maps[0] * kept


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("thresholds", [1.0, (0.9, 1.1, 1.05)])
def test_agrees_with_the_released_rule_on_the_maps_of_its_layers(
    thresholds, binary, small, images, statistics
):
    method = MultiLayerBottleneck(small, LAYERS, statistics, thresholds, binary)
    found = method.attribute(images, [0, 1, 2, 0])
    alone = [Bottleneck(small, layer, statistics).attribute(images, [0, 1, 2, 0]) for layer in LAYERS]
    assert 0 < (found > 0).float().mean() < 1
    for i in range(4):
        several = thresholds if isinstance(thresholds, tuple) else (thresholds,) * 3
        expected = combined([each[i, 0].double().numpy() for each in alone], list(several), binary)
        np.testing.assert_allclose(found[i, 0], expected, rtol=1e-4, atol=1e-6)


def test_the_threshold_is_the_released_one_at_224_pixels():
    assert pytest.approx(0.006 * 224) == THRESHOLD


def test_each_layer_takes_its_own_noise(small, images, statistics):
    noise = [torch.randn(4, 3, *statistics[layer].mean.shape) for layer in LAYERS]
    settings = {"steps": 4, "samples": 3, "beta": 1.0}
    method = MultiLayerBottleneck(small, LAYERS, statistics, 0.0, noise=noise, **settings)
    first = Bottleneck(small, "first", statistics, noise=noise[0], **settings)
    torch.testing.assert_close(method.attribute(images, 1), first.attribute(images, 1))
    with pytest.raises(ModelError, match="2 tensors of noise"):
        MultiLayerBottleneck(small, LAYERS, statistics, noise=noise[:2])


def test_a_batch_equals_its_images_one_by_one(small, images, statistics):
    method = MultiLayerBottleneck(small, LAYERS, statistics, 0.5)
    singles = [
        method.attribute(image[None], target) for image, target in zip(images, [2, 0, 1, 0], strict=True)
    ]
    torch.testing.assert_close(
        method.attribute(images, [2, 0, 1, 0]), torch.cat(singles), rtol=1e-4, atol=1e-6
    )


def test_the_network_runs_once_whole_and_then_behind_each_layer(small, images, statistics):
    calls = []
    small.first.register_forward_hook(lambda *call: calls.append("first"))
    small.head.register_forward_hook(lambda *call: calls.append("head"))
    MultiLayerBottleneck(small, LAYERS, statistics).attribute(images[:1], 1)
    # A whole pass, a proof for each layer, and nine passes behind each.
    assert calls.count("head") == 1 + 3 + 27
    # What is replaced calls its hooks too; it computes nothing.
    assert calls.count("first") == calls.count("head")


def test_blocks_1_to_3_of_any_densenet_are_found():
    network = DenseNet(2, growth_rate=4, block_config=(1, 1, 1, 1), num_init_features=4).eval()
    films = torch.rand(6, 1, 96, 96)
    blocks = [f"features.denseblock{number}" for number in (1, 2, 3)]
    statistics = FeatureStatistics.estimate(network, blocks, films)
    method = MultiLayerBottleneck(network, statistics=statistics, samples=2, thresholds=0.5)
    assert method.settings()["layers"] == tuple(blocks)
    assert method.attribute(films[:1], 0).shape == (1, 1, 96, 96)


def test_a_network_is_returned_byte_for_byte(small, images, statistics, returned_as_found):
    small.train()
    method = MultiLayerBottleneck(small, LAYERS, statistics)
    returned_as_found(small, lambda: method.attribute(images, [0, 1, 2, 0]))
    assert not any("forward" in vars(module) for module in small.modules())


def test_a_map_without_bits_stands_out_nowhere(small, images, statistics):
    statistics["second"].nonzero.zero_()
    assert not MultiLayerBottleneck(small, LAYERS, statistics, 0.0).attribute(images, 1).any()


def test_an_intersection_has_no_unit_of_bits(small, statistics):
    assert MultiLayerBottleneck(small, LAYERS, statistics).unit == "bits per pixel"
    assert MultiLayerBottleneck(small, LAYERS, statistics, binary=True).unit == "1 where all layers agree"


def test_weights_that_are_not_finite_are_named(small, images, statistics):
    small.head.weight.data[0, 0] = float("nan")
    with pytest.raises(NumericError, match="layer head"):
        MultiLayerBottleneck(small, LAYERS, statistics).attribute(images, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ["first"]}, "two layers or more"),
        ({"layers": "first"}, "two layers or more"),
        ({"layers": None}, "without dense blocks"),
        ({"layers": ["first", "secnd"]}, "Close: second"),
        ({"thresholds": (1.0, 1.0)}, "thresholds"),
        ({"thresholds": -1.0}, "thresholds"),
        ({"thresholds": "0.006"}, "thresholds"),
        ({"statistics": None}, r"no statistics.*FeatureStatistics\.estimate"),
        ({"steps": 0}, "steps 0"),
    ],
)
def test_impossible_settings_are_refused_before_anything_runs(settings, message, small, statistics):
    with pytest.raises(ModelError, match=message):
        MultiLayerBottleneck(small, **{"layers": LAYERS, "statistics": statistics} | settings)
