"""Going through films one by one, with a rule for those that cannot be used."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plainfilm.cli.console import progress
from plainfilm.cli.options import OnError
from plainfilm.errors import InputError, LabelError, NumericError, ResourceError
from plainfilm.io.atomic import check_output_folder, sweep, write_text

if TYPE_CHECKING:
    from plainfilm.radiograph import Radiograph

FINISHED_WITH_EXCLUSIONS = 6

RESULTS = (
    "index.html",
    "predictions.csv",
    "localisation.csv",
    "reconstructions.csv",
    "impact.csv",
    "excluded.csv",
    "contact_sheet.png",
    "maps/*/*.npz",
    "maps/*/*.png",
)
"""What the verbs write into a folder for results."""

FORMULA = ("=", "+", "-", "@")
"""What a cell begins with that a spreadsheet would compute."""


@dataclass
class Quarantine:
    """Films that were left out, and how many of them are too many.

    Attributes:
        policy: Whether one bad film stops the run.
        most: Share of films that may be left out.
        reasons: Film id to reason.
    """

    policy: OnError
    most: float
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return FINISHED_WITH_EXCLUSIONS if self.reasons else 0

    def exclude(self, film: str, error: InputError | LabelError | NumericError, total: int) -> None:
        """Notes a film, or raises where the run must not go on.

        Raises:
            InputError: where more than the allowed share is excluded.
        """
        if self.policy is OnError.STOP:
            raise error
        self.reasons[film] = str(error)
        if len(self.reasons) > self.most * total:
            raise InputError(
                f"{len(self.reasons)} of {total} films that cannot be used, the last because: {error}",
                f"at most {self.most:.1%} excluded", "quarantine",
                "Raise --max-excluded to go on without them.",
            ) from error  # fmt: skip

    def save(self, out: Path | None) -> None:
        """Writes ``excluded.csv`` into a folder, where there is one and it is needed."""
        if out and self.reasons:
            write_csv(out / "excluded.csv", ("id", "reason"), self.reasons.items())


def open_output(out: Path) -> Path:
    """Makes a folder for results and tries to write in it, before any work is done.

    Raises:
        ResourceError: where the folder above is missing, or either is read-only.
    """
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ResourceError(reason, "a folder inside one that can be written", str(out)) from error
    check_output_folder(out)
    sweep(out)
    return out


def open_results(out: Path) -> Path:
    """``open_output``, without the results of an earlier run: two runs must not mix in one folder.

    Only files of our own names are removed.
    """
    open_output(out)
    for pattern in RESULTS:
        for path in out.glob(pattern):
            path.unlink()
    return out


def film_ids(paths: Sequence[Path]) -> list[str]:
    """One id a film: its file name without suffix, or its path from the common folder where names repeat."""
    counts = Counter(path.stem for path in paths)
    if len(counts) == len(paths):
        return [path.stem for path in paths]
    full = [path.resolve() for path in paths]
    root = Path(os.path.commonpath([path.parent for path in full]))
    short = Counter(path.relative_to(root).with_suffix("") for path in full)
    relative = (path.relative_to(root) for path in full)
    # Two files that differ in the suffix alone keep it.
    return [(p if short[p.with_suffix("")] > 1 else p.with_suffix("")).as_posix() for p in relative]


def for_each_film(
    paths: Sequence[Path], label: str, work: Callable[[Radiograph], None], quarantine: Quarantine
) -> None:
    """Reads every film and passes it to ``work``; what fails is the quarantine's to judge."""
    from plainfilm.io.read import read

    for path, name in progress(list(zip(paths, film_ids(paths), strict=True)), label):
        try:
            work(replace(read(path), id=name))
        except (InputError, LabelError, NumericError) as error:
            quarantine.exclude(name, error, len(paths))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table atomically; a number that is NaN becomes an empty cell.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_text(path, text.getvalue().encode("utf-8", "replace").decode())


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
