"""DICOM radiographs: one frame, technical tags only.

Elements outside the list below are not even parsed, so that no name, date or
identifier can reach a message, a log or a result. Text of the listed ones is
passed on only where it is a term of the standard.
"""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from plainfilm.errors import InputError
from plainfilm.io.codec import Encoding, decode
from plainfilm.io.decoding import decode_apart
from plainfilm.io.greyscale import curve
from plainfilm.io.rules import Colour, check_size, grey, notices
from plainfilm.radiograph import Radiograph

INFLATED_LIMIT = 256 << 20  # bytes that a deflated file may grow to

MODALITIES = ("CR", "DX", "DR", "RG", "OT")
_OTHER_MODALITIES = (
    "CT", "MR", "US", "NM", "PT", "MG", "XA", "RF", "PX", "IO", "SR", "SEG", "PR", "KO", "REG", "ECG",
    "RTIMAGE", "RTDOSE", "RTPLAN", "RTSTRUCT", "DOC", "SM", "OP", "OPT", "ES", "XC", "GM", "BMD",
)  # fmt: skip
# Computed and digital radiography, for presentation and processing, and secondary capture.
_STORAGE = tuple(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("1", "1.1", "1.1.1", "7"))
_VIEWS = {"PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LATERAL": "LATERAL"}
_GREY, _COLOUR = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

_ELEMENTS = [
    "SOPClassUID", "Modality", "ViewPosition", "PixelSpacing", "ImagerPixelSpacing", "BurnedInAnnotation",
    "PresentationIntentType", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "PresentationLUTShape", "PixelData",
]  # fmt: skip

# What pydicom raises on damaged files; a fuzz test keeps the list complete.
_DAMAGE = (
    InvalidDicomError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
    ArithmeticError, NotImplementedError, RecursionError, MemoryError, RuntimeError, AssertionError,
    struct.error, zlib.error,
)  # fmt: skip
_quiet = threading.Lock()


def read_dicom(path: Path, colour: Colour, max_pixels: int) -> Radiograph:
    """Reads a DICOM file; see `plainfilm.io.read.read`."""
    with _guarded(path):
        dataset = _parse(path)
        _check_modality(dataset, str(path))
        encoding = _encoding(dataset, str(path))
        check_size(encoding.rows, encoding.columns, max_pixels, str(path))
        stored = _stored(dataset, encoding, str(path))
        pixels, tags, noticed = _shown(dataset, encoding, stored, colour, str(path))
        spacing, spacing_tag = _spacing(dataset)
        tags |= _terms(dataset) | spacing_tag
        noticed += _cautions(dataset, tags)
        return Radiograph(pixels, path.stem, _VIEWS.get(tags.get("ViewPosition")), spacing, tags, noticed)


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turns what pydicom raises into our error, and keeps what it says from every log.

    Its messages may quote any element, so nothing of them is passed on.
    """
    logger = logging.getLogger("pydicom")
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, logger.disabled = logger.disabled, True
        try:
            yield
        except _DAMAGE as error:
            found = f"a DICOM file of {path.stat().st_size} bytes that cannot be read ({type(error).__name__})"
            raise InputError(found, "an intact radiograph", str(path), "Export it again.") from None
        finally:
            logger.disabled = before


def _parse(path: Path) -> Dataset:
    with path.open("rb") as file:
        has_preamble = file.read(132)[128:] == b"DICM"
    if has_preamble:
        _refuse_inflation(path)
    return dcmread(path, force=not has_preamble, specific_tags=list(_ELEMENTS))


def _refuse_inflation(path: Path) -> None:
    """Inflates a deflated file without keeping it, for pydicom would do so without limit."""
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        # The preamble and its mark, the element of 12 bytes that holds the length, and that length.
        file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
        rest = file.read()
    while rest and not inflater.eof:
        size += len(inflater.decompress(rest, 1 << 20))
        rest = inflater.unconsumed_tail
        if size > INFLATED_LIMIT:
            raise InputError(
                f"a deflated file that grows beyond {INFLATED_LIMIT >> 20} MB", "a film of a plain size", str(path)
            )


def _check_modality(dataset: Dataset, where: str) -> None:
    modality = dataset.get("Modality")
    if modality in MODALITIES:
        return
    if not modality and (not dataset.get("SOPClassUID") or dataset.SOPClassUID in _STORAGE):
        return
    # Only terms of the standard are repeated: anything else may be anything.
    found = f"modality {modality}" if modality in _OTHER_MODALITIES else "another modality or kind of object"
    raise InputError(found, "a radiograph (" + ", ".join(MODALITIES) + ")", where)


def _encoding(dataset: Dataset, where: str) -> Encoding:
    for keyword in ("Rows", "Columns", "PixelData"):
        if keyword not in dataset:
            raise InputError(f"a DICOM file without {keyword}", "an image", where, "It may be cut off; export it again.")
    frames = _integer(dataset, "NumberOfFrames", 1)
    if frames > 1:
        raise InputError(f"{frames} frames", "a single one", where)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    allocated = _integer(dataset, "BitsAllocated")
    stored = _integer(dataset, "BitsStored", allocated)
    samples = _integer(dataset, "SamplesPerPixel", 1)
    if photometric not in (_GREY if samples == 1 else _COLOUR):
        raise InputError("pixels that are neither grey nor red, green and blue", " or ".join(_GREY), where)
    if allocated not in (8, 16) or not 1 <= stored <= allocated or samples not in (1, 3):
        raise InputError(f"{samples} samples of {stored} bits in {allocated}", "1 or 3 of up to 16 bits", where)
    if _integer(dataset, "HighBit", stored - 1) != stored - 1:
        raise InputError(f"the highest bit at {dataset.HighBit}", f"bit {stored - 1} for {stored} bits", where)
    return Encoding(
        transfer_syntax=_syntax(dataset, where), rows=_integer(dataset, "Rows"), columns=_integer(dataset, "Columns"),
        samples_per_pixel=samples, bits_allocated=allocated, bits_stored=stored,
        pixel_representation=_integer(dataset, "PixelRepresentation", 0), photometric_interpretation=photometric,
        planar_configuration=_integer(dataset, "PlanarConfiguration", 0), pixel_vr=dataset["PixelData"].VR,
    )  # fmt: skip


def _integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    return int(value if value is not None or default is None else default)


def _syntax(dataset: Dataset, where: str) -> str:
    """The transfer syntax; files without one are uncompressed, in the order of bytes that parsed."""
    _, little_endian = dataset.original_encoding
    plain = ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
    syntax = UID(dataset.file_meta.get("TransferSyntaxUID") or plain)
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise InputError("an unknown transfer syntax", "one of the standard", where)
    return str(syntax)


def _stored(dataset: Dataset, encoding: Encoding, where: str) -> np.ndarray:
    data = dataset.PixelData
    if UID(encoding.transfer_syntax).is_encapsulated:
        _check_single_frame(data, encoding, where)
        return decode_apart(data, encoding, where)
    size = encoding.frame_bytes
    if encoding.photometric_interpretation == "YBR_FULL_422":
        size = size // 3 * 2
    if not size <= len(data) <= size + size % 2:
        raise InputError(f"{len(data)} bytes of pixels", f"{size} for {encoding.rows} x {encoding.columns}", where)
    return decode(data, encoding)


def _check_single_frame(data: bytes, encoding: Encoding, where: str) -> None:
    """Refuses a second frame that NumberOfFrames does not mention."""
    offsets = parse_basic_offsets(data)
    fragments = list(generate_fragments(data))
    if encoding.transfer_syntax == RLELossless:
        frames = len(fragments)
    else:  # a JPEG, JPEG-LS or JPEG 2000 stream may be split, but only its first part has the mark of a start
        frames = sum(fragment.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff")) for fragment in fragments)
    if max(frames, len(offsets)) > 1:
        raise InputError(f"{max(frames, len(offsets))} compressed frames", "a single one", where)


def _shown(
    dataset: Dataset, encoding: Encoding, stored: np.ndarray, colour: Colour, where: str
) -> tuple[np.ndarray, dict[str, str | int | float], tuple[str, ...]]:
    """Pixels in [0, 1], with the tags and warnings that tell how they came about."""
    tags: dict[str, str | int | float] = {
        "Format": "DICOM", "Rows": encoding.rows, "Columns": encoding.columns,
        "BitsAllocated": encoding.bits_allocated, "BitsStored": encoding.bits_stored,
        "PhotometricInterpretation": encoding.photometric_interpretation,
        "TransferSyntax": UID(encoding.transfer_syntax).name,
    }  # fmt: skip
    if encoding.samples_per_pixel == 3:
        pixels = grey(stored, colour, where) * np.float32(1 / (2**encoding.bits_stored - 1))
        return pixels, tags, notices(pixels)
    display = curve(dataset, encoding, where)
    pixels = display(stored)
    return pixels, tags | {"VOI": display.voi}, display.warnings + notices(pixels)


def _terms(dataset: Dataset) -> dict[str, str]:
    """The coded elements whose value is a term of the standard."""
    known = {
        "Modality": MODALITIES,
        "ViewPosition": tuple(_VIEWS),
        "BurnedInAnnotation": ("YES", "NO"),
        "PresentationLUTShape": ("IDENTITY", "INVERSE"),
        "PresentationIntentType": ("FOR PRESENTATION", "FOR PROCESSING"),
    }
    return {keyword: dataset.get(keyword) for keyword, terms in known.items() if dataset.get(keyword) in terms}


def _spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, dict[str, str]]:
    """Millimetres (row, column): calibrated where the file has it, else those of the detector."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        value = dataset.get(keyword)
        if value and len(value) == 2:
            rows, columns = float(value[0]), float(value[1])
            if 0 < rows < np.inf and 0 < columns < np.inf:
                return (rows, columns), {keyword: f"{rows:g}\\{columns:g}"}
    return None, {}


def _cautions(dataset: Dataset, tags: dict[str, str | int | float]) -> tuple[str, ...]:
    cautions = {
        "The file does not say that it is free of burned-in text; look before you share its pixels.":
            tags.get("BurnedInAnnotation") != "NO",
        "The file names no modality and was taken for a radiograph.": "Modality" not in tags,
        "The file holds raw values FOR PROCESSING, not a film as it is shown.":
            tags.get("PresentationIntentType") == "FOR PROCESSING",
    }  # fmt: skip
    return tuple(text for text, applies in cautions.items() if applies)
