"""Files by what they hold: a hash of their bytes, read again only when the file may have changed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plainfilm.errors import InputError, ResourceError
from plainfilm.io.atomic import write_text

SETTLED = 2.0
"""Seconds after which a change must show in a file's times, whatever the clock of its disk."""

READERS = 8
"""Threads that read at once; hashing lets others run."""


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits.

    Raises:
        InputError: for a file that is missing.
        ResourceError: for a file that may not be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError as error:
        raise ResourceError("a file that may not be read", "read permission", str(path)) from error
    except OSError as error:
        raise InputError("no such file", "an existing file", str(path)) from error


def content_hashes(paths: Iterable[Path], ledger: Path | None = None) -> list[str]:
    """``content_hash`` of many files.

    Args:
        paths: The files.
        ledger: A JSON file that remembers hashes. An entry counts only while size, inode and both
            times of a file are what they were, and if its last change was settled when it was hashed;
            the time of the inode's change cannot be set back by copying or by ``touch``.

    Raises:
        InputError: for a file that is missing.
        ResourceError: for a file that may not be read, or a ledger that cannot be written.
    """
    paths = list(paths)
    known = _load(ledger)
    states = {str(path): _state(path) for path in paths}
    unknown = [p for p in states if known.get(p, ["", None])[1] != states[p]]
    with ThreadPoolExecutor(READERS) as pool:
        fresh = dict(zip(unknown, pool.map(content_hash, map(Path, unknown)), strict=True))
    if ledger and fresh:
        settled = {p: [h, states[p]] for p, h in fresh.items() if _is_settled(states[p])}
        ledger.parent.mkdir(parents=True, exist_ok=True)
        write_text(ledger, json.dumps(_load(ledger) | settled))
    return [fresh.get(str(path)) or known[str(path)][0] for path in paths]


def _state(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError("no such file", "an existing file", str(path)) from error
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _is_settled(state: list[int]) -> bool:
    return time.time() - max(state[2:]) / 1e9 > SETTLED


def _load(ledger: Path | None) -> dict[str, list]:
    try:
        known = json.loads(ledger.read_text()) if ledger else {}
    except (OSError, ValueError):
        known = {}
    # A ledger only saves time: without a sound one every file is read.
    return known if isinstance(known, dict) else {}
