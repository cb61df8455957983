"""VinDr-CXR: the counts of Kaggle's table, and a small copy of PhysioNet's layout."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.readers.merging import fuse_readers
from plainfilm.datasets.readers.vindr import read_vinbig, read_vindr
from plainfilm.errors import InputError, LabelError

IMAGES = {
    "Aortic enlargement": 3067, "Cardiomegaly": 2300, "Pleural_Thickening": 1981, "Fibrosis": 1617,
    "Lung Opacity": 1322, "Other lesion": 1134, "Effusion": 1032, "Nodule/Mass": 826, "Infiltration": 613,
    "Calcification": 452, "ILD": 386, "Consolidation": 353, "Atelectasis": 186, "Pneumothorax": 96,
}  # fmt: skip
"""Films on which at least one reader marked a finding (datasets.md 1.9)."""


@pytest.fixture(scope="module")
def vinbig(label_tables):
    return read_vinbig(label_tables)


@pytest.fixture(scope="module")
def table(label_tables):
    return pd.read_csv(label_tables / "vinbigdata-train.csv.gz", dtype=str, keep_default_na=False)


def test_the_kaggle_table_has_its_published_counts(vinbig, table):
    assert len(table) == 67_914
    assert len(vinbig) == 15_000
    assert len(vinbig.annotations) == 36_096
    assert vinbig.annotations["film"].nunique() == 4_394
    assert table["rad_id"].nunique() == 17
    assert set(table.groupby("image_id")["rad_id"].nunique()) == {3}
    assert dict(zip(vinbig.findings, vinbig.labels().sum(0), strict=True)) == IMAGES


def test_a_film_has_no_label_that_is_unknown_and_mostly_no_finding(vinbig):
    labels = vinbig.labels()
    assert np.isfinite(labels).all()
    assert (labels.sum(1) == 0).sum() == 15_000 - 4_394


def test_a_majority_is_two_of_three(label_tables, table):
    marked = table[table["class_name"] == "Pleural effusion"].groupby("image_id")["rad_id"].nunique()
    found = read_vinbig(label_tables, "majority")
    assert found.labels(["Effusion"]).sum() == (marked >= 2).sum() == 634


def test_one_reader_labels_the_films_that_reader_read(label_tables, table):
    found = read_vinbig(label_tables, "R8").labels(["Cardiomegaly"])
    read = table[table["rad_id"] == "R8"]
    assert np.isfinite(found).sum() == read["image_id"].nunique() == 6_582
    assert np.nansum(found) == read["image_id"][read["class_name"] == "Cardiomegaly"].nunique()


def test_a_box_is_that_of_its_row_with_its_reader(vinbig, table):
    row = table[table["image_id"] == "9a5094b2563a1ef3ff50dc5c7ff71345"]
    row = row[(row["class_name"] == "Cardiomegaly") & (row["rad_id"] == "R10")].iloc[0]
    found = vinbig.annotations
    found = found[(found["film"] == row["image_id"]) & (found["reader"] == "R10")]
    (shape,) = found["shape"][found["finding"] == "Cardiomegaly"]
    left, top, right, bottom = (float(row[edge]) for edge in ("x_min", "y_min", "x_max", "y_max"))
    assert json.loads(shape) == [left, top, right - left, bottom - top]
    assert (found["height"] == 0).all()


def test_fused_boxes_are_fewer_and_no_finding_is_lost(vinbig):
    few = vinbig.select(np.arange(1_000))
    fused = fuse_readers(few)
    drawn = ["film", "finding"]
    assert len(fused.annotations) < len(few.annotations)
    assert set(map(tuple, fused.annotations[drawn].to_numpy())) == set(
        map(tuple, few.annotations[drawn].to_numpy())
    )
    assert fused.annotations["reader"].str.count(r"\+").max() == 2


@pytest.fixture
def physionet(tmp_path):
    tables = tmp_path / "annotations"
    tables.mkdir()
    edges = "x_min,y_min,x_max,y_max"
    (tables / "annotations_train.csv").write_text(
        f"image_id,rad_id,class_name,{edges}\na,R1,Pleural effusion,10,20,30,50\nb,R1,No finding,,,,\n"
    )
    (tables / "annotations_test.csv").write_text(f"image_id,class_name,{edges}\nc,Nodule/Mass,1,2,3,5\n")
    (tables / "image_labels_train.csv").write_text(
        "image_id,rad_id,Nodule/Mass,Pleural effusion,Other disease,No finding\n"
        "a,R1,0,1,0,0\na,R2,0,0,1,0\na,R3,0,0,1,0\nb,R1,0,0,0,1\nb,R2,0,0,0,1\nb,R3,1,0,0,0\n"
    )
    (tables / "image_labels_test.csv").write_text(
        "image_id,Nodule/Mass,Pleural effusion,Other diseases,No finding\nc,1,0,0,0\nd,0,0,1,0\n"
    )
    (tmp_path / "train").mkdir()
    Image.new("L", (60, 60), 99).save(tmp_path / "train" / "a.png")
    return tmp_path


def test_the_physionet_release_merges_readers_and_keeps_the_consensus(physionet):
    found = read_vindr(physionet, "majority")
    assert found.findings == ("Effusion", "Nodule/Mass", "Other disease")
    assert list(found.films["film"]) == ["a", "b", "c", "d"]
    assert list(found.films["split"]) == ["train", "train", "test", "test"]
    np.testing.assert_array_equal(found.labels(), [[0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(read_vindr(physionet).labels()[:2], [[1, 0, 1], [0, 1, 0]])
    one = read_vindr(physionet, "R3").labels()
    np.testing.assert_array_equal(one, [[0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 0, 1]])


def test_the_physionet_release_gives_films_and_boxes(physionet):
    found = read_vindr(physionet)
    assert list(found.films["path"]) == ["train/a.png", "", "", ""]
    assert list(found.annotations["reader"]) == ["R1", ""]
    assert found[0].boxes == {"Effusion": ((10.0, 20.0, 20.0, 30.0),)}


def test_boxes_follow_their_film_to_a_resized_copy(tmp_path):
    (tmp_path / "train.csv").write_text(
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\na,ILD,5,R1,100,200,300,600\n"
    )
    (tmp_path / "train_meta.csv").write_text("image_id,dim0,dim1\na,2000,1000\n")
    (tmp_path / "train").mkdir()
    Image.new("L", (100, 200), 99).save(tmp_path / "train" / "a.png")
    assert read_vinbig(tmp_path)[0].boxes == {"ILD": ((10.0, 20.0, 20.0, 40.0),)}
    (tmp_path / "train_meta.csv").write_text("image_id,dim0,dim1\na,,1000\n")
    with pytest.raises(LabelError, match="height and width"):
        read_vinbig(tmp_path)


def test_a_label_that_is_no_label_a_box_without_size_and_other_words_are_refused(physionet):
    with pytest.raises(LabelError, match="'any', 'majority' or one of R1, R2, R3"):
        read_vindr(physionet, "R9")
    with pytest.raises(LabelError, match="release='mimic'"):
        read_vindr(physionet, release="mimic")
    labels = physionet / "annotations" / "image_labels_test.csv"
    labels.write_text(labels.read_text().replace("c,1", "c,-1"))
    with pytest.raises(LabelError, match="the label '-1'"):
        read_vindr(physionet)
    (physionet / "train.csv").write_text(
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\na,ILD,5,R1,9,1,8,2\n"
    )
    with pytest.raises(LabelError, match=r"edges 9, 1, 8, 2.*"):
        read_vindr(physionet, release="kaggle")


def test_a_folder_without_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"train\.csv"):
        read_vinbig(tmp_path)
