"""What the readers share: tables as text, films found under a root, columns of one spelling."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plainfilm.datasets.columns import FINDING, MANY
from plainfilm.errors import InputError, LabelError, ResourceError
from plainfilm.io.scan import SUFFIXES

PACKINGS = ("", ".gz", ".zip")
"""A table may be compressed; its columns are the same."""

OLDEST = 120
"""Greater ages are typing errors, as NIH's first release holds some up to 414."""

_SEXES = {"F": "F", "FEMALE": "F", "M": "M", "MALE": "M"}
_VIEWS = {"PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LATERAL": "LATERAL"}


def read_csv(path: str | Path, required: Sequence[str] = (), sep: str = ",") -> pd.DataFrame:
    """Reads a table as text: ``00123``, ``NA`` and an empty cell stay what they are.

    Blanks around the names of columns are cut, and columns without a name are left out. ``.gz``
    and ``.zip`` are unpacked.

    Raises:
        InputError: for a file that is missing or no table.
        LabelError: for a column that is missing or there twice.
        ResourceError: for a file that may not be read.
    """
    path = Path(path)
    cells = _cells(path, sep)
    names = [str(name).strip() for name in cells.iloc[0]]
    named = [name for name in names if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise LabelError(
            f"{len(twice)} columns that occur twice, such as {twice[0]!r}", "one each", path.name
        )
    for name in required:
        check_column(name, named, path.name)
    table = cells.iloc[1:].set_axis(names, axis=1)[named]
    return table.fillna("").reset_index(drop=True)


def check_column(name: str, columns: Iterable[str], where: str) -> None:
    """Refuses a table without this column.

    Raises:
        LabelError: with the columns that are there, and those of nearly this name.
    """
    columns = list(columns)
    if name in columns:
        return
    folded = {column.casefold(): column for column in columns}
    close = [folded[match] for match in get_close_matches(name.strip().casefold(), folded, n=3)]
    advice = f"Close: {', '.join(close)}." if close else ""
    raise LabelError(f"no column {name!r}", f"one of {', '.join(columns)}", where, advice)


def find_table(root: Path, *names: str, given: str | Path | None = None) -> Path:
    """The table ``given``, else the first of these names under ``root``, packed or not.

    Raises:
        InputError: where there is none.
    """
    found = Path(given) if given is not None else find_optional(root, *names)
    if found is None or not found.is_file():
        expected = " or ".join(names) if given is None else "an existing file"
        advice = "Pass the file itself if it has another name."
        raise InputError("no such file", expected, str(root if found is None else found), advice)
    return found


def find_optional(root: Path, *names: str, given: str | Path | None = None) -> Path | None:
    """As ``find_table``, but None where nothing is given and nothing is there."""
    if given is not None:
        return find_table(root, given=given)
    check_folder(root)
    folders = (root, *sorted(Path(entry.path) for entry in os.scandir(root) if entry.is_dir()))
    places = (folder / f"{name}{packing}" for name in names for folder in folders for packing in PACKINGS)
    return next((place for place in places if place.is_file()), None)


def check_folder(root: Path) -> None:
    """Refuses a root that is no folder.

    Raises:
        InputError: where it is not.
    """
    if not root.is_dir():
        raise InputError("no such folder", "the folder of a data set", str(root))


def film_key(film: str | os.PathLike[str]) -> str:
    """The id of a film: its file name, less the suffix of a format that is read."""
    return without_suffix(os.path.basename(film))


def without_suffix(name: str) -> str:
    """A path less the suffix of a format that is read."""
    # An id such as 1.2.840 has no suffix, though it looks so.
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def locate(root: str | Path, names: Sequence[str]) -> list[str]:
    """Where films lie, in a flat folder or any nesting, found by one walk.

    Args:
        root: The folder of the data set.
        names: File names or the last parts of paths, with "/"; the suffix may be left out or another.

    Returns:
        For each name its path from ``root``, with "/"; "" where there is no such file.

    Raises:
        InputError: for a root that is no folder.
        LabelError: where a name means two files.
    """
    check_folder(Path(root))
    depths = {name.count("/") + 1 for name in names}
    places: dict[str, list[str]] = {}
    for path in _walk(Path(root)):
        parts = path.split("/")
        for depth in depths:
            if depth <= len(parts):
                places.setdefault(without_suffix("/".join(parts[-depth:])), []).append(path)
    return [_the_one(name, places.get(without_suffix(name), []), str(root)) for name in names]


def films_table(columns: Mapping[str, Any], findings: Mapping[str, Any]) -> pd.DataFrame:
    """A table for a manifest: its columns, and ``finding:NAME`` for each finding."""
    return pd.DataFrame({**columns, **{FINDING + name: values for name, values in findings.items()}})


def coded(cells: pd.Series, meaning: Mapping[str, float], where: str) -> np.ndarray:
    """Numbers for the words that a column may hold: float32 ``(N,)``.

    Raises:
        LabelError: for other words, with how often each occurs.
    """
    words = cells.str.strip()
    _refuse(cells, ~words.isin(list(meaning)).to_numpy(), f"one of {', '.join(map(repr, meaning))}", where)
    return words.map(meaning).to_numpy(np.float32)


def ages(cells: pd.Series) -> np.ndarray:
    """Years, float64 ``(N,)``; NaN for all but a number from 0 to ``OLDEST``, which may end in "Y"."""
    years = pd.to_numeric(cells.str.strip().str.removesuffix("Y"), errors="coerce")
    return years.where(years.between(0, OLDEST)).to_numpy(np.float64)


def check_ages(cells: pd.Series, where: str) -> None:
    """Refuses what ``ages`` would call unknown, empty cells aside.

    Raises:
        LabelError: with the values and how often each occurs.
    """
    given = cells[cells.str.strip() != ""]
    _refuse(given, np.isnan(ages(given)), f"years from 0 to {OLDEST} or empty", where)


def check_sexes(cells: pd.Series, where: str) -> None:
    """Refuses what ``sexes`` would call unknown; as ``check_ages``."""
    given = cells[cells.str.strip() != ""]
    _refuse(given, (sexes(given) == "").to_numpy(), "F, M, female, male or empty", where)


def sexes(cells: pd.Series) -> pd.Series:
    """ "F", "M", or "" for anything else."""
    return cells.str.strip().str.upper().map(_SEXES).fillna("")


def views(cells: pd.Series) -> pd.Series:
    """ "PA", "AP", "LATERAL", or "" for anything else."""
    return cells.str.strip().str.upper().map(_VIEWS).fillna("")


def _refuse(cells: pd.Series, wrong: np.ndarray, expected: str, where: str) -> None:
    counts = cells[wrong].value_counts()
    if len(counts):
        listed = ", ".join(f"{value!r} ({count} times)" for value, count in counts.head(MANY).items())
        raise LabelError(f"the values {listed}", expected, where)


def _cells(path: Path, sep: str) -> pd.DataFrame:
    """Everything in a table, its names as the first row."""
    try:
        return pd.read_csv(path, header=None, dtype=str, keep_default_na=False, sep=sep, encoding="utf-8-sig")
    except PermissionError as error:
        raise ResourceError("a file that may not be read", "read permission", path.name) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise LabelError(f"{error}", "a table with one value a column", path.name) from error
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"a file that cannot be read ({error})", "a table of text", path.name) from error


def _walk(root: Path) -> Iterable[str]:
    """Films under a folder by their suffix, sorted; hidden files and folders are passed over."""
    for folder, inner, files in os.walk(root, followlinks=True):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        inside = Path(folder).relative_to(root).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield f"{prefix}{name}"


def _the_one(name: str, found: Sequence[str], root: str) -> str:
    same = [path for path in found if path == name or path.endswith(f"/{name}")]
    if len(same or found) > 1:
        first, second, *_ = same or found
        raise LabelError(
            f"two files, {first} and {second}", "one", f"film {name} in {root}",
            "Give the folder that holds one of them as the root.",
        )  # fmt: skip
    return (same or found or [""])[0]
