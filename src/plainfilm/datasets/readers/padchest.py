"""PadChest (Bustos et al. 2020): 160,861 films of 67,625 patients, with 193 kinds of label."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.layout import film_key, films_table, find_table, locate, read_csv, sexes
from plainfilm.errors import LabelError

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
COLUMNS = (
    "ImageID", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth", "PatientSex_DICOM", "Projection",
    "Manufacturer_DICOM", "BitsStored_DICOM", "MethodLabel", "Labels",
)  # fmt: skip
PHYSICIAN = "Physician"
VIEWS = {"PA": "PA", "L": "LATERAL", "AP": "AP", "AP_horizontal": "AP"}

_ALVEOLAR = ("alveolar pattern", "consolidation", "air bronchogram")
_INTERSTITIAL = (
    "interstitial pattern", "ground glass pattern", "reticular interstitial pattern",
    "reticulonodular interstitial pattern", "miliary opacities",
)  # fmt: skip
_CATHETERS = (
    "catheter", "central venous catheter", "central venous catheter via jugular vein",
    "central venous catheter via subclavian vein", "central venous catheter via umbilical vein",
    "reservoir central venous catheter",
)  # fmt: skip
_TUBES = (
    "NSG tube", "endotracheal tube", "tracheostomy tube", "chest drain tube", "gastrostomy tube",
    "nephrostomy tube", "ventriculoperitoneal drain tube", "double J stent",
)  # fmt: skip
_ELECTRICAL = ("electrical device", "pacemaker", "dual chamber device", "single chamber device", "dai")

LABELS: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": (
        "atelectasis", "laminar atelectasis", "lobar atelectasis", "segmental atelectasis",
        "round atelectasis", "total atelectasis", "atelectasis basal",
    ),
    "Cardiomegaly": ("cardiomegaly",),
    "Effusion": (
        "pleural effusion", "loculated pleural effusion", "loculated fissural effusion", "hydropneumothorax",
        "empyema",
    ),
    "Infiltration": ("infiltrates", *_INTERSTITIAL, *_ALVEOLAR),
    "Mass": ("mass", "pulmonary mass"),
    "Nodule": ("nodule", "multiple nodules"),
    "Pneumonia": ("pneumonia", "atypical pneumonia"),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax"),
    "Consolidation": ("consolidation", "air bronchogram"),
    "Edema": ("pulmonary edema",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("pulmonary fibrosis",),
    "Pleural_Thickening": ("pleural thickening", "apical pleural thickening", "calcified pleural thickening"),
    "Fracture": (
        "fracture", "rib fracture", "callus rib fracture", "clavicle fracture", "humeral fracture",
        "vertebral fracture",
    ),
    "Support Devices": (*_CATHETERS, *_TUBES, *_ELECTRICAL),
    "Granuloma": ("granuloma", "calcified granuloma"),
    "Tuberculosis": ("tuberculosis",),
    "Bronchiectasis": ("bronchiectasis",),
    "Air Trapping": ("air trapping",),
    "Flattened Diaphragm": ("flattened diaphragm",),
    "Hemidiaphragm Elevation": ("hemidiaphragm elevation",),
    "Costophrenic Angle Blunting": ("costophrenic angle blunting",),
    "Hilar Enlargement": ("hilar enlargement", "vascular hilar enlargement", "pulmonary artery enlargement"),
    "Aortic Atheromatosis": ("aortic atheromatosis",),
    "Aortic Elongation": (
        "aortic elongation", "supra aortic elongation", "ascendent aortic elongation",
        "descendent aortic elongation",
    ),
    "Scoliosis": ("scoliosis",),
    # Those that only sound like one of the findings above.
    "Hiatal Hernia": ("hiatal hernia",),
    "Pseudonodule": ("pseudonodule",),
    "Pericardial Effusion": ("pericardial effusion",),
    "Subcutaneous Emphysema": ("subcutaneous emphysema",),
    "Mediastinal Mass": ("mediastinal mass",),
    "Soft Tissue Mass": ("soft tissue mass",),
}  # fmt: skip
"""Finding to PadChest's labels, its own and those below it in PadChest's tree of terms."""

SILENT = frozenset({"", "exclude", "suboptimal study", "unchanged"})
"""A report of these alone says nothing of any finding."""

EMPTY = ("", "nan")
"""How the table writes that a film has no labels."""

SUBSTRINGS: Mapping[str, tuple[str, ...]] = {
    **{
        name: (name.lower(),)
        for name in (
            "Air Trapping", "Aortic Atheromatosis", "Aortic Elongation", "Atelectasis", "Bronchiectasis",
            "Cardiomegaly", "Costophrenic Angle Blunting", "Edema", "Effusion", "Emphysema", "Fibrosis",
            "Flattened Diaphragm", "Fracture", "Granuloma", "Hemidiaphragm Elevation", "Hernia", "Mass",
            "Nodule", "Pneumonia", "Pneumothorax", "Scoliosis", "Tuberculosis",
        )
    },
    "Consolidation": ("consolidation", "air bronchogram"),
    "Hilar Enlargement": ("hilar enlargement", "adenopathy", "pulmonary artery enlargement"),
    "Infiltration": (
        "infiltration", "infiltrates", "interstitial pattern", "ground glass pattern", "alveolar pattern",
        "consolidation", "air bronchogram",
    ),
    "Pleural_Thickening": ("pleural thickening",),
    "Support Devices": ("support devices", "device", "pacemaker"),
    "Tube": ("tube'", "stent'"),
}  # fmt: skip
"""Finding to what torchxrayvision looks for anywhere in the text of all labels."""

BROKEN = frozenset(
    f"{stem}.png"
    for stem in (
        "216840111366964012283393834152009033102258826_00-059-087",
        "216840111366964012339356563862009072111404053_00-043-192",
        "216840111366964012373310883942009117084022290_00-064-025",
        "216840111366964012373310883942009152114636712_00-102-045",
        "216840111366964012373310883942009170084120009_00-097-074",
        "216840111366964012487858717522009280135853083_00-075-001",
        "216840111366964012558082906712009327122220177_00-102-064",
        "216840111366964012819207061112010281134410801_00-129-131",
        "216840111366964012819207061112010306085429121_04-020-102",
        "216840111366964012819207061112010307142602253_04-014-084",
        "216840111366964012819207061112010315104455352_04-024-184",
        "216840111366964012959786098432011033083840143_00-176-115",
        "216840111366964012989926673512011074122523403_00-163-058",
        "216840111366964012989926673512011083134050913_00-168-009",
        "216840111366964012989926673512011151082430686_00-157-045",
        "216840111366964013076187734852011291090445391_00-196-188",
        "216840111366964013590140476722013043111952381_02-065-198",
        "216840111366964013590140476722013058110301622_02-056-111",
        "216840111366964013686042548532013208193054515_02-026-007",
        "216840111366964013829543166512013353113303615_02-092-190",
        "216840111366964013962490064942014134093945580_01-178-104",
    )
)
"""Files that are missing from the release or cut off, as torchxrayvision found."""


def read_padchest(
    root: str | Path,
    table: str | Path | None = None,
    physician_only: bool = False,
    with_broken: bool = False,
    legacy_substring: bool = False,
) -> Manifest:
    """Reads PadChest.

    A film is called as its file without suffix. Findings are 1 or 0 by ``LABELS``, and NaN where a film
    has no labels or none that says anything (``SILENT``). Age is the year of the study less that of birth.
    Films are 16-bit PNGs of which 10 or 12 bits are used, as the table tells.

    Args:
        root: A folder of films, flat or in PadChest's numbered folders, or without films.
        table: The table of labels, if not under ``root`` by its official name.
        physician_only: Leave out the labels that a network read from reports, about three in four.
        with_broken: Keep the 21 films whose files are known to be broken (``BROKEN``).
        legacy_substring: Search the text of all labels for torchxrayvision's words instead, by which a
            pseudonodule is a Nodule and a pericardial effusion an Effusion, to reproduce published counts.

    Raises:
        InputError: for a folder or table that is missing.
        LabelError: for a table of another kind.
    """
    root = Path(root)
    path = find_table(root, TABLE, given=table)
    rows = read_csv(path, COLUMNS)
    kept = (rows["MethodLabel"] == PHYSICIAN) | (not physician_only)
    rows = rows[kept & (with_broken | ~rows["ImageID"].isin(BROKEN))].reset_index(drop=True)
    columns = {
        "film": rows["ImageID"].map(film_key),
        "path": locate(root, rows["ImageID"].tolist()),
        "patient": rows["PatientID"],
        "study": rows["StudyID"],
        "view": rows["Projection"].map(VIEWS).fillna(""),
        "sex": sexes(rows["PatientSex_DICOM"]),
        "age": _number(rows["StudyDate_DICOM"].str[:4]) - _number(rows["PatientBirth"]),
        "device": rows["Manufacturer_DICOM"],
        "bits": _number(rows["BitsStored_DICOM"]),
    }
    labels = _substrings(rows["Labels"]) if legacy_substring else _exact(rows["Labels"], path.name)
    return Manifest("padchest", root, films_table(columns, labels))


def _number(cells: pd.Series) -> pd.Series:
    return pd.to_numeric(cells, errors="coerce")


def _exact(cells: pd.Series, where: str) -> dict[str, np.ndarray]:
    """Finding to 1, 0 or NaN, by whole labels."""

    def row(text: str) -> list[float]:
        found = _parse(text, where)
        if found <= SILENT:
            return [np.nan] * len(LABELS)
        return [float(not found.isdisjoint(labels)) for labels in LABELS.values()]

    return _by_text(cells, list(LABELS), row)


def _substrings(cells: pd.Series) -> dict[str, np.ndarray]:
    """Finding to 1, 0 or NaN, by words in the text of all labels."""

    def row(text: str) -> list[float]:
        if text in EMPTY:
            return [np.nan] * len(SUBSTRINGS)
        return [float(any(word in text for word in words)) for words in SUBSTRINGS.values()]

    return _by_text(cells, list(SUBSTRINGS), row)


def _by_text(cells: pd.Series, names: list[str], row: Callable[[str], list[float]]) -> dict[str, np.ndarray]:
    """Columns by name, each distinct text read once."""
    codes, texts = pd.factorize(cells)
    table = np.array([row(text) for text in texts], np.float32)
    return dict(zip(names, table[codes].T, strict=True))


def _parse(text: str, where: str) -> frozenset[str]:
    """The labels in a cell such as "[' nodule', 'pseudonodule']"."""
    if text in EMPTY:
        return frozenset()
    try:
        return frozenset(label.strip() for label in ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError) as error:
        raise LabelError(f"the labels {text[:60]!r}", "a list of names", where) from error
