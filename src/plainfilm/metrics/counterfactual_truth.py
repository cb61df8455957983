"""Is a counterfactual film what the patient would look like? Measures against the true counterfactual.

Where films are rendered or findings planted, the same patient exists with and without the finding
(``Phantom.study``, ``plainfilm.datasets.planting``), and the pixels that the finding changed are known.
Effectiveness and reversibility are axioms of Monteiro et al. (2023), minimality is added by Melistas et al.
(2024).

Films are ``(B, H, W)`` or ``(B, C, H, W)`` in one unit; distances are mean absolute differences (L1 over the
number of pixels). A counterfactual that comes from an autoencoder differs from the film by its reconstruction
error as well: pass the reconstruction in the film's place to judge the change alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np

from plainfilm.errors import InputError, NumericError
from plainfilm.masks.arrays import as_mask
from plainfilm.metrics.intervals import Interval, mean_interval
from plainfilm.metrics.labels import numbers
from plainfilm.metrics.localisation import mass_inside


@dataclass(frozen=True, eq=False)
class CounterfactualTruth:
    """All measures of several counterfactuals, ``(B,)`` each; NaN where one is undefined.

    Attributes:
        effectiveness: As ``effectiveness``.
        share_inside: As ``change_inside``.
        truth_inside: The same for the true counterfactual. It is below 1 where a finding changes the film
            outside its mask as well: by scatter, and by the window, which follows the whole film.
        change_ratio: As ``change_ratio``.
        distance: As ``distance_to_truth``.
    """

    effectiveness: np.ndarray
    share_inside: np.ndarray
    truth_inside: np.ndarray
    change_ratio: np.ndarray
    distance: np.ndarray

    @property
    def intervals(self) -> dict[str, Interval]:
        """Means over films with Student's interval, by measure.

        The ratio is averaged as a logarithm, so that 2 and 1/2 make 1; a ratio of 0 or without a bound has
        none and counts as excluded.
        """
        with np.errstate(divide="ignore"):
            logarithms = np.log(self.change_ratio)
        return {
            "effectiveness": mean_interval(self.effectiveness),
            "share_inside": mean_interval(self.share_inside),
            "truth_inside": mean_interval(self.truth_inside),
            "log_change_ratio": mean_interval(np.where(np.isfinite(logarithms), logarithms, nan)),
            "distance": mean_interval(self.distance),
        }


def against_truth(
    films: Any, counterfactuals: Any, truths: Any, masks: Any, before: Any, after: Any
) -> CounterfactualTruth:
    """Judges counterfactuals in which a finding was removed against the same patients without it.

    Args:
        films: With the finding.
        counterfactuals: What a method made of them.
        truths: The same patients without the finding.
        masks: The pixels that the finding changed, ``(B, H, W)``.
        before: The finding's probability in ``films``, ``(B,)``.
        after: The finding's probability in ``counterfactuals``, ``(B,)``.

    Raises:
        InputError: for shapes that differ.
        NumericError: for films or probabilities that are not finite.
    """
    return CounterfactualTruth(
        effectiveness(before, after),
        change_inside(films, counterfactuals, masks),
        change_inside(films, truths, masks),
        change_ratio(films, counterfactuals, masks),
        distance_to_truth(films, counterfactuals, truths),
    )


def effectiveness(before: Any, after: Any) -> np.ndarray:
    """How far the target's probability falls, ``before - after``, ``(B,)``; higher is better for a removal.

    It asks the classifier alone: an adversarial change that no reader would see is as effective.

    Raises:
        InputError: for shapes that differ.
        NumericError: for values that are not finite.
    """
    one, two = numbers(before), numbers(after)
    if one.ndim != 1 or one.shape != two.shape:
        raise InputError(f"shapes {one.shape} and {two.shape}", "(B,) both", "effectiveness")
    return _finite(one - two, "effectiveness")


def change_inside(films: Any, counterfactuals: Any, masks: Any) -> np.ndarray:
    """Minimality: the share of the absolute change that lies inside the mask.

    Returns:
        ``(B,)`` in [0, 1], higher is better; NaN for an empty mask, 0 where nothing changes. An even change
        gives the mask's share of the film.

    Raises:
        InputError: for shapes that differ.
        NumericError: for films that are not finite.
    """
    pairs = zip(*_changes(films, counterfactuals, masks), strict=True)
    return np.array([mass_inside(change, mask) for change, mask in pairs])


def change_ratio(films: Any, counterfactuals: Any, masks: Any) -> np.ndarray:
    """Minimality, whatever the size of the finding: mean absolute change inside over that outside.

    Returns:
        ``(B,)``, higher is better, 1 for an even change; NaN for an empty or a full mask and where nothing
        changes, infinite where nothing changes outside.

    Raises:
        InputError: for shapes that differ.
        NumericError: for films that are not finite.
    """
    return np.array([_ratio(*pair) for pair in zip(*_changes(films, counterfactuals, masks), strict=True)])


def distance_to_truth(films: Any, counterfactuals: Any, truths: Any) -> np.ndarray:
    """How far a counterfactual is from the true one, as a share of how far the film is from it.

    Returns:
        ``(B,)``, lower is better: 0 for the truth, 1 for the film as it was, above 1 for a counterfactual
        that is farther off than no change at all; NaN where film and truth are one.

    Raises:
        InputError: for shapes that differ.
        NumericError: for films that are not finite.
    """
    return _relative(counterfactuals, truths, films, "distance_to_truth")


def reversibility(films: Any, counterfactuals: Any, returned: Any) -> np.ndarray:
    """How far the way there and back ends from its start, as a share of the way there.

    Args:
        films: Where it starts.
        counterfactuals: What the method made of them.
        returned: What the method made of ``counterfactuals`` when asked for the prediction of ``films``.

    Returns:
        ``(B,)``, lower is better: 0 where the start is reached again, 1 where the way back gains nothing; NaN
        where the counterfactual is the film.

    Raises:
        InputError: for shapes that differ.
        NumericError: for films that are not finite.
    """
    return _relative(returned, films, counterfactuals, "reversibility")


def _relative(found: Any, goal: Any, start: Any, where: str) -> np.ndarray:
    """``|found - goal| / |start - goal|`` of each film."""
    here, there, first = (_finite(numbers(each), where) for each in (found, goal, start))
    if here.ndim < 3 or not here.shape == there.shape == first.shape:
        raise InputError(
            f"films of shapes {here.shape}, {there.shape}, {first.shape}", "one shape (B, ..., H, W)", where
        )
    axes = tuple(range(1, here.ndim))
    left, way = np.abs(here - there).mean(axes), np.abs(first - there).mean(axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(way > 0, left / way, nan)


def _changes(films: Any, counterfactuals: Any, masks: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """Absolute changes, averaged over channels, and masks: ``(B, H, W)`` both."""
    one, two = (_finite(numbers(each), "counterfactuals") for each in (films, counterfactuals))
    if one.ndim not in (3, 4) or one.shape != two.shape:
        raise InputError(f"films {one.shape} and {two.shape}", "one shape (B, ..., H, W)", "counterfactuals")
    change = np.abs(one - two)
    change = change.mean(1) if change.ndim == 4 else change
    drawn = [as_mask(mask) for mask in masks]
    if [mask.shape for mask in drawn] != [each.shape for each in change]:
        shapes = sorted({mask.shape for mask in drawn})
        raise InputError(
            f"{len(drawn)} masks {shapes}", f"one a film of {change.shape[1:]}", "counterfactuals"
        )
    return change, drawn


def _ratio(change: np.ndarray, mask: np.ndarray) -> float:
    if not mask.any() or mask.all() or not change.any():
        return nan
    inside, outside = float(change[mask].mean()), float(change[~mask].mean())
    return inside / outside if outside > 0 else inf


def _finite(values: np.ndarray, where: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise NumericError("values that are NaN or infinite", "finite values", where)
    return values
