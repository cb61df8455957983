"""Measures of many targets as torchmetrics ``Metric`` classes, for streams of films and many processes.

What is kept is every score, since ranks need them all; merged parts give what the whole gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from plainfilm.errors import InputError
from plainfilm.metrics.classification import multilabel_auroc
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.labels import NO_POSITIVE, ONE_CLASS
from plainfilm.metrics.precision import multilabel_average_precision


class MultilabelScores(Metric):
    """Scores and truth of each target, unknown truth left out.

    Args:
        targets: Names of the columns.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    plot_lower_bound, plot_upper_bound = 0.0, 1.0
    needs_mask = False

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
                f"(B, {len(self.targets)}) both", type(self).__name__,
            )  # fmt: skip
        self.prediction.append(prediction.detach())
        self.truth.append(truth.detach().float())

    def compute(self) -> dict[str, Tensor]:
        """Target name to its value, NaN where it is undefined.

        Raises:
            LabelError: for truth other than 1, 0 and NaN.
            NumericError: for scores that are not finite.
        """
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in self._values().items()}

    def mean(self) -> Tensor:
        """The mean over the targets where it is defined; NaN where none is."""
        return torch.stack(list(self.compute().values())).nanmean()

    def _values(self) -> dict[str, float]:
        raise NotImplementedError

    def _gathered(self) -> tuple[Tensor, Tensor]:
        if len(self.prediction) == 0:  # a list before processes are merged, a tensor after
            nothing = torch.empty(0, len(self.targets))
            return nothing, nothing
        return dim_zero_cat(self.prediction), dim_zero_cat(self.truth)


class MultilabelAUROC(MultilabelScores):
    """The area under the ROC curve of each target (``auroc``)."""

    empty_policy = ONE_CLASS

    def intervals(self, level: float = 0.95) -> dict[str, Interval]:
        """Target name to its area with DeLong's interval, of all processes."""
        with self.sync_context():
            return multilabel_auroc(*self._gathered(), self.targets, level)

    def _values(self) -> dict[str, float]:
        areas = multilabel_auroc(*self._gathered(), self.targets)
        return {name: area.value for name, area in areas.items()}


class MultilabelAveragePrecision(MultilabelScores):
    """The average precision of each target (``average_precision``)."""

    empty_policy = NO_POSITIVE

    def _values(self) -> dict[str, float]:
        return multilabel_average_precision(*self._gathered(), self.targets)
