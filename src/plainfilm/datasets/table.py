"""A folder of films with a CSV of labels."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import pandas as pd

from plainfilm.datasets.study import Study
from plainfilm.errors import InputError, LabelError
from plainfilm.io.read import read


@dataclass(frozen=True)
class Label:
    """When a row counts as positive: ``equals`` is among the parts of ``column``, split at "|".

    Attributes:
        column: Name of the column.
        equals: What a positive cell holds.
        unknown: Whole cells that say nothing, which become NaN; CheXpert's are "" and "-1.0".
    """

    column: str
    equals: str
    unknown: tuple[str, ...] = ("",)

    def value(self, cell: str) -> float:
        """1.0, 0.0, or NaN where the cell says nothing."""
        if cell in self.unknown:
            return math.nan
        return float(self.equals in cell.split("|"))


@dataclass(frozen=True)
class TableDataset:
    """Films named by a CSV, as NIH ChestX-ray14 and most data sets are released.

    Ids are read as text: ``00123`` and ``NA`` stay what they are.

    Attributes:
        folder: Where the films lie.
        csv: The table, one row a film.
        id_column: Holds the file name.
        patient_column: Holds the patient, or None where every film is a patient.
        labels: Target name to its rule, as pairs.
    """

    folder: Path
    csv: Path
    id_column: str
    patient_column: str | None
    labels: tuple[tuple[str, Label], ...]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Study:
        row = self._rows.iloc[index]
        findings = {name: rule.value(row[rule.column]) for name, rule in self.labels}
        patient = row[self.patient_column] if self.patient_column else row[self.id_column]
        return Study(read(self.folder / row[self.id_column]), findings, patient=str(patient))

    def fingerprint(self) -> str:
        """A hash of the settings, of the table's bytes and of each film's name, size and time of change."""
        rows = self._rows
        found = hashlib.blake2b(repr(self).encode(), digest_size=16)
        found.update(self.csv.read_bytes())
        for name in rows[self.id_column]:
            status = (self.folder / name).stat()
            found.update(repr((name, status.st_size, status.st_mtime_ns)).encode())
        return found.hexdigest()

    @cached_property
    def _rows(self) -> pd.DataFrame:
        """The rows whose film is in the folder.

        Raises:
            InputError: where the table or every film is missing.
            LabelError: where a column is missing or an id occurs twice.
        """
        if not self.csv.is_file():
            raise InputError("no such file", "a CSV of labels", self.csv.name)
        table = pd.read_csv(self.csv, dtype=str, keep_default_na=False)
        for column in filter(
            None, (self.id_column, self.patient_column, *(rule.column for _, rule in self.labels))
        ):
            if column not in table:
                close = get_close_matches(column, table.columns, n=3)
                raise LabelError(
                    f"no column {column!r}", f"one of {', '.join(table.columns)}", self.csv.name,
                    f"Close: {', '.join(close)}." if close else "",
                )  # fmt: skip
        twice = table[self.id_column][table[self.id_column].duplicated()]
        if len(twice):
            raise LabelError(
                f"{len(twice)} ids that occur twice, such as {twice.iloc[0]}", "unique ids", self.csv.name
            )
        present = table[table[self.id_column].map(lambda name: (self.folder / name).is_file())]
        if present.empty:
            raise InputError("none of the films", f"{len(table)} files of the table", self.folder.name)
        return present.reset_index(drop=True)
