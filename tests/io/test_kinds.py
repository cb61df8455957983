"""The first bytes of a file decide what it is."""

from __future__ import annotations

import pytest

from plainfilm.io.kinds import beginning, kind_of


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"\x93NUMPY\x01\0", "npy"),
        (b"\0" * 128 + b"DICM", "dicom"),
        (b"II*\0" + b"\0" * 124 + b"DICM", "dicom"),
        (b"\x08\0\x16\0\x1a\0\0\0", "dicom"),
        (b"BM\0\0", None),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_the_kind_follows_from_the_content(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


def test_text_is_shown_as_text_and_bytes_as_numbers() -> None:
    assert beginning(b"<html>") == 'starts with "<html"'
    assert beginning(b"BM\x01\xff\x80") == "starts with bytes 42 4d 01 ff"
