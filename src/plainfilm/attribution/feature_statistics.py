"""What a layer returns on many films: the noise that a bottleneck puts in place of its features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from plainfilm.attribution.method import checked_images
from plainfilm.attribution.probe import probe
from plainfilm.attribution.splitting import in_full_precision, outputs_of
from plainfilm.attribution.target import unwrapped
from plainfilm.errors import ArtifactError, ModelError, NumericError
from plainfilm.io.checkpoint import read_checkpoint, write_checkpoint

ACTIVE = 0.01
"""An element takes part where more than this share of the films has a value other than 0 there."""

BATCH = 16
"""Films that pass the network at once."""

KIND = "feature statistics"

ESTIMATE = "Estimate them: FeatureStatistics.estimate(network, layers, images).save(path)."


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and spread of every element of one layer, ``(C, h, w)`` each, in float64.

    Attributes:
        count: Number of films.
        mean: Their mean.
        squares: Sum of squared differences from the mean.
        nonzero: Number of films with a value other than 0, int32.
    """

    count: int
    mean: Tensor
    squares: Tensor
    nonzero: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """The moments of ``(N, C, h, w)``."""
        values = features.detach().double()
        mean = values.mean(0)
        squares = (values - mean).square().sum(0)
        return cls(len(values), mean, squares, (values != 0).sum(0, dtype=torch.int32))

    def merge(self, other: Moments) -> Moments:
        """The moments of both together (Chan et al. 1983), as exact as those of all at once.

        Raises:
            ModelError: where the features have another size.
        """
        if self.mean.shape != other.mean.shape:
            raise ModelError(
                f"features {tuple(other.mean.shape)}", f"{tuple(self.mean.shape)}, as before", "statistics",
                "Bring all films to one size.",
            )  # fmt: skip
        count = self.count + other.count
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * (other.count / count),
            self.squares + other.squares + apart.square() * (self.count * other.count / count),
            self.nonzero + other.nonzero,
        )

    @property
    def standard_deviation(self) -> Tensor:
        """Of a sample, with ``count - 1`` below the sum."""
        return (self.squares / (self.count - 1)).sqrt()

    @property
    def active(self) -> Tensor:
        """Bool: where more than ``ACTIVE`` of the films are not 0."""
        return self.nonzero > ACTIVE * self.count


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean, standard deviation and activity of every element of some layers, over many films.

    Take films of the training set, each once, as the network sees them: a thousand are enough, and with less
    than a hundred the standard deviation is noisy. ``statistics[layer]`` holds ``mean``,
    ``standard_deviation`` and ``active``, each ``(C, h, w)``.

    Attributes:
        layers: Name as in ``named_modules()`` to the moments of that layer.
        compact: Whether they were rounded to float16 when saved; such cannot be merged.
    """

    layers: Mapping[str, Moments]
    compact: bool = False

    @classmethod
    def estimate(
        cls, network: nn.Module, layers: Sequence[str | nn.Module], images: Tensor | Iterable[Tensor]
    ) -> FeatureStatistics:
        """Sees each film once, for all layers (Welford in batches, in float64).

        Args:
            network: Maps images ``(B, C, H, W)`` to scores. It is returned as found.
            layers: Names, or modules.
            images: ``(N, C, H, W)`` in the network's own range, or batches of them.

        Raises:
            ModelError: for a layer that is unknown or does not return one ``(B, C, h, w)`` tensor, and for
                fewer than two films.
            NumericError: where a feature is not finite.
        """
        network = unwrapped(network)
        found: dict[str, Moments] = {}
        with probe(network):
            for batch in images.split(BATCH) if isinstance(images, Tensor) else images:
                with in_full_precision(batch):
                    outputs = outputs_of(network, layers, checked_images(batch, network))
                seen = {name: Moments.of(output) for name, output in outputs.items()}
                found = {name: found[name].merge(new) if found else new for name, new in seen.items()}
        return cls(found)

    def __post_init__(self) -> None:
        for name, moments in self.layers.items():
            if not torch.isfinite(moments.squares).all():
                raise NumericError("features that are NaN or infinite", "finite features", f"layer {name}")
        if not self.layers or self.count < 2:
            raise ModelError(f"{self.count} films", "2 or more", "FeatureStatistics", "Take 1000.")

    def __getitem__(self, layer: str) -> Moments:
        if layer not in self.layers:
            raise ModelError(f"statistics of {', '.join(self.layers)}", f"of {layer}", "statistics", ESTIMATE)
        return self.layers[layer]

    def __repr__(self) -> str:
        return f"FeatureStatistics({self.count} films, sha256 {self.digest[:16]})"

    @property
    def count(self) -> int:
        """Number of films."""
        return min((moments.count for moments in self.layers.values()), default=0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names, count and values, as they are saved."""
        found = hashlib.sha256(str(self.count).encode())
        for name, tensor in sorted(self._tensors().items()):
            found.update(name.encode())
            found.update(tensor.numpy().tobytes())
        return found.hexdigest()

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """The statistics of both sets of films, which must share none.

        Raises:
            ModelError: where the layers differ, or either is compact.
        """
        if self.compact or other.compact:
            raise ModelError(
                "compact statistics", "statistics in full precision", "merge",
                "Merge first, and save the whole with compact=True.",
            )  # fmt: skip
        if self.layers.keys() != other.layers.keys():
            raise ModelError(f"statistics of {', '.join(other.layers)}", ", ".join(self.layers), "merge")
        return FeatureStatistics({name: each.merge(other[name]) for name, each in self.layers.items()})

    def save(self, path: str | Path, compact: bool = False, card: Mapping[str, Any] | None = None) -> Path:
        """Writes ``path`` (.safetensors) and a card with count and checksums beside it.

        Means and deviations are kept in float32, so that partial statistics can still be merged to 1e-6.

        Args:
            path: A folder or a file, as for ``write_checkpoint``.
            compact: Take a third of the space: means and deviations in float16, 11 significant bits, and
                one bit an element for its activity. Such statistics explain films, and cannot be merged.
            card: JSON values to tell with them, of which model and films they are for instance.

        Raises:
            NumericError: where a mean or a deviation is beyond 65504, which float16 cannot hold.
        """
        kept = replace(self, compact=self.compact or compact)
        known = {"kind": KIND, "count": kept.count, "layers": list(kept.layers), "compact": kept.compact}
        return write_checkpoint(Path(path), kept._tensors(), {**(card or {}), **known, "digest": kept.digest})

    @classmethod
    def load(cls, path: str | Path) -> FeatureStatistics:
        """What ``save`` wrote.

        Raises:
            ArtifactError: where a file is missing, damaged or something else.
        """
        stored = read_checkpoint(Path(path))
        if stored.card.get("kind") != KIND:
            raise ArtifactError("a checkpoint of another kind", KIND, stored.path.name, ESTIMATE)
        count = stored.card["count"]
        layers = {name: _restored(count, name, stored.tensors) for name in stored.card["layers"]}
        return cls(layers, stored.card.get("compact", False))

    def _tensors(self) -> dict[str, Tensor]:
        kind = torch.float16 if self.compact else torch.float32
        return {
            f"{name}/{what}": tensor.cpu().contiguous()
            for name, its in self.layers.items()
            for what, tensor in (
                ("mean", its.mean.to(kind)),
                ("standard_deviation", its.standard_deviation.to(kind)),
                ("active", _bits(its.active)) if self.compact else ("nonzero", its.nonzero),
            )
        }


def _restored(count: int, name: str, tensors: Mapping[str, Tensor]) -> Moments:
    mean, deviation = (tensors[f"{name}/{what}"].double() for what in ("mean", "standard_deviation"))
    nonzero = tensors.get(f"{name}/nonzero")
    if nonzero is None:
        # How many films were active is not in a compact file, but whether they were enough.
        nonzero = count * _from_bits(tensors[f"{name}/active"], mean.shape)
    return Moments(count, mean, deviation.square() * (count - 1), nonzero)


def _bits(active: Tensor) -> Tensor:
    """Bool ``(C, h, w)``, eight in a byte."""
    return torch.from_numpy(np.packbits(active.cpu().numpy()))


def _from_bits(packed: Tensor, shape: torch.Size) -> Tensor:
    """What ``_bits`` packed, as int32 of 0 and 1."""
    flat = np.unpackbits(packed.numpy(), count=shape.numel())
    return torch.from_numpy(flat.astype(np.int32)).reshape(shape)


def known_statistics(statistics: FeatureStatistics | str | Path | None, where: str) -> FeatureStatistics:
    """Statistics as given, or out of their file.

    Raises:
        ModelError: where there are none, with the way to estimate them.
        ArtifactError: where the file is missing, damaged or something else.
    """
    if isinstance(statistics, str | Path):
        return FeatureStatistics.load(statistics)
    if isinstance(statistics, FeatureStatistics):
        return statistics
    got = "no statistics" if statistics is None else f"statistics of {type(statistics).__name__}"
    raise ModelError(got, "FeatureStatistics of the layer, or their file", where, ESTIMATE)
