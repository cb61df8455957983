"""DICOM radiographs: one frame, technical tags only.

Elements that `plainfilm.io.header` does not list are not even parsed, so that no
name, date or identifier can reach a message, a log or a result.
"""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID, RLELossless

from plainfilm.errors import InputError
from plainfilm.io import header
from plainfilm.io.codec import Encoding, decode
from plainfilm.io.decoding import decode_apart
from plainfilm.io.deflated import BoundedFile
from plainfilm.io.greyscale import curve
from plainfilm.io.rules import Colour, check_size, grey, notices
from plainfilm.radiograph import Radiograph

# What pydicom raises on damaged files; a fuzz test keeps the list complete.
_DAMAGE = (
    InvalidDicomError, BytesLengthException, OSError, ValueError, TypeError, KeyError, IndexError,
    AttributeError, EOFError,
    ArithmeticError, NotImplementedError, RecursionError, MemoryError, RuntimeError, AssertionError,
    struct.error, zlib.error,
)  # fmt: skip
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff")  # of a JPEG or JPEG-LS stream, of a JPEG 2000 stream
_quiet = threading.Lock()


def read_dicom(path: Path, colour: Colour, max_pixels: int) -> Radiograph:
    """Reads a DICOM file; see `plainfilm.io.read.read`."""
    with _guarded(path):
        dataset = _parse(path)
        header.check_modality(dataset, str(path))
        encoding = header.encoding(dataset, str(path))
        check_size(encoding.rows, encoding.columns, max_pixels, str(path))
        pixels, voi, noticed = _shown(dataset, encoding, colour, str(path))
        spacing, spacing_tag = header.spacing(dataset)
        terms = header.terms(dataset)
        view = header.VIEWS.get(terms.get("ViewPosition", ""))
        tags = _facts(encoding) | voi | spacing_tag | terms
        return Radiograph(pixels, path.stem, view, spacing, tags, noticed + header.cautions(terms))


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
            size, name = path.stat().st_size, type(error).__name__
            found = f"a DICOM file of {size} bytes that cannot be read ({name})"
            raise InputError(found, "an intact radiograph", str(path), "Export it again.") from None
        finally:
            logger.disabled = before


def _parse(path: Path) -> Dataset:
    with BoundedFile(FileIO(path)) as file:
        has_preamble = file.read(132)[128:] == b"DICM"
        file.seek(0)
        return dcmread(file, force=not has_preamble, specific_tags=list(header.ELEMENTS))


def _shown(
    dataset: Dataset, encoding: Encoding, colour: Colour, where: str
) -> tuple[np.ndarray, dict[str, str], tuple[str, ...]]:
    """Pixels in [0, 1], how they came about, and what to warn of."""
    stored = _stored(dataset.PixelData, encoding, where)
    if encoding.samples_per_pixel == 3:
        white = np.float32(2**encoding.bits_stored - 1)
        pixels = np.divide(grey(stored, colour, where), white, dtype=np.float32)
        return pixels, {}, notices(pixels)
    display = curve(dataset, encoding, where)
    pixels = display(stored)
    return pixels, {"VOI": display.voi}, display.warnings + notices(pixels)


def _stored(data: bytes, encoding: Encoding, where: str) -> np.ndarray:
    if UID(encoding.transfer_syntax).is_encapsulated:
        _check_single_frame(data, encoding, where)
        return decode_apart(data, encoding, where)
    size = encoding.frame_bytes
    if encoding.photometric_interpretation == "YBR_FULL_422":
        size = size // 3 * 2
    if not size <= len(data) <= size + size % 2:
        expected = f"{size} for {encoding.rows} x {encoding.columns}"
        raise InputError(f"{len(data)} bytes of pixels", expected, where)
    return decode(data, encoding)


def _check_single_frame(data: bytes, encoding: Encoding, where: str) -> None:
    """Refuses a second frame that NumberOfFrames does not mention."""
    stream = BytesIO(data)
    offsets = parse_basic_offsets(stream)
    fragments = list(generate_fragments(stream))
    # A frame may be split, except in RLE, but only its first part has the mark of a start.
    starts = [
        part for part in fragments if encoding.transfer_syntax == RLELossless or part.startswith(_STARTS)
    ]
    frames = max(len(starts), len(offsets))
    if frames > 1:
        raise InputError(f"{frames} compressed frames", "a single one", where)


def _facts(encoding: Encoding) -> dict[str, str | int | float]:
    return {
        "Format": "DICOM",
        "Rows": encoding.rows,
        "Columns": encoding.columns,
        "BitsAllocated": encoding.bits_allocated,
        "BitsStored": encoding.bits_stored,
        "PhotometricInterpretation": encoding.photometric_interpretation,
        "TransferSyntax": UID(encoding.transfer_syntax).name,
    }
