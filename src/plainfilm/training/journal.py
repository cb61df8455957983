"""The log of a run: ``metrics.csv``, one row a logged step."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger

from plainfilm.io.atomic import write_text


class Journal(Logger):
    """Keeps the rows of a run and writes them whole, so that none occurs twice after a resumption.

    Args:
        path: The file.
        resumed_at: Steps done when the run continues; rows of later steps are dropped.
    """

    def __init__(self, path: Path, resumed_at: int = 0) -> None:
        super().__init__()
        self.path = path
        self.rows = [row for row in _read(path) if int(row["step"]) < resumed_at] if resumed_at else []

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.rows.append({"step": step, **metrics})

    def log_hyperparams(self, *arguments: Any, **settings: Any) -> None:
        """Nothing: the recipe is on the card."""

    @rank_zero_only
    def save(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_text(self.path, text.getvalue())

    def finalize(self, status: str) -> None:
        self.save()


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: cell for name, cell in row.items() if cell != ""} for row in csv.DictReader(file)]
