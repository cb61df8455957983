"""Data sets: studies with findings and annotations. Names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

if TYPE_CHECKING:
    from plainfilm.datasets.checking import check
    from plainfilm.datasets.manifest import Manifest
    from plainfilm.datasets.opening import open_data
    from plainfilm.datasets.phantom import Phantom, Shortcut
    from plainfilm.datasets.planting import plant
    from plainfilm.datasets.readers.table import Label, read_table
    from plainfilm.datasets.splits import check_disjoint, cross_validation, split_by_patient
    from plainfilm.datasets.study import Study

_HOMES = {
    "Label": "readers.table",
    "Manifest": "manifest",
    "Phantom": "phantom",
    "Shortcut": "phantom",
    "Study": "study",
    "check": "checking",
    "check_disjoint": "splits",
    "cross_validation": "splits",
    "open_data": "opening",
    "plant": "planting",
    "read_table": "readers.table",
    "split_by_patient": "splits",
}

__all__ = [
    "Label",
    "Manifest",
    "Phantom",
    "Shortcut",
    "Study",
    "check",
    "check_disjoint",
    "cross_validation",
    "open_data",
    "plant",
    "read_table",
    "split_by_patient",
]

__getattr__ = loads_on_first_use(__name__, _HOMES)
