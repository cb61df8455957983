"""Gradients integrated along the way from a baseline to the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import captum.attr
import torch
from torch import Tensor

from plainfilm.attribution.method import (
    Method,
    check_in_range,
    checked_scores,
    images_within,
    input_gradient,
)
from plainfilm.errors import ModelError


@dataclass(frozen=True, eq=False)
class IntegratedGradients(Method):
    """Integrated gradients (Sundararajan et al. 2017, eq. 1), through captum.

    The map sums to ``score(image) - score(baseline)`` as ``steps`` grow (completeness).

    Attributes:
        steps: Points of the Gauss-Legendre rule.
        baseline: The grey level that means "nothing", in the network's own range. 0 is
            captum's default: black for a network fed with [0, 1], mid-grey for one fed
            with [-1024, 1024].
    """

    unit: ClassVar[str] = "logit"
    steps: int = 50
    baseline: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ModelError(f"steps {self.steps!r}", "a whole number from 1", "IntegratedGradients")
        if not isinstance(self.baseline, int | float) or not math.isfinite(self.baseline):
            raise ModelError(f"baseline {self.baseline!r}", "a finite grey level", "IntegratedGradients")

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        # Captum splits the steps by itself, so a chunk of images may take all of the memory.
        at_once = images_within(self.memory, lambda: input_gradient(self.network, images[:1], targets[:1]))
        chunks = zip(images.split(at_once), targets.split(at_once), strict=True)
        return torch.cat([self._integrate(chunk, each, at_once) for chunk, each in chunks])

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        return self._integrate(images, targets, len(images))

    def _integrate(self, images: Tensor, targets: Tensor, at_once: int) -> Tensor:
        def scores(points: Tensor) -> Tensor:
            values = checked_scores(self.network(points.clone()), len(points))
            check_in_range(targets, values)
            # A score that ignores the image has no graph, and captum would fail for want of one.
            return values if values.requires_grad else values + 0 * points.sum()

        whole = at_once >= self.steps * len(images)
        maps: Tensor = captum.attr.IntegratedGradients(scores).attribute(
            images,
            baselines=self.baseline,
            target=targets,
            n_steps=self.steps,
            internal_batch_size=None if whole else at_once,
        )
        return maps.sum(1, keepdim=True)
