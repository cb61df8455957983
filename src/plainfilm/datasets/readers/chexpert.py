"""CheXpert (Irvin et al. 2019): 224,316 films of 65,240 patients, with uncertain labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from plainfilm.datasets.manifest import Manifest, Policy
from plainfilm.datasets.readers.layout import (
    ages,
    check_column,
    coded,
    films_table,
    find_table,
    locate,
    read_csv,
    sexes,
    views,
)
from plainfilm.errors import LabelError
from plainfilm.findings import CHEXPERT, SUPPORT_DEVICES, canonical

Part = Literal["train", "valid", "test"]

TABLES: Mapping[Part, tuple[str, ...]] = {
    "train": ("train.csv",),
    "valid": ("valid.csv", "val_labels.csv"),
    "test": ("test.csv", "test_labels.csv", "groundtruth.csv"),
}
"""Names of each part's table, in CheXpert's own release, CheXlocalize's and that of the test labels."""

SPLITS: Mapping[Part, str] = {"train": "train", "valid": "validation", "test": "test"}
NO_FINDING = "No Finding"
VALUES = {"1.0": 1.0, "0.0": 0.0, "-1.0": -1.0, "1": 1.0, "0": 0.0, "-1": -1.0, "": np.nan}
NAMED = r"(?P<patient>patient\d+)/(?P<study>study\d+)/(?P<image>view\d+_[a-z]+)\.\w+$"

MIXED: Mapping[str, Policy] = {
    **dict.fromkeys(CHEXPERT, "zero"), "Atelectasis": "one", "Edema": "one",
}  # fmt: skip
"""For ``uncertain``: doubt counts as present for Atelectasis and Edema, else as absent."""

Blank = Literal["unknown", "healthy", "zero"]
"""What an empty cell becomes.

"unknown": NaN. "healthy": 0 where "No Finding" is 1, else NaN; Support Devices stay NaN, since "No
Finding" says nothing of them. "zero": 0 everywhere, as Irvin et al. train.
"""


def read_chexpert(
    root: str | Path,
    table: str | Path | None = None,
    part: Part = "train",
    blank: Blank = "healthy",
    uncertain: Mapping[str, Policy] | None = None,
) -> Manifest:
    """Reads one part of CheXpert, of the full release or the small one, or of CheXlocalize's copy.

    A film is called as in CheXlocalize, ``patient00001_study1_view1_frontal``. Doubt stays -1 in the table;
    ``uncertain`` says what ``Manifest.labels`` makes of it.

    Args:
        root: A folder somewhere above ``patient00001``, or one without films.
        table: The table of labels; else it is found under ``root`` by its official names.
        part: "train", "valid" or "test"; ``split`` says "validation" for "valid".
        blank: What an empty cell becomes: "unknown", "healthy" or "zero" (``Blank``).
        uncertain: A policy for each finding, ``MIXED`` for instance; "ignore" where nothing is said.

    Raises:
        InputError: for a folder or table that is missing.
        LabelError: for another part or rule, or a table of another kind.
    """
    if part not in TABLES:
        raise LabelError(f"part={part!r}", f"one of {', '.join(TABLES)}", "read_chexpert")
    root = Path(root)
    path = find_table(root, *TABLES[part], given=table)
    cells = read_csv(path, ("Path",))
    films = film_columns(root, cells["Path"], path.name).assign(split=SPLITS[part])
    films["view"] = _views(cells, films["film"])
    films["sex"] = sexes(_column(cells, "Sex"))
    films["age"] = ages(_column(cells, "Age"))
    labels = films_table({}, chexpert_labels(cells, blank, path.name))
    return Manifest("chexpert", root, pd.concat([films, labels], axis=1), uncertain=uncertain or {})


def chexpert_labels(cells: pd.DataFrame, blank: Blank, where: str) -> dict[str, np.ndarray]:
    """Finding to 1, 0, -1 or NaN, float32 ``(N,)``, from columns that CheXpert's labeller fills.

    Raises:
        LabelError: for a missing column, other values, or another rule for empty cells.
    """
    if blank not in ("unknown", "healthy", "zero"):
        raise LabelError(f"blank={blank!r}", "unknown, healthy or zero", where)
    columns = {canonical(column): column for column in cells}
    for name in CHEXPERT:
        check_column(name, columns, where)
    labels = {name: coded(cells[columns[name]], VALUES, f"{where}, {name}") for name in CHEXPERT}
    if blank == "zero":
        return {name: np.nan_to_num(values) for name, values in labels.items()}
    if blank == "healthy" and NO_FINDING in cells:
        healthy = coded(cells[NO_FINDING], VALUES, f"{where}, {NO_FINDING}") == 1
        for name in CHEXPERT:
            if name != SUPPORT_DEVICES:
                labels[name][healthy & np.isnan(labels[name])] = 0
    return labels


def film_columns(root: Path, paths: pd.Series, where: str) -> pd.DataFrame:
    """Columns film, path, patient and study, whatever the folders above the patients are called.

    Raises:
        LabelError: for a path that does not end as CheXpert's do.
    """
    named = paths.str.extract(NAMED)
    wrong = paths[named["image"].isna()]
    if len(wrong):
        expected = "paths that end as patient00001/study1/view1_frontal.jpg"
        raise LabelError(f"the path {wrong.iloc[0]!r}", expected, where)
    study = named["patient"] + "_" + named["study"]
    ends = named["patient"] + "/" + named["study"] + "/" + named["image"]
    return pd.DataFrame(
        {
            "film": study + "_" + named["image"],
            "path": locate(root, ends.tolist()),
            "patient": named["patient"],
            "study": study,
        }
    )


def _views(cells: pd.DataFrame, films: pd.Series) -> pd.Series:
    """AP and PA as the table says; its 17 films "LL" and "RL" are lateral; the rest by file name."""
    view = views(_column(cells, "AP/PA"))
    return view.mask((view == "") & films.str.endswith("_lateral"), "LATERAL")


def _column(cells: pd.DataFrame, name: str) -> pd.Series:
    """A column that the tables of test labels lack."""
    return cells[name] if name in cells else pd.Series("", cells.index)
