"""Any folder of films with a CSV of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from plainfilm.datasets.columns import UNCERTAIN, check_labels
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.layout import (
    ages,
    check_ages,
    check_column,
    check_sexes,
    films_table,
    locate,
    read_csv,
    sexes,
    views,
    without_suffix,
)
from plainfilm.errors import LabelError


@dataclass(frozen=True)
class Label:
    """When a row counts as positive: ``equals`` is among the parts of ``column``, split at "|".

    Where ``equals`` is the number 1, the column holds numbers: 1, 0, -1 (uncertain, for the manifest's
    policy to decide) or nothing, however they are written ("1", "1.0").

    Attributes:
        column: Name of the column.
        equals: What a positive cell holds.
        unknown: Whole cells that say nothing, which become NaN; CheXpert's are "" and "-1.0".
    """

    column: str
    equals: str
    unknown: tuple[str, ...] = ("",)

    def values(self, cells: pd.Series, where: str) -> np.ndarray:
        """1, 0, -1 for a doubt, or NaN where a cell says nothing: float32 ``(N,)``.

        Raises:
            LabelError: for other values in a column of numbers, with their counts.
        """
        known = ~cells.isin(self.unknown)
        found = np.full(len(cells), np.nan, np.float32)
        found[known] = (self._numbers if self._is_number() else self._parts)(cells[known], where)
        return found

    def _is_number(self) -> bool:
        try:
            return float(self.equals) == 1
        except ValueError:
            return False

    def _parts(self, cells: pd.Series, where: str) -> np.ndarray:
        return cells.map(lambda cell: self.equals in cell.split("|")).to_numpy(np.float32)

    def _numbers(self, cells: pd.Series, where: str) -> np.ndarray:
        # An empty cell that is not unknown is a finding that nobody mentioned: absent.
        filled = cells.str.strip().replace("", "0")
        numbers = pd.to_numeric(filled, errors="coerce")
        if numbers.isna().any():
            words = filled[numbers.isna()].value_counts().head(5)
            counts = ", ".join(f"{word!r} ({count} times)" for word, count in words.items())
            raise LabelError(f"the values {counts}", "1, 0, -1 or empty", where)
        check_labels(numbers, (1.0, 0.0, UNCERTAIN), where)
        return numbers.to_numpy(np.float32)


def read_table(
    folder: str | Path,
    csv: str | Path,
    id_column: str,
    patient_column: str | None,
    labels: Sequence[tuple[str, Label]],
    view_column: str | None = None,
    sex_column: str | None = None,
    age_column: str | None = None,
    split_column: str | None = None,
) -> Manifest:
    """Reads films named by a CSV.

    Args:
        folder: Where the films lie, flat or nested.
        csv: The table, one row a film; ``.gz`` and ``.zip`` too.
        id_column: Holds the file name or the path from ``folder``; less its suffix it is the film's id.
        patient_column: Holds the patient, or None where every film is a patient.
        labels: Finding to its rule, as pairs.
        view_column: Holds PA, AP, LL, RL or LATERAL; other words become "".
        sex_column: Holds F or M, or the words, or nothing.
        age_column: Holds years from 0 to 120, or nothing.
        split_column: Holds "train", "validation", "test" or nothing.

    Returns:
        All rows, also of films that are not in the folder; ``Manifest.here`` leaves those out.

    Raises:
        InputError: where the folder or the table is missing or cannot be read.
        LabelError: for a missing column, an id that occurs twice, or values that a column may not hold.
    """
    folder, csv = Path(folder), Path(csv)
    cells = read_csv(csv, (id_column,))
    empty = pd.Series("", cells.index)

    def column(name: str | None) -> pd.Series:
        if name is not None:
            check_column(name, cells, csv.name)
        return empty if name is None else cells[name]

    sex, age = column(sex_column), column(age_column)
    check_sexes(sex, f"{csv.name}, {sex_column}")
    check_ages(age, f"{csv.name}, {age_column}")
    columns = {
        "film": cells[id_column].map(without_suffix),
        "path": locate(folder, cells[id_column].tolist()),
        "patient": column(patient_column),
        "view": views(column(view_column)),
        "sex": sexes(sex),
        "age": ages(age),
        "split": column(split_column),
    }
    findings = {name: rule.values(column(rule.column), f"{csv.name}, {rule.column}") for name, rule in labels}
    return Manifest(csv.name.split(".")[0], folder, films_table(columns, findings))
