"""Small changes of a film that leave its findings what they are.

Drawing the numbers is apart from applying them, and both are functions of the
generator alone, so an epoch can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Change:
    """One draw a film.

    Attributes:
        affine: ``(B, 2, 3)`` in normalised coordinates: rotation, scale and shift.
        gamma: ``(B,)`` exponent of the grey levels.
        contrast: ``(B,)`` factor about the film's mean.
        brightness: ``(B,)`` added.
        noise: ``(B,)`` standard deviation of white noise.
        seed: Of the noise.
    """

    affine: Tensor
    gamma: Tensor
    contrast: Tensor
    brightness: Tensor
    noise: Tensor
    seed: int

    def to(self, device: torch.device) -> Change:
        """The same draws on another device."""
        return replace(
            self,
            affine=self.affine.to(device),
            gamma=self.gamma.to(device),
            contrast=self.contrast.to(device),
            brightness=self.brightness.to(device),
            noise=self.noise.to(device),
        )


def draw_changes(count: int, generator: torch.Generator) -> Change:
    """Changes of posture and exposure for ``count`` films. Films are never mirrored: the heart has a side."""

    def normal(scale: float) -> Tensor:
        return torch.randn(count, generator=generator) * scale

    angle, size = normal(0.05), 1 + normal(0.06)
    cosine, sine = angle.cos() * size, angle.sin() * size
    rows = (torch.stack([cosine, -sine, normal(0.04)], 1), torch.stack([sine, cosine, normal(0.04)], 1))
    return Change(
        affine=torch.stack(rows, 1),
        gamma=torch.exp(normal(0.15)),
        contrast=torch.exp(normal(0.12)),
        brightness=normal(0.04),
        noise=normal(0.015).abs(),
        seed=int(torch.randint(2**31, (1,), generator=generator)),
    )


def apply_changes(images: Tensor, change: Change) -> Tensor:
    """Changed films, ``(B, 1, S, S)`` in [0, 1] to the same."""
    change = change.to(images.device)
    grid = F.affine_grid(change.affine, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    curved = moved.clamp(1e-3, 1) ** _per_film(change.gamma)
    mean = curved.mean((1, 2, 3), keepdim=True)
    exposed = (curved - mean) * _per_film(change.contrast) + mean + _per_film(change.brightness)
    # Drawn on the processor, so that a seed means the same numbers on every accelerator.
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(change.seed)).to(images.device)
    return (exposed + noise * _per_film(change.noise)).clamp(0, 1)


def _per_film(values: Tensor) -> Tensor:
    return values[:, None, None, None]
