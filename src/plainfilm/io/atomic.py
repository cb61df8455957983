"""Files that are whole or absent: written beside their place, then moved there."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path

from plainfilm.errors import ResourceError

_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part", re.DOTALL)  # others end their files in .part, too
# A full or failing disk; other errors of the operating system are the caller's own.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
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
        if isinstance(error, OSError) and error.errno in DISK:
            raise unwritable(path, error) from error
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
    """Removes our parts in a folder, files and folders, whose writer has died, and lists them."""
    parts = [part for part in sorted(Path(folder).glob(".*.part")) if _PART.fullmatch(part.name)]
    orphans = [part for part in parts if _orphaned(part)]
    for part in orphans:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
    return orphans


def part_of(path: Path) -> Path:
    """A new name beside a path, by which `sweep` knows our parts."""
    return path.with_name(f".{path.name[:64]}.{secrets.token_hex(4)}.part")


def lock(handle: int) -> bool:
    """Takes the lock of an open file or folder, until it is closed; False where another has it."""
    if sys.platform == "win32":  # where an open file cannot be removed anyway
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def unwritable(path: Path, error: OSError) -> ResourceError:
    """What to raise where the operating system refuses an output."""
    reason = (error.strerror or type(error).__name__).lower()
    return ResourceError(reason, "an output that can be written", str(path), _ADVICE)


def _open_part(path: Path) -> BufferedWriter:
    part = part_of(path)
    try:
        file = part.open("xb")
    except OSError as error:
        raise unwritable(path, error) from error
    lock(file.fileno())
    return file


def _orphaned(part: Path) -> bool:
    """Whether nobody holds the lock of a part: the kernel lets go of it when its writer dies."""
    try:
        handle = os.open(part, os.O_RDONLY)  # unlike open(), of a folder too
    except OSError:
        return False
    try:
        return lock(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
