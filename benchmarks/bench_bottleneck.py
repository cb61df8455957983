"""Bottleneck attribution of one film by DenseNet-121 at 224 px, against the released way of working.

That is: ten copies of the film through the whole network, gradients for all parameters and the film, ten
steps, of which two are timed. All sides have the same weights and take turns on one thread; each time is that
of the fastest turn, in CPU seconds, which a busy machine changes least.

Run ``python benchmarks/bench_bottleneck.py`` for the ratios, and for films a second where there is an
accelerator, or this file under pytest for the same with thresholds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from plainfilm.attribution import Bottleneck, FeatureStatistics, MultiLayerBottleneck
from plainfilm.attribution.probe import probe
from plainfilm.attribution.splitting import split

BLOCKS = tuple(f"features.denseblock{number}" for number in (1, 2, 3))
SAMPLES, STEPS, TIMED, TARGET = 10, 10, 2, 3
GOAL, GUARD = 15.0, 10.0
"""Of dense block 3."""
MULTILAYER_GOAL, MULTILAYER_GUARD = 4.0, 3.0
BARE_GOAL, BARE_GUARD = 1.25, 1.4
"""At most so many times the nine passes of the tail alone."""


def prepared() -> tuple[nn.Module, Tensor, FeatureStatistics]:
    """A DenseNet-121 of random weights, one film, and statistics of its blocks."""
    torch.manual_seed(0)
    network = torchvision.models.densenet121(weights=None, num_classes=14).eval()
    films = torch.randn(4, 3, 224, 224)
    return network, films[:1], FeatureStatistics.estimate(network, BLOCKS, films)


def released(network: nn.Module, film: Tensor, layer: str, statistics: FeatureStatistics) -> Tensor:
    """Bits of one layer, as the released code works, after ``TIMED`` steps."""
    moments = statistics[layer]
    mean, active = moments.mean.to(film), moments.active.to(film)
    deviation = moments.standard_deviation.to(film).clamp(min=0.01)
    alpha = torch.full_like(mean, 5.0).requires_grad_()
    optimiser = torch.optim.Adam([alpha], lr=1.0)
    offsets = torch.arange(-2, 3)
    kernel = torch.exp(-(offsets.square()[:, None] + offsets.square()) / 2)
    kernel = (kernel / kernel.sum()).expand(len(mean), 1, 5, 5)
    found: list[Tensor] = []

    def mix(module: nn.Module, inputs: object, features: Tensor) -> Tensor:
        copies = torch.sigmoid(alpha).expand(len(features), -1, -1, -1)
        share = F.conv2d(F.pad(copies, (2, 2, 2, 2), mode="reflect"), kernel, groups=len(mean))
        standardised = (features - mean) / deviation
        variance = (1 - share) ** 2
        found.append(0.5 * ((share * standardised) ** 2 + variance - 1 - torch.log(variance)) * active)
        noise = mean + deviation * torch.randn_like(features)
        return (share * features + (1 - share) * noise) * active

    copies = film.expand(SAMPLES, -1, -1, -1).clone().requires_grad_()
    handle = network.get_submodule(layer).register_forward_hook(mix)
    for _ in range(TIMED):
        optimiser.zero_grad()
        one = network(copies)[:, TARGET]
        entropy = F.binary_cross_entropy_with_logits(one, torch.ones_like(one))
        (entropy + 10 * found[-1].mean()).backward()
        optimiser.step()
    handle.remove()
    network.zero_grad()
    return found[-1].detach().sum(1)


def bare(network: nn.Module, film: Tensor, layer: str) -> float:
    """Seconds of nine passes of the tail, there and back, and nothing else."""
    with probe(network):
        part = split(network, [layer], film)[layer]
        image = torch.zeros(SAMPLES, dtype=torch.long)
        features = part.features[image].contiguous(memory_format=part.order).requires_grad_()

        def passes() -> None:
            for _ in range(STEPS - 1):
                torch.autograd.grad(part.tail(features, image)[:, TARGET].sum(), features)

        return seconds(passes)


def seconds(function: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def fastest(sides: dict[str, Callable[[], float]], turns: int) -> dict[str, float]:
    """CPU seconds of each side, the least of its turns."""
    times = [{name: run() for name, run in sides.items()} for _ in range(turns)]
    return {name: min(each[name] for each in times) for name in sides}


def compare() -> dict[str, float]:
    """CPU seconds of ours, of the bare tail, of Multi-layer, and of the released way at each block."""
    network, film, statistics = prepared()
    ours = Bottleneck(network, BLOCKS[2], statistics)
    several = MultiLayerBottleneck(network, BLOCKS, statistics)
    short: dict[str, Callable[[], float]] = {
        "ours": lambda: seconds(lambda: ours.attribute(film, TARGET)),
        "bare": lambda: bare(network, film, BLOCKS[2]),
    }
    long: dict[str, Callable[[], float]] = {
        block: partial(seconds, partial(released, network, film, block, statistics)) for block in BLOCKS
    }
    long["multi-layer"] = lambda: seconds(lambda: several.attribute(film, TARGET))
    found = fastest(short, turns=8) | fastest(long, turns=2)
    return found | {block: found[block] * STEPS / TIMED for block in BLOCKS}


def films_per_second(batch: int = 16) -> float:
    """On the accelerator, dense block 3."""
    network, film, statistics = prepared()
    films = film.expand(2 * batch, -1, -1, -1).cuda()
    method = Bottleneck(network.cuda(), BLOCKS[2], statistics, memory=64.0)
    method.attribute(films[:2], TARGET)
    torch.cuda.synchronize()
    start = time.perf_counter()
    method.attribute(films, TARGET)
    torch.cuda.synchronize()
    return len(films) / (time.perf_counter() - start)


def test_only_the_tail_is_paid_for():
    found = compare()
    ratio = found[BLOCKS[2]] / found["ours"]
    several = sum(found[block] for block in BLOCKS) / found["multi-layer"]
    over = found["ours"] / found["bare"]
    print(
        f"\nDense block 3: ours {found['ours']:.2f} s, released {found[BLOCKS[2]]:.1f} s, ratio {ratio:.1f} "
        f"(goal: {GOAL:g}); bare tail {found['bare']:.2f} s, ratio {over:.2f} (goal: at most {BARE_GOAL:g})\n"
        f"Multi-layer: ours {found['multi-layer']:.2f} s, released "
        f"{sum(found[block] for block in BLOCKS):.1f} s, ratio {several:.1f} (goal: {MULTILAYER_GOAL:g})"
    )
    assert ratio >= GUARD
    assert over <= BARE_GUARD
    assert several >= MULTILAYER_GUARD


if __name__ == "__main__":
    torch.set_num_threads(1)
    test_only_the_tail_is_paid_for()
    if torch.cuda.is_available():
        print(f"{films_per_second():.0f} films a second on {torch.cuda.get_device_name()}")
