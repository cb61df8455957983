"""What measures of fidelity share: a score is asked of changed films, in the order of a map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainfilm.errors import InputError, NumericError
from plainfilm.masks.arrays import as_array, as_map
from plainfilm.radiograph import Placement

Score = Callable[[Tensor], Tensor]
"""Images ``(B, C, H, W)`` to scores ``(B,)``."""

BATCH = 32
"""Images that are scored at once."""


def scores_of(score: Score, images: Tensor) -> np.ndarray:
    """Scores ``(B,)`` as float64, without gradients, ``BATCH`` images at a time.

    Raises:
        InputError: for scores of another shape.
        NumericError: for scores that are not finite.
    """
    return np.concatenate([_scores(score, part) for part in images.split(BATCH)])


def _scores(score: Score, images: Tensor) -> np.ndarray:
    with torch.no_grad():
        found = score(images)
    if found.shape != (len(images),):
        raise InputError(f"scores of shape {tuple(found.shape)}", f"({len(images)},), one an image", "score")
    if not found.isfinite().all():
        raise NumericError("scores that are NaN or infinite", "finite scores", "score")
    return found.double().cpu().numpy()


def one_film(image: Tensor) -> Tensor:
    film = image[None] if image.ndim == 3 else image
    if film.ndim != 4 or len(film) != 1:
        raise InputError(f"an image of shape {tuple(image.shape)}", "(C, H, W), one film", "image")
    return film


def one_map(map: Any) -> np.ndarray:
    """A map as float64 ``(h, w)``, without the axes of one that methods put before it.

    Raises:
        InputError: for several maps or another shape.
        NumericError: for a map that is not finite.
    """
    array = as_array(map)
    while array.ndim > 2 and len(array) == 1:
        array = array[0]
    return as_map(array)


def drawn(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map ``(h, w)`` on the input's grid, by bilinear interpolation where it is coarser."""
    grid = values.shape[0], values.shape[1]
    return values if grid == size else Placement.resize(size, grid).restore(values)


def places(values: np.ndarray) -> np.ndarray:
    """The place of each pixel of a map ``(H, W)`` in its order: 0 for the highest, ties in index order."""
    order = np.argsort(-values, axis=None, kind="stable")
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    return place.reshape(values.shape)
