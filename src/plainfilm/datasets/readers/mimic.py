"""MIMIC-CXR-JPG (Johnson et al. 2019): 377,110 films of 65,379 patients, with uncertain labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from plainfilm.datasets.manifest import Manifest, Policy
from plainfilm.datasets.readers.chexpert import Blank, chexpert_labels
from plainfilm.datasets.readers.layout import check_folder, films_table, locate, read_csv, views
from plainfilm.errors import InputError, LabelError

STUDY = ["subject_id", "study_id"]
SPLITS = {"train": "train", "validate": "validation", "test": "test", "": ""}


def read_mimic(
    root: str | Path,
    labels: Literal["chexpert", "negbio"] = "chexpert",
    blank: Blank = "healthy",
    uncertain: Mapping[str, Policy] | None = None,
) -> Manifest:
    """Reads MIMIC-CXR-JPG: every film with the labels of its study's report and its official split.

    Needs ``mimic-cxr-<version>-metadata.csv.gz`` and that of the labels under ``root``, and takes the
    newest version; without ``mimic-cxr-<version>-split.csv.gz`` ``split`` is "". Films of the ten or so
    studies that have no labels are unknown. A film is called by its ``dicom_id``.

    Args:
        root: The folder of the tables and of ``files/p10/p10000032/s50414267/<dicom_id>.jpg``.
        labels: By which labeller, "chexpert" or "negbio".
        blank: What an empty cell becomes, as in ``read_chexpert``.
        uncertain: A policy for each finding, as in ``read_chexpert``.

    Raises:
        InputError: for a folder or table that is missing.
        LabelError: for another labeller, a table of another kind, or a study with two rows of labels.
    """
    if labels not in ("chexpert", "negbio"):
        raise LabelError(f"labels={labels!r}", "chexpert or negbio", "read_mimic")
    root = Path(root)
    films = read_csv(_newest(root, "metadata"), ("dicom_id", *STUDY, "ViewPosition"))
    columns = {
        "film": films["dicom_id"],
        "path": locate(root, [f"{name}.jpg" for name in films["dicom_id"]]),
        "patient": films["subject_id"],
        "study": films["study_id"],
        "view": views(films["ViewPosition"]),
        "split": _split(root, films["dicom_id"]),
    }
    found = _labels(_newest(root, labels), films[STUDY], blank)
    return Manifest("mimic", root, films_table(columns, found), uncertain=uncertain or {})


def _labels(path: Path, films: pd.DataFrame, blank: Blank) -> pd.DataFrame:
    """Labels of each film's study, in the order of films; NaN where the study has none."""
    studies = read_csv(path, STUDY)
    twice = studies[studies.duplicated(STUDY)]
    if len(twice):
        raise LabelError(f"study {twice['study_id'].iloc[0]} in two rows", "one row a study", path.name)
    found = pd.DataFrame(chexpert_labels(studies, blank, path.name))
    found.index = pd.MultiIndex.from_frame(studies[STUDY])
    return found.reindex(pd.MultiIndex.from_frame(films)).reset_index(drop=True)


def _split(root: Path, films: pd.Series) -> pd.Series:
    """The official part of each film, by ``dicom_id``."""
    if not _versions(root, "split"):
        return pd.Series("", films.index)
    path = _newest(root, "split")
    table = read_csv(path, ("dicom_id", "split")).drop_duplicates()
    twice = table["dicom_id"][table["dicom_id"].duplicated()]
    if len(twice):
        raise LabelError(f"film {twice.iloc[0]} in two parts", "one part a film", path.name)
    words = table.set_index("dicom_id")["split"].str.strip()
    wrong = words[~words.isin(list(SPLITS))]
    if len(wrong):
        raise LabelError(f"the part {wrong.iloc[0]!r}", "train, validate or test", path.name)
    return films.map(words).fillna("").map(SPLITS)


def _newest(root: Path, content: str) -> Path:
    found = _versions(root, content)
    if not found:
        raise InputError("no such file", f"mimic-cxr-<version>-{content}.csv.gz", str(root))
    return found[-1]


def _versions(root: Path, content: str) -> list[Path]:
    """Tables of this content by version, under the root or one folder below."""
    check_folder(root)
    name = f"mimic-cxr-*-{content}.csv"
    patterns = (f"{folder}{name}{packing}" for folder in ("", "*/") for packing in ("", ".gz"))
    return sorted((path for pattern in patterns for path in root.glob(pattern)), key=lambda path: path.name)
