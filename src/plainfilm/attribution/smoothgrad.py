"""The gradient, averaged over noisy copies of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from plainfilm.attribution.method import Method, images_within, input_gradient
from plainfilm.attribution.variants import check_whole, draws, pairs
from plainfilm.errors import ModelError


@dataclass(frozen=True, eq=False)
class SmoothGrad(Method):
    """SmoothGrad (Smilkov et al. 2017, section 3), signed, summed over channels.

    ``map = mean over n of d score / d image at image + noise_n``. Copy ``n`` of every image gets the
    same noise, a function of seed, ``n`` and the image's shape: a batch equals its images one by one.

    Attributes:
        samples: Noisy copies of each image.
        noise: Standard deviation of the noise, as a share of the image's own range (max - min).
        seed: Of the noise.
    """

    unit: ClassVar[str] = "logit per unit of input"
    samples: int = 32
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("samples", self.samples, "SmoothGrad")
        if (
            isinstance(self.noise, bool)
            or not isinstance(self.noise, int | float)
            or not 0 <= self.noise < 10
        ):
            raise ModelError(f"noise {self.noise!r}", "a share of the image's range, from 0", "SmoothGrad")

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        # Copies are split rather than images.
        return self.maps(images, targets)

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        at_once = images_within(self.memory, lambda: input_gradient(self.network, images[:1], targets[:1]))
        deviation = self.noise * (images.amax((1, 2, 3)) - images.amin((1, 2, 3))).view(-1, 1, 1, 1)
        total = torch.zeros_like(images)
        for image, copy in pairs(len(images), self.samples, at_once):
            noise = torch.stack([self.noise_of(n, images[0]) for n in copy.tolist()])
            points = images[image] + deviation[image] * noise
            total.index_add_(0, image.to(images.device), input_gradient(self.network, points, targets[image]))
        return total.sum(1, keepdim=True) / self.samples

    def noise_of(self, copy: int, image: Tensor) -> Tensor:
        """Standard normal noise of one copy, in the shape of an image ``(C, H, W)``."""
        return torch.randn(image.shape, generator=draws(self.seed, "smoothgrad", copy)).to(image)
