"""Shapes that experts drew on films, each on the grid on which it was drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from plainfilm.datasets.study import Box
from plainfilm.errors import InputError, LabelError
from plainfilm.io.read import read
from plainfilm.masks.arrays import as_mask
from plainfilm.masks.polygon import polygon_mask
from plainfilm.masks.rle import decode_rle
from plainfilm.radiograph import Placement, Size

Kind = Literal["box", "polygon", "rle", "file"]

COLUMNS = ("film", "finding", "kind", "reader", "height", "width", "shape")
"""Columns of a table of annotations, one row a shape."""

ASPECT_TOLERANCE = 0.01
"""Film and drawing may differ so much in their ratio of height to width, which rounding explains."""


@dataclass(frozen=True)
class Annotation:
    """One shape.

    Attributes:
        film: The film's id in the manifest.
        finding: What it outlines, or ``plainfilm.findings.LUNGS``.
        kind: "box" (left, top, width, height), "polygon" (rings of (x, y)), "rle" (COCO's
            compressed run lengths) or "file" (a mask as an image, its path from the root).
        shape: What the kind says, as JSON values.
        size: Height and width of the film on which it was drawn; (0, 0) for the film itself.
        reader: Who drew it; "" for a consensus or an unnamed reader.
    """

    film: str
    finding: str
    kind: Kind
    shape: Any
    size: Size = (0, 0)
    reader: str = ""

    def row(self) -> tuple[str, str, str, str, int, int, str]:
        """The values of ``COLUMNS``."""
        return (self.film, self.finding, self.kind, self.reader, *self.size, json.dumps(self.shape))


def annotation_table(annotations: Iterable[Annotation] = ()) -> pd.DataFrame:
    """A table of ``COLUMNS``, one row a shape."""
    table = pd.DataFrame([each.row() for each in annotations], columns=list(COLUMNS))
    return table.astype({"height": "int64", "width": "int64"})


def boxes_on(shapes: pd.DataFrame, film: Size) -> dict[str, tuple[Box, ...]]:
    """Finding to its boxes in pixels of a film of size ``film``.

    Raises:
        InputError: for boxes drawn on a film of another shape.
    """
    found: dict[str, tuple[Box, ...]] = {}
    for row in shapes[shapes["kind"] == "box"].itertuples():
        down, across = _scale(row, film)
        left, top, width, height = json.loads(row.shape)
        box = (left * across, top * down, width * across, height * down)
        found[row.finding] = (*found.get(row.finding, ()), box)
    return found


def masks_on(shapes: pd.DataFrame, film: Size, root: Path) -> dict[str, np.ndarray]:
    """Finding to the union of its masks, bool ``(H, W)`` on a film of size ``film``.

    A mask of another size but the film's shape is resized to the nearest pixel, so it stays binary.

    Raises:
        InputError: for a mask of another shape than the film, or one that cannot be read.
        LabelError: for a kind that is not known.
    """
    found: dict[str, np.ndarray] = {}
    for row in shapes[shapes["kind"] != "box"].itertuples():
        drawn = _drawn(row, film, root)
        _check_aspect(drawn.shape, film, row.film)
        mask = drawn if drawn.shape == film else Placement.resize(drawn.shape, film).sample_mask(drawn)
        found[row.finding] = found[row.finding] | mask if row.finding in found else mask
    return found


def _drawn(row: Any, film: Size, root: Path) -> np.ndarray:
    """The mask on the grid on which it was drawn."""
    size = (row.height, row.width) if row.height else film
    shape = json.loads(row.shape)
    if row.kind == "rle":
        return decode_rle(size, shape)
    if row.kind == "polygon":
        return polygon_mask(size, shape)
    if row.kind == "file":
        return as_mask((read(root / shape).pixels > 0.5), shape)
    raise LabelError(f"kind {row.kind!r}", "box, polygon, rle or file", f"annotation of {row.film}")


def _scale(row: Any, film: Size) -> tuple[float, float]:
    if not row.height:
        return 1.0, 1.0
    _check_aspect((row.height, row.width), film, row.film)
    return film[0] / row.height, film[1] / row.width


def _check_aspect(drawn: Size, film: Size, where: str) -> None:
    if abs(drawn[0] * film[1] / (drawn[1] * film[0]) - 1) > ASPECT_TOLERANCE:
        raise InputError(
            f"an annotation drawn on {drawn[1]} x {drawn[0]} pixels",
            f"the shape of the film, {film[1]} x {film[0]}", where,
            "The film was cropped or turned after it was annotated.",
        )  # fmt: skip
