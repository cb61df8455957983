"""The columns of a manifest's table of films, and what each may hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from plainfilm.errors import LabelError

TEXT = ("film", "path", "patient", "study", "view", "sex", "device", "split", "sha256")
NUMBERS = ("age", "height", "width", "bits", "inverted")
SPLITS = ("train", "validation", "test")
FINDING, SCORE = "finding:", "score:"
ZONES = "ABCDEF"
UNCERTAIN = -1.0

MANY = 5
"""Values that a message lists at most."""


def completed(films: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table of films with every column, in order and of its type; a film without a patient is its own.

    Raises:
        LabelError: for a column that is missing, unknown or there twice, a film without an id or one that
            occurs twice, or values that a column may not hold, with counts.
    """
    labels = _label_columns(films, name)
    _check_ids(films["film"], name)
    columns = {c: films.get(c, pd.Series("", films.index)).fillna("").astype(str) for c in TEXT}
    columns |= {c: _numbers(films.get(c, pd.Series(np.nan, films.index)), f"{name}, {c}") for c in NUMBERS}
    columns |= {c: _numbers(films[c], f"{name}, {c}").astype("float32") for c in labels}
    whole = pd.DataFrame(columns).reset_index(drop=True)
    whole["patient"] = whole["patient"].where(whole["patient"] != "", whole["film"])
    for column in labels:
        if column.startswith(FINDING):
            check_labels(whole[column], (1.0, 0.0, UNCERTAIN), f"{name}, {column.removeprefix(FINDING)}")
    check_labels(whole["bits"], range(1, 17), f"{name}, bits")
    check_labels(whole["inverted"], (0.0, 1.0), f"{name}, inverted")
    split = whole["split"]
    _refuse(split, split.isin(("", *SPLITS)), f"{', '.join(SPLITS)} or empty", f"{name}, split")
    return whole


def _label_columns(films: pd.DataFrame, name: str) -> list[str]:
    """The columns of findings and scores."""
    twice = films.columns[films.columns.duplicated()]
    if len(twice):
        raise LabelError(f"the column {twice[0]!r} more than once", "every column once", name)
    if "film" not in films:
        raise LabelError(f"the columns {', '.join(map(str, films))}", "a column 'film'", name)
    labels = [c for c in films if str(c).startswith((FINDING, SCORE))]
    unknown = [c for c in films if c not in (*TEXT, *NUMBERS, *labels)]
    if unknown:
        expected = f"{', '.join((*TEXT, *NUMBERS))}, {FINDING}NAME or {SCORE}NAME"
        raise LabelError(f"the column {unknown[0]!r}", expected, name)
    return labels


def _check_ids(ids: pd.Series, name: str) -> None:
    if ids.isna().any() or (ids == "").any():
        raise LabelError(f"{(ids.isna() | (ids == '')).sum()} films without an id", "an id each", name)
    twice = ids[ids.duplicated()]
    if len(twice):
        raise LabelError(
            f"{twice.nunique()} ids that occur twice, such as {twice.iloc[0]!r}", "unique ids", name,
            "Keep one row a film, or make the id from more than one column.",
        )  # fmt: skip


def _numbers(values: pd.Series, where: str) -> pd.Series:
    found = pd.to_numeric(values, errors="coerce").astype("float64")
    _refuse(values, pd.Series(np.isfinite(found), values.index), "numbers or empty", where)
    return found


def check_labels(values: pd.Series, allowed: Sequence[float], where: str) -> None:
    """Refuses numbers other than these and NaN.

    Raises:
        LabelError: with the values and how often they occur.
    """
    _refuse(values, values.isin(allowed), f"{', '.join(f'{value:g}' for value in allowed)} or empty", where)


def _refuse(values: pd.Series, sound: pd.Series, expected: str, where: str) -> None:
    """Refuses values that are neither sound nor empty."""
    wrong = values[~sound & values.notna()]
    if len(wrong):
        counts = wrong.map(_worded).value_counts().head(MANY)
        listed = ", ".join(f"{value} ({count} times)" for value, count in counts.items())
        raise LabelError(f"the values {listed}", expected, where)


def _worded(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
