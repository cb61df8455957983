"""Data sets: studies with findings and annotations. Names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

if TYPE_CHECKING:
    from plainfilm.datasets.phantom import Phantom, Shortcut
    from plainfilm.datasets.planting import plant
    from plainfilm.datasets.study import Study
    from plainfilm.datasets.table import Label, TableDataset

_HOMES = {
    "Label": "table",
    "Phantom": "phantom",
    "Shortcut": "phantom",
    "Study": "study",
    "TableDataset": "table",
    "plant": "planting",
}

__all__ = ["Label", "Phantom", "Shortcut", "Study", "TableDataset", "plant"]

__getattr__ = loads_on_first_use(__name__, _HOMES)
