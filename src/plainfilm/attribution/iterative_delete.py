"""Gradients of a film that loses its most relevant pixels round after round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from plainfilm.attribution.method import Method, checked_scores, images_within, input_gradient
from plainfilm.attribution.variants import check_whole
from plainfilm.errors import ModelError

Output = Literal["probability", "logit", "value"]

PERCENT = 98
"""Pixels above this percentile of the gradient are the top 2 %."""


@dataclass(frozen=True, eq=False)
class IterativeDelete(Method):
    """Iterative delete (Bordes et al. 2018), as the Gifsplanation paper uses it (Cohen et al. 2021, E.1).

    ``map = |mean over rounds of g|``, where ``g = d |f| / d x`` is signed, summed over channels. After each
    round ``x`` is 0 where ``g`` is positive and above its 98th percentile, which is interpolated linearly
    over the pixels of the film. 0 is mid-grey for a network fed with [-1024, 1024].

    Within one round any rising function of ``f`` has the same top pixels. The mean over rounds is not free
    of scale: probabilities count those rounds most in which they lie near one half, logits count all alike.

    Attributes:
        rounds: Gradients that are averaged; the film is changed between them.
        invert: Keep the top 2 % and set the rest to 0, which is what the published table was made with.
        output: What the network returns. ``f`` is a "probability" or a "value" as it comes, calibration
            included, and the sigmoid of a "logit".
    """

    unit: ClassVar[str] = "score per unit of input"
    rounds: int = 20
    invert: bool = False
    output: Output = "probability"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("rounds", self.rounds, "IterativeDelete")
        if not isinstance(self.invert, bool):
            raise ModelError(f"invert {self.invert!r}", "True or False", "IterativeDelete")
        if self.output not in get_args(Output):
            raise ModelError(f"output {self.output!r}", f"one of {get_args(Output)}", "IterativeDelete")

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        # One round is measured, since its memory is free again before the next.
        at_once = images_within(self.memory, lambda: self._gradient(images[:1], targets[:1]))
        chunks = zip(images.split(at_once), targets.split(at_once), strict=True)
        return torch.cat([self.maps(chunk, each) for chunk, each in chunks])

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        total = torch.zeros_like(images[:, :1])
        for _ in range(self.rounds):
            gradient = self._gradient(images, targets)
            total += gradient
            images = images * (top_pixels(gradient) == self.invert)
        return (total / self.rounds).abs()

    def _gradient(self, images: Tensor, targets: Tensor) -> Tensor:
        return input_gradient(self._scores, images, targets).sum(1, keepdim=True)

    def _scores(self, images: Tensor) -> Tensor:
        scores = checked_scores(self.network(images), len(images))
        return scores.sigmoid() if self.output == "logit" else scores.abs()


def top_pixels(gradient: Tensor) -> Tensor:
    """Where a gradient ``(B, 1, H, W)`` is above 0 and above its 98th percentile in each film; bool."""
    values = gradient.detach().cpu().numpy()
    limit = torch.from_numpy(np.percentile(values, PERCENT, axis=(1, 2, 3), keepdims=True)).to(gradient)
    return (gradient > limit) & (gradient > 0)
