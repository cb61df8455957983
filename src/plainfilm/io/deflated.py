"""DICOM files whose elements are deflated: how far they may grow."""

from __future__ import annotations

import zlib
from io import BufferedReader

from plainfilm.errors import InputError

LIMIT = 256 << 20  # bytes
_STEP = 1 << 20


class BoundedFile(BufferedReader):
    """A file whose deflated rest may not grow beyond a limit, which pydicom does not have.

    pydicom asks for all the rest at once exactly where it inflates it. So no header, however
    crafted, can make it inflate other bytes than those that were tried here.

    Raises:
        InputError: from ``read()`` of all the rest, where it would inflate to more than ``LIMIT``.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if (size is None or size < 0) and _grows_beyond(LIMIT, data):
            found = f"a deflated file that grows beyond {LIMIT >> 20} MB"
            raise InputError(found, "a film of a plain size", str(self.name))
        return data


def _grows_beyond(limit: int, deflated: bytes) -> bool:
    """Inflates without keeping what comes of it."""
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while size <= limit and (piece := inflater.decompress(deflated, _STEP)):
        size += len(piece)
        deflated = inflater.unconsumed_tail
    return size > limit
