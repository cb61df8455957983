"""MIMIC-CXR-JPG, by small tables in its official form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.manifest import FINDING
from plainfilm.datasets.readers.mimic import read_mimic
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import CHEXPERT

NAMES = ["No Finding", *("Pleural Effusion" if name == "Effusion" else name for name in CHEXPERT)]
A, B, C, D = "02aa804e-bde0afdd", "174413ec-4ec4c1f7", "2a2277a9-b0ded155", "e084de3b-be89b11e"


def studies(*rows: tuple[str, str, dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"subject_id": subject, "study_id": study, **{name: labels.get(name, "") for name in NAMES}}
            for subject, study, labels in rows
        ]
    )


LABELS = studies(
    ("10000032", "50414267", {"No Finding": "1.0"}),
    ("10000032", "53189527", {"Edema": "-1.0", "Pleural Effusion": "1.0", "Support Devices": "1.0"}),
    # The study of another patient by the same number.
    ("10000764", "50414267", {"Edema": "1.0"}),
)
METADATA = pd.DataFrame(
    [
        (A, "10000032", "50414267", "PA", "20800506"),
        (B, "10000032", "50414267", "LL", "20800506"),
        (C, "10000032", "53189527", "AP", "20800626"),
        (D, "10000032", "59999999", "", "20800627"),
    ],
    columns=["dicom_id", "subject_id", "study_id", "ViewPosition", "StudyDate"],
)
SPLIT = pd.DataFrame(
    [(A, "train"), (B, "train"), (C, "validate"), (D, "test")], columns=["dicom_id", "split"]
)


def release(folder: Path, version: str = "2.0.0", packing: str = ".gz", **tables: pd.DataFrame) -> Path:
    given = {"metadata": METADATA, "chexpert": LABELS, "split": SPLIT, **tables}
    for name, table in given.items():
        table.to_csv(folder / f"mimic-cxr-{version}-{name}.csv{packing}", index=False)
    return folder


@pytest.mark.parametrize(("version", "packing"), [("2.0.0", ".gz"), ("2.1.0", "")])
def test_every_film_has_the_labels_of_its_own_study(tmp_path, version, packing):
    found = read_mimic(release(tmp_path, version, packing))
    assert found.ids == (A, B, C, D)
    nan = np.nan
    np.testing.assert_array_equal(
        found.films[[FINDING + "Edema", FINDING + "Effusion"]], [[0, 0], [0, 0], [-1, 1], [nan, nan]]
    )
    assert found.films["split"].tolist() == ["train", "train", "validation", "test"]
    assert found.films["view"].tolist() == ["PA", "LATERAL", "AP", ""]
    assert set(found.patients) == {"10000032"}
    assert found.films["study"].tolist() == METADATA["study_id"].tolist()


def test_no_finding_says_nothing_of_devices(tmp_path):
    """Defect 6: torchxrayvision makes devices absent on healthy films of MIMIC, not on those of CheXpert."""
    healthy = read_mimic(release(tmp_path)).films.iloc[0]
    assert healthy[FINDING + "Fracture"] == 0
    assert np.isnan(healthy[FINDING + "Support Devices"])
    unknown = read_mimic(tmp_path, blank="unknown")
    assert np.isnan(unknown.films.loc[0, FINDING + "Fracture"])
    zero = read_mimic(tmp_path, blank="zero", uncertain={"Edema": "one"})
    assert zero.labels(["Edema", "Support Devices"])[:3].tolist() == [[0, 0], [0, 0], [1, 1]]


def test_the_other_labeller_is_read_by_name(tmp_path):
    other = studies(("10000032", "53189527", {"Edema": "1.0"}))
    found = read_mimic(release(tmp_path, negbio=other), labels="negbio")
    np.testing.assert_array_equal(found.labels(["Edema"])[:, 0], [np.nan, np.nan, 1, np.nan])


def test_the_newest_version_is_taken(tmp_path):
    release(tmp_path)
    release(tmp_path, "2.1.0", chexpert=studies(("10000032", "53189527", {"Edema": "0.0"})))
    assert read_mimic(tmp_path).labels(["Edema"])[2] == 0


def test_films_are_found_in_the_official_folders(tmp_path):
    film = tmp_path / "files" / "p10" / "p10000032" / "s50414267" / f"{A}.jpg"
    film.parent.mkdir(parents=True)
    Image.new("L", (4, 4), 9).save(film)
    found = read_mimic(release(tmp_path))
    assert found.films["path"].tolist() == [f"files/p10/p10000032/s50414267/{A}.jpg", "", "", ""]


def test_without_the_official_split_there_is_none(tmp_path):
    release(tmp_path)
    (tmp_path / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    assert set(read_mimic(tmp_path).films["split"]) == {""}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"chexpert": pd.concat([LABELS, LABELS])}, "two rows"),
        ({"split": pd.concat([SPLIT, SPLIT.assign(split="test")])}, "two parts"),
        ({"split": SPLIT.assign(split="holdout")}, "holdout"),
        ({"metadata": METADATA.drop(columns="study_id")}, "study_id"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(tmp_path, tables, message):
    with pytest.raises(LabelError, match=message):
        read_mimic(release(tmp_path, **tables))


def test_a_missing_table_or_another_labeller_is_refused(tmp_path):
    with pytest.raises(InputError, match="metadata"):
        read_mimic(tmp_path)
    release(tmp_path)
    with pytest.raises(InputError, match="negbio"):
        read_mimic(tmp_path, labels="negbio")
    with pytest.raises(LabelError, match="chexbert"):
        read_mimic(tmp_path, labels="chexbert")
