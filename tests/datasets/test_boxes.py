from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from plainfilm.datasets.boxes import read_boxes
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import NIH

NIH_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"


@pytest.fixture
def table(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "boxes.csv"
        path.write_text(text)
        return path

    return write


def test_the_odd_header_of_the_nih_release_is_read_by_position(table):
    boxes = read_boxes(table(NIH_HEADER + "00013118_008.png,Atelectasis,225.5,547.25,86,79,,,\n"))
    assert boxes.films == {"00013118_008": {"Atelectasis": ((225.5, 547.25, 86.0, 79.0),)}}
    assert boxes.side == 1024


def test_infiltrate_gets_the_name_that_the_labels_use(table):
    assert list(read_boxes(table(NIH_HEADER + "a.png,Infiltrate,1,2,3,4\n")).films["a"]) == ["Infiltration"]


def test_rsna_boxes_are_pneumonia_and_films_without_numbers_have_none(table):
    text = "patientId,x,y,width,height,Target,nih_image\np,218.0,667.0,258.0,324.0,1,a.png\n"
    boxes = read_boxes(table(text + "p,756,556,225,441,1,a.png\nq,,,,,0,b.png\n"))
    assert boxes.films == {"a": {"Pneumonia": ((218.0, 667.0, 258.0, 324.0), (756.0, 556.0, 225.0, 441.0))}}
    assert boxes.side == 1024


def test_boxes_of_the_releases_are_scaled_to_the_film_and_plain_ones_are_not(table):
    released = read_boxes(table(NIH_HEADER + "a.png,Mass,512,256,256,128\n"))
    mask = released.masks("a", (64, 32))["Mass"]
    assert np.argwhere(mask).min(0).tolist() == [16, 16]
    assert np.argwhere(mask).max(0).tolist() == [23, 23]
    own = read_boxes(table("id,finding,x,y,width,height\na,Mass,3,5,2,4\n"))
    assert np.array_equal(np.argwhere(own.masks("a", (64, 32))["Mass"])[[0, -1]], [[5, 3], [8, 4]])


def test_several_boxes_of_a_finding_are_one_mask_and_an_unknown_film_has_none(table):
    boxes = read_boxes(table("id,finding,x,y,width,height\na,Mass,0,0,2,2\na,Mass,1,1,2,2\n"))
    assert boxes.masks("a", (8, 8))["Mass"].sum() == 7
    assert boxes.masks("b", (8, 8)) == {}


def test_ids_stay_text(table):
    assert set(
        read_boxes(table("id,finding,x,y,width,height\n00123,Mass,0,0,2,2\nNA,Mass,0,0,1,1\n")).films
    ) == {
        "00123",
        "NA",
    }


@pytest.mark.parametrize("text", [
    "", "id,finding\na,Mass\n", "id,finding,x,y,width,height\na,Mass,1,2,three,4\n",
    "id,finding,x,y,width,height\na,Mass,1,2,0,4\n", "id,finding,x,y,width,height\na,Mass,1,2,nan,4\n",
    NIH_HEADER + "a.png,Mass,1,2\n",
])  # fmt: skip
def test_a_table_that_holds_no_boxes_is_refused(table, text):
    with pytest.raises(LabelError, match=r"boxes\.csv"):
        read_boxes(table(text))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="gone"):
        read_boxes(tmp_path / "gone.csv")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match="picture"):
        read_boxes(tmp_path / "picture.png")


def test_the_whole_nih_list_is_read_and_lies_inside_its_films(real_data):
    path = real_data / "nih" / "BBox_List_2017.csv"
    boxes = read_boxes(path)
    with path.open() as file:
        assert (
            sum(len(b) for f in boxes.films.values() for b in f.values())
            == sum(1 for _ in csv.reader(file)) - 1
        )
    assert len(boxes.films) == 880
    assert {finding for film in boxes.films.values() for finding in film} <= set(NIH)
    every = [box for film in boxes.films.values() for several in film.values() for box in several]
    assert all(x >= 0 and y >= 0 and x + w <= 1024 and y + h <= 1024 for x, y, w, h in every)


def test_rsna_boxes_of_nih_films_are_read(real_data):
    boxes = read_boxes(real_data / "nih" / "rsna_on_nih.csv")
    assert boxes.films
    assert all(list(film) == ["Pneumonia"] for film in boxes.films.values())
