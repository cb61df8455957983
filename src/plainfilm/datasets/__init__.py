"""Data sets: studies with findings and annotations. Names load when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"plainfilm.datasets.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
