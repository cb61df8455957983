"""What a file is, told by its first bytes and never by its name."""

from __future__ import annotations

from typing import Literal

Kind = Literal["dicom", "png", "jpeg", "tiff", "npy"]

HEAD = 132  # bytes needed to tell: the mark of DICOM follows a preamble of 128

_MARKS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x93NUMPY", "npy"),
)


def kind_of(head: bytes) -> Kind | None:
    """The format of a file that begins with ``head`` (``HEAD`` bytes), None where no film begins so."""
    # DICOM first: its preamble is free, and some writers make it look like a TIFF.
    if head[128:132] == b"DICM":
        return "dicom"
    # Old archives hold it without preamble; then an element of group 0002 or 0008 comes first.
    if head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00":
        return "dicom"
    return next((kind for mark, kind in _MARKS if head.startswith(mark)), None)


def beginning(head: bytes) -> str:
    """The first characters of a file, for a message: ``starts with "<html"``."""
    shown = head[:5].decode("latin-1")
    if shown.isascii() and shown.isprintable():
        return f'starts with "{shown}"'
    return f"starts with bytes {head[:4].hex(' ')}"
