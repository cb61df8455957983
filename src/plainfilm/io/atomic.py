"""Files that are whole or absent: written beside their place, then moved there."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from plainfilm.errors import ResourceError

PART = ".part"
# A full or failing disk; other errors of the operating system are the caller's own.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_ADVICE = "Free space or choose another folder; nothing was left under the final name."


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a file for writing that appears under its name only when complete.

    The bytes go to a ``.part`` file in the same folder, are forced to the disk, and
    take the name in one step; the folder's entry is forced too. After an exception
    the former file is untouched and the part is gone; after a kill, `sweep` removes it.

    Raises:
        ResourceError: for a folder that is missing or read-only, at once; for a full disk.
    """
    path = Path(path)
    part = _open_part(path)
    try:
        with part:
            yield part
            part.flush()
            os.fsync(part.fileno())
            os.replace(part.name, path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(part.name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _DISK:
            raise _failed(path, error) from error
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file whole or not at all; see `atomic_write`."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a UTF-8 file whole or not at all; see `atomic_write`."""
    write_bytes(path, text.encode())


def check_output_folder(folder: str | os.PathLike[str]) -> None:
    """Tries to write in a folder, before work is spent on what should go there.

    Raises:
        ResourceError: where the folder is missing, no folder, or read-only.
    """
    probe = _open_part(Path(folder) / "probe")
    probe.close()
    Path(probe.name).unlink()


def sweep(folder: str | os.PathLike[str]) -> list[Path]:
    """Removes the ``.part`` files in a folder whose writer has died, and lists them."""
    return [part for part in sorted(Path(folder).glob(f".*{PART}")) if _orphaned(part) and not part.unlink()]


def _open_part(path: Path) -> BinaryIO:
    try:
        handle, name = tempfile.mkstemp(PART, f".{path.name[:64]}.", path.parent)
    except OSError as error:
        raise _failed(path, error) from error
    part = os.fdopen(handle, "wb")
    # mkstemp keeps the file to its owner; results are as open as the user's umask says.
    os.chmod(name, 0o666 & ~_umask())
    _lock(handle)
    return _Named(part, name)
