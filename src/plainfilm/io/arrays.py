"""NumPy's files, read within bounds and without pickles."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from plainfilm.errors import ArtifactError

LIMIT = 256 << 20
"""Bytes that an archive may hold once it is unpacked."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# What zipfile and NumPy raise on damaged files; a fuzz test keeps the list complete.
_DAMAGE = (
    zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError,
    SyntaxError, TypeError, OverflowError, MemoryError, TokenError, zlib.error, struct.error,
)  # fmt: skip


def read_npz(path: Path, limit: int = LIMIT) -> dict[str, np.ndarray]:
    """Reads all arrays of an archive that ``numpy.savez`` or ``savez_compressed`` wrote.

    Args:
        path: The file.
        limit: More bytes than this are refused by the archive's table, before anything is unpacked;
            and what is unpacked never exceeds what the table says.

    Returns:
        Name to array.

    Raises:
        ArtifactError: for a file that is missing, damaged or too large, for Python objects among the
            arrays, and for headers that promise more than there is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > limit:
                raise ArtifactError(
                    f"an archive of {size} bytes unpacked", f"at most {limit >> 20} MB", path.name
                )
            # By size, for without it zipfile unpacks a stream that goes on past what the table says.
            blobs = {m.filename: archive.open(m).read(m.file_size) for m in members}
        return {name.removesuffix(".npy"): _array(blob) for name, blob in blobs.items()}
    except _DAMAGE as error:
        raise _unreadable(path, "an archive of arrays", error) from error


def map_npy(path: Path) -> np.ndarray:
    """Opens a ``.npy`` file by memory map, to be read only.

    Raises:
        ArtifactError: for a file that is missing, shorter than its header says, or no plain array.
    """
    try:
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise _unreadable(path, "an array", error) from error
    return found


def _unreadable(path: Path, expected: str, error: Exception) -> ArtifactError:
    why = str(error) or type(error).__name__
    return ArtifactError(f"a file that cannot be read ({why})", expected, path.name)


def _array(blob: bytes) -> np.ndarray:
    """One array; NumPy's own reader would set memory aside for whatever the header says."""
    stream = BytesIO(blob)
    shape, in_columns, dtype = _HEADERS[npy.read_magic(stream)](stream)
    if dtype.hasobject:
        raise ValueError("Python objects, which could run code")
    rest = memoryview(blob)[stream.tell() :]
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"{len(rest)} bytes for an array of shape {shape}")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if in_columns else "C").copy()
