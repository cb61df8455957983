"""Insertion and deletion: how a score moves while a film is blurred, or drawn, in the order of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.integrate import trapezoid
from torch import Tensor

from plainfilm.errors import InputError
from plainfilm.metrics.removal import gaussian_blur
from plainfilm.metrics.scoring import BATCH, Score, drawn, one_film, one_map, places, scores_of

STAIR = 80
"""Steps that the released code scores as one: it stacks so many references to a single, final image."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Both games on one film. Row ``j`` is the score with the ``pixels[j]`` highest pixels changed.

    The untouched image is no row, and the areas are trapezoids of width ``1 / rows``, as released
    (Khakzar et al. 2021): a curve of 1 throughout has the area ``1 - 1 / rows``, so compare areas of one
    number of rows alone.

    Attributes:
        insertion: ``(rows,)``, from the blurred image towards the film: a good map lets it rise early.
        deletion: ``(rows,)``, from the film towards the blurred image: a good map lets it fall early.
        pixels: Changed pixels ``(rows,)``.
        passes: Images that were scored.
        flat: Whether the map is constant, so that the order is that of the pixels' index and means nothing.
    """

    insertion: np.ndarray
    deletion: np.ndarray
    pixels: np.ndarray
    passes: int
    flat: bool

    @property
    def insertion_auc(self) -> float:
        """Area under the insertion curve; higher is better."""
        return _area(self.insertion)

    @property
    def deletion_auc(self) -> float:
        """Area under the deletion curve; lower is better."""
        return _area(self.deletion)


def insertion_deletion(
    score: Score,
    image: Tensor,
    map: Any,
    pixels_per_step: int = 25,
    blur: tuple[int, float] | None = (19, 10.0),
    fraction: float = 0.5,
    aliasing: bool = False,
    passes: int | None = None,
    regression: bool = False,
) -> Curves:
    """Insertion and deletion of the pixels that a map ranks highest (Petsiuk et al. 2018).

    The defaults are those of Khakzar et al. (2021). Their 1004 rows a game at 224 px cost 2008 passes.
    With ``passes=200`` the rows stay and every tenth is scored, those between lie on straight lines: on
    rendered films the areas moved by 0.001 at most (``benchmarks/insertion_passes.py``). A greater
    ``pixels_per_step`` is as fast, but with 101 rows the areas were lower by up to 0.009 (``Curves``).

    For a network that predicts a number, ``regression`` gives ``|score - score of the start image|`` of
    each game, so that both curves rise, and higher is better in both. Two such areas compare where the
    games lie between the same two images, as here; the released code deletes towards zeros instead, which
    ``blur=None`` does, and inserts from a blur, so that its two areas do not compare. Neither do those of two
    films, before they are divided by ``|score(image) - score(blurred)|``.

    Args:
        score: Maps images ``(B, C, H, W)`` to scores ``(B,)``, probabilities of one target for instance.
        image: ``(C, H, W)`` or ``(1, C, H, W)``, in the model's own range.
        map: ``(h, w)``, drawn on the image's grid by bilinear interpolation; ties are taken in index order.
        pixels_per_step: Pixels, all channels of each, that change from row to row.
        blur: Kernel and sigma of the Gaussian in pixels, or None for zeros.
        fraction: Share of the image's pixels that are changed in the end.
        aliasing: The staircase of the released code: 80 rows share the score of their last, 26 passes.
        passes: Score at most so many images; None for every row.
        regression: Departures from the start image in place of scores; two passes more.

    Raises:
        InputError: for steps, fractions or shapes that mean nothing, or ``passes`` with ``aliasing``.
        NumericError: for a map or scores that are not finite.
    """
    film = one_film(image)
    values = one_map(map)
    evidence = drawn(values, (film.shape[-2], film.shape[-1]))
    pixels = _steps(evidence.size, pixels_per_step, fraction)
    rows = _scored_rows(len(pixels), aliasing, passes)
    other = torch.zeros_like(film) if blur is None else gaussian_blur(film, *blur)
    place = torch.from_numpy(places(evidence)).to(film.device)

    def game(before: Tensor, after: Tensor) -> np.ndarray:
        found = _play(score, before, after, place, pixels[rows])
        if regression:
            found = np.abs(found - scores_of(score, before))
        return _all_rows(found, rows, pixels, aliasing)

    insertion, deletion = game(other, film), game(film, other)
    cost = 2 * (len(rows) + regression)
    return Curves(insertion, deletion, pixels, cost, flat=bool(values.min() == values.max()))


def _steps(size: int, pixels_per_step: int, fraction: float) -> np.ndarray:
    """Changed pixels of each row; the last row ends at the fraction, within its step."""
    last = int(fraction * size) if 0 < fraction <= 1 else 0
    if not 1 <= pixels_per_step < last:
        raise InputError(
            f"{pixels_per_step} pixels a step and a fraction of {fraction} of {size} pixels",
            "1 or more, and a share in (0, 1] that takes two steps", "insertion_deletion",
        )  # fmt: skip
    return np.minimum(np.arange(1, -(-last // pixels_per_step) + 1) * pixels_per_step, last)


def _scored_rows(rows: int, aliasing: bool, passes: int | None) -> np.ndarray:
    if passes is not None and (aliasing or passes < 4):
        got = f"{passes} passes{' with aliasing' * aliasing}"
        raise InputError(got, "4 or more, without aliasing", "insertion_deletion")
    if aliasing:
        return np.minimum(np.arange(STAIR - 1, rows + STAIR - 1, STAIR), rows - 1)
    if passes is None or passes >= 2 * rows:
        return np.arange(rows)
    return np.unique(np.linspace(0, rows - 1, passes // 2).round().astype(int))


def _all_rows(found: np.ndarray, rows: np.ndarray, pixels: np.ndarray, aliasing: bool) -> np.ndarray:
    if aliasing:
        return found[np.arange(len(pixels)) // STAIR]
    return np.interp(pixels, pixels[rows], found)


def _play(score: Score, before: Tensor, after: Tensor, place: Tensor, pixels: np.ndarray) -> np.ndarray:
    """The scores of ``before`` with its first ``pixels`` places taken from ``after``."""
    counts = torch.from_numpy(pixels).to(place.device)[:, None, None, None]
    return np.concatenate(
        [scores_of(score, torch.where(place < part, after, before)) for part in counts.split(BATCH)]
    )


def _area(curve: np.ndarray) -> float:
    return float(trapezoid(curve, dx=1 / len(curve)))
