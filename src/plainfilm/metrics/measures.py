"""Every measure with its heading. Three headings are never mixed in one table:

performance    the classifier agrees with the truth
plausibility   the explanation agrees with annotations
fidelity       the explanation agrees with the model

A faithful map of a model that cheats is implausible, and a plausible one may be unfaithful: neither
stands in for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from plainfilm.errors import InputError
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.imputation import road
from plainfilm.metrics.insertion import insertion_deletion
from plainfilm.metrics.labels import NO_POSITIVE, NO_TRUTH, ONE_CLASS
from plainfilm.metrics.localisation import (
    EMPTY_POLICY,
    best_case_iou,
    dice,
    hit,
    iou,
    mass_inside,
    otsu_iou,
    percentile_iou,
    rank_inside,
)
from plainfilm.metrics.precision import average_precision
from plainfilm.metrics.probability import brier_score, expected_calibration_error
from plainfilm.metrics.removal import counterfactual_recovery, removal_drop
from plainfilm.metrics.sensitivity import sensitivity_n

Kind = Literal["performance", "plausibility", "fidelity"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Measure:
    """A measure and what a table must say of it.

    Attributes:
        function: Of ``(prediction, truth)`` for performance, of one film's ``(map, mask)`` for plausibility,
            of ``(score, images, maps)`` or one film's ``(score, image, map)`` for fidelity.
        kind: Its heading.
        title: What a reader calls it.
        unit: Of its values; "" for a share.
        empty: What becomes of films or targets where it is undefined.
        higher_is_better: Which way is good.
        part: The attribute of the function's result that is measured; "" for the result itself.
    """

    function: Callable[..., Any]
    kind: Kind
    title: str
    unit: str = ""
    empty: str = EMPTY_POLICY
    higher_is_better: bool = True
    part: str = ""


ALWAYS = "defined for every film: none is undefined"
NO_SPREAD = "where sums or scores do not vary the correlation counts as 0, and is counted"
NO_FALL = "a film whose score does not fall without the finding is undefined: left out and counted"

MEASURES: Mapping[str, Measure] = {
    "auroc": Measure(auroc, "performance", "AUROC", empty=ONE_CLASS),
    "average_precision": Measure(average_precision, "performance", "Average precision", empty=NO_POSITIVE),
    "brier_score": Measure(brier_score, "performance", "Brier score", "", NO_TRUTH, False),
    "expected_calibration_error": Measure(
        expected_calibration_error, "performance", "Expected calibration error", "", NO_TRUTH, False
    ),
    "iou": Measure(iou, "plausibility", "IoU"),
    "dice": Measure(dice, "plausibility", "Dice"),
    "best_case_iou": Measure(best_case_iou, "plausibility", "Best-case IoU"),
    "percentile_iou": Measure(percentile_iou, "plausibility", "IoU of the top 5 %"),
    "otsu_iou": Measure(otsu_iou, "plausibility", "IoU by Otsu's threshold"),
    "hit": Measure(hit, "plausibility", "Pointing game"),
    "mass_inside": Measure(mass_inside, "plausibility", "Relevance mass inside"),
    "rank_inside": Measure(rank_inside, "plausibility", "Relevance rank inside"),
    "removal_drop": Measure(removal_drop, "fidelity", "Fall of the score by removal", "logit", ALWAYS),
    "insertion_auc": Measure(
        insertion_deletion, "fidelity", "Insertion AUC", "", ALWAYS, part="insertion_auc"
    ),
    "deletion_auc": Measure(
        insertion_deletion, "fidelity", "Deletion AUC", "", ALWAYS, False, part="deletion_auc"
    ),
    "sensitivity_n": Measure(sensitivity_n, "fidelity", "Sensitivity-N", "", NO_SPREAD, part="correlations"),
    "road": Measure(road, "fidelity", "ROAD gap", "", ALWAYS, part="gap"),
    "counterfactual_recovery": Measure(
        counterfactual_recovery, "fidelity", "Counterfactual recovery", "", NO_FALL
    ),
}
"""Name to measure, by the name of its function or of the part that is measured."""


def of_kind(kind: Kind) -> dict[str, Measure]:
    """The measures under one heading, by name.

    Raises:
        InputError: for another heading.
    """
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}", f"one of {', '.join(KINDS)}", "measures")
    return {name: measure for name, measure in MEASURES.items() if measure.kind == kind}
