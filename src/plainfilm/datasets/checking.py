"""One full look at a data set, before hours are spent on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from plainfilm.datasets.columns import FINDING, UNCERTAIN
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.polarity import looks_inverted
from plainfilm.datasets.splits import check_disjoint
from plainfilm.errors import InputError, LabelError, NumericError, ResourceError
from plainfilm.io.content import content_hash

Unusable = InputError | LabelError | NumericError

Progress = Callable[[str, int, int], None]
"""Is told a stage, how many films are done, and how many there are."""

MARKS = ("constant", "inverted", "turned", "resized")

WORTHWHILE = 1000
"""Films from which on processes save more time than they take to start."""

CHUNK = 16
"""Films that a process is handed at once."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What a look at every film found.

    Attributes:
        manifest: The films that can be used, with their ``sha256``, ``height`` and ``width``.
        missing: Films without a file.
        broken: Film to why it, or what was drawn on it, cannot be read.
        constant: Films of one grey level.
        inverted: Films on which bone may be black (``polarity.looks_inverted``); none was changed.
        turned: Films that were turned as their EXIF orientation says.
        resized: Films with annotations that were drawn on another size.
        duplicates: Groups of films with the same file.
        stray: Annotations of films that the table does not hold.
        leak: A patient or file in more than one split, or None.
    """

    manifest: Manifest
    missing: tuple[str, ...]
    broken: Mapping[str, Unusable]
    constant: tuple[str, ...]
    inverted: tuple[str, ...]
    turned: tuple[str, ...]
    resized: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    stray: int
    leak: LabelError | None

    @property
    def errors(self) -> dict[str, Unusable]:
        """Film to why it cannot be used: missing ones first, then broken ones."""
        expected = f"one for each film ({len(self.missing)} have none)"
        advice = "Build the table with --here, which leaves them out."
        missing = {film: InputError("no file", expected, f"film {film}", advice) for film in self.missing}
        return missing | dict(self.broken)


@dataclass(frozen=True)
class Look:
    """What one film turned out to be; without a size where it could not be read."""

    film: str
    error: Unusable | None = None
    sha256: str = ""
    height: float = np.nan
    width: float = np.nan
    marks: frozenset[str] = frozenset()


def check(manifest: Manifest, processes: int | None = None, progress: Progress | None = None) -> Checked:
    """Reads every film and all that was drawn on it, once.

    Args:
        manifest: The data set; films without a path are missing, not broken.
        processes: How many read at once; one for each core if that is worth their start.
        progress: Is told how far it is.

    Raises:
        ResourceError: where a process dies, for want of memory most likely.
    """
    at_hand = np.flatnonzero(manifest.films["path"] != "").tolist()
    looks = {}
    if processes is None:
        processes = os.cpu_count() or 1 if len(at_hand) >= WORTHWHILE else 1
    for done, look in enumerate(_looks(manifest, at_hand, processes), start=1):
        looks[look.film] = look
        if progress:
            progress("Checking", done, len(at_hand))
    kept = manifest.select(manifest.films["film"].map(lambda film: film in looks and not looks[film].error))
    seen = [looks[film] for film in kept.films["film"]]
    facts = {name: [getattr(look, name) for look in seen] for name in ("sha256", "height", "width")}
    kept = replace(kept, films=kept.films.assign(**facts))
    return Checked(
        manifest=kept,
        missing=tuple(manifest.films["film"][manifest.films["path"] == ""]),
        broken={film: look.error for film, look in looks.items() if look.error},
        duplicates=_duplicates(kept),
        stray=int((~manifest.annotations["film"].isin(manifest.films["film"])).sum()),
        leak=_leak(kept),
        **{mark: tuple(look.film for look in seen if mark in look.marks) for mark in MARKS},
    )


def label_counts(manifest: Manifest) -> dict[str, dict[str, int]]:
    """Finding to how many films have it "present", "absent", "uncertain" or "unknown"."""
    counts = {}
    for name in manifest.findings:
        values = manifest.films[FINDING + name]
        counts[name] = {
            "present": int((values == 1).sum()),
            "absent": int((values == 0).sum()),
            "uncertain": int((values == UNCERTAIN).sum()),
            "unknown": int(values.isna().sum()),
        }
    return counts


def look_at(manifest: Manifest, index: int) -> Look:
    """Reads a film, its annotations, and its file once more for the hash."""
    film, file = manifest.films["film"].iloc[index], manifest.films["path"].iloc[index]
    try:
        path = manifest.path(index)
        radiograph = manifest[index].radiograph
        digest = content_hash(path)
    except (InputError, LabelError, NumericError) as error:
        return Look(film, type(error)(error.got, error.expected, f"film {film} ({file})", error.advice))
    flat = radiograph.pixels.min() == radiograph.pixels.max()
    marks = {
        "constant": flat,
        "inverted": not flat and looks_inverted(radiograph.pixels),
        "turned": radiograph.tags.get("Orientation", 1) != 1,
        "resized": any("resized" in warning for warning in radiograph.warnings),
    }
    height, width = radiograph.size
    return Look(film, None, digest, height, width, frozenset(mark for mark, holds in marks.items() if holds))


def _looks(manifest: Manifest, rows: Sequence[int], processes: int) -> Iterable[Look]:
    if processes <= 1:
        yield from (look_at(manifest, row) for row in rows)
        return
    try:
        with ProcessPoolExecutor(processes, get_context("spawn"), _remember, (manifest,)) as pool:
            yield from pool.map(_look_at_row, rows, chunksize=CHUNK)
    except BrokenProcessPool as error:
        raise ResourceError(
            "a process that died", "memory for one film each", "check", "Use fewer processes."
        ) from error


_REMEMBERED: list[Manifest] = []
"""The manifest of this process, which is sent to it once and not with every row."""


def _remember(manifest: Manifest) -> None:
    _REMEMBERED[:] = [manifest]


def _look_at_row(row: int) -> Look:
    return look_at(_REMEMBERED[0], row)


def _duplicates(manifest: Manifest) -> tuple[tuple[str, ...], ...]:
    twins = manifest.films[manifest.films["sha256"].duplicated(keep=False)]
    return tuple(tuple(films) for _, films in twins.groupby("sha256", sort=False)["film"])


def _leak(manifest: Manifest) -> LabelError | None:
    try:
        check_disjoint(manifest)
    except LabelError as leak:
        return leak
    return None
