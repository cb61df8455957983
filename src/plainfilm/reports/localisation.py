"""Do the maps point at the finding? Scores of explanations beside maps that know nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from plainfilm.attribution.explanation import Explanation
from plainfilm.metrics.baselines import BASELINES, CENTRE, RANDOM, centre_prior, expected_random_iou
from plainfilm.metrics.intervals import Interval, mean_interval, proportion_interval
from plainfilm.metrics.localisation import best_case_iou, hit, mass_inside

FEWEST = 3
"""Films below which no sentence about a finding is ventured."""


@dataclass(frozen=True)
class Score:
    """One map against one mask.

    Attributes:
        film: Id of the film.
        finding: The target that was explained.
        method: Name of the method, or of a baseline.
        iou: Best-case IoU, in [0, 1].
        hit: 1 where the highest pixel lies inside; for the random map the chance of it.
        mass: Share of the evidence inside the mask, in [0, 1].
    """

    film: str
    finding: str
    method: str
    iou: float
    hit: float
    mass: float


@dataclass(frozen=True)
class Row:
    """The scores of one method over films: means with 95 % intervals."""

    method: str
    iou: Interval
    hit: Interval
    mass: Interval

    @property
    def is_baseline(self) -> bool:
        return self.method in BASELINES


def score_maps(explanations: Sequence[Explanation], mask: np.ndarray) -> list[Score]:
    """Scores the maps of one film and target, and both baselines, against a mask ``(H, W)``.

    The random map is not drawn: its mean over all random maps is known exactly.

    Raises:
        InputError: for a mask of another size than the film.
        NumericError: for a map that is not finite.
    """
    film, finding = explanations[0].film, explanations[0].target
    maps = {e.method: e.evidence_on_film() for e in explanations} | {CENTRE: centre_prior(film.size)}
    scores = [
        Score(film.id, finding, name, best_case_iou(m, mask), hit(m, mask), mass_inside(m, mask))
        for name, m in maps.items()
    ]
    share = float(np.mean(mask)) if np.any(mask) else float("nan")
    expected = expected_random_iou(int(np.sum(mask)), mask.size)
    return [*scores, Score(film.id, finding, RANDOM, expected, share, share)]


def rows(scores: Iterable[Score]) -> list[Row]:
    """One row a method, in the order of appearance, the baselines last."""
    by_method: dict[str, list[Score]] = {}
    for score in scores:
        by_method.setdefault(score.method, []).append(score)
    names = [name for name in by_method if name not in BASELINES] + [b for b in BASELINES if b in by_method]
    return [
        Row(
            name,
            _share_interval(s.iou for s in by_method[name]),
            _hit_interval(by_method[name]),
            _share_interval(s.mass for s in by_method[name]),
        )
        for name in names
    ]


def by_finding(scores: Sequence[Score]) -> dict[str, list[Row]]:
    """``rows`` of each finding apart, the finding with the most films first."""
    names = list(dict.fromkeys(score.finding for score in scores))
    tables = {name: rows(s for s in scores if s.finding == name) for name in names}
    return dict(sorted(tables.items(), key=lambda item: (-item[1][0].iou.n, item[0])))


def gain_over_centre(scores: Iterable[Score], method: str, level: float = 0.95) -> Interval:
    """The mean difference in best-case IoU between a method and the centre prior, film by film."""
    values: dict[str, dict[tuple[str, str], float]] = {method: {}, CENTRE: {}}
    for score in scores:
        if score.method in values:
            values[score.method][score.film, score.finding] = score.iou
    gains = (value - values[CENTRE][key] for key, value in values[method].items())
    return mean_interval(gains, level)


def _share_interval(values: Iterable[float]) -> Interval:
    """The mean of values in [0, 1]; Student's limits may leave that range, and are cut there."""
    mean = mean_interval(values)
    return mean if isnan(mean.low) else replace(mean, low=max(0.0, mean.low), high=min(1.0, mean.high))


def _hit_interval(scores: Sequence[Score]) -> Interval:
    known = [score.hit for score in scores if not isnan(score.hit)]
    if any(value not in (0, 1) for value in known):  # chances, not hits
        return _share_interval(score.hit for score in scores)
    return proportion_interval(int(sum(known)), len(known), len(scores) - len(known))
