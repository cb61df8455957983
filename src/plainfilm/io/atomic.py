"""Files that are whole or absent: written beside their place, then moved there."""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path

from plainfilm.errors import ResourceError

PART = ".part"
# A full or failing disk; other errors of the operating system are the caller's own.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_ADVICE = "Free space or choose another folder; nothing was left under the final name."


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BufferedWriter]:
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
            if sys.platform == "win32":  # elsewhere it stays locked, safe from sweep, until it is moved
                part.close()
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
    orphans = [part for part in sorted(Path(folder).glob(f".*{PART}")) if _orphaned(part)]
    for part in orphans:
        part.unlink(missing_ok=True)
    return orphans


def _open_part(path: Path) -> BufferedWriter:
    part = path.with_name(f".{path.name[:64]}.{secrets.token_hex(4)}{PART}")
    try:
        file = part.open("xb")
    except OSError as error:
        raise _failed(path, error) from error
    _lock(file.fileno())
    return file


def _orphaned(part: Path) -> bool:
    """Whether nobody holds the lock of a part: the kernel lets go of it when its writer dies."""
    try:
        with part.open("rb") as file:
            return _lock(file.fileno())
    except OSError:
        return False


def _lock(handle: int) -> bool:
    if sys.platform == "win32":  # where an open file cannot be removed anyway
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(path: Path, error: OSError) -> ResourceError:
    reason = (error.strerror or type(error).__name__).lower()
    return ResourceError(reason, "an output that can be written", str(path), _ADVICE)
