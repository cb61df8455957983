"""COCO's JSON: TBX11K as it is, every kind of shape, and back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.brixia import read_brixia
from plainfilm.datasets.readers.coco import read_coco, write_coco
from plainfilm.errors import InputError, LabelError
from plainfilm.masks.rle import encode_rle

TBX = "annotations/json/TBX11K_train.json"
SIZE = (6, 8)


def mask():
    drawn = np.zeros(SIZE, bool)
    drawn[1:3, 2:5] = True
    return drawn


def lengths(drawn):
    """COCO's plain run lengths, pixel by pixel."""
    found, value = [0], False
    for pixel in drawn.T.ravel():
        if pixel == value:
            found[-1] += 1
        else:
            found.append(1)
            value = pixel
    return found


@pytest.fixture
def content(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("L", SIZE[::-1], 99).save(tmp_path / folder / "film.png")
    drawn = [
        {"category_id": 7, "bbox": [1, 2, 3, 2.5]},
        {"category_id": 7, "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]], "bbox": [1, 1, 4, 3]},
        {"category_id": 9, "segmentation": {"size": list(SIZE), "counts": lengths(mask())}},
        {"category_id": 9, "segmentation": {"size": list(SIZE), "counts": encode_rle(mask())}},
    ]
    return {
        "images": [
            {"id": 3, "file_name": "a/film.png", "height": 6, "width": 8},
            {"id": 5, "file_name": "b/film.png", "height": 6, "width": 8},
            {"id": 8, "file_name": "b/gone.png", "height": 6, "width": 8},
        ],
        "annotations": [{"id": k, "image_id": 5, **each} for k, each in enumerate(drawn)],
        "categories": [{"id": 7, "name": "Pleural effusion"}, {"id": 9, "name": "Mass"}],
    }


def written(folder, content):
    (folder / "found.json").write_text(json.dumps(content))
    return read_coco(folder, "found.json")


def test_tbx11k_is_read_with_its_boxes(real_data):
    found = read_coco(real_data / "tbx11k", TBX)
    assert list(found.films["film"]) == ["tb0005", "tb0007", "h0001"]
    assert found.films["path"].iloc[0] == "imgs/tb/tb0005.png"
    assert found.findings == ("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis")
    assert found.labels().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    raw = json.loads((real_data / "tbx11k" / TBX).read_text())
    assert found[0].boxes == {"ActiveTuberculosis": (tuple(raw["annotations"][0]["bbox"]),)}
    assert len(found[1].boxes["ObsoletePulmonaryTuberculosis"]) == 2


def test_boxes_polygons_and_both_run_lengths_are_read(tmp_path, content):
    found = written(tmp_path, content)
    assert list(found.annotations["kind"]) == ["box", "polygon", "rle", "rle"]
    assert list(found.films["film"]) == ["a_film", "b_film", "b_gone"]
    assert list(found.films["path"]) == ["a/film.png", "b/film.png", ""]
    assert found.labels().tolist() == [[0, 0], [1, 1], [0, 0]]
    study = found[1]
    assert study.boxes == {"Effusion": ((1.0, 2.0, 3.0, 2.5),)}
    np.testing.assert_array_equal(study.masks["Mass"], mask())
    expected = np.zeros(SIZE, bool)
    expected[1:4, 1:5] = True
    np.testing.assert_array_equal(study.masks["Effusion"], expected)


def test_what_was_read_is_written_and_read_again(tmp_path, content):
    first = written(tmp_path, content)
    write_coco(first, tmp_path / "again.json")
    second = read_coco(tmp_path, "again.json")
    pd.testing.assert_frame_equal(first.films, second.films)
    pd.testing.assert_frame_equal(first.annotations.iloc[[0, 1, 3]], second.annotations.iloc[[0, 1, 3]])
    for one, other in zip(first[1].masks.values(), second[1].masks.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_written_file_says_what_coco_asks_for(tmp_path, content):
    write_coco(written(tmp_path, content), tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert [each["file_name"] for each in again["images"]] == ["a/film.png", "b/film.png", "b_gone"]
    box, polygon, run, _ = again["annotations"]
    assert box["bbox"] == [1, 2, 3, 2.5]
    assert box["area"] == 7.5
    assert polygon["segmentation"] == [[1, 1, 4, 1, 4, 3, 1, 3]]
    assert polygon["bbox"] == [1, 1, 4, 3]
    assert (polygon["area"], polygon["iscrowd"]) == (12, 0)
    assert (run["area"], run["iscrowd"], run["bbox"]) == (6, 1, [2, 1, 3, 2])
    assert {each["image_id"] for each in again["annotations"]} == {2}


def test_masks_of_real_films_become_run_lengths_and_come_back(tmp_path, real_data):
    here = read_brixia(real_data / "brixia", "public").here()
    drawn = here.annotations["finding"] == "Lungs"
    few = here.select(here.films["film"].isin(here.annotations["film"][drawn])).select(np.arange(2))
    write_coco(few, tmp_path / "few.json")
    again = read_coco(few.root, tmp_path / "few.json")
    assert again.patients == few.patients
    for index in range(2):
        before, after = few[index], again[index]
        assert after.radiograph.id == before.radiograph.id
        np.testing.assert_array_equal(after.lungs, before.lungs)


def test_the_reader_of_a_shape_is_kept(tmp_path):
    films = pd.DataFrame({"film": ["a"], "finding:Mass": [1.0], "height": [6.0], "width": [8.0]})
    drawn = annotation_table([Annotation("a", "Mass", "box", [0, 0, 2, 2], reader="R8")])
    write_coco(Manifest("one", tmp_path, films, drawn), tmp_path / "one.json")
    again = read_coco(tmp_path, "one.json")
    assert list(again.annotations["reader"]) == ["R8"]
    assert again.annotations.loc[0, ["height", "width"]].tolist() == [6, 8]


def test_a_film_of_unknown_size_and_one_annotated_on_two_grids_are_refused(tmp_path):
    films = pd.DataFrame({"film": ["a"], "finding:Mass": [1.0]})
    with pytest.raises(InputError, match="no such file"):
        write_coco(Manifest("one", tmp_path, films), tmp_path / "one.json")
    drawn = annotation_table(Annotation("a", "Mass", "box", [0, 0, 2, 2], (n, n)) for n in (8, 9))
    with pytest.raises(LabelError, match="one size a film"):
        write_coco(Manifest("one", tmp_path, films, drawn), tmp_path / "one.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "nothing under 'images'"),
        (lambda c: c["annotations"][0].update(image_id=99), "nothing under 99"),
        (lambda c: c["annotations"][0].update(category_id=1), "nothing under 1"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 0, 4]), r"the box \[1, 2, 0, 4\]"),
        (lambda c: c["annotations"][0].pop("bbox"), "nothing under 'bbox'"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, float("nan")]), "finite numbers"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "entries of another kind"),
        (lambda c: c["annotations"][1].update(segmentation=[[1, 2, 3]]), "entries of another kind"),
        (lambda c: c["annotations"][2]["segmentation"].update(size=[1]), "entries of another kind"),
        (lambda c: c["images"][1].update(height=None), "entries of another kind"),
        (lambda c: c["images"].__setitem__(0, 3), "entries of another kind"),
        (lambda c: c.update(annotations=3), "entries of another kind"),
        (lambda c: c["images"][0].update(id=5), "entries of another kind.*unique"),
    ],
)
def test_what_is_no_coco_is_refused_with_what_is_missing(tmp_path, content, change, message):
    change(content)
    with pytest.raises(LabelError, match=message):
        written(tmp_path, content)


def test_a_name_that_leads_out_of_the_folder_finds_no_film(tmp_path, content):
    inner = tmp_path / "inner"
    inner.mkdir()
    content["images"][0]["file_name"] = "../a/film.png"
    assert written(inner, content).films["path"].iloc[0] == ""


def test_a_file_that_is_missing_or_no_json_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.json"):
        read_coco(tmp_path, "none.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="a JSON file"):
        read_coco(tmp_path, "deep.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(LabelError, match="a list"):
        read_coco(tmp_path, "list.json")
