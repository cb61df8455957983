from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import skimage.transform
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plainfilm.attribution import Bottleneck, FeatureStatistics
from plainfilm.attribution.bottleneck import BETA, InverseBottleneck, Variant, dense_blocks
from plainfilm.errors import ModelError, NumericError

VARIANTS = get_args(Variant)
LAYER = "second"


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def statistics(small: nn.Module) -> FeatureStatistics:
    films = torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    return FeatureStatistics.estimate(small, ["first", LAYER], films)


def noise(layer_shape: tuple[int, ...], steps: int = 10, samples: int = 10) -> Tensor:
    return torch.randn(steps, samples, *layer_shape, generator=torch.Generator().manual_seed(5))


def blurred(mask: Tensor) -> Tensor:
    """The released smoothing: a normalised two-dimensional kernel, channel by channel, mirrored."""
    grid = np.exp(-(np.arange(-2, 3)[:, None] ** 2 + np.arange(-2, 3) ** 2) / 2)
    kernel = torch.tensor(grid / grid.sum()).to(mask).expand(mask.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(mask, (2, 2, 2, 2), mode="reflect"), kernel, groups=mask.shape[1])


def released(
    network: nn.Module, layer: str, image: Tensor, target: int, statistics: FeatureStatistics, draws: Tensor,
    variant: str = "iba", loss: str = "target", beta: float = 10.0, truth: float = 0.0, rate: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The whole network, a hook, ten copies of one image, Adam, and the capacity of the last forward pass."""
    moments = statistics[layer]
    mean, active = moments.mean.to(image), moments.active.to(image)
    deviation = moments.standard_deviation.to(image).clamp(min=0.01)
    alpha = torch.full((1, *mean.shape), 5.0, dtype=image.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=rate)
    kept: dict[str, Tensor] = {}

    def replace(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        share = blurred(torch.sigmoid(alpha)).expand(len(output), -1, -1, -1)
        drawn = mean + deviation * kept["draws"].to(image)
        r = (output - mean) / deviation
        variance = (1 - share) ** 2
        kept["nats"] = (0.5 * ((share * r) ** 2 + variance - 1 - torch.log(variance)) * active)[0]
        mixed = (
            share * drawn + (1 - share) * output
            if variant == "inverse"
            else share * output + (1 - share) * drawn
        )
        return mixed * active

    copies = image.expand(draws.shape[1], -1, -1, -1)
    with torch.no_grad():
        clean = network(image)[0, target]
    handle = dict(network.named_modules())[layer].register_forward_hook(replace)
    for each in draws:
        kept["draws"] = each
        optimiser.zero_grad()
        scores = network(copies.clone())
        one = scores[:, target]
        wanted = torch.zeros_like(scores)
        wanted[:, target] = 1
        entropy = (
            F.binary_cross_entropy_with_logits(scores, wanted)
            if loss == "onehot"
            else F.binary_cross_entropy_with_logits(one, torch.ones_like(one))
        )
        first = {
            "iba": entropy,
            "inverse": -entropy,
            "mse": ((one - truth) ** 2).mean(),
            "regression-max": -(one**2).mean(),
            "deviation": ((one - clean) ** 2).mean(),
        }[variant]
        (first + beta * kept["nats"].mean()).backward()
        optimiser.step()
    handle.remove()
    network.zero_grad()
    bits = kept["nats"].detach().double().sum(0).numpy() / math.log(2)
    large = skimage.transform.resize(bits, image.shape[2:], order=1, preserve_range=True)
    return bits, large * bits.size / image[0, 0].numel()


def assert_close(ours: Tensor, theirs: np.ndarray, of_maximum: float = 1e-4) -> None:
    assert np.abs(ours.numpy() - theirs).max() <= of_maximum * theirs.max()


@pytest.mark.parametrize("layer", ["first", LAYER])
@pytest.mark.parametrize("loss", ["target", "onehot"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_agrees_with_the_released_way_of_working(variant, loss, layer, small, images, statistics):
    draws = noise(statistics[layer].mean.shape)
    method = Bottleneck(small, layer, statistics, variant, loss=loss, noise=draws)
    truth = torch.tensor([0.5, -1.0]) if variant == "mse" else None
    maps, bits = (run(images[:2], [0, 2], truth) for run in (method.attribute, method.bits))
    for i, target in enumerate([0, 2]):
        cells, pixels = released(
            small, layer, images[i : i + 1], target, statistics, draws, variant, loss, BETA[variant],
            0.0 if truth is None else truth[i].item(),
        )  # fmt: skip
        assert_close(bits[i], cells)
        assert_close(maps[i, 0], pixels)


def test_agrees_on_a_public_densenet(densenet):
    network, images = densenet
    layer = dense_blocks(network)[2]
    statistics = FeatureStatistics.estimate(network, [layer], torch.cat([images, images + 0.1]))
    draws = noise(statistics[layer].mean.shape, steps=4, samples=2)
    ours = Bottleneck(network, statistics=statistics, steps=4, samples=2, noise=draws)
    cells, pixels = released(network, layer, images[:1], 3, statistics, draws)
    assert_close(ours.bits(images[:1], 3)[0], cells)
    assert_close(ours.attribute(images[:1], 3)[0, 0], pixels)


def test_agrees_where_elements_are_inactive_or_hardly_vary(small, images, statistics):
    moments = statistics[LAYER]
    moments.nonzero[:, :3] = 0
    moments.squares[:, 5:] = 0
    draws = noise(moments.mean.shape)
    cells, _ = released(small, LAYER, images[:1], 1, statistics, draws)
    bits = Bottleneck(small, LAYER, statistics, noise=draws).bits(images[:1], 1)
    assert_close(bits[0], cells)
    assert not bits[0, :3].any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_equals_its_images_one_by_one(variant, small, images, statistics):
    targets, truth = [2, 0, 1, 0], torch.tensor([0.1, 2.0, -1.0, 0.0]) if variant == "mse" else None
    method = Bottleneck(small, LAYER, statistics, variant)
    batch = method.attribute(images, targets, truth)
    singles = [
        method.attribute(images[i : i + 1], targets[i], None if truth is None else truth[i : i + 1])
        for i in range(4)
    ]
    torch.testing.assert_close(batch, torch.cat(singles), rtol=1e-4, atol=1e-6)
    little = Bottleneck(small, LAYER, statistics, variant, memory=1e-6).attribute(images, targets, truth)
    torch.testing.assert_close(batch, little, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("variant", ["iba", "mse", "regression-max", "deviation"])
def test_bits_fall_as_beta_rises(variant, small, images, statistics):
    small.head.weight.data *= 300  # so that the score pulls as hard as the information
    runs = [
        [Bottleneck(small, LAYER, statistics, variant, beta, scores=3.0, seed=seed) for seed in range(3)]
        for beta in (0.01, 0.1, 1.0)
    ]
    totals = [np.median([each.bits(images, 1).sum() for each in seeds]) for seeds in runs]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > 2 * totals[-1]


def test_inverse_at_large_beta_leaves_the_signal_untouched(small, images, statistics):
    seen = []
    handle = small.head.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    bits = Bottleneck(small, LAYER, statistics, "inverse", beta=1e6, steps=60).bits(images[:1], 1)
    handle.remove()
    with torch.no_grad():
        clean = small(images[:1])
    assert bits.max() < 1e-3
    torch.testing.assert_close(seen[-1], clean.expand(10, -1), rtol=0, atol=1e-3)


def test_inverse_has_a_name_of_its_own(small, images, statistics):
    named = InverseBottleneck(small, LAYER, statistics)
    expected = Bottleneck(small, LAYER, statistics, "inverse").attribute(images, 1)
    assert torch.equal(named.attribute(images, 1), expected)
    assert named.settings()["variant"] == "inverse"


def test_alpha_beyond_17_stays_finite(small, images, statistics):
    method = Bottleneck(small, LAYER, statistics, beta=0.0, steps=40, learning_rate=5.0)
    maps = method.attribute(images, 0)
    assert torch.isfinite(maps).all()
    assert method.bits(images, 0).max() > math.log2(1e6) / 2


def test_only_steps_that_reach_the_map_are_taken(small, images, statistics):
    calls = []
    small.head.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    Bottleneck(small, LAYER, statistics, samples=7).bits(images[:3], 1)
    # The first image alone, to be measured, then the others: a whole pass, the proof, nine of the tail.
    assert calls == [1, 2, *[7] * 9, 2, 2, *[14] * 9]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_network_is_returned_byte_for_byte(variant, small, images, statistics, returned_as_found):
    small.train()
    small.norm.eval()
    small.first.weight.requires_grad_(False)
    small.head.weight.grad = torch.ones_like(small.head.weight)
    small.second.register_forward_hook(lambda *call: None)
    method = Bottleneck(small, LAYER, statistics, variant, scores=1.0)
    returned_as_found(small, lambda: method.attribute(images, [0, 1, 2, 0]))
    assert not any("forward" in vars(module) for module in small.modules())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_network_is_returned_after_an_exception(error, small, images, statistics, returned_as_found):
    calls = []

    def fail(*call: object) -> None:
        calls.append(call)
        if len(calls) == 5:
            raise error

    small.head.register_forward_hook(fail)
    method = Bottleneck(small, LAYER, statistics)
    with pytest.raises(error):
        returned_as_found(small, lambda: method.attribute(images, 0))
    assert not any("forward" in vars(module) for module in small.modules())


def test_autocast_and_half_precision_change_nothing(small, images, statistics):
    method = Bottleneck(small, LAYER, statistics)
    expected = method.attribute(images, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(method.attribute(images, 1), expected)
    with torch.no_grad():
        torch.testing.assert_close(method.attribute(images, 1), expected)
    small.half()
    assert method.attribute(images, 1).dtype == torch.float32


def test_a_layer_is_named_or_given_as_a_module(small, images, statistics):
    named = Bottleneck(small, LAYER, statistics)
    given = Bottleneck(nn.DataParallel(small), small.second, statistics)
    assert torch.equal(named.attribute(images, 1), given.attribute(images, 1))
    assert given.settings()["layer"] == LAYER


def test_statistics_may_lie_in_a_file(small, images, statistics, tmp_path):
    path = tmp_path / "statistics.safetensors"
    statistics.save(path)
    expected = Bottleneck(small, LAYER, statistics).attribute(images, 1)
    torch.testing.assert_close(Bottleneck(small, LAYER, path).attribute(images, 1), expected)
    torch.testing.assert_close(Bottleneck(small, LAYER, str(path)).attribute(images, 1), expected)


def test_true_scores_belong_to_their_images(small, images, statistics):
    method = Bottleneck(small, LAYER, statistics, "mse")
    truth = torch.tensor([0.1, 2.0, -1.0, 0.0])
    expected = method.attribute(images, 0, truth)
    torch.testing.assert_close(method.attribute(images, truth), expected)
    torch.testing.assert_close(method.attribute(images, truth[:, None]), expected)
    setting = Bottleneck(small, LAYER, statistics, "mse", scores=truth.tolist())
    torch.testing.assert_close(setting.attribute(images, 0), expected)
    with pytest.raises(ModelError, match="deviation"):
        method.attribute(images, 0)
    with pytest.raises(ModelError, match="3 true scores"):
        method.attribute(images, 0, truth[:3])


def test_a_seed_gives_one_map_and_another_seed_another(small, images, statistics):
    one, again, other = (
        Bottleneck(small, LAYER, statistics, seed=s).attribute(images[:1], 0) for s in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_record_says_what_was_used(small, images, statistics):
    method = Bottleneck(small, LAYER, statistics, "inverse", noise=noise((6, 8, 8)))
    method.attribute(images, 0)
    settings = method.settings()
    assert settings["beta"] == 30
    assert settings["statistics"] == repr(statistics)
    assert settings["noise"].startswith("(10, 10, 6, 8, 8), sha256 ")
    assert settings["tail"] == "behind the layer"
    assert "network" not in settings


def test_weights_that_are_not_finite_are_named(small, images, statistics):
    small.head.weight.data[0, 0] = float("nan")
    with pytest.raises(NumericError, match="layer head"):
        Bottleneck(small, LAYER, statistics).attribute(images, 0)


@pytest.mark.parametrize("target", [-1, 3, True, 1.0, "Mass", [0, -1], None])
def test_a_target_that_does_not_exist_is_refused(target, small, images, statistics):
    with pytest.raises(ModelError, match=r"target|index"):
        Bottleneck(small, LAYER, statistics).attribute(images[:2], target)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": "secnd"}, "Close: second"),
        ({"layer": None}, "without dense blocks"),
        ({"variant": "reverse"}, "iba, inverse, mse, regression-max, deviation"),
        ({"loss": "softmax"}, "target, onehot"),
        ({"steps": 0}, "steps 0"),
        ({"samples": 1.5}, "samples 1.5"),
        ({"beta": float("nan")}, "beta nan"),
        ({"beta": -1}, "beta -1"),
        ({"learning_rate": None}, "learning_rate None"),
        ({"statistics": None}, r"no statistics.*FeatureStatistics\.estimate"),
        ({"statistics": 3}, "statistics of int"),
        ({"noise": 0.5}, "noise of float"),
    ],
)
def test_impossible_settings_are_refused_before_anything_runs(settings, message, small, statistics):
    with pytest.raises(ModelError, match=message):
        Bottleneck(small, **{"layer": LAYER, "statistics": statistics} | settings)


def test_what_does_not_fit_the_features_is_refused(small, images, statistics):
    with pytest.raises(ModelError, match="statistics of first, second, expected of norm"):
        Bottleneck(small, "norm", statistics).attribute(images, 0)
    with pytest.raises(ModelError, match=r"\(6, 8, 8\), expected \(6, 6, 6\)"):
        Bottleneck(small, LAYER, statistics).attribute(torch.rand(1, 1, 12, 12), 0)
    with pytest.raises(ModelError, match="noise"):
        Bottleneck(small, LAYER, statistics, noise=noise((6, 8, 7))).attribute(images, 0)
    with pytest.raises(ModelError, match="noise"):
        Bottleneck(small, LAYER, statistics, noise=torch.zeros(10)).attribute(images, 0)
    tiny = torch.rand(3, 1, 4, 4)
    of_tiny = FeatureStatistics.estimate(small, [LAYER], tiny)
    with pytest.raises(ModelError, match="2 x 2, expected 3 x 3"):
        Bottleneck(small, LAYER, of_tiny).attribute(tiny, 0)


def test_a_score_that_ignores_the_layer_needs_no_bits():
    """Nothing pulls against the information, so hardly any is left."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.append(nn.Linear(2, 2))
    network[3].weight.data.zero_()
    films = torch.rand(8, 1, 8, 8)
    statistics = FeatureStatistics.estimate(network, ["0"], films)
    shut = Bottleneck(network, "0", statistics, steps=30).bits(films, 0).sum()
    start = Bottleneck(network, "0", statistics, steps=1).bits(films, 0).sum()
    assert shut < 1e-3 * start
