"""NIH ChestX-ray14 (Wang et al. 2017): 112,120 frontal films of 30,805 patients."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import annotation_table
from plainfilm.datasets.boxes import boxes_in
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.layout import (
    ages,
    film_key,
    films_table,
    find_optional,
    find_table,
    locate,
    read_csv,
    sexes,
    views,
)
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import NIH, canonical

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
BOXES = "BBox_List_2017.csv"
LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}
NO_FINDING = "No Finding"
COLUMNS = (
    "Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position",
)  # fmt: skip


def read_nih(root: str | Path, table: str | Path | None = None, boxes: str | Path | None = None) -> Manifest:
    """Reads NIH ChestX-ray14.

    A film is called as its file without suffix, ``00000013_005``. Labels are 1 or 0; they were mined
    from reports. The official split comes from ``train_val_list.txt`` ("train": validation is yours
    to cut from it, by patient) and ``test_list.txt``; without them ``split`` is "". Ages above 120
    are unknown.

    Args:
        root: The folder of the release; films flat or in ``images_001/images`` and so on, or absent.
        table: ``Data_Entry_2017_v2020.csv`` or the older one, if not under ``root`` by that name.
        boxes: ``BBox_List_2017.csv`` likewise; without it nothing is outlined.

    Raises:
        InputError: where the table is missing or cannot be read.
        LabelError: for other columns or labels, a film in both lists, or a box on a training film.
    """
    root = Path(root)
    cells = read_csv(found := find_table(root, *TABLES, given=table), COLUMNS)
    film = cells["Image Index"].map(film_key)
    split = _official_split(root)
    columns = {
        "film": film,
        "path": locate(root, cells["Image Index"].tolist()),
        "patient": cells["Patient ID"],
        "view": views(cells["View Position"]),
        "sex": sexes(cells["Patient Gender"]),
        "age": ages(cells["Patient Age"]),
        "split": [split.get(name, "") for name in film],
    }
    boxes = find_optional(root, BOXES, given=boxes)
    shapes = boxes_in(read_csv(boxes), boxes.name) if boxes else []
    known = set(film)  # a part of the release may come with all of its boxes
    drawn = annotation_table(shape for shape in shapes if shape.film in known)
    manifest = Manifest("nih", root, films_table(columns, label_columns(cells, found.name)), drawn)
    _check_boxes(manifest)
    return manifest


def patient_of(film: str) -> str:
    """The patient of an NIH film as the label table writes it: "13" of ``00000013_005.png``.

    Raises:
        LabelError: for another name.
    """
    number = film_key(film).split("_")[0]
    if not number.isdecimal():
        raise LabelError(f"the film {film!r}", "a name such as 00000013_005.png", "NIH ChestX-ray14")
    return str(int(number))


def label_columns(cells: pd.DataFrame, where: str) -> Mapping[str, np.ndarray]:
    """Finding to 1 or 0, float32 ``(N,)``, from the names that "Finding Labels" joins by "|".

    Raises:
        LabelError: for a name that the release does not know.
    """
    # A few hundred combinations make up 112,120 rows.
    codes, texts = pd.factorize(cells["Finding Labels"])
    sets = [{canonical(name) for name in text.split("|")} for text in texts]
    unknown = sorted(set(chain.from_iterable(sets)) - {*NIH, NO_FINDING})
    if unknown:
        rows = int(np.isin(codes, [k for k, names in enumerate(sets) if unknown[0] in names]).sum())
        got = f"the finding {unknown[0]!r} ({rows} times)"
        raise LabelError(got, f"{NO_FINDING} or among {', '.join(NIH)}", where)
    return {name: np.array([name in names for names in sets], np.float32)[codes] for name in NIH}


def _official_split(root: Path) -> dict[str, str]:
    """Film to "train" or "test"."""
    split: dict[str, str] = {}
    for name, part in LISTS.items():
        path = find_optional(root, name)
        listed = {film_key(line): part for line in _lines(path)} if path else {}
        both = split.keys() & listed.keys()
        if both:
            raise LabelError(f"{len(both)} films in both lists, such as {min(both)}", "one part each", name)
        split |= listed
    return split


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"a file that cannot be read ({error})", "a list of films", path.name) from error


def _check_boxes(manifest: Manifest) -> None:
    """The release draws on test films alone, so a model may not have trained on what it is measured by."""
    split = manifest.films.set_index("film")["split"]
    leaked = sorted({film for film in manifest.annotations["film"] if split.get(film) == "train"})
    if leaked:
        got = f"boxes on {len(leaked)} training films, such as {leaked[0]}"
        raise LabelError(got, "boxes on test films", manifest.name, "The lists or the boxes were changed.")
