"""RSNA Pneumonia Detection Challenge, stage 2 (Shih et al. 2019): 26,684 NIH films with boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.boxes import RSNA_FINDING, boxes_in
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.layout import (
    ages,
    coded,
    films_table,
    find_optional,
    find_table,
    locate,
    read_csv,
    sexes,
    views,
)
from plainfilm.datasets.readers.nih import NO_FINDING, patient_of
from plainfilm.errors import LabelError

TABLE = "stage_2_train_labels.csv"
CLASSES = "stage_2_detailed_class_info.csv"
BOX = ("x", "y", "width", "height")
TARGET = {"1": 1.0, "0": 0.0}
CLASS = {"Normal": 1.0, "No Lung Opacity / Not Normal": 0.0, "Lung Opacity": 0.0}


def read_rsna(
    root: str | Path,
    table: str | Path | None = None,
    classes: str | Path | None = None,
    nih: str | Path | None = None,
    headers: str | Path | None = None,
    boxed: str = RSNA_FINDING,
) -> Manifest:
    """Reads RSNA's labels and boxes.

    "Pneumonia" and "Lung Opacity" are the same column: readers were asked for opacities that may be
    pneumonia. ``patientId`` names a film and **not a patient**: without ``nih`` a split by
    ``Manifest.patients`` lets films of one patient fall into two parts, and films that a model saw
    in NIH's training part go unnoticed.

    Args:
        root: The folder of the release, or with ``nih`` a folder of NIH films; films may be absent.
        table: ``stage_2_train_labels.csv``, if not under ``root`` by that name.
        classes: ``stage_2_detailed_class_info.csv`` likewise; adds "No Finding", for a film may have no
            opacity and yet not be normal.
        nih: A table with ``patientId`` and ``nih_image``, a film's name in NIH ChestX-ray14, which
            gives patients as ``read_nih`` does.
        headers: A table of what the DICOM headers say, with ``PatientID``, ``ViewPosition``,
            ``PatientSex`` and ``PatientAge``.
        boxed: The finding that boxes are filed under.

    Raises:
        InputError: where the labels are missing or a table cannot be read.
        LabelError: for missing columns, other values, or a film that contradicts itself.
    """
    root = Path(root)
    cells = read_csv(found := find_table(root, TABLE, given=table), ("patientId", *BOX, "Target"))
    cells["Target"] = coded(cells["Target"], TARGET, found.name)
    _check_targets(cells, found.name)
    films = cells.drop_duplicates("patientId").set_index("patientId")
    seen = _joined(headers, "PatientID", ("ViewPosition", "PatientSex", "PatientAge"), films.index)
    image = _joined(nih, "patientId", ("nih_image",), films.index)["nih_image"]
    columns = {
        "film": films.index,
        "path": _paths(root, image),
        "patient": [patient_of(name) if name else film for film, name in image.items()],
        "view": views(seen["ViewPosition"]).to_numpy(),
        "sex": sexes(seen["PatientSex"]).to_numpy(),
        "age": ages(seen["PatientAge"]),
    }
    findings = {"Pneumonia": films["Target"].to_numpy(), "Lung Opacity": films["Target"].to_numpy()}
    info = find_optional(root, CLASSES, given=classes)
    if info:
        words = _joined(info, "patientId", ("class",), films.index)["class"]
        findings[NO_FINDING] = coded(words, {**CLASS, "": np.nan}, info.name)
    drawn = annotation_table(_boxes(cells, boxed, found.name))
    return Manifest("rsna", root, films_table(columns, findings), drawn)


def _boxes(cells: pd.DataFrame, finding: str, where: str) -> list[Annotation]:
    return [replace(box, finding=finding) for box in boxes_in(cells[["patientId", *BOX]], where)]


def _check_targets(cells: pd.DataFrame, where: str) -> None:
    """A film has boxes where its target is 1 and there alone, in every row."""
    wrong = cells[(cells["x"] != "") != (cells["Target"] == 1)]
    if len(wrong):
        got = f"{len(wrong)} rows, such as that of {wrong['patientId'].iloc[0]}"
        raise LabelError(got, "a box where Target is 1 and none where it is 0", where)
    mixed = cells.groupby("patientId")["Target"].nunique()
    if (mixed > 1).any():
        got = f"{(mixed > 1).sum()} films, such as {mixed.idxmax()}, with Target 0 and 1"
        raise LabelError(got, "one target a film", where)


def _joined(path: str | Path | None, key: str, columns: tuple[str, ...], films: pd.Index) -> pd.DataFrame:
    """Columns of another table by film, "" where it says nothing or there is no table."""
    if path is None:
        return pd.DataFrame("", films, list(columns))
    table = read_csv(path, (key, *columns)).drop_duplicates(key).set_index(key)
    return table[list(columns)].reindex(films, fill_value="")


def _paths(root: Path, image: pd.Series) -> list[str]:
    """The challenge's own file, else that of the NIH release."""
    names = [*image.index, *filter(None, image)]
    places = dict(zip(names, locate(root, names), strict=True))
    return [places[film] or places.get(name, "") for film, name in image.items()]
