"""CheXpert, by the counts of its public table and by small tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.manifest import FINDING, Manifest
from plainfilm.datasets.readers.chexpert import MIXED, read_chexpert
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import CHEXPERT

NAMES = ["No Finding", *("Pleural Effusion" if name == "Effusion" else name for name in CHEXPERT)]
FILM = "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"


@pytest.fixture(scope="module")
def train(label_tables, tmp_path_factory) -> Manifest:
    """The training part, empty cells as they are."""
    folder = tmp_path_factory.mktemp("empty")
    return read_chexpert(folder, label_tables / "chexpert_train.csv.gz", blank="unknown")


@pytest.fixture(scope="module")
def raw(label_tables) -> pd.DataFrame:
    """The same table, read apart."""
    return pd.read_csv(label_tables / "chexpert_train.csv.gz")


def folder_of(
    folder: Path, *rows: tuple[str, dict[str, str]], name: str = "train.csv", **columns: str
) -> Path:
    """A folder with a table; labels that are not given are empty."""
    lines = [
        {"Path": path, **columns, **{finding: labels.get(finding, "") for finding in NAMES}}
        for path, labels in rows
    ]
    pd.DataFrame(lines).to_csv(folder / name, index=False)
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Atelectasis", (33376, 1328, 33739)),
        ("Cardiomegaly", (27000, 11116, 8087)),
        ("Consolidation", (14783, 28097, 27742)),
        ("Edema", (52246, 20726, 12984)),
        ("Effusion", (86187, 35396, 11628)),
        ("Pneumothorax", (19448, 56341, 3145)),
        ("Lung Opacity", (105581, 6599, 5598)),
        ("Support Devices", (116001, 6137, 1079)),
    ],
)
def test_present_absent_and_doubtful_films_are_as_many_as_in_the_public_table(train, name, expected):
    values = train.films[FINDING + name]
    assert tuple(int((values == value).sum()) for value in (1, 0, -1)) == expected


def test_films_patients_and_views_are_as_many_as_in_the_public_table(train):
    assert len(train) == 223_414
    assert len(set(train.patients)) == 64_540
    assert train.films["view"].value_counts().to_dict() == {"AP": 161_590, "PA": 29_420, "LATERAL": 32_404}
    assert (train.films["sex"] == "").sum() == 1
    assert set(train.films["split"]) == {"train"}
    assert set(train.films["path"]) == {""}


def test_table_a2_of_gifsplanation_is_reproduced(train):
    pa = train.select(train.films["view"] == "PA")
    wanted = ("Atelectasis", "Cardiomegaly", "Effusion", "Lung Opacity", "Pneumothorax")
    assert np.nansum(pa.labels(wanted), 0).tolist() == [3195, 2909, 8078, 9736, 1802]


def test_no_row_has_labels_of_another_film(train, raw):
    """Defect 1: the first row of a patient keeps its own empty cells."""
    first = train.films.drop_duplicates("patient")
    pa = train.films[train.films["view"] == "PA"].drop_duplicates("patient")
    assert int((pa[FINDING + "Atelectasis"] == 1).sum()) == 2174
    pd.testing.assert_series_equal(
        first[FINDING + "Effusion"].astype(float), raw.loc[first.index, "Pleural Effusion"], check_names=False
    )


def test_no_finding_contradicts_no_finding_of_the_public_table(raw):
    """Why "healthy" need only fill empty cells."""
    healthy = raw[raw["No Finding"] == 1]
    assert len(healthy) == 22_381
    rest = healthy[NAMES[1:]].drop(columns="Support Devices")
    assert not rest.isin([1, -1]).any().any()


def test_an_empty_cell_becomes_what_was_asked_for(tmp_path):
    rows = [
        (FILM, {"No Finding": "1.0", "Edema": "0.0"}),
        (FILM.replace("view1", "view2"), {"Edema": "-1.0", "Support Devices": "1.0"}),
    ]
    root = folder_of(tmp_path, *rows)
    pick = ["Edema", "Fracture", "Support Devices"]
    nan = np.nan
    expected = {
        "unknown": [[0, nan, nan], [-1, nan, 1]],
        "healthy": [[0, 0, nan], [-1, nan, 1]],
        "zero": [[0, 0, 0], [-1, 0, 1]],
    }
    for blank, values in expected.items():
        found = read_chexpert(root, blank=blank).films[[FINDING + name for name in pick]]
        np.testing.assert_array_equal(found, values)
    pd.testing.assert_frame_equal(read_chexpert(root).films, read_chexpert(root, blank="healthy").films)


def test_doubt_stays_in_the_table_and_is_decided_by_the_policy(tmp_path):
    root = folder_of(tmp_path, (FILM, {"Edema": "-1.0", "Pneumonia": "-1"}))
    pick = ["Edema", "Pneumonia"]
    found = read_chexpert(root)
    assert (found.films[[FINDING + name for name in pick]] == -1).all().all()
    assert np.isnan(found.labels(pick)).all()
    assert read_chexpert(root, uncertain=MIXED).labels(pick).tolist() == [[1, 0]]
    assert replace(found, uncertain={"Edema": "soft"}).labels(["Edema"]).tolist() == [[0.5]]


@pytest.mark.parametrize("name", ["labels.csv", "anything.csv.gz"])
def test_the_name_of_the_table_does_not_matter(tmp_path, name):
    """Defect 6: torchxrayvision wants "train" or "valid" in it."""
    folder_of(tmp_path, (FILM, {"Edema": "1.0"}), name=name)
    assert read_chexpert(tmp_path, tmp_path / name).ids == ("patient00001_study1_view1_frontal",)


@pytest.mark.parametrize(
    ("part", "name", "prefix", "split"),
    [
        ("train", "train.csv", "CheXpert-v1.0/train", "train"),
        ("valid", "valid.csv", "CheXpert-v1.0-small/valid", "validation"),
        ("valid", "val_labels.csv", "CheXpert-v1.0/valid", "validation"),
        ("test", "test_labels.csv", "test", "test"),
        ("test", "groundtruth.csv", "CheXpert/test", "test"),
    ],
)
def test_films_are_found_whatever_the_folders_above_are_called(tmp_path, part, name, prefix, split):
    end = "patient64741/study1/view1_frontal.jpg"
    folder_of(
        tmp_path, (f"{prefix}/{end}", {}), (f"{prefix}/{end.replace('frontal', 'lateral')}", {}), name=name
    )
    film = tmp_path / "batch 2" / end
    film.parent.mkdir(parents=True)
    Image.new("L", (8, 6), 90).save(film)
    found = read_chexpert(tmp_path, part=part)
    assert found.films["path"].tolist() == [f"batch 2/{end}", ""]
    assert found.films["view"].tolist() == ["", "LATERAL"]
    assert found.films["study"].unique().tolist() == ["patient64741_study1"]
    assert found.films["split"].unique().tolist() == [split]
    assert found[0].radiograph.size == (6, 8)


def test_age_sex_and_view_come_from_the_table(tmp_path):
    columns = {"Sex": "Female", "Age": "68", "Frontal/Lateral": "Frontal", "AP/PA": "PA"}
    found = read_chexpert(folder_of(tmp_path, (FILM, {}), **columns)).films.iloc[0]
    assert (found["sex"], found["age"], found["view"]) == ("F", 68, "PA")


def test_what_is_no_table_of_chexpert_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"train\.csv"):
        read_chexpert(tmp_path)
    folder_of(tmp_path, ("films/a.jpg", {}))
    with pytest.raises(LabelError, match="patient00001"):
        read_chexpert(tmp_path)
    folder_of(tmp_path, (FILM, {"Edema": "2.0"}))
    with pytest.raises(LabelError, match=r"'2\.0'"):
        read_chexpert(tmp_path)
    pd.read_csv(tmp_path / "train.csv").drop(columns="Edema").to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(LabelError, match="Edema"):
        read_chexpert(tmp_path)


@pytest.mark.parametrize("options", [{"part": "val"}, {"blank": "nan"}])
def test_another_option_is_refused(tmp_path, options):
    folder_of(tmp_path, (FILM, {}))
    with pytest.raises(LabelError, match="expected"):
        read_chexpert(tmp_path, **options)
