"""Counterfactual alignment: which findings move together when one is changed? (Cohen et al. 2023).

Frames are made for one target of one classifier, from its removal to its exaggeration, and shown to all
targets of all classifiers. A target that moves with another one rests on the same features: a shared cause,
or a shortcut. Devices that move with pneumothorax are the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Literal, get_args

import numpy as np

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.intervals import Interval, mean_interval
from plainfilm.metrics.labels import numbers

Kind = Literal["relative_change", "correlation"]

LEAST_CHANGE = 0.01
"""A base prediction that moves less has not been changed, and nothing can be said relative to it."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """How predictions follow those of the base target, image by image.

    Attributes:
        targets: Names of the predictions.
        base: For each image the position of the target that its frames were made for.
        relative_change: ``(images, targets)``: change from the first to the last frame over that of the base:
            1 moves as far, 0 not at all, below 0 the other way; NaN where the base hardly moves.
        correlation: ``(images, targets)``: Pearson's, over frames, with the base; NaN where one is constant.
    """

    targets: tuple[str, ...]
    base: np.ndarray
    relative_change: np.ndarray
    correlation: np.ndarray

    def intervals(self, kind: Kind = "relative_change") -> dict[str, dict[str, Interval]]:
        """Means over the images of each base with Student's intervals: base to target to interval.

        Raises:
            InputError: for another kind.
        """
        if kind not in get_args(Kind):
            raise InputError(f"kind {kind!r}", " or ".join(map(repr, get_args(Kind))), "Alignment")
        values = self.relative_change if kind == "relative_change" else self.correlation
        return {
            base: {name: mean_interval(values[self.base == row, k]) for k, name in enumerate(self.targets)}
            for row, base in enumerate(self.targets)
        }

    def matrix(self, kind: Kind = "relative_change") -> np.ndarray:
        """The means alone, ``(targets, targets)``: row = base, column = follower; NaN where there is none."""
        rows = self.intervals(kind).values()
        return np.array([[each.value for each in row.values()] for row in rows])


def counterfactual_alignment(
    predictions: Sequence[Any], base: int | Sequence[int], targets: Sequence[str]
) -> Alignment:
    """Compares how predictions move over counterfactual frames.

    Args:
        predictions: For each image ``(frames, targets)`` in the order of its frames, two or more; columns may
            be targets of several classifiers.
        base: The column that the frames were made for, one for all images or one for each.
        targets: Names of the columns.

    Raises:
        InputError: for shapes that do not match, or a base that is no column.
        NumericError: for predictions that are not finite.
    """
    tables = [numbers(table) for table in predictions]
    bases = [base] * len(tables) if isinstance(base, int) else list(base)
    _check(tables, bases, targets)
    changes = [_relative_change(table, k) for table, k in zip(tables, bases, strict=True)]
    together = [_correlation(table, k) for table, k in zip(tables, bases, strict=True)]
    return Alignment(tuple(targets), np.array(bases), np.stack(changes), np.stack(together))


def _relative_change(table: np.ndarray, base: int) -> np.ndarray:
    change = table[-1] - table[0]
    return change / change[base] if abs(change[base]) >= LEAST_CHANGE else np.full(change.shape, nan)


def _correlation(table: np.ndarray, base: int) -> np.ndarray:
    moved = table - table.mean(axis=0)
    # A mean is rounded, so a constant column is told by its range.
    moved[:, np.ptp(table, axis=0) == 0] = nan
    length = np.sqrt((moved**2).sum(axis=0))
    return (moved * moved[:, [base]]).sum(axis=0) / (length * length[base])


def _check(tables: list[np.ndarray], bases: list[int], targets: Sequence[str]) -> None:
    where = "counterfactual_alignment"
    wrong = [t.shape for t in tables if t.ndim != 2 or len(t) < 2 or t.shape[1] != len(targets)]
    if not tables or wrong:
        got = f"predictions of shape {wrong[0]}" if wrong else "no image"
        raise InputError(got, f"(2 or more frames, {len(targets)}) for each image", where)
    if len(bases) != len(tables) or not all(0 <= each < len(targets) for each in bases):
        raise InputError(f"bases {bases}", f"a column from 0 to {len(targets) - 1} for each image", where)
    if not all(np.isfinite(table).all() for table in tables):
        raise NumericError("predictions that are NaN or infinite", "finite predictions", where)
