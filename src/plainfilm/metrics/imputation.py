"""ROAD: removal that leaves little trace, most relevant pixels first and least relevant first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from plainfilm.errors import InputError
from plainfilm.metrics.scoring import Score, drawn, one_film, one_map, places, scores_of

BESIDE, DIAGONAL = 1 / 6, 1 / 12
"""Weights of a pixel's eight neighbours (Rong et al. 2022)."""

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)

NEIGHBOURS = [
    (down, right, DIAGONAL if down and right else BESIDE)
    for down, right in product((-1, 0, 1), repeat=2)
    if down or right
]


@dataclass(frozen=True, eq=False)
class Road:
    """Scores of one film after removal, ``(shares,)`` each.

    Attributes:
        most_relevant_first: With the highest pixels removed; a good map lets it fall early.
        least_relevant_first: With the lowest pixels removed; a good map keeps it up.
        shares: Of the pixels that were removed.
        flat: Whether the map is constant, so that the order is that of the pixels' index and means nothing.
    """

    most_relevant_first: np.ndarray
    least_relevant_first: np.ndarray
    shares: np.ndarray
    flat: bool

    @property
    def gap(self) -> float:
        """Mean of least minus most relevant first over the shares; higher is better, 0 for no knowledge.

        What removal does by itself, whatever is removed, is in both and leaves the difference.
        """
        return float((self.least_relevant_first - self.most_relevant_first).mean())


def road(
    score: Score,
    image: Tensor,
    map: Any,
    shares: Sequence[float] = SHARES,
    noise: float = 0.01,
    seed: int = 0,
) -> Road:
    """Remove and debias (Rong et al. 2022): pixels are imputed from their neighbours, not blackened.

    The paper and Quantus count how often the class stays the winner: pass such a ``score`` and take
    the mean over films. Scores here are those of one film, so that a multi-label network has them too.

    Args:
        score: Maps images ``(B, C, H, W)`` to scores ``(B,)``.
        image: ``(C, H, W)`` or ``(1, C, H, W)``, in the model's own range.
        map: ``(h, w)``, drawn on the image's grid by bilinear interpolation; ties are taken in index order.
        shares: Of the pixels that are removed, each above 0 and below 1; rounded down to whole pixels.
        noise: Standard deviation, in the image's unit, of what is added to imputed pixels.
        seed: Of the noise.

    Raises:
        InputError: for a share that removes none or all, or a map of another shape.
        NumericError: for a map or scores that are not finite.
    """
    film, values = one_film(image), one_map(map)
    grid = film.shape[-2], film.shape[-1]
    place = places(drawn(values, grid))
    counts = [int(share * place.size + 1e-9) for share in shares]
    if not counts or not 0 < min(counts) <= max(counts) < place.size:
        raise InputError(f"shares {tuple(shares)}", "one or more that leave pixels to impute from", "road")

    def curve(order: np.ndarray) -> np.ndarray:
        images = [imputed(film, order < count, noise, seed) for count in counts]
        return scores_of(score, torch.cat(images))

    flat = bool(values.min() == values.max())
    return Road(curve(place), curve(place.size - 1 - place), np.asarray(shares, float), flat)


def imputed(image: Tensor, removed: np.ndarray, noise: float = 0.01, seed: int = 0) -> Tensor:
    """An image with pixels replaced by the mean of their neighbours, and noise (Rong et al. 2022, section 4).

    Each removed pixel is the weighted mean of its eight neighbours, removed ones included: a sparse linear
    system, solved exactly for all channels. At the border the neighbours that exist share the weight.

    Args:
        image: ``(1, C, H, W)``.
        removed: bool ``(H, W)``; not all of it.
        noise: Standard deviation of what is added, in the image's unit.
        seed: Of the noise.

    Raises:
        InputError: for another shape, or where nothing is left to impute from.
    """
    if removed.shape != tuple(image.shape[-2:]) or removed.all():
        got = f"{np.count_nonzero(removed)} pixels of {removed.shape} to remove"
        raise InputError(got, f"some, not all, of {tuple(image.shape[-2:])}", "imputed")
    if not removed.any():
        return image.clone()
    pixels = image[0].double().cpu().numpy()
    matrix, known = _equations(pixels, removed)
    # The matrix is symmetric with a dominant diagonal: no pivoting, and an ordering made for symmetry.
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    filled = factors.solve(known).T
    filled += noise * np.random.default_rng(seed).standard_normal(filled.shape)
    found = image.clone()
    found[0][:, torch.from_numpy(removed).to(image.device)] = torch.from_numpy(filled).to(found)
    return found


def _equations(pixels: np.ndarray, removed: np.ndarray) -> tuple[csc_matrix, np.ndarray]:
    """The system ``matrix @ unknown = known`` over removed pixels in index order; ``known`` is ``(n, C)``."""
    number = np.full(removed.shape, -1)
    rows, columns = np.nonzero(removed)
    n = rows.size
    number[removed] = np.arange(n)
    total, known = np.zeros(n), np.zeros((n, len(pixels)))
    entries = []
    for down, right, weight in NEIGHBOURS:
        row, column = rows + down, columns + right
        inside = (row >= 0) & (row < removed.shape[0]) & (column >= 0) & (column < removed.shape[1])
        total += weight * inside
        here, row, column = np.flatnonzero(inside), row[inside], column[inside]
        other = number[row, column]
        seen = other < 0
        known[here[seen]] += weight * pixels[:, row[seen], column[seen]].T
        entries.append((here[~seen], other[~seen], np.full(np.count_nonzero(~seen), -weight)))
    entries.append((np.arange(n), np.arange(n), total))
    at, to, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    return csc_matrix((value, (at, to)), (n, n)), known
