"""What a network expects at its input, and whether a batch meets it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from plainfilm.errors import ModelError, NumericError
from plainfilm.radiograph import FITS, Placement

Level = float | tuple[float, ...]

OVERSHOOT = 0.5
"""Share of the range by which a perturbed or synthetic image may leave it."""

COLLAPSE = 20.0
"""A range this wide, in pixel units, shows an image that was left in [0, 1]."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputSpec:
    """The size, range and channels that a network was trained with.

    Attributes:
        size: Height and width of the square input.
        low: Value that black (0) becomes; one number, or one per channel.
        high: Value that white (1) becomes; likewise.
        channels: 1, or 3 for networks that see the film three times.
        fit: How a film is brought to a square: "resize", "centre_crop" or "letterbox".

    Raises:
        ModelError: for a size or channel count below 1, a level that is not finite, levels that
            do not match the channels, ``low`` not below ``high``, or an unknown fit.
    """

    size: int
    low: Level = 0.0
    high: Level = 1.0
    channels: int = 1
    fit: str = "centre_crop"

    def __post_init__(self) -> None:
        if self.size < 1 or self.channels < 1:
            raise ModelError(f"size {self.size} and {self.channels} channels", "both 1 or more", "InputSpec")
        if self.fit not in FITS:
            raise ModelError(f"fit {self.fit!r}", " or ".join(map(repr, FITS)), "InputSpec")
        got = f"low {self.low} and high {self.high}"
        if not {np.shape(self.low), np.shape(self.high)} <= {(), (self.channels,)}:
            raise ModelError(got, f"one number, or {self.channels}, one per channel", "InputSpec")
        low, high = self.levels
        if not (np.isfinite([low, high]).all() and (low < high).all()):
            raise ModelError(got, "finite levels, low below high", "InputSpec")

    @classmethod
    def imagenet(cls, size: int = 224, fit: str = "centre_crop") -> InputSpec:
        """Three channels, standardised by the mean and deviation of ImageNet."""
        mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
        return cls(size, tuple((-mean / std).tolist()), tuple(((1 - mean) / std).tolist()), 3, fit)

    @property
    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """``low`` and ``high`` as float64 arrays ``(C, 1, 1)``."""
        low, high = (np.broadcast_to(level, self.channels).astype(float) for level in (self.low, self.high))
        return low[:, None, None], high[:, None, None]

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest ``low`` and the highest ``high`` of all channels."""
        low, high = self.levels
        return float(low.min()), float(high.max())

    def placement(self, film: tuple[int, int]) -> Placement:
        """Where the input lies on a film of height and width ``film``."""
        return Placement.fit(self.fit, film, (self.size, self.size))

    def scale(self, pixels: np.ndarray) -> np.ndarray:
        """Brings pixels in [0, 1], ``(S, S)``, to the network's range: float32 ``(C, S, S)``."""
        low, high = self.levels
        return (pixels * (high - low) + low).astype(np.float32)

    def check(self, images: Tensor) -> None:
        """Refuses a batch that this network was not made for.

        A mistaken range gives plausible numbers without any error, the most frequent misuse of
        public chest X-ray models. Perturbed images may leave the range by half its width, and a
        constant image (a baseline) is always allowed.

        Args:
            images: ``(B, C, S, S)``.

        Raises:
            ModelError: for another shape, values far outside [low, high], or values that were
                left in [0, 1] where the range is much wider.
            NumericError: for NaN or infinite values.
        """
        self._check_shape(images)
        if not torch.isfinite(images).all():
            raise NumericError("images with NaN or infinite values", "finite images", "network input")
        smallest, largest = images.amin().item(), images.amax().item()
        low, high = (level.ravel() for level in self.levels)
        slack = OVERSHOOT * (high - low).max()
        outside = smallest < low.min() - slack or largest > high.max() + slack
        left_in_unit = 0 <= smallest < largest <= 1 and (high - low).min() > COLLAPSE
        if outside or left_in_unit:
            raise ModelError(
                f"images from {smallest:.4g} to {largest:.4g}",
                f"the range [{low.min():.4g}, {high.max():.4g}]", "network input",
                "Use Classifier.prepare(film), which scales to the range of the network.",
            )  # fmt: skip

    def check_stem(self, network: nn.Module) -> None:
        """Refuses a network whose first convolution takes another number of channels.

        Raises:
            ModelError: naming both numbers.
        """
        stem = next((each for each in network.modules() if isinstance(each, nn.Conv2d)), None)
        if stem is not None and stem.in_channels != self.channels:
            raise ModelError(
                f"a network whose first convolution takes {stem.in_channels} channels",
                f"{self.channels}, as the input is described", type(network).__name__,
                f"Describe it with channels={stem.in_channels}.",
            )  # fmt: skip

    def _check_shape(self, images: Tensor) -> None:
        shape = (self.channels, self.size, self.size)
        if images.ndim != 4 or images.shape[1:] != shape or not images.is_floating_point() or not len(images):
            raise ModelError(
                f"{images.dtype} images of shape {tuple(images.shape)}",
                f"floating-point images (B, {', '.join(map(str, shape))}), B at least 1", "network input",
                "Use Classifier.prepare(film), which returns such a batch.",
            )  # fmt: skip
