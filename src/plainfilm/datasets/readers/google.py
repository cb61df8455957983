"""Google's labels of NIH films (Majkowska et al. 2020), adjudicated by radiologists."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.layout import (
    ages,
    coded,
    film_key,
    films_table,
    find_optional,
    find_table,
    locate,
    read_csv,
    sexes,
    views,
)
from plainfilm.datasets.readers.nih import patient_of

TABLES = ("validation_labels.csv", "test_labels.csv")
MERGED = "google2019_nih-chest-xray-labels.csv"
NODULE_OR_MASS = "Nodule or Mass"
"""One question to the readers. It is neither NIH's "Nodule" nor its "Mass": a yes may mean either."""

FINDINGS = {
    "Fracture": "Fracture",
    "Pneumothorax": "Pneumothorax",
    "Lung Opacity": "Airspace opacity",
    NODULE_OR_MASS: "Nodule or mass",
}
"""Finding to the column that holds it."""

ANSWERS = {"YES": 1.0, "NO": 0.0}
SPLITS = {"val": "validation", "validation": "validation", "test": "test"}


def read_google(root: str | Path, table: str | Path | None = None) -> Manifest:
    """Reads Google's labels of 4,376 NIH films: Fracture, Pneumothorax, Lung Opacity, "Nodule or Mass".

    Films and patients are called as by ``read_nih``, so that the two can be joined. ``split`` is that
    of these labels. "validation" was drawn from NIH's training part, so a network that was trained on it
    has seen these films, and "test" from NIH's test part.

    Args:
        root: A folder with the films of NIH, flat or nested, or without films.
        table: One table in place of ``validation_labels.csv`` and ``test_labels.csv`` under ``root``, or
            of torchxrayvision's merged ``google2019_nih-chest-xray-labels.csv`` there.

    Raises:
        InputError: where no table is found or one cannot be read.
        LabelError: for missing columns, or answers other than YES and NO.
    """
    root = Path(root)
    cells = pd.concat([_read(path) for path in _tables(root, table)], ignore_index=True).fillna("")
    empty = pd.Series("", cells.index)
    columns = {
        "film": cells["Image Index"].map(film_key),
        "path": locate(root, cells["Image Index"].tolist()),
        "patient": cells["Image Index"].map(patient_of),
        "view": views(cells.get("View Position", empty)),
        "sex": sexes(cells.get("Patient Gender", empty)),
        "age": ages(cells.get("Patient Age", empty)),
        "split": cells["Set Id"].str.strip().str.lower().replace(SPLITS),
    }
    findings = {
        name: coded(cells[column].str.upper(), ANSWERS, f"google, {name}")
        for name, column in FINDINGS.items()
    }
    return Manifest("google", root, films_table(columns, findings))


def _tables(root: Path, given: str | Path | None) -> list[Path]:
    parts = [] if given else [path for name in TABLES if (path := find_optional(root, name))]
    return parts if len(parts) == len(TABLES) else [find_table(root, MERGED, *TABLES, given=given)]


def _read(path: Path) -> pd.DataFrame:
    return read_csv(path, ("Image Index", *FINDINGS.values(), "Set Id"))
