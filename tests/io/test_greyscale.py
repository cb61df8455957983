"""Modality, VOI and polarity, against pydicom's own functions and the standard's formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, Sequence
from pydicom.pixels.processing import apply_modality_lut, apply_windowing

from plainfilm.errors import InputError
from plainfilm.io.codec import Encoding
from plainfilm.io.greyscale import curve, window


def encoding(bits: int = 12, signed: bool = False, photometric: str = "MONOCHROME2") -> Encoding:
    return Encoding("", 8, 8, 1, 16, bits, int(signed), photometric, 0, "OW")


def header(**elements: object) -> Dataset:
    dataset = Dataset()
    dataset.BitsStored, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 12, 0, "MONOCHROME2"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def table(first: int, bits: int, values: np.ndarray) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values) % 65536, first, bits])
    item.add_new("LUTData", "US", [int(value) for value in values])
    return Sequence([item])


STORED = np.arange(4096, dtype=np.uint16)


def test_without_window_the_full_range_is_shown_and_told() -> None:
    display = curve(header(), encoding(), "film")
    np.testing.assert_allclose(display(STORED), STORED / 4095, atol=1e-7)
    assert display.voi == "full range"
    assert any("No window" in warning for warning in display.warnings)


@pytest.mark.parametrize("slope", [2.0, -1.0, 0.001])
def test_the_full_range_is_that_of_the_rescaled_values(slope: float) -> None:
    grey = curve(header(RescaleSlope=slope, RescaleIntercept=-1024), encoding(), "film")(STORED)
    np.testing.assert_allclose(grey, STORED / 4095 if slope > 0 else 1 - STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(2048, 4096), (500.5, 300), (40, 3000)])
def test_windows_agree_with_pydicom(function: str, centre: float, width: float) -> None:
    dataset = header(WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
    ours = curve(dataset, encoding(), "film")(STORED)
    np.testing.assert_allclose(ours, apply_windowing(STORED, dataset) / 4095, atol=2e-6)


def test_a_linear_window_follows_the_pseudo_code_of_the_standard() -> None:
    centre, width = 100.0, 7.0  # PS3.3 C.11.2.1.2.1, value by value
    for x in np.arange(90, 110):
        if x <= centre - 0.5 - (width - 1) / 2:
            y = 0.0
        elif x > centre - 0.5 + (width - 1) / 2:
            y = 1.0
        else:
            y = (x - (centre - 0.5)) / (width - 1) + 0.5
        assert window(np.array(x), centre, width) == pytest.approx(y)


@given(st.floats(-1e4, 1e4), st.floats(1, 1e5), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
def test_windows_are_monotone_and_stay_in_the_unit_range(centre: float, width: float, function: str) -> None:
    grey = window(np.arange(-3000.0, 3000.0, 17), centre, width, function)
    assert (np.diff(grey) >= 0).all()
    assert grey.min() >= 0
    assert grey.max() <= 1


def test_the_first_of_several_windows_is_used_and_told() -> None:
    both = curve(header(WindowCenter=[100, 900], WindowWidth=[50, 70]), encoding(), "film")
    first = curve(header(WindowCenter=100, WindowWidth=50), encoding(), "film")
    np.testing.assert_array_equal(both.grey, first.grey)
    assert both.voi == "window 100/50"
    assert both.warnings == ("The first of 2 windows is used.",)


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_a_window_without_width_falls_back_to_the_full_range(width: float) -> None:
    display = curve(header(WindowCenter=100, WindowWidth=width), encoding(), "film")
    np.testing.assert_allclose(display(STORED), STORED / 4095, atol=1e-7)
    assert display.warnings == ("A window without width in the file; the full range of its bits is shown.",)


def test_a_window_of_width_one_is_a_step() -> None:
    grey = curve(header(WindowCenter=100, WindowWidth=1), encoding(), "film")(STORED)
    np.testing.assert_array_equal(grey, STORED > 99)


def test_a_voi_table_is_scaled_by_its_declared_bits_and_precedes_a_window() -> None:
    values = np.sqrt(np.linspace(0, 1, 4096)) * 1023
    dataset = header(VOILUTSequence=table(0, 10, values), WindowCenter=1, WindowWidth=1)
    display = curve(dataset, encoding(), "film")
    np.testing.assert_allclose(display(STORED), values.astype(int) / 1023, atol=1e-6)
    assert display.voi == "LUT"


def test_values_outside_a_voi_table_take_its_ends() -> None:
    grey = curve(header(VOILUTSequence=table(1000, 8, np.arange(256))), encoding(), "film")(STORED)
    np.testing.assert_allclose(grey, np.clip(STORED.astype(int) - 1000, 0, 255) / 255, atol=1e-6)


def test_a_modality_table_comes_first() -> None:
    values = np.linspace(0, 65535, 4096)[::-1]
    dataset = header(ModalityLUTSequence=table(0, 16, values), WindowCenter=32768, WindowWidth=65536)
    expected = apply_modality_lut(STORED, dataset) / 65535
    np.testing.assert_allclose(curve(dataset, encoding(), "film")(STORED), expected, atol=2e-5)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("signed", [False, True])
@given(data=st.data())
def test_garbage_above_the_stored_bits_is_ignored(bits: int, signed: bool, data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    codes = np.random.default_rng(seed).integers(0, 65536, 64).astype(np.uint16)
    clean = codes & np.uint16(2**bits - 1)
    value = clean.astype(int)
    if signed:  # two's complement of that many bits, by its definition
        value -= 2**bits * (value >= 2 ** (bits - 1))
    low = -(2 ** (bits - 1)) if signed else 0
    stored = codes.view(np.int16) if signed else codes
    grey = curve(header(), encoding(bits, signed), "film")(stored)
    np.testing.assert_allclose(grey, (value - low) / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
    ],
)
def test_the_film_is_inverted_exactly_once(photometric: str, shape: str | None, inverted: bool) -> None:
    dataset = header(PresentationLUTShape=shape) if shape else header()
    grey = curve(dataset, encoding(photometric=photometric), "film")(STORED)
    np.testing.assert_allclose(grey, 1 - STORED / 4095 if inverted else STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("elements", [{"RescaleSlope": 0, "RescaleIntercept": 5}])
def test_a_rescaling_to_one_value_is_refused(elements: dict[str, float]) -> None:
    with pytest.raises(InputError, match="film: got a rescaling"):
        curve(header(**elements), encoding(), "film")


@pytest.mark.parametrize("signed", [False, True])
def test_tables_may_be_packed_two_entries_a_word_or_start_below_zero(signed: bool) -> None:
    entries = np.arange(256, dtype=np.uint8)[::-1].copy()
    first = -128 if signed else 0
    dataset = header(VOILUTSequence=table(first % 65536, 8, entries.view("<u2")))
    dataset.VOILUTSequence[0].LUTDescriptor = [256, first % 65536, 8]
    stored = np.arange(-128, 128, dtype=np.int16) if signed else np.arange(256, dtype=np.uint16)
    np.testing.assert_allclose(curve(dataset, encoding(8, signed), "film")(stored), entries / 255, atol=1e-6)


def test_a_table_shorter_than_it_says_is_refused() -> None:
    dataset = header(VOILUTSequence=table(0, 8, np.arange(16)))
    dataset.VOILUTSequence[0].LUTDescriptor = [256, 0, 8]
    with pytest.raises(InputError, match="a table of 16 words"):
        curve(dataset, encoding(), "film")
