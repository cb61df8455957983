"""Differences from a baseline, carried back to the pixels by the rescale rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.attribution.method import (
    Method,
    Target,
    checked_images,
    checked_targets,
    in_chunks,
    target_scores,
)
from plainfilm.attribution.operations import ACTIVATIONS, PIECEWISE_LINEAR, Replaced, name_of
from plainfilm.attribution.probe import probe
from plainfilm.errors import ModelError


@dataclass(frozen=True, eq=False)
class DeepLift(Method):
    """DeepLIFT with the rescale rule (Shrikumar et al. 2017, sections 3.2 and 3.5.1).

    Image and baseline run side by side. Backwards, each activation multiplies by
    ``(f(x) - f(b)) / (x - b)`` in place of its derivative, so that the map sums to
    ``score(image) - score(baseline)`` exactly; everything linear is left to autograd.
    Activations and max-pooling are met as operations: functional, in-place and reused
    ReLUs count like any other.

    Attributes:
        baseline: The grey level that means "nothing", in the network's own range, as in
            ``IntegratedGradients``.
    """

    unit: ClassVar[str] = "logit"
    baseline: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.baseline, int | float) or not math.isfinite(self.baseline):
            raise ModelError(f"baseline {self.baseline!r}", "a finite grey level", "DeepLift")

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        maps, of_images, of_baselines = self._run(images, targets)
        gap = (maps.sum((1, 2, 3)) - (of_images - of_baselines)).abs()
        mass, rounding = maps.abs().sum((1, 2, 3)), of_images.abs() + of_baselines.abs()
        if (gap > MOST_UNEXPLAINED * mass + ROUNDING * rounding).any():
            raise ModelError(
                f"a map that misses the score's change by {float(gap.max()):.3g}", "completeness", "DeepLift",
                "The network multiplies or normalises activations (attention, for example), for which there "
                "is no rescale rule. Use integrated-gradients.",
            )  # fmt: skip
        return maps

    def completeness(self, images: Tensor, target: Target) -> Tensor:
        """What the maps leave out: ``sum of map - (score(image) - score(baseline))``, ``(B,)`` in logits."""
        with probe(self.network):
            images = checked_images(images, self.network)
            targets = checked_targets(target, len(images)).to(images.device)
            return in_chunks(self._gap, images, targets, self.memory)

    def _gap(self, images: Tensor, targets: Tensor) -> Tensor:
        maps, of_images, of_baselines = self._run(images, targets)
        return maps.sum((1, 2, 3)) - (of_images - of_baselines)

    def _run(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps ``(B, 1, H, W)``, scores of the images and scores of their baselines ``(B,)``."""
        baselines = torch.full_like(images, self.baseline)
        pairs = torch.cat([images, baselines]).requires_grad_()
        with Replaced(_RULES):
            scores = target_scores(self.network(pairs.clone()), targets.repeat(2))
        of_images, of_baselines = scores.detach().chunk(2)
        multipliers = torch.zeros_like(images)
        if scores.requires_grad:
            (gradient,) = torch.autograd.grad(scores[: len(images)].sum(), pairs, allow_unused=True)
            multipliers = multipliers if gradient is None else gradient[: len(images)]
        return (multipliers * (images - baselines)).sum(1, keepdim=True), of_images, of_baselines


MOST_UNEXPLAINED = 1e-3
"""Of the map's absolute sum; what floating point leaves stays two orders below."""

ROUNDING = 1e-5
"""Of the scores, whose difference may be far smaller than they are."""


def _rescale(operation: Any, values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    activation = partial(_call, operation, args, kwargs)
    result: Tensor = _Rescaled.apply(values, activation, name_of(operation) in PIECEWISE_LINEAR)
    return result


def _call(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], values: Tensor) -> Tensor:
    result: Tensor = operation(values, *args, **kwargs)
    return result


class _Rescaled(torch.autograd.Function):
    """An activation on pairs: the images first, then their baselines."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, activation: Callable[[Tensor], Tensor], piecewise_linear: bool
    ) -> Tensor:
        ctx.activation, ctx.piecewise_linear = activation, piecewise_linear
        ctx.save_for_backward(values)
        return activation(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (values,) = ctx.saved_tensors
        image, baseline = values.chunk(2)
        change = image - baseline
        outputs = ctx.activation(values)
        quotient = (outputs[: len(image)] - outputs[len(image) :]) / change
        # Straight pieces divide exactly, however small the change; curves lose digits.
        least = 0.0 if ctx.piecewise_linear else torch.finfo(values.dtype).eps ** (1 / 3)
        same = change.abs() <= least
        slope = _derivative(ctx.activation, (image + baseline) / 2)
        return _to_images(gradient * torch.cat([torch.where(same, slope, quotient)] * 2)), None, None


def _derivative(activation: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    with torch.enable_grad():
        values = values.detach().requires_grad_()
        (slope,) = torch.autograd.grad(activation(values).sum(), values)
    return slope


def _to_images(gradient: Tensor) -> Tensor:
    """The baselines are given, so nothing flows to them."""
    gradient[len(gradient) // 2 :] = 0
    return gradient


def _rescale_maxima(operation: Any, values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    kwargs = kwargs | {"return_indices": True}
    result: Tensor = _RescaledMaxima.apply(values, partial(_call_pool, name_of(operation), args, kwargs))
    return result


def _call_pool(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], values: Tensor
) -> tuple[Tensor, Tensor]:
    result: tuple[Tensor, Tensor] = getattr(F, name)(values, *args, **kwargs)
    return result


class _RescaledMaxima(torch.autograd.Function):
    """Max-pooling on pairs: a rise is credited to where the image peaks, a fall to where the baseline did.

    The step ``max(x) - max(b)`` is taken over the larger of both, so that the credited position has
    changed by at least as much, in the same direction, and no quotient exceeds 1.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, pool: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        maxima, where = pool(values)
        ctx.save_for_backward(values, maxima, where)
        return maxima

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        values, maxima, where = ctx.saved_tensors
        (image, baseline), (high, low) = values.chunk(2), maxima.chunk(2)
        at_image, at_baseline = where.flatten(2).chunk(2)
        larger = torch.maximum(high, low)
        back = gradient[: len(image)]
        credit = torch.zeros_like(image).flatten(2)
        # Windows overlap, so a pixel may win several times.
        credit.scatter_add_(2, at_image, (back * (larger - low)).flatten(2))
        credit.scatter_add_(2, at_baseline, (back * (high - larger)).flatten(2))
        change = image - baseline
        multipliers = torch.where(change == 0, 0, credit.view_as(image) / change)
        return torch.cat([multipliers, torch.zeros_like(multipliers)]), None


_RULES = dict.fromkeys(ACTIVATIONS, _rescale) | {
    "max_pool2d": _rescale_maxima,
    "adaptive_max_pool2d": _rescale_maxima,
}
