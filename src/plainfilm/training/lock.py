"""One process a run folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plainfilm.errors import ResourceError
from plainfilm.io.atomic import lock, unwritable

NAME = "run.lock"


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Holds a run folder, which is made where it is missing.

    The kernel lets go of the lock when its owner dies, so what a killed process of this machine
    leaves is taken over. Of another machine that cannot be known, and on Windows nothing is locked.

    Raises:
        ResourceError: where another process holds the folder, or one of another machine left its lock.
    """
    path = run / NAME
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        file.seek(0)
        owner = _owner(file.read())
        if not lock(file.fileno()):
            raise ResourceError(
                f"a run folder in use by {owner}", "one of its own for each run", str(run),
                "Wait for that process, or choose another folder.",
            )  # fmt: skip
        if owner and not owner.endswith(socket.gethostname()):
            raise ResourceError(
                f"the lock of {owner}", "no other owner", str(path),
                "If that process has ended, remove the file.",
            )  # fmt: skip
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # not removed: another process may have it open already


def _owner(text: str) -> str:
    try:
        told = json.loads(text)
        return f"process {told['pid']} on {told['host']}"
    except (ValueError, KeyError, TypeError):
        return ""
