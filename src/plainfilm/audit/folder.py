"""The folder of an audit: a note of what is audited, and blocks that are whole or absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from plainfilm.errors import ArtifactError
from plainfilm.io.atomic import atomic_write, check_output_folder, sweep, unwritable, write_text

ADVICE = "Choose an empty folder."

AGAIN = "Remove maps and blocks/scores-* from the audit's folder, and the same command makes them again."
"""Predictions stay."""


def open_folder(out: Path, identity: Mapping[str, Any]) -> None:
    """Makes the folder of an audit and notes its identity, or compares it with what the folder holds.

    Raises:
        ArtifactError: where the folder holds another audit, or its note is damaged.
        ResourceError: where the folder cannot be written.
    """
    for folder in (out, out / "blocks"):
        _make(folder)
    path = out / "audit.json"
    if not path.exists():
        write_text(path, json.dumps(identity, indent=2))
    try:
        found = dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError("a damaged audit.json", "an audit", str(out), ADVICE) from error
    changed = [key for key in identity if found.get(key) != identity[key]]
    if changed:
        raise ArtifactError(
            f"an audit with another {', '.join(changed)}", "the same, to go on with it", str(out), ADVICE
        )


def read_block(path: Path) -> pd.DataFrame:
    """The rows of a block.

    Raises:
        ArtifactError: where it is damaged.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        expected, advice = "one that this audit wrote", "Remove it, and it is made again."
        raise ArtifactError("a damaged block", expected, str(path), advice) from error


def write_block(path: Path, rows: pd.DataFrame) -> None:
    """Writes a block whole or not at all.

    Raises:
        ResourceError: where the folder cannot be written.
    """
    with atomic_write(path) as file:
        rows.to_parquet(file, index=False)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    check_output_folder(folder)
    sweep(folder)
