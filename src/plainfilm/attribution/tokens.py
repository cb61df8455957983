"""Where on the image the cells of a layer's output lie: maps, channels first or last, and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

Kind = Literal["channels first", "channels last", "tokens"]

MOST_EXTRA_TOKENS = 16
"""Class, distillation and register tokens; more are a sign that the grid is another."""

MOST_PROBES = 8
HOME_SHARE = 0.75
"""Of the probed places, so many must be answered most by their own cell."""


@dataclass(frozen=True)
class Layout:
    """How a layer's output is read as a grid of cells ``(h, w)``, row by row.

    Attributes:
        kind: ``(B, C, h, w)``, ``(B, h, w, C)``, or tokens ``(B, n, C)``.
        grid: ``(h, w)``; not needed of maps channels first, whose shape says it.
        front: Tokens before the first cell, which belong to no place: class, registers.
    """

    kind: Kind
    grid: tuple[int, int] = (0, 0)
    front: int = 0

    def cells(self, output: Tensor) -> Tensor:
        """The output as ``(B, C, h, w)``, without tokens that have no place."""
        if self.kind == "channels first":
            return output
        if self.kind == "channels last":
            return output.permute(0, 3, 1, 2)
        return output[:, self.front : self._end].transpose(1, 2).unflatten(2, self.grid)

    def put(self, cells: Tensor, output: Tensor) -> Tensor:
        """The output with its cells replaced by ``(B, C, h, w)``; a new tensor."""
        if self.kind == "channels first":
            return cells.clone()
        if self.kind == "channels last":
            return cells.permute(0, 2, 3, 1).contiguous()
        tokens = cells.flatten(2).transpose(1, 2)
        return torch.cat([output[:, : self.front], tokens, output[:, self._end :]], 1)

    def strength(self, output: Tensor) -> Tensor:
        """The norm of every cell in order, ``(B, h * w)``; of every token, also those without a place."""
        return output.norm(dim=2) if self.kind == "tokens" else self.cells(output).norm(dim=1).flatten(1)

    @property
    def _end(self) -> int:
        return self.front + self.grid[0] * self.grid[1]


def layouts(shape: Sequence[int], size: tuple[int, int]) -> list[Layout]:
    """Every way to read an output of this shape as a grid over an image of ``size``.

    Cells are taken to be as tall as wide. The likeliest come first.
    """
    if len(shape) == 4:
        both = (
            Layout("channels first", (shape[2], shape[3])),
            Layout("channels last", (shape[1], shape[2])),
        )
        return [layout for layout in both if layout.grid in _grids(size)]
    if len(shape) != 3:
        return []
    found = [
        Layout("tokens", grid, front)
        for grid in _grids(size)
        for front in range(shape[1] - grid[0] * grid[1], -1, -1)
        if shape[1] - grid[0] * grid[1] <= MOST_EXTRA_TOKENS
    ]
    return sorted(found, key=lambda layout: _unlikely(layout, shape[1], size))


def _unlikely(layout: Layout, tokens: int, size: tuple[int, int]) -> tuple[int, int, int]:
    """Cut or padded grids come after exact ones, then many tokens without a place, then those behind."""
    height, width = layout.grid
    extra = tokens - height * width
    return abs(height * size[1] - width * size[0]), extra, extra - layout.front


@lru_cache
def _grids(size: tuple[int, int]) -> frozenset[tuple[int, int]]:
    """Every grid of square cells over an image; one that they do not fill is cut off or padded."""
    height, width = size
    cut = {(height // side, width // side) for side in range(1, max(size) + 1)}
    padded = {(-(-height // side), -(-width // side)) for side in range(1, max(size) + 1)}
    return frozenset(grid for grid in cut | padded if grid[0] * grid[1] > 1)


def proved(network: nn.Module, layer: nn.Module, image: Tensor, possible: Sequence[Layout]) -> Layout | None:
    """The first layout whose cells lie where it says, found by changing places of the image.

    One place after another is replaced by noise. Attention spreads a change over all cells, yet
    the cell at that place must answer most, relative to how much it answers to other places.
    A grid in another order, channels taken for rows, or one token too many in front fail this.

    Args:
        network: Inside the probe.
        layer: The module whose output is read.
        image: ``(1, C, H, W)``.
        possible: Layouts to try, from ``layouts``.
    """
    answers: dict[tuple[int, int], tuple[list[int], Tensor]] = {}
    for layout in possible:
        if layout.grid not in answers:
            answers[layout.grid] = _answers(network, layer, image, layout.grid)
        places, changes = answers[layout.grid]
        homes = torch.tensor(places, device=image.device) + layout.front
        if _share_at_home(layout.strength(changes), homes) >= HOME_SHARE:
            return layout
    return None


def _answers(
    network: nn.Module, layer: nn.Module, image: Tensor, grid: tuple[int, int]
) -> tuple[list[int], Tensor]:
    """Places of the grid, and how the layer's output changes with each of them."""
    draws = torch.Generator().manual_seed(0)
    places: list[int] = torch.randperm(grid[0] * grid[1], generator=draws)[:MOST_PROBES].tolist()
    changed = image.repeat(len(places) + 1, 1, 1, 1)
    low, high = image.amin().item(), image.amax().item()
    noise = torch.rand(image.shape[1:], generator=draws).to(image) * ((high - low) or 1.0) + low
    for row, place in enumerate(places, 1):
        top, bottom = _span(place // grid[1], grid[0], image.shape[2])
        left, right = _span(place % grid[1], grid[1], image.shape[3])
        changed[row, :, top:bottom, left:right] = noise[:, top:bottom, left:right]
    with torch.no_grad():
        output = output_of(network, layer, changed)
    return places, output[1:] - output[:1]


def _span(index: int, count: int, length: int) -> tuple[int, int]:
    return round(index * length / count), round((index + 1) * length / count)


def _share_at_home(answers: Tensor, homes: Tensor) -> float:
    """Share of the places whose own cell answers most, from ``(places, cells)``.

    Relative to a cell's mean, since some tokens gather from everywhere and answer to everything.
    """
    relative = answers / (answers.mean(0) + answers.mean() + torch.finfo(answers.dtype).tiny)
    return (relative.argmax(1) == homes).float().mean().item()


def output_of(network: nn.Module, layer: nn.Module, images: Tensor) -> Tensor:
    """What a layer returns, as it was before the network went on with it."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        kept.append(output.detach().clone())

    handle = layer.register_forward_hook(keep)
    try:
        network(images)
    finally:
        handle.remove()
    return kept[-1]
