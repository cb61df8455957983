from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from plainfilm.errors import InputError
from plainfilm.masks.rle import decode_gaps, decode_rle, encode_gaps, encode_rle

small_masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))
sizes = st.tuples(st.integers(-1, 12), st.integers(-1, 12))


def slow_lengths(mask: np.ndarray) -> list[int]:
    """Runs of background and foreground in turn, counted pixel by pixel down the columns."""
    lengths, colour = [0], False
    for column in range(mask.shape[1]):
        for row in range(mask.shape[0]):
            if mask[row, column] != colour:
                lengths.append(0)
                colour = not colour
            lengths[-1] += 1
    return lengths


def test_a_string_written_by_hand():
    # Lengths 2, 3, 1 of a film of 2 x 3: digits are letters from "0" on.
    mask = decode_rle((2, 3), "231")
    assert mask.tolist() == [[False, True, True], [False, True, False]]


@given(small_masks)
def test_plain_lengths_are_what_is_counted_by_hand(mask):
    assert np.array_equal(decode_rle(mask.shape, slow_lengths(mask)), mask)


@given(small_masks)
@example(np.ones((70, 70), bool))
@example(np.tri(40, 90, dtype=bool))
def test_decoding_undoes_encoding(mask):
    assert np.array_equal(decode_rle(mask.shape, encode_rle(mask)), mask)
    assert np.array_equal(decode_gaps(mask.shape, encode_gaps(mask)), mask)


@given(small_masks)
def test_gaps_are_the_lengths_without_the_last_background(mask):
    lengths = slow_lengths(mask)
    pairs = lengths if len(lengths) % 2 == 0 else lengths[:-1]
    assert encode_gaps(mask) == (" ".join(map(str, pairs)) or "-1")


def test_no_run_is_minus_one():
    assert encode_gaps(np.zeros((2, 2))) == "-1"
    assert not decode_gaps((2, 2), " -1").any()


@given(sizes, st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12) | st.text(max_size=6))
@example((2, 3), "o" * 100)
@example((10**9, 10**9), "1")
def test_no_string_brings_anything_but_an_input_error(size, text):
    for decode in (decode_rle, decode_gaps):
        try:
            assert decode(size, text).shape == size
        except InputError:
            continue


@pytest.mark.parametrize(
    "counts", ["", "9", "X", "2é", "oooooooooooo1", [2, 3], [2, 3, 2], [7, -1], [2.0, 4.0], ["6"], [10**30]]
)
def test_coco_lengths_that_do_not_fit_are_refused(counts):
    with pytest.raises(InputError, match="decode_rle"):
        decode_rle((2, 3), counts)


@pytest.mark.parametrize("text", ["1", "1 2 3", "-1 2", "a b", "4 3", "1.0 2", "0 " + "9" * 40, "² ²"])
def test_gaps_that_do_not_fit_are_refused(text):
    with pytest.raises(InputError, match="decode_gaps"):
        decode_gaps((2, 3), text)


def test_the_experts_strings_of_chexlocalize_are_written_letter_by_letter(real_data):
    films = json.loads((real_data / "chexlocalize" / "gt_segmentations_val.json").read_text())
    codes = [code for film in films.values() for code in film.values()]
    assert len(codes) == 20
    for code in codes:
        assert encode_rle(decode_rle(code["size"], code["counts"])) == code["counts"]


@pytest.fixture(scope="module")
def siim() -> pd.DataFrame:
    package = pytest.importorskip("torchxrayvision")
    table = pd.read_csv(Path(package.__file__).parent / "data" / "siim-pneumothorax-train-rle.csv.gz")
    return table.rename(columns=str.strip)


def test_a_pneumothorax_of_siim_lies_where_it_is_known_to(siim):
    text = siim.loc[siim["ImageId"].str.endswith(".13666.1517875247.117800"), "EncodedPixels"].item()
    mask = decode_gaps((1024, 1024), text)
    rows, columns = np.nonzero(mask)
    assert mask.sum() == 30_859
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (544, 795, 125, 390)


def test_siims_strings_are_written_as_they_were(siim):
    texts = siim["EncodedPixels"].str.strip()
    for text in texts[texts != "-1"].head(100):
        assert encode_gaps(decode_gaps((1024, 1024), text)) == text
