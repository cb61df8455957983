"""Boxes around findings, as public data sets release them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from plainfilm.datasets.study import Box
from plainfilm.errors import InputError, LabelError, ResourceError
from plainfilm.io.scan import SUFFIXES
from plainfilm.radiograph import Size

NIH_SIDE = 1024
"""The NIH release and RSNA's boxes on it measure in pixels of 1024 x 1024 films."""

SPELLING = {"Infiltrate": "Infiltration", "Pleural Thickening": "Pleural_Thickening"}
"""Names of findings that a box file spells unlike the label file of the same release."""

PLAIN = ("id", "finding", "x", "y", "width", "height")
RSNA = ("nih_image", "x", "y", "width", "height")
RSNA_FINDING = "Pneumonia"


@dataclass(frozen=True)
class BoxTable:
    """The boxes of many films.

    Attributes:
        films: Film (``film_key``) to finding to boxes (left, top, width, height).
        side: Height and width of the films on which the boxes were drawn, or None for
            each film's own size.
    """

    films: Mapping[str, Mapping[str, tuple[Box, ...]]]
    side: int | None = None

    def masks(self, film: str, size: Size) -> dict[str, np.ndarray]:
        """Finding to the union of its boxes, bool ``(H, W)``, on a film of ``size``; none if unknown."""
        scale = (1.0, 1.0) if self.side is None else (size[0] / self.side, size[1] / self.side)
        found = self.films.get(film, {})
        return {finding: _fill(boxes, size, scale) for finding, boxes in found.items()}


def read_boxes(path: str | Path) -> BoxTable:
    """Reads a CSV of boxes, its format told by its header.

    - ``BBox_List_2017.csv`` of NIH ChestX-ray14, whose header has fewer names than its rows have values;
    - RSNA's boxes mapped to NIH films, with the columns ``nih_image, x, y, width, height``;
      the finding is "Pneumonia", and a row without numbers is a film without a box;
    - any other table with the columns ``id, finding, x, y, width, height`` in film pixels.

    Films are known by ``film_key``, without folder and suffix.

    Raises:
        InputError: for a file that is missing or not text.
        LabelError: for other columns, or a row that holds no box.
        ResourceError: for a file that may not be read.
    """
    path = Path(path)
    header, *rows = _rows(path)
    if header[:2] == ["Image Index", "Finding Label"]:
        return BoxTable(_grouped(rows, (0, 1, 2, 3, 4, 5), path), NIH_SIDE)
    if set(RSNA) <= set(header):
        places = [header.index(name) for name in RSNA]
        boxed = [[row[k] for k in places] for row in rows if len(row) > max(places) and row[places[1]]]
        named = [[image, RSNA_FINDING, *numbers] for image, *numbers in boxed]
        return BoxTable(_grouped(named, (0, 1, 2, 3, 4, 5), path), NIH_SIDE)
    missing = [name for name in PLAIN if name not in header]
    if missing:
        raise LabelError(
            f"no column {', '.join(missing)}", f"the columns {', '.join(PLAIN)}", path.name,
            "BBox_List_2017.csv of NIH ChestX-ray14 and RSNA's boxes on it are read as they are.",
        )  # fmt: skip
    return BoxTable(_grouped(rows, [header.index(name) for name in PLAIN], path))


def film_key(film: str | Path) -> str:
    """What a table of boxes calls a film: its file name, less the suffix of a format that is read."""
    path = Path(film)
    # An id such as 1.2.840 has no suffix, though it looks so.
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(row)]
    except PermissionError as error:
        raise ResourceError("a file that may not be read", "read permission", path.name) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"a file that cannot be read ({error})", "a CSV of boxes", path.name) from error
    if len(rows) < 2:
        raise LabelError(f"{len(rows)} rows", "a header and at least one box", path.name)
    return rows


def _grouped(
    rows: Sequence[Sequence[str]], columns: Sequence[int], path: Path
) -> dict[str, dict[str, tuple[Box, ...]]]:
    films: dict[str, dict[str, tuple[Box, ...]]] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) <= max(columns):
            where = f"{path.name}, box {number}"
            raise LabelError(f"{len(row)} values", "a film, a finding and four numbers", where)
        film, finding, *numbers = (row[k].strip() for k in columns)
        boxes = films.setdefault(film_key(film), {})
        finding = SPELLING.get(finding, finding)
        boxes[finding] = (*boxes.get(finding, ()), _box(numbers, f"{path.name}, box {number}"))
    return films


def _box(numbers: Sequence[str], where: str) -> Box:
    try:
        left, top, width, height = map(float, numbers)
    except ValueError as error:
        raise LabelError(f"the values {', '.join(numbers)}", "four numbers", where) from error
    if not all(map(isfinite, (left, top, width, height))) or min(width, height) <= 0:
        raise LabelError(f"the values {', '.join(numbers)}", "finite numbers, a size above 0", where)
    return left, top, width, height


def _fill(boxes: Sequence[Box], size: Size, scale: tuple[float, float]) -> np.ndarray:
    """Pixels whose centre lies in a box."""
    rows, columns = (np.arange(n) + 0.5 for n in size)
    mask = np.zeros(size, dtype=bool)
    for left, top, width, height in boxes:
        inside_rows = (rows >= top * scale[0]) & (rows < (top + height) * scale[0])
        mask |= inside_rows[:, None] & (columns >= left * scale[1]) & (columns < (left + width) * scale[1])
    return mask
