from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.readers.siim import read_siim
from plainfilm.errors import InputError, LabelError
from plainfilm.masks.rle import decode_gaps, decode_rle, encode_gaps

GOLDEN = "1.2.276.0.7230010.3.1.4.8323329.13666.1517875247.117800"
SIZE = (1024, 1024)


@pytest.fixture(scope="module")
def release(label_tables):
    return read_siim(label_tables, table=label_tables / "siim-pneumothorax-train-rle.csv.gz")


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def film(folder, name, value=90):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(SIZE, value, np.uint8)).save(folder / f"{name}.png")


def write(folder, rows, header="ImageId, EncodedPixels", name="train-rle.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder


def slow_mask(text: str) -> np.ndarray:
    """The release's code in words: walk down the columns, pass over a gap, fill a run."""
    flat, place = np.zeros(SIZE[0] * SIZE[1], bool), 0
    numbers = [int(word) for word in text.split()]
    for gap, run in zip(numbers[::2], numbers[1::2], strict=True):
        flat[place + gap : place + gap + run] = True
        place += gap + run
    return flat.reshape(SIZE[1], SIZE[0]).T


def test_the_release_has_its_films_and_the_paper_counts_its_rows(release):
    assert len(release) == 12_047
    assert len(release.annotations) == 3576
    assert release.labels().sum() == 2669
    rows = release.annotations.groupby("film").size().value_counts()
    assert [rows[n] for n in (1, 2, 3, 4, 10)] == [2045, 447, 112, 40, 1]


def test_a_golden_outline(release):
    row = release.annotations[release.annotations["film"] == GOLDEN]
    assert len(row) == 1
    mask = decode_rle(SIZE, json.loads(row["shape"].iloc[0]))
    assert mask.sum() == 30_859
    (top, left), (bottom, right) = np.argwhere(mask).min(0), np.argwhere(mask).max(0)
    assert (left, right, top, bottom) == (544, 795, 125, 390)


def test_several_rows_of_a_film_are_one_mask_and_not_the_last(tmp_path):
    one, other = square(100, 200, 50), square(600, 700, 80)
    film(tmp_path / "study" / "series", "1.2.3")
    rows = [f"1.2.3, {encode_gaps(one)}", "1.2.4,-1", f"1.2.3,{encode_gaps(other)}"]
    data = read_siim(write(tmp_path, rows))
    assert (len(data), len(data.annotations)) == (2, 2)
    assert data.labels().tolist() == [[1], [0]]
    assert data.films["path"].tolist() == ["study/series/1.2.3.png", ""]
    mask = data[0].masks["Pneumothorax"]
    assert mask.dtype == bool
    assert np.array_equal(mask, one | other)


def test_outlines_agree_with_a_slow_decoder_and_with_that_of_masks(tmp_path):
    rng = np.random.default_rng(3)
    numbers = rng.integers(1, 3000, 60)
    text = " ".join(map(str, numbers))
    film(tmp_path, "a")
    mask = read_siim(write(tmp_path, [f"a,{text}"]))[0].masks["Pneumothorax"]
    assert np.array_equal(mask, slow_mask(text))
    assert np.array_equal(mask, decode_gaps(SIZE, text))


def test_a_second_folder_is_not_taken_for_the_first(tmp_path):
    for part, value in (("one", 40), ("two", 200)):
        film(tmp_path / part / "inner", "a", value)
        write(tmp_path / part, ["a,-1"])
    means = [read_siim(tmp_path / part)[0].radiograph.pixels.mean() for part in ("one", "two")]
    assert np.allclose(means, [40 / 255, 200 / 255])


def test_the_second_stage_is_preferred_and_has_no_blank(tmp_path):
    write(tmp_path, ["a,-1"])
    write(tmp_path, ["b,-1"], "ImageId,EncodedPixels", "stage_2_train.csv")
    assert read_siim(tmp_path).films["film"].tolist() == ["b"]


@pytest.mark.parametrize("code", ["", "1 2 3", "1 x", "-3 4", "0 1048577", "1.5 2"])
def test_a_code_that_is_no_outline_is_refused(tmp_path, code):
    with pytest.raises(LabelError, match=r"train-rle\.csv, film a"):
        read_siim(write(tmp_path, [f"a,{code}"]))


def test_labels_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match=r"stage_2_train\.csv or train-rle\.csv"):
        read_siim(tmp_path)


def test_a_real_dicom_film_of_the_release_is_read(real_data, label_tables):
    table = label_tables / "siim-pneumothorax-train-rle.csv.gz"
    here = read_siim(real_data / "dicom", table=table).here()
    assert len(here) == 1
    assert here[0].radiograph.size == SIZE
    assert here[0].findings == {"Pneumothorax": 0.0}
