"""Many films on one picture, for the eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from plainfilm.errors import InputError
from plainfilm.io.atomic import atomic_write
from plainfilm.reports.figures import contours

GAP, CAPTION, FONT = 8, 36, 12
SHEET, INK = (11, 12, 14), (217, 220, 223)
OUTLINES = ((92, 255, 157), (255, 196, 84), (120, 190, 255), (255, 130, 170))
"""Colours of the findings of one film, for outline and name; the fifth has the first again."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One film of a sheet.

    Attributes:
        pixels: ``(H, W)`` in [0, 1].
        title: The line below the film.
        masks: Finding to bool ``(H, W)``: named in the second line, drawn as outlines.
    """

    pixels: np.ndarray
    title: str
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)


def write_contact_sheet(path: Path, tiles: Sequence[Tile], columns: int = 6, side: int = 224) -> Path:
    """Draws films in a grid, each within ``side`` pixels, as a PNG.

    Text is drawn as it is: no markup, no mathematics.

    Raises:
        InputError: without a film.
        ResourceError: where the folder cannot be written.
    """
    if not tiles:
        raise InputError("no films", "at least one", "contact sheet")
    columns = min(columns, len(tiles))
    cell = side + GAP
    size = columns * cell + GAP, ceil(len(tiles) / columns) * (cell + CAPTION) + GAP
    sheet = Image.new("RGB", size, SHEET)
    for k, tile in enumerate(tiles):
        row, column = divmod(k, columns)
        _paste(sheet, tile, GAP + column * cell, GAP + row * (cell + CAPTION), side)
    with atomic_write(path) as file:
        sheet.save(file, "PNG", optimize=True)
    return path


def _paste(sheet: Image.Image, tile: Tile, left: int, top: int, side: int) -> None:
    height, width = tile.pixels.shape
    scale = side / max(height, width)
    shown = max(1, round(width * scale)), max(1, round(height * scale))
    grey = Image.fromarray((tile.pixels * 255 + 0.5).astype(np.uint8))
    sheet.paste((0, 0, 0), (left, top, left + side, top + side))
    corner = left + (side - shown[0]) // 2, top + (side - shown[1]) // 2
    sheet.paste(grey.resize(shown, Image.Resampling.LANCZOS).convert("RGB"), corner)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT)
    draw.text((left, top + side + 3), _fitted(tile.title, font, side), INK, font)
    cursor = float(left)
    for (name, mask), colour in zip(tile.masks.items(), cycle(OUTLINES), strict=False):
        for line in contours(mask):
            draw.line([(corner[0] + x * scale, corner[1] + y * scale) for x, y in line], colour, 1)
        word = _fitted(name, font, left + side - cursor)
        draw.text((cursor, top + side + 18), word, colour, font)
        cursor += font.getlength(word + "  ")


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Text on one line, cut to a width."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[: len(text) - max(1, len(text) // 20)]
    return text and text + "…"
