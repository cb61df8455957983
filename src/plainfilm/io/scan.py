"""Finding the films that a user means by files and folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from plainfilm.errors import InputError
from plainfilm.io.kinds import HEAD, kind_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom", ".npy")


def find_films(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Lists films: files as they are given, folders searched to any depth in sorted order.

    In a folder a film is known by its suffix, or without one by the mark of DICOM.
    Hidden files and folders are passed over. A film found twice is listed once.

    Raises:
        InputError: for a path that does not exist, a folder without films, or no path at all.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise InputError("no path", "at least one file or folder", "find_films")
    films: dict[Path, None] = {}
    for path in map(Path, given):
        films |= dict.fromkeys(_in_folder(path) if path.is_dir() else [_existing(path)])
    return list(films)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError("no such file or folder", "an existing one", str(path))
    return path


def _in_folder(folder: Path) -> list[Path]:
    films = sorted(path for path in folder.rglob("*") if _is_film(path, folder))
    if not films:
        raise InputError("a folder without films", "files " + ", ".join(SUFFIXES), str(folder))
    return films


def _is_film(path: Path, folder: Path) -> bool:
    if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
        return False
    if path.suffix:
        return path.suffix.lower() in SUFFIXES
    if path.name == "DICOMDIR":  # a table of contents
        return False
    with path.open("rb") as file:
        head = file.read(HEAD)
    return kind_of(head) == "dicom"
