"""Measures: is the classifier right, and does its explanation point at the finding?

Functions judge one film or one list of scores; the ``Metric`` classes gather films and
merge across processes. The classes load torchmetrics, which is slow, on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use
from plainfilm.metrics.baselines import centre_prior, expected_random_iou, random_map
from plainfilm.metrics.classification import (
    auroc,
    auroc_interval,
    delong_variance,
    multilabel_auroc,
    youden_point,
)
from plainfilm.metrics.intervals import Interval, mean_interval, proportion_interval
from plainfilm.metrics.localisation import (
    best_case_iou,
    hit,
    iou,
    is_flat,
    mass_inside,
    otsu_iou,
    percentile_iou,
)

if TYPE_CHECKING:
    from plainfilm.metrics.accumulators import HitRate, LocalisationIoU, MassInside, MultilabelAUROC

__all__ = [
    "HitRate",
    "Interval",
    "LocalisationIoU",
    "MassInside",
    "MultilabelAUROC",
    "auroc",
    "auroc_interval",
    "best_case_iou",
    "centre_prior",
    "delong_variance",
    "expected_random_iou",
    "hit",
    "iou",
    "is_flat",
    "mass_inside",
    "mean_interval",
    "multilabel_auroc",
    "otsu_iou",
    "percentile_iou",
    "proportion_interval",
    "random_map",
    "youden_point",
]

__getattr__ = loads_on_first_use(
    __name__,
    dict.fromkeys(("HitRate", "LocalisationIoU", "MassInside", "MultilabelAUROC"), "accumulators"),
)
