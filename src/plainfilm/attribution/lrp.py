"""Layer-wise relevance propagation: a score handed back layer by layer, nothing gained or lost on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from plainfilm.attribution.lrp_rules import RULED, Composite
from plainfilm.attribution.method import (
    Method,
    Target,
    checked_images,
    checked_targets,
    in_chunks,
    target_scores,
)
from plainfilm.attribution.operations import Replaced
from plainfilm.attribution.probe import probe
from plainfilm.errors import ModelError


@dataclass(frozen=True, eq=False)
class Conservation:
    """Where a score went, each ``(B,)`` in logits: ``score = relevance + biases + lost``.

    Attributes:
        score: What is explained.
        relevance: The sum of the map.
        biases: What biases of linear layers and convolutions kept: it belongs to no pixel.
    """

    score: Tensor
    relevance: Tensor
    biases: Tensor

    @property
    def lost(self) -> Tensor:
        """The rest: rounding, epsilon, and units that answer where nothing came in."""
        return self.score - self.relevance - self.biases


@dataclass(frozen=True, eq=False)
class LRP(Method):
    """Layer-wise relevance propagation (Bach et al. 2015), composite "epsilon, plus, flat".

    The first convolution spreads relevance evenly, further convolutions in proportion to
    positive contributions (z+), linear layers to signed ones (epsilon); averages and sums of
    branches in proportion to magnitudes, maxima to the winner; activations and batch norms pass
    it on. Rules hang on operations, not modules: functional, in-place and reused ones count
    like any other. An operation without a rule is refused by name.

    Attributes:
        epsilon: What keeps denominators from 0; it takes its share of the relevance.
        signed_sums: Averages and sums in proportion to signed values, as in the usual composite.
            Values that nearly cancel, in the transitions of a DenseNet, then give pairs of blobs of
            opposite sign.
    """

    unit: ClassVar[str] = "logit"
    evidence: ClassVar[str] = "positive"
    epsilon: float = 1e-6
    signed_sums: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.epsilon, int | float) or not 0 < self.epsilon < math.inf:
            raise ModelError(f"epsilon {self.epsilon!r}", "a finite number above 0", "LRP")

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        return self._run(images, targets)[0]

    def conservation(self, images: Tensor, target: Target) -> Conservation:
        """What became of each image's score, for ``(B, C, H, W)`` and one target or one for each."""
        with probe(self.network):
            images = checked_images(images, self.network)
            targets = checked_targets(target, len(images)).to(images.device)
            sums = in_chunks(self._sums, images, targets, self.memory)
        return Conservation(*sums.unbind(1))

    def _sums(self, images: Tensor, targets: Tensor) -> Tensor:
        maps, scores, kept = self._run(images, targets)
        return torch.stack([scores, maps.sum((1, 2, 3)), kept], 1)

    def _run(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps ``(B, 1, H, W)``, scores ``(B,)``, and what the biases kept ``(B,)``."""
        leaf = images.detach().requires_grad_()
        composite = Composite(self.epsilon, self.signed_sums, images.new_zeros(len(images)))
        with Replaced(composite.by_name):
            scores = target_scores(self.network(leaf.clone()), targets)
        _check_rules(scores)
        relevance = None
        if scores.requires_grad:
            (relevance,) = torch.autograd.grad(scores, leaf, scores.detach(), allow_unused=True)
        maps = torch.zeros_like(images) if relevance is None else relevance
        return maps.sum(1, keepdim=True), scores.detach(), composite.kept


_MOVES = (
    "AdaptiveMaxPool2D", "Alias", "AsStrided", "Cat", "Clone", "ConstantPadNd", "Expand", "Gather", "Index",
    "IndexSelect", "MaxPool2DWithIndices", "Permute", "ReshapeAlias", "Select", "Slice", "Split",
    "SplitWithSizes", "Stack", "T", "ToCopy", "Transpose", "Unbind", "UnsafeSplit", "UnsafeView", "Unsqueeze",
    "View",
)  # fmt: skip
_PASSES = RULED.union(
    (f"{name}Backward0" for name in _MOVES),
    (f"SqueezeBackward{number}" for number in range(4)),
    ("AccumulateGrad", "CopyBackwards", "CopySlices"),
)
"""Steps of autograd that move relevance without changing its sum."""


def _check_rules(scores: Tensor) -> None:
    """Refuses a way back on which a step has no rule.

    Raises:
        ModelError: naming the operation.
    """
    waiting: list[Any] = [scores.grad_fn]
    seen: set[Any] = set()
    while waiting:
        step = waiting.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        name = step.name().rsplit("::")[-1]
        if name not in _PASSES:
            raise ModelError(
                f"operation {name.split('Backward')[0]!r}", "operations with a rule of relevance", "LRP",
                "Use deeplift, integrated-gradients or grad-cam for this network.",
            )  # fmt: skip
        waiting += [previous for previous, _ in step.next_functions]
