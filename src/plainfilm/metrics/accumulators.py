"""The measures as torchmetrics ``Metric`` classes, for streams of films and many processes.

Each has a twin function that judges one film. What is kept are sums over films (for
AUROC the scores), so the merged parts of a data set give what the whole gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import isnan
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_array
from plainfilm.metrics.classification import multilabel_auroc
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


class MultilabelAUROC(Metric):
    """The area under the ROC curve of each target (``auroc``), unknown truth left out.

    Keeps every score, since ranks need them all.

    Args:
        targets: Names of the columns.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    plot_lower_bound, plot_upper_bound = 0.0, 1.0
    needs_mask = False
    empty_policy = "a target with one class only is undefined: NaN, left out of the mean"

    prediction: list[Tensor]
    truth: list[Tensor]

    def __init__(self, targets: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.targets = tuple(targets)
        self.add_state("prediction", [], dist_reduce_fx="cat")
        self.add_state("truth", [], dist_reduce_fx="cat")

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Adds scores and truth (1, 0 or NaN), both ``(B, K)``.

        Raises:
            InputError: for another shape.
        """
        if not prediction.shape == truth.shape == (len(prediction), len(self.targets)):
            raise InputError(
                f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)}",
                f"(B, {len(self.targets)}) both", "MultilabelAUROC",
            )  # fmt: skip
        self.prediction.append(prediction.detach())
        self.truth.append(truth.detach().float())

    def compute(self) -> dict[str, Tensor]:
        """Target name to its area, NaN where only one class is known.

        Raises:
            LabelError: for truth other than 1, 0 and NaN.
            NumericError: for scores that are not finite.
        """
        measured = self._measured(level=0.95)
        return {name: torch.tensor(area.value, dtype=torch.float64) for name, area in measured.items()}

    def mean(self) -> Tensor:
        """The mean area over the targets where it is defined; NaN where none is."""
        return torch.stack(list(self.compute().values())).nanmean()

    def intervals(self, level: float = 0.95) -> dict[str, Interval]:
        """Target name to its area with DeLong's interval, of all processes."""
        with self.sync_context():
            return self._measured(level)

    def _measured(self, level: float) -> dict[str, Interval]:
        if len(self.prediction) == 0:  # a list before processes are merged, a tensor after
            nothing = torch.empty(0, len(self.targets))
            return multilabel_auroc(nothing, nothing, self.targets, level)
        return multilabel_auroc(dim_zero_cat(self.prediction), dim_zero_cat(self.truth), self.targets, level)
