"""How many bits of a layer's features a score needs, place by place."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plainfilm.attribution.feature_statistics import FeatureStatistics, known_statistics
from plainfilm.attribution.information import Site, channels_last, mask, per_pixel
from plainfilm.attribution.layer import named_layer
from plainfilm.attribution.method import Method, Target, check_in_range, in_chunks
from plainfilm.attribution.splitting import Split, in_full_precision, split
from plainfilm.attribution.variants import check_whole, draws
from plainfilm.errors import ModelError, NumericError

Variant = Literal["iba", "inverse", "mse", "regression-max", "deviation"]
Loss = Literal["target", "onehot"]

BETA = {"iba": 10.0, "inverse": 30.0, "mse": 10.0, "regression-max": 10.0, "deviation": 10.0}
"""Weight of the information against the loss, by variant, as released."""

OPEN = 5.0
"""Where ``alpha`` starts: its sigmoid is 0.993, so nearly everything passes."""


@dataclass(frozen=True, eq=False)
class Bottleneck(Method):
    """Information bottleneck attribution (Schulz et al. 2020; Khakzar et al. 2021), in bits per pixel.

    A mask ``lambda`` lets features ``f`` pass and puts noise ``e`` of the same mean and spread in place of
    the rest: ``z = lambda f + (1 - lambda) e``. For each image it is fitted so that the score survives while
    little information passes. The map is that information (``information.capacity``), summed over channels.
    The loss holds ``beta`` times its mean over all C h w elements.

    All images get the same noise: a batch equals its images one by one.

    Attributes:
        layer: A name as in ``named_modules()``, or the module; None takes dense block 3 of a DenseNet.
        statistics: Of that layer, or the file that holds them.
        variant: "iba" keeps the score. "inverse" looks for the least noise that destroys it. Of a regression,
            "deviation" keeps the output, "regression-max" drives it away from 0, and "mse" brings it to
            the true score.
        beta: None takes 10, and 30 for "inverse".
        steps: The map is that of the mask after ``steps - 1`` updates, as released.
        samples: Draws of the noise in each step.
        learning_rate: Of Adam.
        loss: Cross-entropy of the "target" alone, or as released, "onehot" over all outputs, which also
            suppresses findings that are there. Regressions have their own.
        noise: Standard normal draws ``(steps, samples, C, h, w)``, instead of those of the seed.
        scores: True scores of the images, for "mse"; ``attribute`` takes them too.
        seed: Of the noise.
    """

    unit: ClassVar[str] = "bits per pixel"
    evidence: ClassVar[str] = "positive"
    layer: str | nn.Module | None = None
    statistics: FeatureStatistics | str | Path | None = field(default=None, repr=False)
    variant: Variant = "iba"
    beta: float | None = None
    steps: int = 10
    samples: int = 10
    learning_rate: float = 1.0
    loss: Loss = "target"
    noise: Tensor | None = field(default=None, repr=False)
    scores: Tensor | Sequence[float] | float | None = field(default=None, repr=False)
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, words in (("variant", Variant), ("loss", Loss)):
            if getattr(self, name) not in get_args(words):
                raise ModelError(f"{name} {getattr(self, name)!r}", ", ".join(get_args(words)), "Bottleneck")
        check_optimisation(self)
        if self.noise is not None and not isinstance(self.noise, Tensor):
            raise ModelError(f"noise of {type(self.noise).__name__}", "a tensor of draws", "Bottleneck")
        layer = dense_blocks(self.network)[2] if self.layer is None else self.layer
        object.__setattr__(self, "layer", named_layer(self.network, layer)[0])
        object.__setattr__(self, "statistics", known_statistics(self.statistics, "Bottleneck"))

    def attribute(
        self, images: Tensor, target: Target, scores: Tensor | Sequence[float] | float | None = None
    ) -> Tensor:
        """Bits per pixel, ``(B, C, H, W)`` to ``(B, 1, H, W)``, at least 0.

        Args:
            images: ``(B, C, H, W)`` in the network's own range.
            target: One class index for all images, or one for each. For "mse" of a network with one
                output, a tensor of true scores will do.
            scores: The true score of each image, ``(B,)`` or one for all, for "mse".

        Raises:
            ModelError: for a target that the network does not have, a layer behind which it cannot be split,
                or statistics of another layer or size of image.
            NumericError: where a score or a map is not finite.
        """
        bits = self.bits(images, target, scores)
        return per_pixel(bits, (images.shape[2], images.shape[3]))

    def bits(
        self, images: Tensor, target: Target, scores: Tensor | Sequence[float] | float | None = None
    ) -> Tensor:
        """Bits that pass in each cell of the layer, ``(B, C, H, W)`` to ``(B, h, w)``, as ``attribute``."""
        if self.variant == "mse" and isinstance(target, Tensor) and target.is_floating_point():
            scores, target = target.flatten(), 0
        if scores is not None:
            told = replace(self, scores=scores)
            found = told.bits(images, target)
            self._used.update(told._used)
            return found
        return super().attribute(images, target).squeeze(1)

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        truth = self._truth(images)
        numbers = torch.arange(len(images), device=images.device)
        with in_full_precision(images):
            return in_chunks(
                lambda chunk, number: self._maps(chunk, targets[number], truth[number]),
                images, numbers, self.memory,
            )  # fmt: skip

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        return self._maps(images, targets, self._truth(images))

    def settings(self) -> dict[str, Any]:
        tensors = {"noise": described(self.noise), "scores": described(self.scores)}
        effective = {"statistics": repr(self.statistics), "beta": self.weight}
        return super().settings() | tensors | effective | self._used

    @cached_property
    def _used(self) -> dict[str, str]:
        """What ran in the last call, for the record."""
        return {}

    @property
    def weight(self) -> float:
        """``beta``, or what the variant takes."""
        return BETA[self.variant] if self.beta is None else self.beta

    def behind(self, part: Split, targets: Tensor, truth: Tensor) -> Tensor:
        """The bits ``(B, h, w)`` of images whose network is split already, in full precision.

        Args:
            part: From ``split``, at this method's layer.
            targets: Class indices, ``(B,)``.
            truth: True scores, ``(B,)``, which "mse" alone looks at.
        """
        check_in_range(targets, part.scores)
        self._used["tail"] = "whole network" if part.before is None else "behind the layer"
        site = Site(part, known_statistics(self.statistics, "Bottleneck")[str(self.layer)], self.samples)
        normal = torch.empty(self.samples, *site.features.shape[1:])
        alpha = torch.full_like(site.features, OPEN).requires_grad_()
        adam = torch.optim.Adam([alpha], lr=self.learning_rate)
        for step in range(self.steps - 1):
            passed = mask(alpha)
            drawn = self._draw(step, normal).to(site.features)
            scores = site.scores(passed, drawn, self.variant == "inverse")
            losses = self._losses(scores, part.scores, targets, truth)
            total = (losses + self.weight * site.nats(passed).mean((1, 2, 3))).sum()
            (alpha.grad,) = torch.autograd.grad(total, alpha)
            if not torch.isfinite(alpha.grad).all():
                where = f"layer {self.layer}, step {step + 1}"
                raise NumericError("a gradient that is NaN or infinite", "finite gradients", where)
            adam.step()
        with torch.no_grad():
            return site.nats(mask(alpha)).sum(3) / math.log(2)

    def _maps(self, images: Tensor, targets: Tensor, truth: Tensor) -> Tensor:
        (part,) = split(self.network, [str(self.layer)], images).values()
        return self.behind(part, targets, truth)[:, None]

    def _truth(self, images: Tensor) -> Tensor:
        """The true score of each image, ``(B,)``; zeros where the variant needs none."""
        if self.variant != "mse":
            return images.new_zeros(len(images))
        if self.scores is None:
            raise ModelError(
                "no true scores", "one for each image", "variant mse",
                'Give attribute(images, target, scores), or take variant="deviation", which needs none.',
            )  # fmt: skip
        truth = torch.as_tensor(self.scores).to(images).flatten()
        if len(truth) not in (1, len(images)) or not torch.isfinite(truth).all():
            raise ModelError(f"{len(truth)} true scores", f"{len(images)} finite ones", "variant mse")
        return truth.expand(len(images))

    def _draw(self, step: int, normal: Tensor) -> Tensor:
        """Standard normal draws of one step, the same for every image, into ``(S, h, w, C)``."""
        if self.noise is None:
            return normal.normal_(generator=draws(self.seed, "bottleneck", step))
        expected = (self.steps, *normal.movedim(-1, 1).shape)
        if self.noise.shape != expected:
            raise ModelError(f"noise {tuple(self.noise.shape)}", f"{expected}", "Bottleneck")
        return channels_last(self.noise[step])

    def _losses(self, scores: Tensor, clean: Tensor, targets: Tensor, truth: Tensor) -> Tensor:
        """The loss of each image, ``(B, S, K)`` and ``(B, K)`` to ``(B,)``."""
        chosen = targets[:, None]
        one = scores.gather(2, chosen[:, None].expand(-1, scores.shape[1], -1)).squeeze(2)
        if self.variant == "mse":
            return (one - truth[:, None]).square().mean(1)
        if self.variant == "regression-max":
            return -one.square().mean(1)
        if self.variant == "deviation":
            return (one - clean.gather(1, chosen)).square().mean(1)
        if self.loss == "target":
            entropy = F.softplus(-one).mean(1)
        else:
            wanted = F.one_hot(targets, scores.shape[2]).to(scores)[:, None].expand_as(scores)
            entropy = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none").mean((1, 2))
        return -entropy if self.variant == "inverse" else entropy


@dataclass(frozen=True, eq=False)
class InverseBottleneck(Bottleneck):
    """``Bottleneck`` that looks for the least noise that destroys the score."""

    variant: Variant = "inverse"


def dense_blocks(network: nn.Module) -> list[str]:
    """Names of the dense blocks 1, 2 and 3.

    Raises:
        ModelError: where the network is no DenseNet.
    """
    names = [name for name, _ in network.named_modules() if re.search(r"(^|\.)denseblock[123]$", name)]
    if len(names) != 3:
        raise ModelError(
            f"a {type(network).__name__} without dense blocks", "the name of a layer", "layer",
            "Name one that returns a feature map (B, C, h, w), two thirds of the way to the scores.",
        )  # fmt: skip
    return names


def check_optimisation(method: Any) -> None:
    """Refuses impossible numbers among the settings of a bottleneck.

    Raises:
        ModelError: naming the setting.
    """
    where = type(method).__name__
    for name in ("steps", "samples"):
        check_whole(name, getattr(method, name), where)
    for name in ("beta", "learning_rate"):
        value = getattr(method, name)
        known = name == "beta" and value is None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not known and not (number and 0 <= value < math.inf):
            raise ModelError(f"{name} {value!r}", "a finite number of 0 or more", where)


def described(values: Any) -> str | None:
    """A tensor for the record: its size and its content."""
    if values is None:
        return None
    tensor = torch.as_tensor(values).detach().cpu().contiguous()
    digest = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()[:16]
    return f"{tuple(tensor.shape)}, sha256 {digest}"
