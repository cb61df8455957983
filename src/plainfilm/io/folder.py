"""Folders that are whole or absent."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plainfilm.io.atomic import DISK, lock, part_of, sweep, unwritable

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a folder to fill, which takes its final name only when the block ends well.

    Where another process finished the same folder first, theirs stays. Parts that dead
    processes left in the folder above are removed.

    Raises:
        ResourceError: where the folder above cannot be written, or the disk is full.
    """
    part = _make_part(path)
    try:
        with _held(part):
            yield part
            _move(part, path)
    except OSError as error:
        if error.errno in DISK:
            raise unwritable(path, error) from error
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make_part(path: Path) -> Path:
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        part.mkdir()
    except OSError as error:
        raise unwritable(path, error) from error
    return part


def _move(part: Path, path: Path) -> None:
    try:
        part.rename(path)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise unwritable(path, error) from error


@contextmanager
def _held(part: Path) -> Iterator[None]:
    """Holds the lock of the folder itself, which moves with it and leaves no file behind."""
    if sys.platform == "win32":  # folders cannot be opened there, and so sweep takes none
        yield
        return
    handle = os.open(part, os.O_RDONLY)
    try:
        lock(handle)
        yield
    finally:
        os.close(handle)
