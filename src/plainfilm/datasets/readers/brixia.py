"""BrixIA: films of COVID-19 with a severity of 0 to 3 for each of six zones (Signoroni et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import FINDING, SCORE, ZONES, Manifest
from plainfilm.datasets.readers.layout import ages, film_key, find_optional, find_table, locate, read_csv
from plainfilm.errors import LabelError
from plainfilm.findings import LUNGS
from plainfilm.io.read import read
from plainfilm.masks.box import mask_box

TOTAL = "Brixia"
JUNIOR = "@junior"
YEARS = 5
"""Ages of the full set are given in bands of so many years."""

TABLE = "metadata_global_v2.csv"
COLUMNS = (
    "Filename", "Modality", "Manufacturer", "BrixiaScore", "BrixiaScoreGlobal", "ConsensusTestset", "Subject",
    "StudyId", "Sex", "AgeAtStudyDateFiveYear",
)  # fmt: skip

READERS = {"S": "", "J": JUNIOR}
PUBLIC_COLUMNS = tuple(f"{who}-{what}" for who in READERS for what in (*ZONES, "Global"))
INDEX_COLUMNS = ("filename", "png", "patientid", "sex", "age", "view")
VIEWS = {"PA": "PA", "AP": "AP", "AP Supine": "AP", "L": "LATERAL"}

LUNG_FOLDER, REGION_FOLDER = "lung_masks_v7labs", "region_masks_gb"
LUNG = 255
"""What lung masks hold where lung is; 127 stands for text and arrows that were drawn on the film."""

REGION_READER = "GeneralBlockchain"
HEART = "cardiomediastinum"
"""Drawn on every film that has regions at all."""

REGIONS = {
    "ggo": "Ground-Glass Opacity",
    "consolidation": "Consolidation",
    "effusion": "Effusion",
    "pneumothorax": "Pneumothorax",
}

DETECTORS: Mapping[str, tuple[int, ...]] = {"Detector01": (0, 1), "Detector2": (2,), "Detector3": (3,)}
"""Detector to the severities it looks for (Khakzar et al. 2021, section 3)."""


def read_brixia(root: str | Path, subset: Literal["full", "public"] = "full") -> Manifest:
    """Zone severities as scores "A" to "F" and their sum as "Brixia".

    "full": 4,695 films of ``metadata_global_v2.csv``, in ``dicom_clean``. The 150 films of the consensus test
    set are the test split; 80 of its 136 patients have other films, which training must leave out.
    Age is the lower edge of a band of five years.

    "public": 192 films of Cohen's collection, scored by a senior ("A", "Brixia") and a junior radiologist
    ("A@junior", "Brixia@junior"). Where an ``index.csv`` lies beside ``public-annotations.csv``, it adds
    films that nobody scored, patients and views. V7 Labs outlined the lungs. GeneralBlockchain's findings
    are known as one rectangle each around all that was found, so they are boxes.

    Args:
        root: The folder of the table.
        subset: "full" or "public".

    Raises:
        InputError: for a table that is missing.
        LabelError: for missing columns, another subset, other severities than 0 to 3, or a sum that is
            not theirs.
    """
    if subset not in ("full", "public"):
        raise LabelError(f"subset={subset!r}", "'full' or 'public'", "read_brixia")
    return _full(Path(root)) if subset == "full" else _public(Path(root))


def with_detectors(manifest: Manifest) -> Manifest:
    """Adds the findings of ``DETECTORS``: present where one of six zones has such a severity.

    NaN for films that nobody scored.

    Raises:
        LabelError: for a data set without zone scores.
    """
    missing = [zone for zone in ZONES if zone not in manifest.scores]
    if missing:
        raise LabelError(f"no score {missing[0]!r}", "scores A to F", manifest.name)
    zones = manifest.films[[SCORE + zone for zone in ZONES]].to_numpy()
    known = np.isfinite(zones).all(1)
    found = {
        FINDING + name: np.where(known, np.isin(zones, levels).any(1), np.nan)
        for name, levels in DETECTORS.items()
    }
    return replace(manifest, films=manifest.films.assign(**found))


def zone_scores(scores: Mapping[str, float], reader: Literal["senior", "junior"] = "senior") -> np.ndarray:
    """What one reader of the public films gave the zones A to F, float64 ``(6,)``.

    Args:
        scores: ``Study.scores``.
        reader: "senior" or "junior"; the full set has one reader, who counts as "senior".

    Raises:
        LabelError: for another reader, or zones that this reader did not score.
    """
    suffixes = {"senior": "", "junior": JUNIOR}
    if reader not in suffixes:
        raise LabelError(f"reader {reader!r}", " or ".join(suffixes), "zone_scores")
    missing = [zone for zone in ZONES if zone + suffixes[reader] not in scores]
    if missing:
        raise LabelError(
            f"no score {missing[0] + suffixes[reader]!r}", "scores A to F", f"the {reader} reader"
        )
    return np.array([scores[zone + suffixes[reader]] for zone in ZONES], float)


def _full(root: Path) -> Manifest:
    table = read_csv(find_table(root, TABLE), COLUMNS, sep=";")
    wrong = table[~table["BrixiaScore"].str.fullmatch(f"[0-3]{{{len(ZONES)}}}")]
    if len(wrong):
        raise LabelError(
            f"the score {wrong['BrixiaScore'].iloc[0]!r}", "six digits from 0 to 3", TABLE,
            "A spreadsheet that saved the table drops leading zeros; use the original.",
        )  # fmt: skip
    digits = {SCORE + zone: table["BrixiaScore"].str[k].astype("float32") for k, zone in enumerate(ZONES)}
    films = pd.DataFrame({
        "film": table["Filename"].map(film_key),
        "path": locate(root, table["Filename"].tolist()),
        "patient": table["Subject"],
        "study": table["StudyId"],
        "sex": table["Sex"],
        "age": YEARS * _numbers(table["AgeAtStudyDateFiveYear"]),
        "device": table["Manufacturer"] + " " + table["Modality"],
        "split": table["ConsensusTestset"].map({"1": "test"}).fillna(""),
        **digits,
        SCORE + TOTAL: _numbers(table["BrixiaScoreGlobal"]),
    })  # fmt: skip
    return Manifest("brixia", root, _summed(films, ""))


def _public(root: Path) -> Manifest:
    table = find_table(root, "public-annotations.csv")
    scores = read_csv(table, ("filename", *PUBLIC_COLUMNS))
    scores["film"] = scores["filename"].map(film_key)
    for who, suffix in READERS.items():
        for what in ZONES:
            scores[SCORE + what + suffix] = _numbers(scores[f"{who}-{what}"])
        scores[SCORE + TOTAL + suffix] = _numbers(scores[f"{who}-Global"])
        _summed(scores, suffix)
    films = scores[["film", *(c for c in scores if c.startswith(SCORE))]]
    index = find_optional(root, "index.csv")
    if index:
        films = films.merge(_index(index), on="film", how="outer", sort=False)
    names = films["png"].fillna(films["film"]) if index else films["film"]
    films = films.assign(path=locate(root, [f"images/{name}" for name in names]))
    drawn = annotation_table(_drawn(films["film"], root))
    films = _outlined(films.drop(columns="png", errors="ignore"), drawn, root)
    return Manifest("brixia-public", root, films, drawn)


def _outlined(films: pd.DataFrame, drawn: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Adds findings: 1 where one is drawn, 0 on other films whose regions are drawn, NaN on the rest."""
    looked_at = [(root / _region(film, HEART)).is_file() for film in films["film"]]
    found = {
        FINDING + name: np.where(
            looked_at, films["film"].isin(drawn["film"][drawn["finding"] == name]), np.nan
        )
        for name in REGIONS.values()
    }
    return films.assign(**found)


def _region(film: str, name: str) -> str:
    return f"{REGION_FOLDER}/{_stem(film)}__{name}.png"


def _stem(film: str) -> str:
    """Files of masks have no blanks in their names."""
    return film.replace(" ", "_")


def _index(path: Path) -> pd.DataFrame:
    """What ``index.csv`` knows, unscored films included."""
    table = read_csv(path, INDEX_COLUMNS)
    return pd.DataFrame({
        "film": table["filename"].map(film_key),
        "png": table["png"],
        "patient": table["patientid"],
        "view": table["view"].map(VIEWS).fillna(""),
        "sex": table["sex"],
        "age": ages(table["age"]),
    })  # fmt: skip


def _drawn(films: pd.Series, root: Path) -> Iterator[Annotation]:
    for film in films:
        lungs = f"{LUNG_FOLDER}/{_stem(film)}.png"
        if (root / lungs).is_file():
            yield Annotation(film, LUNGS, "file", {"path": lungs, "values": [LUNG]}, reader="V7 Labs")
        for name, finding in REGIONS.items():
            path = _region(film, name)
            if (root / path).is_file():
                yield _outline(film, finding, root, path)


def _outline(film: str, finding: str, root: Path, path: str) -> Annotation:
    """A box where the file holds a filled rectangle, else the mask that it is."""
    mask = read(root / path).pixels > 0
    box = mask_box(mask)
    if box and box[2] * box[3] == mask.sum():
        height, width = mask.shape
        return Annotation(film, finding, "box", box, (height, width), REGION_READER)
    return Annotation(film, finding, "file", path, reader=REGION_READER)


def _numbers(cells: pd.Series) -> pd.Series:
    """NaN for a cell that is no number."""
    return pd.to_numeric(cells, errors="coerce")


def _summed(films: pd.DataFrame, suffix: str) -> pd.DataFrame:
    """The table, after a look at its sums."""
    zones = films[[SCORE + zone + suffix for zone in ZONES]]
    wrong = (zones.sum(axis=1) != films[SCORE + TOTAL + suffix]) | ~zones.isin(range(4)).all(axis=1)
    if wrong.any():
        row = films[wrong].iloc[0]
        raise LabelError(
            f"the total {row[SCORE + TOTAL + suffix]:g} for the zones {zones[wrong].iloc[0].tolist()}",
            "severities from 0 to 3 and their sum", f"film {row['film']}",
        )  # fmt: skip
    return films
