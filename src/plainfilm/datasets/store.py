"""Films on one size, decoded or rendered once and read by memory map.

What is kept is known by its content, so nothing in the cache can be stale: a film that is
replaced, an outline that is redrawn or another version of the reader is another key. Any
number of processes may read and add at the same time; shards are whole or absent.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache as once
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import PIL

from plainfilm.datasets.study import Study
from plainfilm.errors import ArtifactError
from plainfilm.io.arrays import map_npy
from plainfilm.io.folder import atomic_folder
from plainfilm.radiograph import Placement


class Studies(Protocol):
    """A data set that can be sent to another process."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Study: ...

    @property
    def patients(self) -> Sequence[str]:
        """The patient of each film."""
        ...

    def labels(self, findings: Sequence[str]) -> np.ndarray:
        """Findings of all films, float32 ``(N, K)``: 1, 0 or NaN."""
        ...

    def film_keys(self, cache: Path | None) -> Sequence[str]:
        """A text for each film that changes with its pixels and its lungs; ``cache`` may remember hashes."""
        ...


Row = tuple[np.ndarray, np.ndarray]
"""Image and packed lungs of one film."""

FEW = 64
"""Films below which no other process is started."""

SHARD = 4096
"""Films a shard: what an interrupted preparation loses at most. Smaller ones would be many files, and each
that is mapped stays open: systems allow 256 or 1024."""


@dataclass(frozen=True, eq=False)
class FilmStore:
    """The films of a data set on one size.

    Attributes:
        places: Shard and row of each film, ``(N, 2)``.
        shards: Images, uint8 ``(n, S, S)``, and lungs, bit-packed ``(n, S, ceil(S / 8))``, 0 where unknown.
        labels: float32 ``(N, K)``; 1, 0 or NaN.
        targets: The K findings.
        patients: N patient ids.
        keys: N texts that change with the films and their lungs (``Studies.film_keys``).
    """

    places: np.ndarray
    shards: tuple[Row, ...]
    labels: np.ndarray
    targets: tuple[str, ...]
    patients: tuple[str, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def size(self) -> int:
        """Side of the films in pixels."""
        return self.shards[0][0].shape[1]

    def take(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Images of these films, uint8 ``(n, S, S)``."""
        return np.stack([self.shards[shard][0][row] for shard, row in self.places[rows]])

    def lung_masks(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Lungs of these films, bool ``(n, S, S)``."""
        packed = np.stack([self.shards[shard][1][row] for shard, row in self.places[rows]])
        return np.unpackbits(packed, axis=-1, count=self.size).astype(bool)


def store_of(
    studies: Studies,
    targets: Sequence[str],
    size: int,
    cache: Path,
    fit: str = "centre_crop",
    workers: int = 2,
    progress: Callable[[int], None] = lambda done: None,
) -> FilmStore:
    """The films on one size: read from the cache, where those that it lacks are put first.

    Pixels are rounded to 8 bits; the numbers are the same whether a film was in the cache or not.

    Args:
        studies: The films and what is known about them.
        targets: Findings to keep.
        size: Side of the stored films in pixels.
        cache: A folder that any number of data sets and processes share.
        fit: How a film is brought to a square, as in ``Placement.fit``.
        workers: Processes.
        progress: Called with the number of films that are done.

    Raises:
        InputError: for a film that cannot be read.
        ResourceError: where the cache cannot be written.
        ArtifactError: for a shard that was damaged.
    """
    keys = list(studies.film_keys(cache))
    pool = cache / f"films-{size}-{fit}-{reader_version()}"
    places = _places(pool)
    missing = {key: index for index, key in enumerate(keys) if key not in places}
    there = len(keys) - len(missing)
    progress(there)
    _add(pool, missing, _Row(studies, size, fit), workers, lambda done: progress(there + done))
    places = _places(pool) if missing else places
    names = {name: k for k, name in enumerate(sorted({places[key][0] for key in keys}))}
    return FilmStore(
        np.array([(names[places[key][0]], places[key][1]) for key in keys], np.int64).reshape(-1, 2),
        tuple(_open(pool / name) for name in names),
        studies.labels(targets),
        tuple(targets),
        tuple(studies.patients),
        tuple(keys),
    )


@once
def reader_version() -> str:
    """A text that changes with the code that makes pixels and lungs of files, and with what resizes them."""
    package = Path(__file__).parents[1]
    found = hashlib.blake2b(PIL.__version__.encode(), digest_size=4)
    folders = [path for folder in ("io", "masks") for path in sorted((package / folder).glob("*.py"))]
    drawing = package / "datasets" / "annotations.py"
    for path in (*folders, package / "radiograph.py", drawing, Path(__file__)):
        found.update(path.read_bytes())
    return found.hexdigest()


def _places(pool: Path) -> dict[str, tuple[str, int]]:
    """Key to the shard that holds the film, and its row there."""
    found: dict[str, tuple[str, int]] = {}
    for path in sorted(pool.glob("shard-*/keys.json")):
        try:
            keys = json.loads(path.read_text())
            found |= {key: (path.parent.name, row) for row, key in enumerate(keys)}
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(path.parent, error) from error
    return found


def _open(shard: Path) -> Row:
    try:
        images, lungs = (map_npy(shard / f"{name}.npy") for name in ("images", "lungs"))
    except ArtifactError as error:
        raise _damaged(shard, error) from error
    return images, lungs


def _damaged(shard: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{error}", "a shard of films", str(shard), "Delete the folder; it is made again.")


def _add(
    pool: Path, missing: Mapping[str, int], row: _Row, workers: int, progress: Callable[[int], None]
) -> None:
    """Decodes films and puts them into the pool, shard by shard."""
    keys, rows = list(missing), _rows(row, list(missing.values()), workers)
    for start in range(0, len(keys), SHARD):
        part = keys[start : start + SHARD]
        with atomic_folder(pool / f"shard-{secrets.token_hex(8)}") as folder:
            shape = (len(part), row.size)
            images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (*shape, row.size))
            packed = (*shape, (row.size + 7) // 8)
            lungs = np.lib.format.open_memmap(folder / "lungs.npy", "w+", np.uint8, packed)
            for k, (image, lung) in zip(range(len(part)), rows, strict=False):
                images[k], lungs[k] = image, lung
                progress(start + k + 1)
            images.flush()
            lungs.flush()
            del images, lungs  # Windows moves no folder whose files are open
            (folder / "keys.json").write_text(json.dumps(part))


def _rows(row: _Row, indices: Sequence[int], workers: int) -> Iterator[Row]:
    # A process takes a second or two to start, more than a few films take.
    if workers == 1 or len(indices) < FEW:
        yield from map(row, indices)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _Worker.start, (row,)) as pool:
        yield from pool.map(_Worker.run, indices, chunksize=16)


@dataclass(frozen=True)
class _Row:
    """Makes one row of a store, in a process of its own."""

    studies: Studies
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
        return image, np.packbits(lungs, axis=-1)


class _Worker:
    """What a process of the pool keeps: a data set may hold a large table, so it is sent only once."""

    row: ClassVar[_Row]

    @classmethod
    def start(cls, row: _Row) -> None:
        cls.row = row

    @classmethod
    def run(cls, index: int) -> Row:
        return cls.row(index)
