"""Do two classifiers have the same area under the ROC curve on the same films?"""

from __future__ import annotations

from math import nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from plainfilm.metrics.bootstrap import caution_about
from plainfilm.metrics.classification import placements
from plainfilm.metrics.intervals import Interval, two_sided
from plainfilm.metrics.labels import Names, scores_and_labels
from plainfilm.metrics.paired import Comparison, people_of


def delong_test(
    first: Any, second: Any, truth: Any, patients: Names | None = None, level: float = 0.95
) -> Comparison:
    """The difference of two AUROCs, tested (DeLong et al. 1988).

    With ``patients``, the films of one may depend on each other (Obuchowski 1997); without, each film is a
    patient of its own, which is DeLong's test.

    Args:
        first: Scores ``(n,)`` of one classifier.
        second: Scores ``(n,)`` of the other.
        truth: 1, 0 or NaN (unknown), ``(n,)``.
        patients: The patient of each film.
        level: Of the interval.

    Raises:
        InputError: for shapes that differ, or a level outside (0, 1).
        LabelError: for other truth values.
        NumericError: for scores that are not finite.
    """
    one, labels = scores_and_labels(first, truth, "delong_test")
    two, _ = scores_and_labels(second, truth, "delong_test")
    people, present, absent = people_of(patients, len(labels)), labels == 1, labels == 0
    units = min(len(np.unique(people[kind])) for kind in (present, absent))
    difference = variance = nan
    if units:
        ours, theirs = (placements(scores[present], scores[absent]) for scores in (one, two))
        above, below = ours[0] - theirs[0], ours[1] - theirs[1]
        difference = float(above.mean())
        variance = clustered_variance(above, below, people[present], people[absent])
    reach = NormalDist().inv_cdf(two_sided(level)) * sqrt(variance) if variance >= 0 else nan
    interval = Interval(
        difference, difference - reach, difference + reach, int(present.sum() + absent.sum()),
        int(np.isnan(labels).sum()), int(present.sum()), int(absent.sum()), level,
        "DeLong", caution_about(units),
    )  # fmt: skip
    return Comparison(interval, normal_p_value(difference, sqrt(variance)), units, "DeLong, paired")


def clustered_variance(
    above: np.ndarray, below: np.ndarray, with_finding: np.ndarray, without: np.ndarray
) -> float:
    """The variance of a mean of placements whose patients have several films (Obuchowski 1997).

    Args:
        above: For each film with the finding its placement, or the difference of two.
        below: The same for each film without.
        with_finding: The patient of each film with the finding.
        without: The patient of each film without.

    Returns:
        DeLong's variance where each film has a patient of its own; NaN for a class of one patient.
    """
    names, patient = np.unique(np.concatenate([with_finding, without]), return_inverse=True)
    first, one = _centred(above, patient[: above.size], len(names))
    second, two = _centred(below, patient[above.size :], len(names))
    if min(one, two) < 2:
        return nan
    both = len(names) / (len(names) - 1) * first @ second
    alone = one / (one - 1) * first @ first + two / (two - 1) * second @ second
    return max(0.0, float(alone + 2 * both))


def normal_p_value(difference: float, error: float) -> float:
    """Two-sided, from a standard error; 1 for no difference without error, NaN where undefined."""
    if error > 0:
        return 2 * NormalDist().cdf(-abs(difference) / error)
    return 1.0 if difference == error == 0 else nan


def _centred(values: np.ndarray, patient: np.ndarray, people: int) -> tuple[np.ndarray, int]:
    """By patient the sum of what exceeds the mean, as a share of all films; and patients with a film."""
    films = np.bincount(patient, minlength=people)
    excess = np.bincount(patient, values - values.mean(), people)
    return excess / values.size, int(np.count_nonzero(films))
