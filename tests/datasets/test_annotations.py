from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.annotations import Annotation, annotation_table, boxes_on, masks_on, resized
from plainfilm.errors import InputError
from plainfilm.masks.rle import encode_rle

HALF = np.zeros((6, 8), bool)
HALF[:, :4] = True


def on(annotations, film, root="."):
    return masks_on(annotation_table(annotations), film, root)


def test_a_row_holds_what_the_shape_says():
    shape = Annotation("a", "Mass", "box", [1, 2, 3, 4], (10, 20), "r1")
    assert shape.row() == ("a", "Mass", "box", "r1", 10, 20, "[1, 2, 3, 4]")
    assert annotation_table().dtypes["height"] == "int64"


def test_boxes_are_scaled_to_the_film():
    table = annotation_table([
        Annotation("a", "Mass", "box", [2, 4, 6, 8], (20, 40)),
        Annotation("a", "Mass", "box", [1, 1, 1, 1]),
    ])  # fmt: skip
    assert boxes_on(table, (10, 20)) == {"Mass": ((1, 2, 3, 4), (1, 1, 1, 1))}


def test_masks_of_one_finding_are_united():
    left = Annotation("a", "Mass", "rle", encode_rle(HALF), (6, 8))
    right = Annotation("a", "Mass", "polygon", [[[4, 0], [7, 0], [7, 5], [4, 5]]])
    masks = on([left, right, Annotation("a", "Edema", "rle", [48], (6, 8))], (6, 8))
    assert masks["Mass"].all()
    assert not masks["Edema"].any()


def test_a_mask_of_the_films_shape_is_resized_to_the_nearest_pixel():
    masks = on([Annotation("a", "Mass", "rle", encode_rle(HALF), (6, 8))], (12, 16))
    assert np.array_equal(masks["Mass"], HALF.repeat(2, 0).repeat(2, 1))


def test_a_mask_of_another_shape_is_refused_and_never_broadcast():
    for size in ((1, 8), (8, 6), (6, 1)):
        with pytest.raises(InputError, match="the shape of the film, 8 x 6"):
            on([Annotation("a", "Mass", "rle", [size[0] * size[1]], size)], (6, 8))
    with pytest.raises(InputError, match="the shape of the film"):
        boxes_on(annotation_table([Annotation("a", "Mass", "box", [0, 0, 1, 1], (8, 6))]), (6, 8))


def test_rounding_of_a_size_is_no_other_shape():
    assert on([Annotation("a", "Mass", "rle", [384 * 455], (384, 455))], (2320, 2749))["Mass"].shape == (
        2320,
        2749,
    )


def test_a_resize_is_told_where_it_happens():
    table = annotation_table([
        Annotation("a", "Mass", "rle", "", (6, 8)),
        Annotation("a", "Mass", "box", [], (12, 16)),
        Annotation("a", "Mass", "box", []),
    ])  # fmt: skip
    (text,) = resized(table, (12, 16))
    assert "8 x 6" in text
    assert "16 x 12" in text
    assert resized(table.iloc[1:], (12, 16)) == ()


@pytest.mark.parametrize("values", [(0, 1), (0, 255)])
@pytest.mark.parametrize("mode", ["uint8", "bool", "uint16"])
def test_a_mask_file_holds_zero_and_one_or_black_and_white(tmp_path, values, mode):
    white = {"uint8": 255, "bool": 1, "uint16": 65535}[mode]
    stored = np.where(HALF, 1 if values[1] == 1 else white, 0).astype(mode)
    Image.fromarray(stored).save(tmp_path / "mask.png")
    masks = on([Annotation("a", "Mass", "file", "mask.png")], (6, 8), tmp_path)
    assert np.array_equal(masks["Mass"], HALF)


def test_an_empty_mask_file_is_an_empty_mask(tmp_path):
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "mask.png")
    assert not on([Annotation("a", "Mass", "file", "mask.png")], (6, 8), tmp_path)["Mass"].any()


@pytest.mark.parametrize("grey", [2, 127, 254])
def test_grey_in_a_mask_file_is_refused_unless_it_is_said_what_belongs(tmp_path, grey):
    stored = np.where(HALF, 255, 0).astype(np.uint8)
    stored[0, 0] = grey
    Image.fromarray(stored).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=rf"the values 0, {grey}, 255"):
        on([Annotation("a", "Mass", "file", "mask.png")], (6, 8), tmp_path)
    said = Annotation("a", "Mass", "file", {"path": "mask.png", "values": [255]})
    assert on([said], (6, 8), tmp_path)["Mass"].sum() == HALF.sum() - 1
