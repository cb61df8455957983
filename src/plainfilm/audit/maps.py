"""Raw maps of an audit on disk: one zarr array a method, one row a film and finding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr

from plainfilm.errors import ArtifactError

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
            ArtifactError: where the method's array has maps of another size.
        """
        array = self._array(method, maps.shape[1:])
        array[block * BLOCK : block * BLOCK + len(maps)] = maps.astype(np.float32)

    def read(self, method: str, row: int) -> np.ndarray:
        """The map of one row, float32 ``(h, w)``.

        Raises:
            ArtifactError: where there is none.
        """
        try:
            found = np.asarray(zarr.open_array(self.folder / method, mode="r")[row])
        except (OSError, ValueError, IndexError) as error:
            raise ArtifactError(f"no map {row} of {method}", "a finished audit", str(self.folder)) from error
        if np.isnan(found).any():
            raise ArtifactError(f"map {row} of {method}, never written", "a finished audit", str(self.folder))
        return found

    def _array(self, method: str, size: tuple[int, ...]) -> zarr.Array:
        path = self.folder / method
        if not path.exists():
            zarr.create_array(
                path, shape=(self.rows, *size), chunks=(BLOCK, *size), dtype="float32", fill_value=np.nan
            )
        array = zarr.open_array(path, mode="r+")
        if array.shape != (self.rows, *size):
            expected = f"{array.shape[0]} maps of {array.shape[1:]}"
            raise ArtifactError(f"{self.rows} maps of {size}", expected, str(path), "Use another folder.")
        return array
