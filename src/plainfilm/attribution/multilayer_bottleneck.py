"""What passes at several depths at once: bits of an early layer where deeper layers need bits as well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from plainfilm.attribution.bottleneck import Bottleneck, Loss, dense_blocks, described
from plainfilm.attribution.feature_statistics import FeatureStatistics, known_statistics
from plainfilm.attribution.information import per_pixel
from plainfilm.attribution.layer import named_layer
from plainfilm.attribution.method import Method
from plainfilm.attribution.splitting import in_full_precision, split
from plainfilm.errors import ModelError

THRESHOLD = 1.344
"""Times the root mean square of a map: 0.006 of its norm at 224 px, as released, whatever the size."""


@dataclass(frozen=True, eq=False)
class MultiLayerBottleneck(Method):
    """Multi-layer information bottleneck attribution (Khakzar et al. 2021), in bits per pixel.

    The map of the first layer, which is fine but unsure, where the maps of all others are at least their
    threshold, as released. ``binary`` gives eq. 7: 1 where all maps are, the first among them.

    The network runs once on each image; only what lies behind a layer is run again.

    Attributes:
        layers: Names or modules, the finest first; None takes dense blocks 1, 2 and 3 of a DenseNet.
        statistics: Of all these layers, or the file that holds them.
        thresholds: Multiples of a map's root mean square over the image, one for all or one for each layer;
            that of the first counts where ``binary``.
        binary: Whether the map is the intersection alone, without unit.
        beta: As in ``Bottleneck``, at each layer; so are the settings that follow.
        steps: See there.
        samples: See there.
        learning_rate: See there.
        loss: See there.
        noise: One tensor ``(steps, samples, C, h, w)`` for each layer.
        seed: Of the noise.
    """

    unit: ClassVar[str] = "bits per pixel"
    evidence: ClassVar[str] = "positive"
    layers: Sequence[str | nn.Module] | None = None
    statistics: FeatureStatistics | str | Path | None = field(default=None, repr=False)
    thresholds: float | Sequence[float] = THRESHOLD
    binary: bool = False
    beta: float | None = None
    steps: int = 10
    samples: int = 10
    learning_rate: float = 1.0
    loss: Loss = "target"
    noise: Sequence[Tensor] | None = field(default=None, repr=False)
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        where = type(self).__name__
        layers = dense_blocks(self.network) if self.layers is None else self.layers
        if isinstance(layers, str) or len(layers) < 2:
            raise ModelError(f"layers {layers!r}", "two layers or more", where)
        names = tuple(named_layer(self.network, layer)[0] for layer in layers)
        object.__setattr__(self, "layers", names)
        object.__setattr__(self, "statistics", known_statistics(self.statistics, where))
        if self.noise is not None and len(self.noise) != len(names):
            raise ModelError(f"{len(self.noise)} tensors of noise", f"one for each of {len(names)}", where)
        if self.binary:
            object.__setattr__(self, "unit", "1 where all layers agree")
        _ = self.bottlenecks, self._shares  # an impossible setting is told now

    @cached_property
    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """The bottleneck at each layer."""
        shared = {name: getattr(self, name) for name in _SHARED}
        layers = self.layers or ()
        noise = dict(enumerate(self.noise or ()))
        return tuple(
            Bottleneck(self.network, layer, noise=noise.get(number), **shared)
            for number, layer in enumerate(layers)
        )

    @cached_property
    def _shares(self) -> tuple[float, ...]:
        """The threshold of each layer."""
        several = self.thresholds if isinstance(self.thresholds, Sequence) else (self.thresholds,)
        if len(several) not in (1, len(self.bottlenecks)) or not all(map(_is_threshold, several)):
            raise ModelError(
                f"thresholds {self.thresholds!r}", f"one, or {len(self.bottlenecks)}, of 0 or more",
                type(self).__name__,
            )  # fmt: skip
        return tuple(several) if len(several) > 1 else tuple(several) * len(self.bottlenecks)

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        with in_full_precision(images):
            return super().chunked_maps(images, targets)

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        size = (images.shape[2], images.shape[3])
        unknown = images.new_zeros(len(images))
        parts = split(self.network, [str(each.layer) for each in self.bottlenecks], images)
        layers = zip(self.bottlenecks, parts.values(), strict=True)
        found = [per_pixel(each.behind(part, targets, unknown), size) for each, part in layers]
        first, *deeper = [_stands_out(map, share) for map, share in zip(found, self._shares, strict=True)]
        kept = torch.stack(deeper).all(0)
        return (kept & first).to(images) if self.binary else found[0] * kept

    def settings(self) -> dict[str, Any]:
        noise = None if self.noise is None else [described(each) for each in self.noise]
        known = {"beta": self.bottlenecks[0].weight, "noise": noise, "statistics": repr(self.statistics)}
        return super().settings() | known


_SHARED = ("statistics", "beta", "steps", "samples", "learning_rate", "loss", "seed", "memory")


def _stands_out(map: Tensor, threshold: float) -> Tensor:
    """Where a map ``(B, 1, H, W)`` is at least so many times its root mean square; nowhere if empty."""
    spread = map.square().mean((2, 3), keepdim=True).sqrt()
    return (map >= threshold * spread) & (spread > 0)


def _is_threshold(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
