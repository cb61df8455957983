"""Small changes of a film that leave its findings what they are.

Drawing the numbers is apart from applying them, and both are functions of one seed a film, so
a film is changed alike in whatever batch it comes, and an epoch can be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        seeds: Of the noise, one a film.
    """

    affine: Tensor
    gamma: Tensor
    contrast: Tensor
    brightness: Tensor
    noise: Tensor
    seeds: tuple[int, ...]

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


def draw_changes(seeds: Sequence[int]) -> Change:
    """Changes of posture and exposure, one a seed. Films are never mirrored: the heart has a side."""
    draws = [torch.randn(8, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    turn, growth, across, down, gamma, contrast, brightness, noise = torch.stack(draws, 1)
    angle, size = 0.05 * turn, 1 + 0.06 * growth
    cosine, sine = angle.cos() * size, angle.sin() * size
    rows = (torch.stack([cosine, -sine, 0.04 * across], 1), torch.stack([sine, cosine, 0.04 * down], 1))
    return Change(
        affine=torch.stack(rows, 1),
        gamma=torch.exp(0.15 * gamma),
        contrast=torch.exp(0.12 * contrast),
        brightness=0.04 * brightness,
        noise=0.015 * noise.abs(),
        seeds=tuple(seed ^ 1 for seed in seeds),  # other numbers than those above
    )


def apply_changes(images: Tensor, change: Change) -> Tensor:
    """Changed films, ``(B, 1, S, S)`` in [0, 1] to the same."""
    change = change.to(images.device)
    grid = F.affine_grid(change.affine, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    curved = moved.clamp(1e-3, 1) ** _per_film(change.gamma)
    mean = curved.mean((1, 2, 3), keepdim=True)
    exposed = (curved - mean) * _per_film(change.contrast) + mean + _per_film(change.brightness)
    return (exposed + _noise(images, change.seeds) * _per_film(change.noise)).clamp(0, 1)


def _noise(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """White noise ``(B, 1, S, S)``; a seed means the same numbers on every device of one kind."""
    noise = torch.empty_like(images)
    for film, seed in zip(noise, seeds, strict=True):
        film.normal_(generator=torch.Generator(images.device).manual_seed(seed))
    return noise


def _per_film(values: Tensor) -> Tensor:
    return values[:, None, None, None]
