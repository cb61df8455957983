"""Boxes around findings, as public data sets release them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import Annotation
from plainfilm.datasets.readers.layout import film_key, read_csv
from plainfilm.errors import LabelError
from plainfilm.findings import canonical
from plainfilm.masks.box import Box, box_mask
from plainfilm.radiograph import Size

NIH_SIDE = 1024
"""The NIH release and RSNA's boxes on it measure in pixels of 1024 x 1024 films."""

NIH = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
PLAIN = ("id", "finding", "x", "y", "width", "height")
RSNA = (("nih_image", *PLAIN[2:]), ("patientId", *PLAIN[2:]))
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
        down, across = (1.0, 1.0) if self.side is None else (size[0] / self.side, size[1] / self.side)
        return {
            finding: box_mask(size, [(x * across, y * down, w * across, h * down) for x, y, w, h in boxes])
            for finding, boxes in self.films.get(film, {}).items()
        }


def read_boxes(path: str | Path) -> BoxTable:
    """Reads a CSV of boxes, its format told by its header; see ``boxes_in``.

    Films are known by ``film_key``, without folder and suffix.

    Raises:
        InputError: for a file that is missing or not text.
        LabelError: for other columns, a row that holds no box, or no row at all.
        ResourceError: for a file that may not be read.
    """
    path = Path(path)
    drawn = boxes_in(read_csv(path), path.name)
    if not drawn:
        raise LabelError("no row with a box", "a header and at least one box", path.name)
    films: dict[str, dict[str, tuple[Box, ...]]] = {}
    for each in drawn:
        boxes = films.setdefault(each.film, {})
        boxes[each.finding] = (*boxes.get(each.finding, ()), each.shape)
    return BoxTable(films, drawn[0].size[0] or None)


def boxes_in(table: pd.DataFrame, where: str) -> list[Annotation]:
    """The boxes in a table, its format told by its columns.

    - ``BBox_List_2017.csv`` of NIH ChestX-ray14;
    - RSNA's labels with ``patientId, x, y, width, height``, or mapped to NIH films with ``nih_image``;
      the finding is "Pneumonia", and a row without numbers is a film without a box;
    - any other table with the columns ``id, finding, x, y, width, height`` in film pixels.

    Raises:
        LabelError: for other columns, or a row that holds no box.
    """
    if set(NIH) <= set(table):
        return list(_annotations(table[list(NIH)], (NIH_SIDE, NIH_SIDE), where))
    for columns in RSNA:
        if set(columns) <= set(table):
            boxed = table.loc[table["x"] != "", list(columns)]
            boxed.insert(1, "finding", RSNA_FINDING)
            return list(_annotations(boxed, (NIH_SIDE, NIH_SIDE), where))
    missing = [name for name in PLAIN if name not in table]
    if missing:
        raise LabelError(
            f"no column {', '.join(missing)}", f"the columns {', '.join(PLAIN)}", where,
            "BBox_List_2017.csv of NIH ChestX-ray14 and RSNA's boxes on it are read as they are.",
        )  # fmt: skip
    return list(_annotations(table[list(PLAIN)], (0, 0), where))


def _annotations(rows: pd.DataFrame, size: Size, where: str) -> Iterable[Annotation]:
    for index, film, finding, *numbers in rows.itertuples(name=None):
        box = _box(numbers, f"{where}, row {index + 2}")
        yield Annotation(film_key(film.strip()), canonical(finding), "box", box, size)


def _box(numbers: list[str], where: str) -> Box:
    try:
        left, top, width, height = map(float, numbers)
    except ValueError as error:
        raise LabelError(f"the values {', '.join(numbers)}", "four numbers", where) from error
    if not all(map(isfinite, (left, top, width, height))) or min(width, height) <= 0:
        raise LabelError(f"the values {', '.join(numbers)}", "finite numbers, a size above 0", where)
    return left, top, width, height
