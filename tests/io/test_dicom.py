"""DICOM films: every encoding reads alike, damage is refused, no patient data comes through."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, config, dcmread
from pydicom.datadict import DicomDictionary, tag_for_keyword
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from plainfilm.errors import InputError
from plainfilm.io.read import read

CANARY = "CANARY"
GROUPS = (0x0008, 0x0010, 0x0018, 0x0020, 0x0032, 0x0040)
TEXT = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")


def test_stored_values_become_grey(write_dicom: Callable[..., Path], ramp: np.ndarray) -> None:
    film = read(write_dicom(ramp, 12))
    np.testing.assert_allclose(film.pixels, ramp / 4095, atol=1e-7)
    assert film.pixels.dtype == np.float32
    assert film.id == "film"


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_lossless_compression_changes_nothing(
    write_dicom: Callable[..., Path], ramp: np.ndarray, syntax: str, photometric: str
) -> None:
    plain = read(write_dicom(ramp, 12, PhotometricInterpretation=photometric))
    packed = read(write_dicom(ramp, 12, syntax, PhotometricInterpretation=photometric))
    np.testing.assert_array_equal(packed.pixels, plain.pixels)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_signed_twelve_in_sixteen_bits_survive_compression(
    write_dicom: Callable[..., Path], syntax: str
) -> None:
    stored = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    expected = (stored + 2048.0) / 4095
    np.testing.assert_allclose(read(write_dicom(stored, 12)).pixels, expected, atol=1e-6)
    np.testing.assert_allclose(read(write_dicom(stored, 12, syntax)).pixels, expected, atol=1e-6)


def test_jpeg_baseline_is_decoded(build: Callable[..., Dataset], tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(smooth).save(stream, "jpeg", quality=95)
    dataset = build(smooth)
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    np.testing.assert_allclose(read(tmp_path / "film.dcm").pixels, smooth / 255, atol=0.02)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_every_plain_transfer_syntax_reads_alike(
    build: Callable[..., Dataset], tmp_path: Path, syntax: str, dtype: type
) -> None:
    stored = np.arange(64, dtype=dtype).reshape(8, 8)
    expected = stored.astype(float) / 255 if dtype is np.uint8 else (stored + 32768.0) / 65535
    big = syntax == ExplicitVRBigEndian
    dataset = build(stored.astype(stored.dtype.newbyteorder(">")) if big else stored)
    dataset.file_meta.TransferSyntaxUID = syntax
    implicit = syntax == ImplicitVRLittleEndian
    dataset.save_as(
        tmp_path / "film.dcm", enforce_file_format=True, implicit_vr=implicit, little_endian=not big
    )
    np.testing.assert_allclose(read(tmp_path / "film.dcm").pixels, expected, atol=1e-6)


def test_a_file_without_preamble_is_read(
    build: Callable[..., Dataset], tmp_path: Path, ramp: np.ndarray
) -> None:
    dataset = build(ramp, 12)
    del dataset.file_meta
    dataset.save_as(tmp_path / "film", implicit_vr=True, little_endian=True)
    np.testing.assert_allclose(read(tmp_path / "film").pixels, ramp / 4095, atol=1e-7)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT"])
def test_a_negative_and_its_positive_twin_give_equal_pixels(
    write_dicom: Callable[..., Path], ramp: np.ndarray, function: str
) -> None:
    centre, width = 1500, 900
    # C.11.2.1.2 is off centre by half a grey level twice, so the mirror of c is 4095 - c + 1.
    mirrored = 4095 - centre + (function == "LINEAR")
    windows = {"WindowWidth": width, "VOILUTFunction": function}
    positive = read(write_dicom(ramp, 12, WindowCenter=centre, **windows))
    negative = read(
        write_dicom(
            (4095 - ramp).astype(np.uint16), 12, WindowCenter=mirrored, **windows,
            PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE",
        )
    )  # fmt: skip
    np.testing.assert_allclose(negative.pixels, positive.pixels, atol=1e-6)


@pytest.mark.parametrize(
    "polarity",
    [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ],
)
def test_each_way_of_saying_negative_inverts_exactly_once(
    write_dicom: Callable[..., Path], ramp: np.ndarray, polarity: dict[str, str]
) -> None:
    positive = read(write_dicom(ramp, 12))
    np.testing.assert_allclose(read(write_dicom(ramp, 12, **polarity)).pixels, 1 - positive.pixels, atol=1e-6)


def test_three_equal_channels_collapse_and_colour_is_refused(write_dicom: Callable[..., Path]) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_allclose(read(write_dicom(np.stack([grey] * 3, -1))).pixels, grey / 255, atol=1e-7)
    path = write_dicom(np.stack([grey, grey, grey[::-1]], -1))
    with pytest.raises(InputError, match="colour image"):
        read(path)
    assert read(path, colour="luma").size == (8, 8)


def test_technical_tags_view_and_spacing_are_passed_on(
    write_dicom: Callable[..., Path], ramp: np.ndarray
) -> None:
    film = read(
        write_dicom(ramp, 12, ViewPosition="LL", ImagerPixelSpacing=[0.2, 0.1], BurnedInAnnotation="NO")
    )
    assert film.view == "LATERAL"
    assert film.spacing == (0.2, 0.1)
    assert film.tags == {
        "Format": "DICOM", "Rows": 64, "Columns": 64, "BitsAllocated": 16, "BitsStored": 12,
        "PhotometricInterpretation": "MONOCHROME2", "TransferSyntax": "Explicit VR Little Endian",
        "VOI": "full range", "ImagerPixelSpacing": "0.2\\0.1", "Modality": "CR", "ViewPosition": "LL",
        "BurnedInAnnotation": "NO",
    }  # fmt: skip
    assert not any("burned" in warning for warning in film.warnings)


@pytest.mark.parametrize("value", [None, "YES"])
def test_text_in_the_pixels_is_warned_of_unless_denied(
    write_dicom: Callable[..., Path], ramp: np.ndarray, value: str | None
) -> None:
    elements = {"BurnedInAnnotation": value} if value else {}
    assert any("burned-in" in warning for warning in read(write_dicom(ramp, 12, **elements)).warnings)


@pytest.mark.parametrize("modality", ["CT", "MR", "SR", "MG", "US"])
def test_other_modalities_are_refused_by_name(
    write_dicom: Callable[..., Path], ramp: np.ndarray, modality: str
) -> None:
    with pytest.raises(InputError, match=f"modality {modality}"):
        read(write_dicom(ramp, 12, Modality=modality))


@pytest.mark.parametrize(
    ("elements", "voi", "warning"),
    [
        ({}, "full range", "No window in the file"),
        ({"WindowCenter": 100}, "full range", "No window in the file"),
        ({"WindowCenter": 100, "WindowWidth": 0}, "full range", "A window without width"),
        ({"WindowCenter": [100, 900], "WindowWidth": [50, 70]}, "window 100/50", "The first of 2 windows"),
    ],
)
def test_a_film_tells_which_window_shows_it(
    write_dicom: Callable[..., Path], ramp: np.ndarray, elements: dict[str, object], voi: str, warning: str
) -> None:
    film = read(write_dicom(ramp, 12, **elements))
    assert film.tags["VOI"] == voi
    assert any(text.startswith(warning) for text in film.warnings)
    expected = ramp / 4095 if voi == "full range" else np.clip((ramp - 99.5) / 49 + 0.5, 0, 1)
    np.testing.assert_allclose(film.pixels, expected, atol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(bits=st.integers(1, 16), signed=st.booleans(), negative=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_any_number_of_stored_bits_under_any_garbage_reads_as_its_value(
    write_dicom: Callable[..., Path], bits: int, signed: bool, negative: bool, seed: int
) -> None:
    words = np.random.default_rng(seed).integers(0, 65536, (4, 6)).astype(np.uint16)
    # Two's complement of that many bits, bit by bit; what lies above them counts for nothing.
    weights = [2**bit for bit in range(bits)]
    weights[-1] *= -1 if signed else 1
    value = sum(weight * (words.astype(int) >> bit & 1) for bit, weight in enumerate(weights))
    lowest = sum(weight for weight in weights if weight < 0)
    expected = (value - lowest) / (2**bits - 1)
    polarity = {"PhotometricInterpretation": "MONOCHROME1"} if negative else {}
    film = read(write_dicom(words.view(np.int16) if signed else words, bits, **polarity))
    np.testing.assert_allclose(film.pixels, 1 - expected if negative else expected, atol=1e-6)


@pytest.mark.parametrize(
    ("elements", "got"),
    [
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"Rows": 32}, "8192 bytes of pixels, expected 4096"),
        ({"Rows": 65}, "8192 bytes of pixels, expected 8320"),
        ({"Rows": 65535, "Columns": 65535}, "65535 x 65535"),
        ({"BitsAllocated": 32}, "in 32"),
        ({"HighBit": 15}, "under bit 15"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "neither grey"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "to one"),
    ],
)
def test_headers_that_contradict_the_pixels_are_refused(
    write_dicom: Callable[..., Path], ramp: np.ndarray, elements: dict[str, object], got: str
) -> None:
    with pytest.raises(InputError, match=got):
        read(write_dicom(ramp, 12, **elements))


@pytest.mark.parametrize("keyword", ["PixelData", "Rows", "BitsAllocated", "PhotometricInterpretation"])
def test_a_file_without_what_describes_its_pixels_is_refused(
    write_dicom: Callable[..., Path], ramp: np.ndarray, keyword: str
) -> None:
    path = write_dicom(ramp, 12)
    dataset = dcmread(path)
    delattr(dataset, keyword)
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"film\.dcm"):
        read(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_second_compressed_frame_is_not_passed_over(
    build: Callable[..., Dataset], tmp_path: Path, ramp: np.ndarray, syntax: str
) -> None:
    dataset = build(ramp, 12)
    dataset.compress(syntax)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    for has_offsets in (True, False):
        dataset.PixelData = encapsulate([frame, frame], has_bot=has_offsets)
        dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
        with pytest.raises(InputError, match="2 compressed frames"):
            read(tmp_path / "film.dcm")


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_file_cut_off_anywhere_is_refused(
    write_dicom: Callable[..., Path], ramp: np.ndarray, syntax: str | None
) -> None:
    path = write_dicom(ramp, 12, syntax)
    whole = path.read_bytes()
    for kept in [*range(0, 700, 31), len(whole) // 2, len(whole) - 200, len(whole) - 12]:
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"film\.dcm"):
            read(path)


def test_damage_anywhere_raises_nothing_but_our_error(write_dicom: Callable[..., Path]) -> None:
    path = write_dicom(np.zeros((8, 8), np.uint16), 12, WindowCenter=5, WindowWidth=9, PixelSpacing=[1, 1])
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for position in random.integers(132, len(whole), 3):
            damaged[position] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except InputError:
            continue


@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize("keyword", ["ReferencedImageSequence", "VOILUTSequence"])
def test_sequences_nested_without_end_are_refused_or_skipped(
    build: Callable[..., Dataset], tmp_path: Path, ramp: np.ndarray, keyword: str, undefined_length: bool
) -> None:
    write_nested(build(ramp, 12), tmp_path / "film.dcm", keyword, undefined_length)
    if keyword == "VOILUTSequence" or undefined_length:  # else its end is known and it is not opened
        with pytest.raises(InputError, match=r"film\.dcm"):
            read(tmp_path / "film.dcm")
    else:
        np.testing.assert_allclose(read(tmp_path / "film.dcm").pixels, ramp / 4095, atol=1e-7)


def write_nested(dataset: Dataset, path: Path, keyword: str, undefined_length: bool) -> None:
    """Writes 2000 levels by hand, for pydicom's writer would itself recurse too deep."""
    tag = tag_for_keyword(keyword)
    opening = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + b"SQ\0\0"
    item, item_end, end = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
    body = b""
    for _ in range(2000):
        if undefined_length:
            body = opening + b"\xff" * 4 + item + b"\xff" * 4 + body + item_end + end
        else:
            inner = item + len(body).to_bytes(4, "little") + body
            body = opening + len(inner).to_bytes(4, "little") + inner
    before, after = dataset[:tag], dataset[tag:]
    before.file_meta = dataset.file_meta
    before.save_as(path, enforce_file_format=True)
    written = BytesIO()
    tail = DicomFileLike(written)
    tail.is_little_endian, tail.is_implicit_VR = True, False
    write_dataset(tail, after)
    with path.open("ab") as file:
        file.write(body + written.getvalue())


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
@pytest.mark.parametrize("uid", ["../../secret", "/etc/passwd", "..\\..\\secret"])
def test_an_identifier_in_a_file_never_names_anything(
    build: Callable[..., Dataset], tmp_path: Path, ramp: np.ndarray, uid: str
) -> None:
    dataset = build(ramp, 12)
    with config.disable_value_validation():
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"):
            setattr(dataset, keyword, uid)
        dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    film = read(tmp_path / "film.dcm")
    assert film.id == "film"
    assert "secret" not in repr(film.__dict__)
    assert "passwd" not in repr(film.__dict__)


def test_no_patient_data_comes_through(
    build: Callable[..., Dataset],
    tmp_path: Path,
    ramp: np.ndarray,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("pydicom").setLevel(logging.DEBUG)
    whole = with_canaries(build(ramp, 12), tmp_path / "film.dcm")
    said = repr(read(tmp_path / "film.dcm").__dict__)
    refused = 0
    for variant in broken(whole):
        (tmp_path / "film.dcm").write_bytes(variant)
        try:
            said += repr(read(tmp_path / "film.dcm").__dict__)
        except InputError as error:
            refused += 1
            said += "".join(traceback.format_exception(error)) + repr(error)
    said += caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert refused > 20
    assert CANARY not in said


def with_canaries(dataset: Dataset, path: Path) -> bytes:
    """Plants a canary in an element of every string VR that the standard's main groups have."""
    kept = {element.tag for element in dataset}
    with config.disable_value_validation():
        for tag, (vr, _, _, retired, _) in DicomDictionary.items():
            planted = vr in TEXT and not retired and tag >> 16 in GROUPS
            if planted and tag not in kept and tag != 0x00080005:
                dataset.add_new(tag, vr, "1" if vr in ("DS", "IS") else f"{CANARY}{tag:08X}")
        dataset.ViewPosition = f"{CANARY}_VIEW"
        dataset.BurnedInAnnotation = f"{CANARY}_BURN"
        dataset.VOILUTFunction = f"{CANARY}_VOI"
        dataset.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def broken(whole: bytes) -> list[bytes]:
    """The file cut off at many places, its short values overwritten, its modality replaced."""
    cut = [whole[: len(whole) * part // 30] for part in range(30)]
    marks = (b"(\x00\x10\x00US\x02\x00", b"(\x00\x00\x01US\x02\x00", b"\x08\x00\x60\x00CS\x02\x00")
    overwritten = []
    for mark in marks:
        at = whole.index(mark) + len(mark)
        overwritten += [whole[:at] + value + whole[at + 2 :] for value in (b"CA", b"\0\0", b"\xff\xff")]
    return cut + overwritten + [whole.replace(b"MONOCHROME2 ", b"CANARY      ")]
