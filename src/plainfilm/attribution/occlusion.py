"""How a score drops when a part of the image is covered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from plainfilm.attribution.method import (
    Method,
    check_in_range,
    checked_images,
    checked_maps,
    checked_scores,
    images_within,
)
from plainfilm.attribution.probe import probe
from plainfilm.attribution.variants import check_whole, pairs
from plainfilm.errors import ModelError

WINDOWS_A_SIDE = 7
"""Of the default window, as 32 pixels are a seventh of 224."""


@dataclass(frozen=True, eq=False)
class Occlusion(Method):
    """Occlusion (Zeiler and Fergus 2014, section 4.2), signed, forward passes only.

    A square window of one grey moves over the image. Each pixel gets the mean, over the windows that
    cover it, of ``score(image) - score(covered image)``. The last window of a row or column is moved back
    inside the image, so that all windows have one size and every pixel is covered.

    Attributes:
        window: Side of the window in pixels of the network's input; None for a seventh of the shorter side.
        stride: Pixels from one window to the next, at most ``window``; None for half a window.
        grey: Level of a covered pixel, in the network's own range; None for the mean of the image in each
            channel.
    """

    unit: ClassVar[str] = "drop in logit"
    evidence: ClassVar[str] = "positive"
    window: int | None = None
    stride: int | None = None
    grey: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("window", "stride"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), "Occlusion")
        if self.grey is not None and not (isinstance(self.grey, int | float) and math.isfinite(self.grey)):
            raise ModelError(f"grey {self.grey!r}", "a finite grey level", "Occlusion")

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        # Windows are split rather than images.
        return self.maps(images, targets)

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        drops, windows = self._drops(images)
        check_in_range(targets, drops[:, 0])
        return _spread(drops[torch.arange(len(images)), :, targets][:, None], windows, images)

    def all_targets(self, images: Tensor) -> Tensor:
        """The maps of all targets from the same forward passes, ``(B, C, H, W)`` to ``(B, K, H, W)``."""
        with probe(self.network):
            images = checked_images(images, self.network)
            drops, windows = self._drops(images)
            maps = _spread(drops.transpose(1, 2), windows, images)
        return checked_maps(maps, type(self).__name__)

    def _drops(self, images: Tensor) -> tuple[Tensor, list[tuple[slice, slice]]]:
        """How far each window lowers each score, ``(B, windows, K)``, and the windows."""
        windows = self.windows(images.shape[2], images.shape[3])
        with torch.no_grad():
            at_once = images_within(self.memory, lambda: self.network(images[:1].clone()))
            whole = torch.cat([self._scores(chunk) for chunk in images.split(at_once)])
            covered = [
                self._scores(self._cover(images[image], [windows[each] for each in window.tolist()]))
                for image, window in pairs(len(images), len(windows), at_once)
            ]
        return whole[:, None] - torch.cat(covered).unflatten(0, (len(images), len(windows))), windows

    def _scores(self, images: Tensor) -> Tensor:
        return checked_scores(self.network(images.clone()), len(images))

    def _cover(self, images: Tensor, windows: list[tuple[slice, slice]]) -> Tensor:
        """Each image with its own window covered; a new tensor, since ``images`` is an indexed copy."""
        for image, (rows, columns) in zip(images, windows, strict=True):
            image[:, rows, columns] = image.mean((1, 2), keepdim=True) if self.grey is None else self.grey
        return images

    def windows(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """Rows and columns of every window over an image of this size, row by row.

        Raises:
            ModelError: for a stride that would leave pixels uncovered.
        """
        window = min(self.window or max(1, min(height, width) // WINDOWS_A_SIDE), height, width)
        stride = self.stride or max(1, window // 2)
        if stride > window:
            raise ModelError(f"stride {stride}", f"at most the window, {window}", "Occlusion")
        return [
            (slice(top, top + window), slice(left, left + window))
            for top in _starts(height, window, stride)
            for left in _starts(width, window, stride)
        ]


def _starts(length: int, window: int, stride: int) -> list[int]:
    return [*range(0, length - window, stride), length - window]


def _spread(drops: Tensor, windows: list[tuple[slice, slice]], images: Tensor) -> Tensor:
    """The mean drop at each pixel, from ``(B, K, windows)`` to ``(B, K, H, W)``."""
    height, width = images.shape[2:]
    total = drops.new_zeros(*drops.shape[:2], height, width)
    times = drops.new_zeros(height, width)
    for number, (rows, columns) in enumerate(windows):
        total[:, :, rows, columns] += drops[:, :, number, None, None]
        times[rows, columns] += 1
    return total / times
