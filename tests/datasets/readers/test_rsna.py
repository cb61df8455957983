from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.readers.nih import read_nih
from plainfilm.datasets.readers.rsna import read_rsna
from plainfilm.errors import InputError, LabelError

HEADER = "patientId,x,y,width,height,Target\n"
ROWS = "a-1,10.0,20.0,30.0,40.0,1\na-1,500,600,70,80,1\nb-2,,,,,0\nc-3,1,2,3,4,1\n"


@pytest.fixture(scope="module")
def release(label_tables):
    return read_rsna(
        label_tables,
        table=label_tables / "kaggle_stage_2_train_labels.csv.zip",
        headers=label_tables / "kaggle_stage_2_train_images_dicom_headers.csv.gz",
    )


@pytest.fixture
def small(tmp_path):
    (tmp_path / "stage_2_train_labels.csv").write_text(HEADER + ROWS)
    return tmp_path


def test_the_release_has_its_films_boxes_and_views(release):
    assert len(release) == 26_684
    assert len(release.annotations) == 9555
    boxes = release.annotations.groupby("film").size()
    assert len(boxes) == 6012
    assert boxes.value_counts().to_dict() == {2: 3266, 1: 2614, 3: 119, 4: 13}
    assert release.films["view"].value_counts().to_dict() == {"PA": 14_511, "AP": 12_173}
    assert set(release.films["sex"]) == {"F", "M"}
    assert release.films["age"].max() <= 120


def test_tables_a2_and_a3_of_gifsplanation_count_positive_films(release):
    positive = release.labels(("Pneumonia", "Lung Opacity"))
    assert positive.sum(0).tolist() == [6012, 6012]
    pa = release.select(release.films["view"] == "PA")
    assert pa.labels(("Lung Opacity",)).sum() == 1348
    assert set(release.annotations["film"]) == set(release.films["film"][positive[:, 0] == 1])


def test_a_film_is_one_row_and_has_all_of_its_boxes(small):
    Image.fromarray(np.full((512, 512), 90, np.uint8)).save(small / "a-1.png")
    data = read_rsna(small)
    assert data.films["film"].tolist() == ["a-1", "b-2", "c-3"]
    assert data.labels().tolist() == [[1, 1], [0, 0], [1, 1]]
    assert data[0].boxes == {"Pneumonia": ((5, 10, 15, 20), (250, 300, 35, 40))}


def test_boxes_may_be_filed_under_another_finding(small):
    assert set(read_rsna(small, boxed="Lung Opacity").annotations["finding"]) == {"Lung Opacity"}


def test_without_a_map_each_film_is_a_patient_and_with_one_patients_are_those_of_nih(small):
    assert read_rsna(small).patients == ("a-1", "b-2", "c-3")
    (small / "map.csv").write_text(
        "patientId,nih_image\na-1,00000013_005.png\na-1,00000013_005.png\nb-2,00000013_006.png\n"
    )
    (small / "images").mkdir()
    Image.fromarray(np.full((64, 64), 90, np.uint8)).save(small / "images" / "00000013_006.png")
    data = read_rsna(small, nih=small / "map.csv")
    assert data.patients == ("13", "13", "c-3")
    assert data.films["path"].tolist() == ["", "images/00000013_006.png", ""]


def test_a_film_without_opacity_need_not_be_normal(small):
    (small / "stage_2_detailed_class_info.csv").write_text(
        "patientId,class\na-1,Lung Opacity\na-1,Lung Opacity\nb-2,No Lung Opacity / Not Normal\n"
    )
    data = read_rsna(small)
    assert np.array_equal(data.labels(("No Finding",))[:, 0], [0, 0, np.nan], equal_nan=True)


@pytest.mark.parametrize(("row", "message"), [
    ("d,1,2,3,4,0", "1 rows, such as that of d"), ("d,,,,,1", "1 rows, such as that of d"),
    ("b-2,1,2,3,4,1", "1 films, such as b-2, with Target 0 and 1"), ("d,,,,,2", r"'2' \(1 times\)"),
    ("d,1,2,0,4,1", "a size above 0"), ("d,1,2,x,4,1", "four numbers"),
])  # fmt: skip
def test_rows_that_contradict_themselves_are_refused(small, row, message):
    (small / "stage_2_train_labels.csv").write_text(f"{HEADER}{ROWS}{row}\n")
    with pytest.raises(LabelError, match=message):
        read_rsna(small)


def test_labels_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match=r"stage_2_train_labels\.csv"):
        read_rsna(tmp_path)


def test_the_map_brings_real_films_and_shows_that_patients_repeat(real_data):
    table = real_data / "nih" / "rsna_on_nih.csv"
    data = read_rsna(real_data / "nih" / "images_1024", table=table, nih=table, classes=table)
    assert (len(data), int(data.labels(("Pneumonia",)).sum()), len(data.annotations)) == (230, 29, 37)
    assert len(set(data.patients)) < len(data)
    boxed = data.here().select(data.here().labels(("Pneumonia",))[:, 0] == 1)
    study = boxed[0]
    assert study.radiograph.size == (1024, 1024)
    assert study.region("Pneumonia").any()


def test_a_box_lies_where_readers_of_nih_drew_theirs_on_the_same_film(real_data):
    nih = real_data / "nih"
    table = nih / "rsna_on_nih.csv"
    one = read_rsna(nih / "images_1024", table=table, nih=table)
    other = read_nih(
        nih / "images_1024",
        table=nih / "Data_Entry_2017_v2020.subset.csv",
        boxes=nih / "BBox_List_2017.csv",
    )
    mine, theirs = (
        data[data.films["path"].tolist().index("00022178_000.png")].region("Pneumonia")
        for data in (one, other)
    )
    assert (mine & theirs).sum() / (mine | theirs).sum() > 0.7
