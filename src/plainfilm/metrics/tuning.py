"""Thresholds chosen on films that are not judged, and the mean IoU they give on films that are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, Literal

import numpy as np

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_map, as_mask
from plainfilm.metrics.localisation import iou

Over = Literal["positive", "all"]

CANDIDATES = tuple(float(round(k / 20, 2)) for k in range(20))
"""Thresholds that are tried on maps whose highest pixel is 1."""


@dataclass(frozen=True)
class TunedThreshold:
    """A threshold and what it was chosen by.

    Attributes:
        threshold: In the maps' unit; NaN where no film had a mask.
        mean_iou: The mean IoU on the films that chose it: too high for others.
        films: Films that counted.
    """

    threshold: float
    mean_iou: float
    films: int


def film_iou(map: Any, mask: Any, threshold: float | None = None, over: Over = "positive") -> float:
    """``iou`` with a stated rule for films without the finding.

    Args:
        map: ``(H, W)``: a mask, or a map if ``threshold`` is given.
        mask: ``(H, W)``.
        threshold: In the map's unit.
        over: "positive" leaves films with an empty mask out (NaN), as CheXlocalize does. "all" judges
            them too: 0 where anything is predicted, and 1 where nothing is. Name the rule with the
            number, for the second rewards maps that show nothing.

    Raises:
        InputError: for shapes that differ, a map without a threshold, or another rule.
        NumericError: for a map that is not finite.
    """
    if over not in ("positive", "all"):
        raise InputError(f"over {over!r}", "'positive' or 'all'", "film_iou")
    value = iou(map, mask, threshold)
    if over == "positive" or not isnan(value):
        return value
    predicted = as_mask(map) if threshold is None else as_map(map) > threshold
    return float(not predicted.any())


def mean_iou(
    maps: Iterable[Any], masks: Iterable[Any], threshold: float | None = None, over: Over = "positive"
) -> float:
    """mIoU: the mean over films of ``film_iou``; NaN where none counts.

    Raises:
        InputError, NumericError: as ``film_iou``; InputError for another number of maps than masks.
    """
    values = [film_iou(*film, threshold, over) for film in _pairs(maps, masks)]
    known = [value for value in values if not isnan(value)]
    return float(np.mean(known)) if known else nan


def tuned_threshold(
    maps: Iterable[Any],
    masks: Iterable[Any],
    candidates: Sequence[float] = CANDIDATES,
    over: Over = "positive",
) -> TunedThreshold:
    """The threshold of the highest mean IoU; of several, the lowest.

    Choose it on a validation part, one for each finding as CheXlocalize (Saporta et al. 2022) does, and pass
    it to ``film_iou`` or ``LocalisationIoU("fixed", ...)`` on the test part. One threshold serves all
    films, so the maps must share a unit; divide by each map's highest pixel where they do not.

    Args:
        maps: ``(H, W)`` each, finite.
        masks: ``(H, W)`` each.
        candidates: Thresholds to try, in the maps' unit.
        over: Which films count (``film_iou``).

    Raises:
        InputError, NumericError: as ``mean_iou``; InputError without candidates.
    """
    if not len(candidates):
        raise InputError("no candidates", "at least one threshold", "tuned_threshold")
    ordered = sorted(candidates)
    rows = [[film_iou(*film, threshold, over) for threshold in ordered] for film in _pairs(maps, masks)]
    known = np.array([row for row in rows if not isnan(row[0])])
    if not known.size:
        return TunedThreshold(nan, nan, 0)
    means = known.mean(axis=0)
    best = int(np.argmax(means))
    return TunedThreshold(ordered[best], float(means[best]), len(known))


def _pairs(maps: Iterable[Any], masks: Iterable[Any]) -> list[tuple[Any, Any]]:
    first, second = list(maps), list(masks)
    if len(first) != len(second):
        raise InputError(f"{len(first)} maps and {len(second)} masks", "one mask per map", "mean_iou")
    return list(zip(first, second, strict=True))
