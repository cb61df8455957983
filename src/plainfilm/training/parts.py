"""Films of a recipe, split into training, validation and test parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from plainfilm.datasets.columns import SCORE, SPLITS
from plainfilm.datasets.manifest import POLICIES, Manifest
from plainfilm.datasets.phantom import Phantom, Shortcut
from plainfilm.datasets.readers.table import Label, read_table
from plainfilm.datasets.splits import split_by_patient
from plainfilm.datasets.store import FilmStore, Studies, store_of
from plainfilm.errors import LabelError
from plainfilm.findings import ALL
from plainfilm.training.recipe import ManifestRecipe, PhantomRecipe, Recipe, TableRecipe

Progress = Callable[[str, int, int], None]
"""Told the part's name, the films done and their total."""


class Batch(NamedTuple):
    """What a network learns from in one step.

    Attributes:
        images: ``(B, 1, S, S)`` in [0, 1].
        truth: Labels or scores ``(B, K)``, NaN where unknown; or lungs ``(B, 1, S, S)``.
        films: Their places in the part, int64 ``(B,)``.
    """

    images: Tensor
    truth: Tensor
    films: Tensor


@dataclass(frozen=True, eq=False)
class Part(Dataset[Any]):
    """Some rows of a store; gives whole batches, since a memory map reads many rows at once.

    Attributes:
        store: Films and lungs.
        ids: Of the films of the store.
        rows: The films of this part.
        truth: float32, a row for each film of the store; None where the lungs are to be found.
    """

    store: FilmStore
    ids: Sequence[str]
    rows: np.ndarray
    truth: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> Tensor:
        """``(N, K)`` of this part."""
        assert self.truth is not None
        return torch.from_numpy(self.truth[self.rows])

    @property
    def patients(self) -> list[str]:
        """The patient of each film of this part."""
        return [self.store.patients[row] for row in self.rows]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        films = np.asarray(indices, dtype=np.int64)
        rows = self.rows[films]
        images = torch.from_numpy(self.store.take(rows))[:, None].float() / 255
        truth = self.store.lung_masks(rows)[:, None] if self.truth is None else self.truth[rows]
        return Batch(images, torch.from_numpy(truth).float(), torch.from_numpy(films))


@dataclass(frozen=True, eq=False)
class Parts:
    """The films of a recipe.

    Attributes:
        targets: What the K columns of the truth are called.
        fingerprint: Changes with any film, label or division.
    """

    train: Part
    validation: Part
    test: Part
    targets: tuple[str, ...]
    fingerprint: str

    def __iter__(self) -> Iterator[Part]:
        return iter((self.train, self.validation, self.test))


def parts_of(recipe: Recipe, cache: Path, progress: Progress) -> Parts:
    """Decodes or renders the films of a recipe, or finds them in the cache.

    Raises:
        InputError: for a film that is missing or cannot be read.
        LabelError: for labels that are not there, a part without films, and a patient in two parts.
    """
    if isinstance(recipe.data, PhantomRecipe):
        return _phantom_parts(recipe, recipe.data, cache, progress)
    manifest = _manifest(recipe.data)
    targets, truth = _truth(manifest, recipe.data, recipe)
    known = ~np.isnan(truth).all(1)
    manifest, truth = manifest.select(known), truth[known]
    store = _store(manifest, "films", recipe.data.size, cache, progress)
    train, validation, test = (
        Part(store, manifest.ids, rows, truth) for rows in _split(manifest, recipe.data)
    )
    parts = Parts(train, validation, test, targets, "")
    if not all(map(len, parts)):
        got, advice = f"{len(manifest)} films", "Change the shares."
        raise LabelError(got, "enough for three parts", manifest.name, advice)
    return replace(parts, fingerprint=_fingerprint(parts))


def _phantom_parts(recipe: Recipe, data: PhantomRecipe, cache: Path, progress: Progress) -> Parts:
    shortcut = Shortcut(**data.shortcut.model_dump()) if data.shortcut else None
    # The test films come without the shortcut: that is where a cheating model falls.
    honest = replace(shortcut, correlation=0.0) if shortcut else None
    plan = {
        "training": Phantom(data.train, data.size, data.seed, data.prevalence, shortcut),
        "validation": Phantom(data.validation, data.size, data.seed + 1000, data.prevalence, shortcut),
        "test": Phantom(data.test, data.size, data.seed + 2000, data.prevalence, honest),
    }
    targets = data.targets or ALL
    train, validation, test = (
        Part(
            _store(phantom, name, data.size, cache, progress),
            phantom.ids,
            np.arange(len(phantom)),
            None if recipe.task == "lungs" else phantom.labels(targets),
        )
        for name, phantom in plan.items()
    )
    parts = Parts(train, validation, test, targets, "")
    return replace(parts, fingerprint=_fingerprint(parts))


def _store(studies: Studies, name: str, size: int, cache: Path, progress: Progress) -> FilmStore:
    return store_of(studies, (), size, cache, progress=lambda done: progress(name, done, len(studies)))


def _manifest(data: TableRecipe | ManifestRecipe) -> Manifest:
    """The films that were there when the table was read or the manifest built."""
    if isinstance(data, TableRecipe):
        labels = [(name, Label(**rule.model_dump())) for name, rule in data.labels.items()]
        return read_table(data.folder, data.csv, data.id_column, data.patient_column, labels).here()
    manifest = Manifest.load(data.folder, data.root)
    wanted = manifest.films["path"] != ""
    if data.views:
        wanted &= manifest.films["view"].isin(data.views)
    manifest = manifest.select(wanted)
    if data.uncertain is None:
        return manifest
    named = data.findings or manifest.findings
    policy = data.uncertain if isinstance(data.uncertain, dict) else dict.fromkeys(named, data.uncertain)
    return replace(manifest, uncertain=policy)


def _truth(
    manifest: Manifest, data: TableRecipe | ManifestRecipe, recipe: Recipe
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values of what is to be learnt: labels, or a score in shares of its greatest value."""
    if isinstance(data, ManifestRecipe) and data.score:
        if data.score not in manifest.scores:
            known = ", ".join(manifest.scores) or "no score at all"
            raise LabelError(f"score {data.score!r}", f"one of {known}", manifest.name)
        scores = manifest.films[SCORE + data.score].to_numpy(np.float32)[:, None]
        return (data.score,), scores / np.float32(recipe.greatest_score)
    targets = tuple(data.labels) if isinstance(data, TableRecipe) else data.findings or manifest.findings
    truth = manifest.labels(targets)
    if (truth == POLICIES["soft"]).any():  # told now, not after hours of decoding
        found, advice = "the policy 'soft' for doubts", "Set data.uncertain in the recipe."
        raise LabelError(found, "ignore, zero or one for training", manifest.name, advice)
    return targets, truth


def _split(manifest: Manifest, data: TableRecipe | ManifestRecipe) -> list[np.ndarray]:
    """Rows of the three parts: as the data set was published, or by patient; no patient is in two."""
    official = isinstance(data, ManifestRecipe) and data.split == "column"
    shares = {"validation": data.validation_share, "test": data.test_share}
    if official:
        published = set(manifest.films["split"])
        shares = {part: share for part, share in shares.items() if part not in published}
    split = split_by_patient(manifest, shares, official=official).films["split"]
    return [np.flatnonzero(split == part) for part in SPLITS]


def _fingerprint(parts: Iterable[Part]) -> str:
    parts = list(parts)
    found = hashlib.blake2b(digest_size=16)
    for store in dict.fromkeys(part.store for part in parts):
        found.update("\n".join(store.keys).encode())
    for part in parts:
        found.update(part.rows.tobytes())
        found.update(b"" if part.truth is None else part.truth.tobytes())
    return found.hexdigest()
