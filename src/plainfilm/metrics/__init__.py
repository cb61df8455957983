"""Measures: is the classifier right, and does its explanation point at the finding?

Functions judge one film or one list of scores; the ``Metric`` classes gather films and
merge across processes. The classes load torchmetrics, which is slow, on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use
from plainfilm.metrics.agreement import kendall_tau, rank_agreement
from plainfilm.metrics.alignment import Alignment, counterfactual_alignment
from plainfilm.metrics.balanced import balanced_auroc, balanced_subset
from plainfilm.metrics.baselines import centre_prior, expected_random_iou, random_map
from plainfilm.metrics.bootstrap import bootstrap_interval, interval_from, resampled
from plainfilm.metrics.classification import (
    auroc,
    auroc_interval,
    delong_variance,
    multilabel_auroc,
    youden_point,
)
from plainfilm.metrics.counterfactual_truth import (
    CounterfactualTruth,
    against_truth,
    change_inside,
    change_ratio,
    distance_to_truth,
    effectiveness,
    reversibility,
)
from plainfilm.metrics.delong import delong_test
from plainfilm.metrics.intervals import Interval, mean_interval, proportion_interval
from plainfilm.metrics.localisation import (
    best_case_iou,
    dice,
    hit,
    iou,
    is_flat,
    mass_inside,
    otsu_iou,
    percentile_iou,
    rank_inside,
)
from plainfilm.metrics.operating import (
    OperatingPoint,
    operating_point_at,
    point_by,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
)
from plainfilm.metrics.paired import Comparison, holm, permutation_test
from plainfilm.metrics.precision import average_precision, multilabel_average_precision
from plainfilm.metrics.probability import ReliabilityBin, brier_score, expected_calibration_error, reliability
from plainfilm.metrics.severity import (
    PAPER_THRESHOLDS,
    peak_at_one,
    pearson,
    severity_correlation,
    zone_means,
)
from plainfilm.metrics.strata import count_stratum, lesions, relative_area, size_stratum
from plainfilm.metrics.subgroups import Subgroup, age_bands, attributes_of, by_subgroup
from plainfilm.metrics.tuning import TunedThreshold, film_iou, mean_iou, tuned_threshold
from plainfilm.metrics.weighted import mean

if TYPE_CHECKING:
    from plainfilm.metrics.accumulators import (
        HitRate,
        LocalisationDice,
        LocalisationIoU,
        MassInside,
        RankInside,
    )
    from plainfilm.metrics.imputation import road
    from plainfilm.metrics.insertion import insertion_deletion
    from plainfilm.metrics.measures import MEASURES, Measure, of_kind
    from plainfilm.metrics.multilabel import MultilabelAUROC, MultilabelAveragePrecision
    from plainfilm.metrics.randomisation import (
        ComplexityRise,
        Randomisation,
        cascading_randomisation,
        efficient_randomisation,
        smooth_randomisation,
    )
    from plainfilm.metrics.reinitialisation import randomisation_units
    from plainfilm.metrics.removal import counterfactual_recovery, removal_drop
    from plainfilm.metrics.robustness import (
        Repeatability,
        Robustness,
        blur_curve,
        noise_curve,
        repeatability,
    )
    from plainfilm.metrics.sensitivity import sensitivity_n

__all__ = [
    "MEASURES",
    "PAPER_THRESHOLDS",
    "Alignment",
    "Comparison",
    "ComplexityRise",
    "CounterfactualTruth",
    "HitRate",
    "Interval",
    "LocalisationDice",
    "LocalisationIoU",
    "MassInside",
    "Measure",
    "MultilabelAUROC",
    "MultilabelAveragePrecision",
    "OperatingPoint",
    "Randomisation",
    "RankInside",
    "ReliabilityBin",
    "Repeatability",
    "Robustness",
    "Subgroup",
    "TunedThreshold",
    "against_truth",
    "age_bands",
    "attributes_of",
    "auroc",
    "auroc_interval",
    "average_precision",
    "balanced_auroc",
    "balanced_subset",
    "best_case_iou",
    "blur_curve",
    "bootstrap_interval",
    "brier_score",
    "by_subgroup",
    "cascading_randomisation",
    "centre_prior",
    "change_inside",
    "change_ratio",
    "count_stratum",
    "counterfactual_alignment",
    "counterfactual_recovery",
    "delong_test",
    "delong_variance",
    "dice",
    "distance_to_truth",
    "effectiveness",
    "efficient_randomisation",
    "expected_calibration_error",
    "expected_random_iou",
    "film_iou",
    "hit",
    "holm",
    "insertion_deletion",
    "interval_from",
    "iou",
    "is_flat",
    "kendall_tau",
    "lesions",
    "mass_inside",
    "mean",
    "mean_interval",
    "mean_iou",
    "multilabel_auroc",
    "multilabel_average_precision",
    "noise_curve",
    "of_kind",
    "operating_point_at",
    "otsu_iou",
    "peak_at_one",
    "pearson",
    "percentile_iou",
    "permutation_test",
    "point_by",
    "proportion_interval",
    "random_map",
    "randomisation_units",
    "rank_agreement",
    "rank_inside",
    "relative_area",
    "reliability",
    "removal_drop",
    "repeatability",
    "resampled",
    "reversibility",
    "road",
    "sensitivity_at_specificity",
    "sensitivity_n",
    "severity_correlation",
    "size_stratum",
    "smooth_randomisation",
    "specificity_at_sensitivity",
    "tuned_threshold",
    "youden_point",
    "zone_means",
]

LATE = {
    "accumulators": ("HitRate", "LocalisationDice", "LocalisationIoU", "MassInside", "RankInside"),
    "imputation": ("road",),
    "insertion": ("insertion_deletion",),
    "measures": ("MEASURES", "Measure", "of_kind"),
    "multilabel": ("MultilabelAUROC", "MultilabelAveragePrecision"),
    "randomisation": (
        "ComplexityRise",
        "Randomisation",
        "cascading_randomisation",
        "efficient_randomisation",
        "smooth_randomisation",
    ),
    "reinitialisation": ("randomisation_units",),
    "removal": ("counterfactual_recovery", "removal_drop"),
    "robustness": ("Repeatability", "Robustness", "blur_curve", "noise_curve", "repeatability"),
    "sensitivity": ("sensitivity_n",),
}

__getattr__ = loads_on_first_use(__name__, {name: home for home, names in LATE.items() for name in names})
