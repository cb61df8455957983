from __future__ import annotations

import csv
import gzip
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.readers.nih import patient_of, read_nih
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import NIH

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
ROWS = (
    "00000001_000.png,Cardiomegaly|Effusion,0,1,57,M,PA,2682,2749,0.143,0.143",
    "00000001_001.png,No Finding,1,1,411,M,AP,2682,2749,0.143,0.143",
    "00000002_000.png,Pleural_Thickening,0,2,30,F,PA,2682,2749,0.143,0.143",
)
COUNTS = {  # all films, PA films
    "Infiltration": (19894, 9353), "Effusion": (13317, 6589), "Atelectasis": (11559, 5728),
    "Nodule": (6331, 4177), "Mass": (5782, 3567), "Pneumothorax": (5302, 3407),
    "Consolidation": (4667, 1521), "Pleural_Thickening": (3385, 2418), "Cardiomegaly": (2776, 1563),
    "Emphysema": (2516, 1499), "Edema": (2303, 276), "Fibrosis": (1686, 1408), "Pneumonia": (1431, 630),
    "Hernia": (227, 192),
}  # fmt: skip
BOXES = {
    "Atelectasis": 180, "Effusion": 153, "Cardiomegaly": 146, "Infiltration": 123, "Pneumonia": 120,
    "Pneumothorax": 98, "Mass": 85, "Nodule": 79,
}  # fmt: skip


@pytest.fixture(scope="module")
def release(label_tables):
    return read_nih(label_tables)


@pytest.fixture
def small(tmp_path):
    def write(rows=ROWS, header=HEADER, name="Data_Entry_2017_v2020.csv"):
        (tmp_path / name).write_text("\n".join([header, *rows]) + "\n")
        return tmp_path

    return write


def test_the_release_has_its_films_patients_and_views(release):
    assert len(release) == 112_120
    assert len(set(release.patients)) == 30_805
    assert release.films["view"].value_counts().to_dict() == {"PA": 67_310, "AP": 44_810}
    assert release.films["age"].max() == 95
    assert set(release.films["sex"]) == {"F", "M"}
    assert release.films["film"].iloc[0] == "00000001_000"
    assert set(release.films["path"]) == {""}


def test_the_release_has_its_findings(release):
    pa = release.select(release.films["view"] == "PA")
    assert set(release.findings) == set(NIH)
    found = {
        name: (int(a), int(b))
        for name, a, b in zip(NIH, release.labels(NIH).sum(0), pa.labels(NIH).sum(0), strict=True)
    }
    assert found == COUNTS
    assert int((release.labels().sum(1) == 0).sum()) == 60_361
    assert int((pa.labels().sum(1) == 0).sum()) == 39_302


def test_table_a2_of_gifsplanation_is_reproduced(release):
    pa = release.select(release.films["view"] == "PA")
    row = ("Atelectasis", "Cardiomegaly", "Effusion", "Mass", "Pneumothorax")
    assert pa.labels(row).sum(0).astype(int).tolist() == [5728, 1563, 6589, 3567, 3407]


def test_the_boxes_are_table_a3_of_gifsplanation(release):
    drawn = release.annotations
    assert len(drawn) == 984
    assert drawn["film"].nunique() == 880
    assert drawn["finding"].value_counts().to_dict() == BOXES
    assert set(zip(drawn["height"], drawn["width"], strict=True)) == {(1024, 1024)}
    views = release.films.set_index("film")["view"][drawn["film"]]
    assert views.value_counts().to_dict() == {"PA": 529, "AP": 455}


def test_every_box_is_of_a_finding_that_its_film_has(release):
    labels = release.films.set_index("film")
    assert all(
        labels.at[film, f"finding:{finding}"] == 1
        for film, finding in release.annotations[["film", "finding"]].itertuples(index=False)
    )


def test_labels_agree_with_a_slow_count_apart_from_the_reader(release, label_tables):
    with gzip.open(label_tables / "Data_Entry_2017_v2020.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))[::997]
    table = release.films.set_index("film")
    for row in rows:
        mine = table.loc[Path(row["Image Index"]).stem]
        assert {name for name in NIH if mine[f"finding:{name}"] == 1} == set(
            row["Finding Labels"].split("|")
        ) - {"No Finding"}
        assert (mine["patient"], mine["sex"]) == (row["Patient ID"], row["Patient Gender"])


def test_labels_agree_with_torchxrayvision(release, tmp_path):
    datasets = pytest.importorskip("torchxrayvision").datasets
    theirs = datasets.NIH_Dataset(imgpath=str(tmp_path), views=["PA", "AP"], unique_patients=False)
    assert np.array_equal(release.labels(theirs.pathologies), theirs.labels)
    assert list(release.patients) == theirs.csv["patientid"].astype(str).tolist()


def test_the_first_film_of_a_patient_keeps_its_own_labels(release):
    first = release.select(~release.films["patient"].duplicated())
    assert len(first) == 30_805
    whole = dict(zip(release.films["film"], map(tuple, release.labels()), strict=True))
    assert all(
        whole[film] == tuple(row) for film, row in zip(first.films["film"], first.labels(), strict=True)
    )


def test_reading_leaves_the_random_numbers_alone(small):
    before = random.getstate(), np.random.get_state()[1].tolist()
    read_nih(small())
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_the_older_table_with_its_empty_column_and_impossible_ages(small):
    data = read_nih(small([f"{row}," for row in ROWS], f"{HEADER},", "Data_Entry_2017.csv"))
    assert np.array_equal(data.films["age"], [57, np.nan, 30], equal_nan=True)
    assert data.labels(("Cardiomegaly", "Effusion", "Pleural_Thickening")).tolist() == [
        [1, 1, 0], [0, 0, 0], [0, 0, 1]]  # fmt: skip


def test_films_are_found_in_nested_folders(small):
    root = small()
    for place in ("images_001/images/00000001_000.png", "images_012/images/00000002_000.png"):
        (root / place).parent.mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(root / place)
    here = read_nih(root).here()
    assert here.films["film"].tolist() == ["00000001_000", "00000002_000"]
    assert here[1].findings["Pleural_Thickening"] == 1
    assert here[1].radiograph.id == "00000002_000"


def test_the_official_split_comes_from_the_lists(small):
    root = small()
    (root / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png")  # no newline at the end
    (root / "test_list.txt").write_text("00000002_000.png\n")
    assert read_nih(root).films["split"].tolist() == ["train", "train", "test"]
    (root / "test_list.txt").write_text("00000001_001.png")
    with pytest.raises(LabelError, match="1 films in both lists, such as 00000001_001"):
        read_nih(root)


def test_a_box_on_a_training_film_is_a_leak(small):
    root = small()
    (root / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.png,Infiltrate,1,2,3,4,,,\n"
        "00099999_000.png,Mass,1,2,3,4,,,\n"
    )
    data = read_nih(root)
    assert data.annotations["finding"].tolist() == ["Infiltration"]
    (root / "train_val_list.txt").write_text("00000001_000.png")
    with pytest.raises(LabelError, match="boxes on 1 training films, such as 00000001_000"):
        read_nih(root)


def test_the_boxes_of_the_release_lie_on_films_of_the_official_test_part(real_data, label_tables):
    with (real_data / "nih" / "files.csv").open(newline="") as file:
        split = {Path(row["Image Index"]).stem: row["official_split"] for row in csv.DictReader(file)}
    boxed = set(read_nih(label_tables).annotations["film"]) & set(split)
    assert len(boxed) >= 6
    assert {split[film] for film in boxed} == {"test"}


def test_real_films_come_with_their_boxes_in_their_own_pixels(real_data):
    nih = real_data / "nih"
    tables = {"table": nih / "Data_Entry_2017_v2020.subset.csv", "boxes": nih / "BBox_List_2017.csv"}
    large, small = (read_nih(nih / f"images_{side}", **tables).here() for side in (1024, 384))
    boxed = [film for film in large.annotations["film"].unique() if film in set(small.films["film"])]
    for film in boxed[:3]:
        one, other = (data[data.films["film"].tolist().index(film)] for data in (large, small))
        assert one.boxes.keys() == other.boxes.keys()
        for finding in one.boxes:
            assert np.allclose(np.array(one.boxes[finding]) * 384 / 1024, other.boxes[finding])
            assert one.findings[finding] == 1


def test_an_unknown_finding_is_counted(small):
    with pytest.raises(LabelError, match=r"'Masss' \(1 times\)"):
        read_nih(small((*ROWS, ROWS[0].replace("Effusion", "Masss").replace("_000", "_009"))))


def test_a_missing_or_damaged_release_is_named(small, tmp_path):
    with pytest.raises(InputError, match=r"Data_Entry_2017_v2020\.csv or Data_Entry_2017\.csv"):
        read_nih(tmp_path)
    root = small(header=HEADER.replace("Patient ID", "patient id"))
    with pytest.raises(LabelError, match=r"'Patient ID'.*Close: patient id"):
        read_nih(root)
    with pytest.raises(LabelError, match="such as '00000001_000'"):
        read_nih(small((*ROWS, ROWS[0])))


def test_the_patient_of_a_film_is_written_as_in_the_table(release):
    sample = release.films.iloc[::4001]
    assert [patient_of(film) for film in sample["film"]] == sample["patient"].tolist()
    assert max(Counter(release.patients).values()) == 184
    with pytest.raises(LabelError, match=r"film 'x_1\.png'"):
        patient_of("x_1.png")
