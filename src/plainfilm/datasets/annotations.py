"""Shapes that experts drew on films, each on the grid on which it was drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from plainfilm.errors import InputError, LabelError
from plainfilm.io.read import read
from plainfilm.masks.box import Box
from plainfilm.masks.polygon import polygon_mask
from plainfilm.masks.rle import decode_rle
from plainfilm.radiograph import Placement, Size

Kind = Literal["box", "polygon", "rle", "file"]
KINDS = get_args(Kind)

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
            run lengths) or "file" (an image: its path from the root, or ``{"path", "values"}`` with
            the stored values that belong to the mask).
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


def check_annotations(table: pd.DataFrame, name: str) -> None:
    """Refuses a table without ``COLUMNS``, with shapes of another kind, or with ids that are no text.

    Raises:
        LabelError: naming the data set.
    """
    where = f"annotations of {name}"
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise LabelError(f"no column {missing[0]!r}", f"the columns {', '.join(COLUMNS)}", where)
    unknown = table["kind"][~table["kind"].isin(KINDS)]
    if len(unknown):
        raise LabelError(f"the kind {unknown.iloc[0]!r}", f"one of {', '.join(KINDS)}", where)
    if pd.api.types.is_numeric_dtype(table["film"]):  # they would belong to no film
        raise LabelError("numbers for ids of films", "text, as in the table of films", where)


def boxes_on(shapes: pd.DataFrame, film: Size) -> dict[str, tuple[Box, ...]]:
    """Finding to its boxes in pixels of a film of size ``film``.

    Raises:
        InputError: for boxes drawn on a film of another shape.
    """
    found: dict[str, tuple[Box, ...]] = {}
    for row in _rows(shapes, "box"):
        drawn = (row.height, row.width) if row.height else film
        _check_aspect(drawn, film, row.film)
        down, across = film[0] / drawn[0], film[1] / drawn[1]
        left, top, width, height = json.loads(row.shape)
        box = (left * across, top * down, width * across, height * down)
        found[row.finding] = (*found.get(row.finding, ()), box)
    return found


def masks_on(shapes: pd.DataFrame, film: Size, root: Path) -> dict[str, np.ndarray]:
    """Finding to the union of its masks, bool ``(H, W)`` on a film of size ``film``.

    A mask of another size but the film's shape is resized to the nearest pixel, so it stays binary.

    Raises:
        InputError: for a mask of another shape than the film, one that cannot be read, or grey values
            that no rule decides.
    """
    found: dict[str, np.ndarray] = {}
    for row in _rows(shapes, "polygon", "rle", "file"):
        drawn = _drawn(row, film, root)
        _check_aspect(drawn.shape, film, row.film)
        mask = drawn if drawn.shape == film else Placement.resize(drawn.shape, film).sample_mask(drawn)
        found[row.finding] = found[row.finding] | mask if row.finding in found else mask
    return found


def resized(shapes: pd.DataFrame, film: Size) -> tuple[str, ...]:
    """A sentence on each size other than the film's on which annotations were drawn, where it is known."""
    sizes = {(row.height, row.width) for row in _rows(shapes, *KINDS)} - {(0, 0), film}
    return tuple(
        f"Annotations drawn on {width} x {height} pixels were resized to the film's {film[1]} x {film[0]}."
        for height, width in sorted(sizes)
    )


def _rows(shapes: pd.DataFrame, *kinds: str) -> Iterator[Any]:
    # Most films have no annotation, and to go through an empty table takes pandas a millisecond.
    return (row for row in shapes.itertuples(index=False) if row.kind in kinds) if len(shapes) else iter(())


def _drawn(row: Any, film: Size, root: Path) -> np.ndarray:
    """The mask on the grid on which it was drawn."""
    size = (row.height, row.width) if row.height else film
    shape = json.loads(row.shape)
    if row.kind == "rle":
        return decode_rle(size, shape)
    if row.kind == "polygon":
        return polygon_mask(size, shape)
    return _mask_file(root, **(shape if isinstance(shape, dict) else {"path": shape}))


def mask_path(row: Any) -> str:
    """The path of an annotation of kind "file", from the root."""
    shape = json.loads(row.shape)
    return shape["path"] if isinstance(shape, dict) else shape


def _mask_file(root: Path, path: str, values: Sequence[int] = ()) -> np.ndarray:
    """An image of two values, 0 and 1 or black and white, unless it is said which values belong."""
    film = read(root / path)
    stored = np.rint(film.pixels * (2 ** int(film.tags["BitsStored"]) - 1))
    if values:
        return np.isin(stored, values)
    two_values = film.pixels if film.pixels.max() == 1 else stored
    if not np.isin(two_values, (0, 1)).all():
        raise InputError(
            f"a mask with the values {', '.join(f'{v:g}' for v in np.unique(stored)[:5])}",
            "0 and 1, or black and white", path,
            'Say which belong to it, as the annotation\'s shape: {"path": ..., "values": [255]}.',
        )  # fmt: skip
    return two_values == 1


def _check_aspect(drawn: Size, film: Size, where: str) -> None:
    if abs(drawn[0] * film[1] / (drawn[1] * film[0]) - 1) > ASPECT_TOLERANCE:
        raise InputError(
            f"an annotation drawn on {drawn[1]} x {drawn[0]} pixels",
            f"the shape of the film, {film[1]} x {film[0]}", where,
            "The film was cropped or turned after it was annotated.",
        )  # fmt: skip
