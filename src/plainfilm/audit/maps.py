"""Raw maps of an audit on disk: one zarr array a method, one row a film and finding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from plainfilm.audit.folder import AGAIN
from plainfilm.errors import ArtifactError
from plainfilm.io.atomic import unwritable
from plainfilm.io.filenames import safe_stem

BLOCK = 16
"""Rows that are written at once, which are one chunk of an array: a block is on disk or it is not."""


class MapStore:
    """Float32 maps in their method's own unit, never rescaled.

    Args:
        folder: Holds a zarr array for each method, ``(rows, h, w)``; NaN where nothing was written.
        rows: Films and findings.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows

    def write(self, method: str, block: int, maps: np.ndarray) -> None:
        """Puts the maps ``(n, h, w)`` of a block, ``n`` at most ``BLOCK``, in their place.

        Raises:
            ArtifactError: where the method's array has maps of another size or cannot be read.
            ResourceError: where the folder cannot be written.
        """
        path = self.path(method)
        try:
            array = self._array(path, maps.shape[1:])
            array[block * BLOCK : block * BLOCK + len(maps)] = maps.astype(np.float32)
        except OSError as error:
            raise unwritable(path, error) from error

    def read(self, method: str, row: int) -> np.ndarray:
        """The map of one row, float32 ``(h, w)``.

        Raises:
            ArtifactError: where there is none, or it is damaged.
        """
        path = self.path(method)
        try:
            array = zarr.open_array(path, mode="r")
        except (OSError, ValueError, KeyError, TypeError) as error:
            state = "damaged" if path.exists() else "missing"
            raise ArtifactError(f"{state} maps of {method}", "a finished audit", str(path), AGAIN) from error
        try:
            found = np.asarray(array[row])
        # A damaged chunk is a RuntimeError of its codec, an index out of bounds is zarr's own IndexError.
        except (OSError, ValueError, IndexError, RuntimeError) as error:
            raise self._unreadable(f"a damaged map {row} of {method}", method, row) from error
        if np.isnan(found).any():
            raise self._unreadable(f"map {row} of {method}, never written", method, row)
        return found

    def path(self, method: str) -> Path:
        """Where the maps of a method lie, whatever another package called it."""
        return self.folder / safe_stem(method)

    def _unreadable(self, found: str, method: str, row: int) -> ArtifactError:
        """Names the chunk and the block that are to be removed, and no more than these are made again."""
        block = row // BLOCK
        chunk = self.path(method) / "c" / str(block)
        named = f"{chunk.relative_to(self.folder.parent).as_posix()} and blocks/scores-{block:06d}.parquet"
        advice = f"Remove {named} from the audit's folder, and the same command makes them again."
        return ArtifactError(found, "a finished audit", str(chunk), advice)

    def _array(self, path: Path, size: tuple[int, ...]) -> zarr.Array:
        # A kill may leave the folder without its metadata, which are written last.
        if not (path / "zarr.json").exists():
            zarr.create_array(
                path, shape=(self.rows, *size), chunks=(BLOCK, *size), dtype="float32", fill_value=np.nan,
                compressors=[ZstdCodec(checksum=True)], overwrite=True,
            )  # fmt: skip
        try:
            array = zarr.open_array(path, mode="r+")
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError("damaged metadata", "maps of an audit", str(path), AGAIN) from error
        if array.shape != (self.rows, *size):
            expected = f"{array.shape[0]} maps of {array.shape[1:]}"
            raise ArtifactError(f"{self.rows} maps of {size}", expected, str(path), AGAIN)
        return array
