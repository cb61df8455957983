"""Folders that are whole or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plainfilm.errors import ResourceError
from plainfilm.io.atomic import PART


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a folder to fill, which takes its final name only when the block ends well.

    Where another process finished the same folder first, theirs stays.

    Raises:
        ResourceError: where the folder above cannot be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        part.mkdir(parents=True)
        yield part
        if not path.exists():
            part.rename(path)
    except OSError as error:
        raise ResourceError(
            f"{error.strerror or error}", "a folder that can be written", str(path.parent),
            "Free space or choose another folder; nothing was left under the final name.",
        ) from error  # fmt: skip
    finally:
        shutil.rmtree(part, ignore_errors=True)
