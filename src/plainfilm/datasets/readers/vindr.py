"""VinDr-CXR: both releases, every box with the reader who drew it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import FINDING, Manifest
from plainfilm.datasets.readers.layout import find_optional, find_table, locate, read_csv
from plainfilm.datasets.readers.merging import ANY, marks_of, merge_readers
from plainfilm.errors import LabelError
from plainfilm.findings import canonical
from plainfilm.radiograph import Size

NO_FINDING = "No finding"
EDGES = ("x_min", "y_min", "x_max", "y_max")
MARKS = ("image_id", "class_name", *EDGES)
SPELLING = {"Other diseases": "Other disease"}
"""The test labels of PhysioNet's release write one name unlike its training labels."""

KAGGLE_TABLES = ("train.csv", "vinbigdata-train.csv")
SIZES = "train_meta.csv"
"""Beside resized copies of the films: image_id, and in dim0 and dim1 the height and width of the original."""


def read_vinbig(root: str | Path, readers: str = ANY, table: str | Path | None = None) -> Manifest:
    """VinBigData, the Kaggle release: 15,000 films, 14 findings, three of 17 radiologists for each film.

    Boxes are in pixels of the original films; copies that were resized need ``train_meta.csv``, else their
    boxes lie wrong.

    Args:
        root: The folder of ``train.csv`` and ``train/<image_id>.dicom``.
        readers: How labels are merged: "any", "majority", or the id of one radiologist, whose films alone
            have labels then (``merging.merge_readers``). Boxes are those of all radiologists.
        table: The table, if it has another name or place.

    Raises:
        InputError: for a table that is missing.
        LabelError: for missing columns, a box without size, or another rule.
    """
    root = Path(root)
    rows = _marks(find_table(root, *KAGGLE_TABLES, given=table))
    findings = sorted(set(rows["finding"]) - {NO_FINDING})
    films = _films(root, "train", rows, findings, readers)
    return Manifest("vinbig", root, films, _boxes(rows, _sizes(root)))


def read_vindr(
    root: str | Path, readers: str = ANY, release: Literal["physionet", "kaggle"] = "physionet"
) -> Manifest:
    """VinDr-CXR: 15,000 films for training, read by three radiologists each, and 3,000 test films.

    The labels of test films are the consensus of five radiologists whatever the rule; their boxes have no
    reader. 22 findings are drawn as boxes, 5 are given for the whole film.

    Args:
        root: The folder of ``annotations``, ``train`` and ``test``.
        readers: How the labels of training films are merged (``read_vinbig``).
        release: "physionet", or "kaggle" for ``read_vinbig``.

    Raises:
        InputError: for a table that is missing.
        LabelError: for missing columns, a box without size, or another rule or release.
    """
    if release == "kaggle":
        return read_vinbig(root, readers)
    if release != "physionet":
        raise LabelError(f"release={release!r}", "'physionet' or 'kaggle'", "read_vindr")
    root = Path(root)
    parts = [_part(root, part, readers) for part in ("train", "test")]
    films, boxes = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return Manifest("vindr", root, films, boxes)


def _part(root: Path, part: str, readers: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Films and boxes of one part of PhysioNet's release."""
    wide = read_csv(find_table(root, f"image_labels_{part}.csv"), ("image_id",))
    given = [column for column in wide if column not in ("image_id", "rad_id", NO_FINDING)]
    long = wide.melt(["image_id", *wide.columns.intersection(["rad_id"])], [*given], "class_name", "value")
    wrong = long[~long["value"].isin(["0", "1", "0.0", "1.0"])]
    if len(wrong):
        raise LabelError(f"the label {wrong['value'].iloc[0]!r}", "0 or 1", f"image_labels_{part}.csv")
    long["class_name"] = long["class_name"].where(long["value"].isin(["1", "1.0"]), NO_FINDING)
    rule = readers if part == "train" else ANY
    films = _films(root, part, _named(long), sorted(map(_name, given)), rule)
    return films.assign(split=part), _boxes(_marks(find_table(root, f"annotations_{part}.csv")))


def _marks(table: Path) -> pd.DataFrame:
    """One row a mark: film, reader, finding and edges as text."""
    return _named(read_csv(table, MARKS))


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    names = {name: _name(name) for name in rows["class_name"].unique()}
    readers = rows.get("rad_id", "")
    return rows.assign(film=rows["image_id"], reader=readers, finding=rows["class_name"].map(names))


def _name(name: str) -> str:
    return canonical(SPELLING.get(name.strip(), name))


def _films(root: Path, folder: str, rows: pd.DataFrame, findings: Sequence[str], rule: str) -> pd.DataFrame:
    films, readers = list(rows["film"].unique()), sorted(rows["reader"].unique())
    labels = merge_readers(marks_of(rows, films, readers, findings), readers, rule)
    paths = locate(root, [f"{folder}/{film}" for film in films])
    table = pd.DataFrame(labels, columns=[FINDING + name for name in findings])
    return pd.concat([pd.DataFrame({"film": films, "path": paths}), table], axis=1)


def _sizes(root: Path) -> dict[str, Size]:
    """Height and width of the original films, where a table tells."""
    table = find_optional(root, SIZES)
    if table is None:
        return {}
    rows = read_csv(table, ("image_id", "dim0", "dim1"))
    sides = rows[["dim0", "dim1"]].apply(pd.to_numeric, errors="coerce")
    if not (sides > 0).all(axis=None):
        raise LabelError("a side that is no number above 0", "height and width in pixels", table.name)
    heights, widths = (sides[column].astype(int).tolist() for column in sides)
    return dict(zip(rows["image_id"], zip(heights, widths, strict=True), strict=True))


def _boxes(rows: pd.DataFrame, sizes: Mapping[str, Size] = MappingProxyType({})) -> pd.DataFrame:
    """Boxes on films of these sizes, elsewhere on the film itself."""
    drawn = rows[rows["x_min"] != ""]
    edges = drawn[list(EDGES)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~(edges[:, 2:] > edges[:, :2]).all(1))
    if len(wrong):
        row = drawn.iloc[wrong[0]]
        got = ", ".join(row[list(EDGES)])
        raise LabelError(
            f"a box of the edges {got}", "x_min, y_min, and above them x_max, y_max", row["film"]
        )
    boxes = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], 1).tolist()
    columns = zip(drawn["film"], drawn["finding"], drawn["reader"], boxes, strict=True)
    return annotation_table(
        Annotation(film, finding, "box", box, sizes.get(film, (0, 0)), reader)
        for film, finding, reader, box in columns
    )
