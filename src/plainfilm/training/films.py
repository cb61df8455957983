"""Films of a recipe, split into training, validation and test parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from plainfilm.datasets.phantom import Phantom, Shortcut
from plainfilm.datasets.store import FilmStore, store_of
from plainfilm.datasets.table import Label, TableDataset
from plainfilm.errors import LabelError
from plainfilm.findings import ALL
from plainfilm.training.recipe import PhantomRecipe, TableRecipe

Progress = Callable[[str, int, int], None]
"""Told the part's name, the films done and their total."""

Batch = tuple[Tensor, Tensor, Tensor]
"""Images ``(B, 1, S, S)`` in [0, 1], labels ``(B, K)`` and lungs ``(B, 1, S, S)``."""


@dataclass(frozen=True, eq=False)
class Part(Dataset[Any]):
    """Some rows of a store; gives whole batches, since a memory map reads many rows at once."""

    store: FilmStore
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> Tensor:
        """``(N, K)`` of this part."""
        return torch.from_numpy(np.asarray(self.store.labels)[self.rows])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        rows = self.rows[list(indices)]
        images = torch.from_numpy(self.store.images[rows])[:, None].float() / 255
        lungs = np.stack([self.store.lung_mask(int(row)) for row in rows])[:, None]
        return images, torch.from_numpy(self.store.labels[rows]), torch.from_numpy(lungs).float()


@dataclass(frozen=True, eq=False)
class Parts:
    """The films of a recipe."""

    train: Part
    validation: Part
    test: Part

    @property
    def targets(self) -> tuple[str, ...]:
        return self.train.store.targets


def parts_of(data: PhantomRecipe | TableRecipe, cache: Path, progress: Progress) -> Parts:
    """Decodes or renders the films of a recipe, or finds them in the cache."""
    if isinstance(data, PhantomRecipe):
        return _phantom_parts(data, cache, progress)
    return _table_parts(data, cache, progress)


def _phantom_parts(data: PhantomRecipe, cache: Path, progress: Progress) -> Parts:
    shortcut = Shortcut(**data.shortcut.model_dump()) if data.shortcut else None
    # The test films come without the shortcut: that is where a cheating model falls.
    honest = Shortcut(**{**data.shortcut.model_dump(), "correlation": 0.0}) if data.shortcut else None
    plan = {
        "training": Phantom(data.train, data.size, data.seed, data.prevalence, shortcut),
        "validation": Phantom(data.validation, data.size, data.seed + 1000, data.prevalence, shortcut),
        "test": Phantom(data.test, data.size, data.seed + 2000, data.prevalence, honest),
    }
    return Parts(*(_whole(phantom, name, data, cache, progress) for name, phantom in plan.items()))


def _whole(phantom: Phantom, name: str, data: PhantomRecipe, cache: Path, progress: Progress) -> Part:
    store = store_of(
        phantom,
        data.targets or ALL,
        data.size,
        cache,
        progress=lambda done: progress(name, done, len(phantom)),
    )
    return Part(store, np.arange(len(store)))


def _table_parts(data: TableRecipe, cache: Path, progress: Progress) -> Parts:
    labels = tuple((name, Label(**rule.model_dump())) for name, rule in data.labels.items())
    table = TableDataset(data.folder, data.csv, data.id_column, data.patient_column, labels)
    total = len(table)
    store = store_of(
        table, tuple(data.labels), data.size, cache, progress=lambda done: progress("films", done, total)
    )
    place = np.array([_place(patient) for patient in store.patients])
    test = place < data.test_share
    validation = ~test & (place < data.test_share + data.validation_share)
    parts = Parts(*(Part(store, np.flatnonzero(rows)) for rows in (~test & ~validation, validation, test)))
    if not all((len(parts.train), len(parts.validation), len(parts.test))):
        raise LabelError(f"{total} films", "enough for three parts", str(data.csv.name), "Change the shares.")
    return parts


def _place(patient: str) -> float:
    """A number in [0, 1) that depends on the patient alone, so all films of one fall in one part."""
    return int.from_bytes(hashlib.blake2b(patient.encode(), digest_size=8).digest()) / 2**64


class Films(lightning.LightningDataModule):
    """Loaders over the parts."""

    def __init__(self, parts: Parts, batch_size: int) -> None:
        super().__init__()
        self.parts, self.batch_size = parts, batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.parts.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.parts.validation, shuffle=False)

    def _loader(self, part: Part, shuffle: bool) -> DataLoader[Any]:
        drop = shuffle and len(part) > self.batch_size
        return DataLoader(
            part, self.batch_size, shuffle=shuffle, drop_last=drop, collate_fn=lambda batch: batch
        )
