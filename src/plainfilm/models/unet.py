"""A small U-Net (Ronneberger et al., MICCAI 2015), built of modules alone.

The first convolution halves the grid, and the last layer doubles it again: at 128 pixels the
outline of a lung is smooth enough for that, and it costs a quarter of the time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plainfilm.errors import ModelError

WIDEST = 4
"""The deeper stages are at most this many times as wide as the first."""


class UNet(nn.Module):
    """Maps images ``(B, in_channels, H, W)`` to logits ``(B, num_classes, H, W)``.

    Height and width must be multiples of ``stride``.

    Args:
        num_classes: Number of masks.
        in_channels: Channels of the input.
        width: Channels of the first stage.
        depth: Number of stages, each on half the grid of the one before.

    Raises:
        ModelError: if a size is below 1.
    """

    def __init__(self, num_classes: int = 1, in_channels: int = 1, width: int = 12, depth: int = 4) -> None:
        super().__init__()
        self.arguments = {
            "num_classes": num_classes,
            "in_channels": in_channels,
            "width": width,
            "depth": depth,
        }
        if min(self.arguments.values()) < 1:
            raise ModelError(f"sizes {self.arguments}", "every size 1 or more", "UNet")
        widths = [width * min(2**level, WIDEST) for level in range(depth)]
        narrower = [max(width, skip // 2) for skip in widths[:-1]]
        self.stem = nn.Conv2d(in_channels, width, kernel_size=4, stride=2, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.down = nn.ModuleList(map(_stage, [width, *widths[:-1]], widths))
        self.widen = nn.Upsample(scale_factor=2)
        below = [*narrower, widths[-1]][1:]
        self.up = nn.ModuleList(
            _stage(deep + skip, out) for deep, skip, out in zip(below, widths[:-1], narrower, strict=True)
        )
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear")

    @property
    def stride(self) -> int:
        """Pixels of the input that one cell of the deepest stage covers."""
        return int(2 ** self.arguments["depth"])

    def forward(self, images: Tensor) -> Tensor:
        first, *deeper = self.down
        features = [first(self.stem(images))]
        for stage in deeper:
            features.append(stage(self.pool(features[-1])))
        below = features.pop()
        for stage in reversed(self.up):
            below = stage(torch.cat([self.widen(below), features.pop()], dim=1))
        return self.enlarge(self.head(below))


def _stage(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
