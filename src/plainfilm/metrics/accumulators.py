"""Means over films as torchmetrics ``Metric`` classes, for streams of films and many processes.

Each has a twin function that judges one film. What is kept are sums over films, so the merged parts of
a data set give what the whole gives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isnan
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_array
from plainfilm.metrics.intervals import Interval, mean_interval_from_sums, proportion_interval
from plainfilm.metrics.localisation import (
    EMPTY_POLICY,
    best_case_iou,
    hit,
    iou,
    is_flat,
    mass_inside,
    otsu_iou,
    percentile_iou,
    rank_inside,
)

IOU_RULES: dict[str, tuple[Callable[..., float], str | None]] = {
    "area": (best_case_iou, None),
    "fixed": (iou, "threshold"),
    "percentile": (percentile_iou, "percent"),
    "otsu": (otsu_iou, None),
}
"""Rule to its function and the name of its one setting."""


class FilmMean(Metric):
    """The mean over films of a measure of one map against one mask.

    Attributes:
        films: Films that count.
        undefined: Films left out for their empty mask.
        flat: Films that count but whose map is constant, so that ties decided.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    plot_lower_bound, plot_upper_bound = 0.0, 1.0
    needs_mask = True
    empty_policy = EMPTY_POLICY

    total: Tensor
    squares: Tensor
    films: Tensor
    undefined: Tensor
    flat: Tensor

    def __init__(self, measure: Callable[[Any, Any], float], **settings: Any) -> None:
        super().__init__(**settings)
        self.measure = measure
        for name in ("total", "squares"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        for name in ("films", "undefined", "flat"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, map: Any, mask: Any) -> None:
        """Adds one film ``(H, W)``, or a batch ``(B, H, W)``.

        Raises:
            InputError: for map and mask of different shapes.
            NumericError: for a map that is not finite.
        """
        maps, masks = as_array(map), as_array(mask)
        if maps.shape != masks.shape or maps.ndim not in (2, 3):
            raise InputError(
                f"map {maps.shape} and mask {masks.shape}", "(H, W) or (B, H, W) both",
                type(self).__name__, "Drop the channel axis of (B, 1, H, W) with squeeze(1).",
            )  # fmt: skip
        films = [(maps, masks)] if maps.ndim == 2 else list(zip(maps, masks, strict=True))
        # Measured first, so that a film that cannot be leaves no half-counted batch.
        for value, flat in [(self.measure(*film), is_flat(film[0])) for film in films]:
            self._count(value, flat)

    def _count(self, value: float, flat: bool) -> None:
        if isnan(value):
            self.undefined += 1
            return
        self.total += value
        self.squares += value**2
        self.films += 1
        self.flat += int(flat)

    def compute(self) -> Tensor:
        """The mean over the films that count; NaN where none does."""
        return self.total / self.films

    def interval(self, level: float = 0.95) -> Interval:
        """The mean with Student's interval over films, of all processes."""
        with self.sync_context():
            return mean_interval_from_sums(
                self.total.item(), self.squares.item(), int(self.films), int(self.undefined), level
            )


class LocalisationIoU(FilmMean):
    """Mean IoU of thresholded maps with masks.

    Args:
        rule: "area" (``best_case_iou``), "fixed" (``iou``), "percentile"
            (``percentile_iou``) or "otsu" (``otsu_iou``).
        value: The threshold of "fixed", the percent of "percentile"; none otherwise.

    Raises:
        InputError: for another rule, or a value that is missing or means nothing.
    """

    def __init__(self, rule: str = "area", value: float | None = None, **settings: Any) -> None:
        if rule not in IOU_RULES:
            raise InputError(f"rule {rule!r}", " or ".join(map(repr, IOU_RULES)), "LocalisationIoU")
        measure, setting = IOU_RULES[rule]
        if (setting is None) != (value is None):
            raise InputError(
                f"value {value} for rule {rule!r}", f"its {setting}" if setting else "none", "LocalisationIoU"
            )
        super().__init__(partial(measure, **{setting: value}) if setting else measure, **settings)
        self.rule, self.value = rule, value


class HitRate(FilmMean):
    """The share of films whose highest pixel lies in the mask (``hit``), with Wilson's interval.

    Args:
        tolerance: How far from the mask the pixel may lie, in pixels.
    """

    def __init__(self, tolerance: float = 0, **settings: Any) -> None:
        super().__init__(partial(hit, tolerance=tolerance), **settings)
        self.tolerance = tolerance

    def interval(self, level: float = 0.95) -> Interval:
        """The share with Wilson's interval over films, of all processes."""
        with self.sync_context():
            return proportion_interval(int(self.total), int(self.films), int(self.undefined), level)


class MassInside(FilmMean):
    """The mean share of positive relevance that lies in the mask (``mass_inside``)."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(mass_inside, **settings)


class LocalisationDice(LocalisationIoU):
    """Mean Dice of thresholded maps with masks, by the rules of ``LocalisationIoU``."""

    def __init__(self, rule: str = "area", value: float | None = None, **settings: Any) -> None:
        super().__init__(rule, value, **settings)
        self.measure = partial(_dice, self.measure)


class RankInside(FilmMean):
    """The mean share of the highest pixels that lie in the mask (``rank_inside``)."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(rank_inside, **settings)


def _dice(measure: Callable[[Any, Any], float], map: Any, mask: Any) -> float:
    shared = measure(map, mask)
    return 2 * shared / (1 + shared)
