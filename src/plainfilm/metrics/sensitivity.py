"""Sensitivity-N: do the sums of a map over random pixels follow what their removal does to the score?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_array
from plainfilm.metrics.scoring import BATCH, Score, drawn, one_film, one_map, scores_of

ROUNDING = 1e-12
"""Spread of a map's sums, against their size, up to which it is that of float64 and no spread at all."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Correlations by method and size; NumPy takes it for the array ``correlations``.

    Attributes:
        correlations: ``(methods, sizes)`` in [-1, 1]; 0 where undefined, as released (Khakzar et al. 2021).
        undefined: bool ``(methods, sizes)``: the sums or the score did not vary over the masks.
        sizes: Removed pixels ``(sizes,)``.
        passes: Images that were scored, for all methods together.
    """

    correlations: np.ndarray
    undefined: np.ndarray
    sizes: np.ndarray
    passes: int

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.correlations, dtype)


def sensitivity_n(
    score: Score,
    image: Tensor,
    maps: Any,
    sizes: Sequence[int],
    masks: int | np.ndarray = 30,
    baseline: float | Tensor = 0.0,
    seed: int = 0,
) -> Sensitivity:
    """Sensitivity-N (Ancona et al. 2018) of several maps of one film, for the passes of one.

    Of ``n`` random pixels, drawn without replacement, the sum of the map is set against the fall of the
    score when they are set to the baseline: Pearson's correlation over masks, for each ``n``. The fall does
    not depend on the map, so all maps share masks and scores; a size that is named twice is scored once.

    With 30 masks a film's correlation has a standard error near 0.2, and on 40 rendered films its mean told
    maps of the cause from noise no better than chance (``benchmarks/measures_judged.py``): rank no method
    by it alone.

    Args:
        score: Maps images ``(B, C, H, W)`` to scores ``(B,)``: probabilities, or a regression's own output.
        image: ``(C, H, W)`` or ``(1, C, H, W)``, in the model's own range.
        maps: One ``(h, w)``, a sequence or an array ``(methods, h, w)`` of them, or a mapping by method;
            drawn on the image's grid by bilinear interpolation.
        sizes: Numbers of pixels ``n``, each from 1 to all.
        masks: Masks drawn for each size, 3 or more; or the masks themselves, bool ``(sizes, masks, H, W)``.
        baseline: What removed pixels become: a number, or an image of the same shape.
        seed: Of the masks; one seed draws the same for every film.

    Raises:
        InputError: for sizes, masks or shapes that mean nothing.
        NumericError: for maps or scores that are not finite.
    """
    film = one_film(image)
    grid = film.shape[-2], film.shape[-1]
    evidence = np.stack([drawn(each, grid).ravel() for each in _each(maps)])
    wanted = np.asarray(sizes, dtype=np.int64)
    distinct, back = np.unique(wanted, return_inverse=True)
    if not isinstance(masks, Integral):
        distinct, back = wanted, np.arange(len(wanted))
    other = torch.as_tensor(baseline, dtype=film.dtype, device=film.device).expand(film.shape)
    whole = scores_of(score, film)
    columns, passes = [], 1
    for removed in _masks(distinct, grid, masks, seed):
        columns.append(_correlations(evidence, removed, whole - _scores(score, film, other, removed)))
        passes += len(removed)
    correlations = np.stack(columns, axis=1)[:, back]
    undefined = np.isnan(correlations)
    return Sensitivity(np.where(undefined, 0.0, correlations), undefined, wanted, passes)


def _each(maps: Any) -> list[np.ndarray]:
    listed = list(maps.values()) if isinstance(maps, Mapping) else maps
    if not isinstance(listed, Sequence):
        array = as_array(listed)
        listed = [array] if array.ndim == 2 else list(array)
    if not listed:
        raise InputError("no map", "one or more", "sensitivity_n")
    return [one_map(each) for each in listed]


def _masks(sizes: np.ndarray, grid: tuple[int, int], masks: Any, seed: int) -> Iterator[np.ndarray]:
    """For each size bool ``(masks, H, W)``."""
    pixels = grid[0] * grid[1]
    if sizes.ndim != 1 or not sizes.size or sizes.min() < 1 or sizes.max() > pixels:
        raise InputError(f"sizes {sizes}", f"one or more numbers from 1 to {pixels} pixels", "sensitivity_n")
    if not isinstance(masks, Integral):
        given = as_array(masks).astype(bool)
        if given.ndim != 4 or given.shape != (len(sizes), given.shape[1], *grid) or given.shape[1] < 3:
            expected = f"({len(sizes)}, 3 or more, {grid[0]}, {grid[1]})"
            raise InputError(f"masks of shape {given.shape}", expected, "sensitivity_n")
        yield from given
        return
    if masks < 3:
        raise InputError(f"{masks} masks", "3 or more; two points always lie on a line", "sensitivity_n")
    rng = np.random.default_rng(seed)
    for size in sizes:
        removed = np.zeros((masks, pixels), bool)
        for row in removed:
            row[rng.choice(pixels, size, replace=False)] = True
        yield removed.reshape(masks, *grid)


def _scores(score: Score, film: Tensor, other: Tensor, removed: np.ndarray) -> np.ndarray:
    where = torch.from_numpy(removed)[:, None].to(film.device)
    return np.concatenate([scores_of(score, torch.where(part, other, film)) for part in where.split(BATCH)])


def _correlations(evidence: np.ndarray, removed: np.ndarray, fall: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each map's sums with the fall ``(masks,)``; NaN where one does not vary."""
    chosen = removed.reshape(len(removed), -1).T.astype(np.float64)
    sums, sizes = evidence @ chosen, np.abs(evidence) @ chosen
    apart, moved = sums - sums.mean(axis=1, keepdims=True), fall - fall.mean()
    varies = (np.abs(apart).max(axis=1) > ROUNDING * sizes.max(axis=1)) & (np.ptp(fall) > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (apart @ moved) / np.sqrt((apart**2).sum(axis=1) * (moved**2).sum())
    return np.where(varies, found, np.nan)
