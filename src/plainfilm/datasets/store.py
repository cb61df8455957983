"""Films on one size, decoded or rendered once, read by memory map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from plainfilm.datasets.study import Study
from plainfilm.errors import ArtifactError
from plainfilm.io.folder import atomic_folder
from plainfilm.radiograph import Placement


class Studies(Protocol):
    """A data set that can be sent to another process."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Study: ...

    def fingerprint(self) -> str:
        """A text that changes with the settings, the films or what is known about them."""
        ...


Row = tuple[np.ndarray, np.ndarray, np.ndarray, str]
"""Image, packed lungs, labels and patient of one film."""

FEW = 64
"""Films below which no other process is started."""


@dataclass(frozen=True, eq=False)
class FilmStore:
    """A folder of arrays, one row a film.

    Attributes:
        images: uint8 ``(N, S, S)``.
        labels: float32 ``(N, K)``; 1, 0 or NaN.
        lungs: bool lung masks, bit-packed ``(N, S, ceil(S / 8))``; all 0 where unknown.
        targets: The K findings.
        patients: N patient ids.
    """

    images: np.ndarray
    labels: np.ndarray
    lungs: np.ndarray
    targets: tuple[str, ...]
    patients: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def lung_mask(self, index: int) -> np.ndarray:
        """bool ``(S, S)``."""
        return np.unpackbits(self.lungs[index], axis=-1, count=self.images.shape[2]).astype(bool)

    @classmethod
    def open(cls, folder: Path) -> FilmStore:
        """Opens a store without reading its films.

        Raises:
            ArtifactError: where it is incomplete.
        """
        try:
            meta = json.loads((folder / "store.json").read_text())
            images, labels, lungs = (
                np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("images", "labels", "lungs")
            )
            return cls(images, labels, lungs, tuple(meta["targets"]), tuple(meta["patients"]))
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(
                f"{error}", "a film store", folder.name, "Delete the folder; it is made again."
            ) from error


def store_of(
    studies: Studies,
    targets: Sequence[str],
    size: int,
    cache: Path,
    fit: str = "centre_crop",
    workers: int = 2,
    progress: Callable[[int], None] = lambda done: None,
) -> FilmStore:
    """The store of these films: opened where the cache holds it, made where it does not.

    Args:
        studies: The films and what is known about them.
        targets: Findings to keep.
        size: Side of the stored films in pixels.
        cache: Folder of stores.
        fit: How a film is brought to a square, as in ``Placement.fit``.
        workers: Processes.
        progress: Called with the number of films that are done.
    """
    folder = cache / f"films-{_key(studies, tuple(targets), size, fit)}"
    if not (folder / "store.json").exists():
        with atomic_folder(folder) as part:
            _write(part, studies, tuple(targets), size, fit, workers, progress)
    return FilmStore.open(folder)


def _key(studies: Studies, targets: tuple[str, ...], size: int, fit: str) -> str:
    """A name for these films as they are today."""
    settings = repr((studies.fingerprint(), targets, size, fit))
    return hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()


def _write(
    folder: Path, studies: Studies, targets: tuple[str, ...], size: int, fit: str, workers: int,
    progress: Callable[[int], None],
) -> None:  # fmt: skip
    count = len(studies)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, size, size))
    lungs = np.lib.format.open_memmap(folder / "lungs.npy", "w+", np.uint8, (count, size, (size + 7) // 8))
    labels, patients = np.empty((count, len(targets)), np.float32), []
    rows = _rows(_Row(studies, targets, size, fit), count, workers)
    for index, (image, lung, label, patient) in enumerate(rows):
        images[index], lungs[index], labels[index] = image, lung, label
        patients.append(patient)
        progress(index + 1)
    images.flush()
    lungs.flush()
    np.save(folder / "labels.npy", labels)
    meta = {"targets": targets, "patients": patients, "data": repr(studies), "fit": fit}
    (folder / "store.json").write_text(json.dumps(meta))


def _rows(row: _Row, count: int, workers: int) -> Iterator[Row]:
    # A process takes a second or two to start, more than a few films take.
    if workers == 1 or count < FEW:
        yield from map(row, range(count))
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _Worker.start, (row,)) as pool:
        yield from pool.map(_Worker.run, range(count), chunksize=16)


@dataclass(frozen=True)
class _Row:
    """Makes one row of a store, in a process of its own."""

    studies: Studies
    targets: tuple[str, ...]
    size: int
    fit: str

    def __call__(self, index: int) -> Row:
        study = self.studies[index]
        placement = Placement.fit(self.fit, study.radiograph.size, (self.size, self.size))
        image = (placement.sample(study.radiograph.pixels).clip(0, 1) * 255 + 0.5).astype(np.uint8)
        lungs = (
            np.zeros((self.size, self.size), bool)
            if study.lungs is None
            else placement.sample_mask(study.lungs)
        )
        labels = np.array([study.findings.get(name, np.nan) for name in self.targets], np.float32)
        return image, np.packbits(lungs, axis=-1), labels, study.patient or study.radiograph.id


class _Worker:
    """What a process of the pool keeps: a data set may hold a large table, so it is sent only once."""

    row: ClassVar[_Row]

    @classmethod
    def start(cls, row: _Row) -> None:
        cls.row = row

    @classmethod
    def run(cls, index: int) -> Row:
        return cls.row(index)
