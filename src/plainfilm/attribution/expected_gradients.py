"""Integrated gradients, averaged over references instead of one baseline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from plainfilm.attribution.method import Method, images_within, input_gradient
from plainfilm.attribution.variants import check_whole, draws, pairs
from plainfilm.errors import ModelError


@dataclass(frozen=True, eq=False)
class ExpectedGradients(Method):
    """Expected gradients, also called GradientShap (Erion et al. 2021), signed, summed over channels.

    ``map = mean over n of (x - x'_n) · d score / d x at x'_n + a_n (x - x'_n)``. The map sums to
    ``score(x)`` less the mean score of the references, as ``samples`` grow (completeness). References
    are taken in turn and the shares ``a_n`` in [0, 1] from equal strata in a random order, the same for
    every image: a batch equals its images one by one.

    Attributes:
        samples: Pairs of a reference and a share, for each image.
        references: Films that stand for "nothing found", ``(R, C, H, W)`` as the network sees them: from
            ``model.prepare_batch(films)``. None takes constant films whose grey levels are
            spread evenly over the image's own range, so that no grey level counts as nothing.
        seed: Of the shares and of the order of the references.
    """

    unit: ClassVar[str] = "logit"
    samples: int = 64
    references: Tensor | None = field(default=None, repr=False)
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("samples", self.samples, "ExpectedGradients")
        if self.references is not None and not _are_images(self.references):
            raise ModelError(
                f"references of {type(self.references).__name__}", "floating-point films (R, C, H, W)",
                "ExpectedGradients", "model.prepare_batch(films)[0] makes them.",
            )  # fmt: skip

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        # Samples are split rather than images.
        return self.maps(images, targets)

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        self._check_fit(images)
        at_once = images_within(self.memory, lambda: input_gradient(self.network, images[:1], targets[:1]))
        shares = self.shares().to(images)
        total = torch.zeros_like(images)
        for image, sample in pairs(len(images), self.samples, at_once):
            way = images[image] - self.reference_of(images[image], sample)
            points = images[image] - (1 - shares[sample]).view(-1, 1, 1, 1) * way
            gradient = input_gradient(self.network, points, targets[image])
            total.index_add_(0, image.to(images.device), way * gradient)
        return total.sum(1, keepdim=True) / self.samples

    def reference_of(self, images: Tensor, sample: Tensor) -> Tensor:
        """The reference of each image for its sample, ``(B, C, H, W)`` and ``(B,)``, or its grey level."""
        if self.references is not None:
            return self.references.to(images)[self.order()[sample]]
        low, high = images.amin((1, 2, 3)), images.amax((1, 2, 3))
        steps = (sample.to(images) + 0.5) / self.samples
        return (low + steps * (high - low)).view(-1, 1, 1, 1)

    def shares(self) -> Tensor:
        """``a_n``: one from each of ``samples`` equal parts of [0, 1], in a random order, ``(samples,)``."""
        generator = draws(self.seed, "shares")
        strata = torch.randperm(self.samples, generator=generator)
        return (strata + torch.rand(self.samples, generator=generator)) / self.samples

    def order(self) -> Tensor:
        """The reference of each sample, ``(samples,)``: all in turn, in a random order."""
        count = 1 if self.references is None else len(self.references)
        shuffled = torch.randperm(count, generator=draws(self.seed, "references"))
        return shuffled[torch.arange(self.samples) % count]

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"references": _described(self.references)}

    def _check_fit(self, images: Tensor) -> None:
        if self.references is not None and self.references.shape[1:] != images.shape[1:]:
            raise ModelError(
                f"references of {tuple(self.references.shape[1:])}",
                f"{tuple(images.shape[1:])}, as the images", "ExpectedGradients",
                "Prepare both with the same model.",
            )  # fmt: skip


def _are_images(references: object) -> bool:
    return isinstance(references, Tensor) and references.ndim == 4 and references.is_floating_point()


def _described(references: Tensor | None) -> str | None:
    if references is None:
        return None
    content = references.detach().cpu().contiguous().numpy().tobytes()
    return f"{len(references)} films, sha256 {hashlib.sha256(content).hexdigest()[:16]}"
