"""Does a map depend on what the network has learnt? Randomisation of its parameters.

A map that stays as it was when the weights are drawn anew shows the film, not the model (Adebayo et al.
2018). That a map changes is necessary and not sufficient: noise passes this test as well as evidence does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any

import numpy as np
from torch import Tensor, nn

from plainfilm.errors import InputError, ModelError
from plainfilm.metrics.attributor import (
    Attributor,
    Factory,
    Target,
    check_images,
    jittered,
    on_a_copy,
    raw_maps,
)
from plainfilm.metrics.intervals import Interval, mean_interval
from plainfilm.metrics.reinitialisation import randomisation_units, reinitialise, without_default
from plainfilm.metrics.similarity import rank_correlations, unit_ranks

Progress = Callable[[int, int], None]
"""Called with the units done and all units."""


Explain = Callable[[], np.ndarray]
"""The magnitudes of the maps of all images by the network as it is now, ``(images, pixels)``."""


@dataclass(frozen=True, eq=False)
class Randomisation:
    """How like the trained network's maps those of partly random networks are.

    Attributes:
        units: Names of the randomised units in order.
        correlations: Spearman's correlation of magnitudes after each unit, ``(units, images)``; NaN where one
            of the two maps is constant.
        untouched: Parameters that know no default initialisation and stayed as trained.
    """

    units: tuple[str, ...]
    correlations: np.ndarray
    untouched: tuple[str, ...] = ()

    @property
    def undefined(self) -> np.ndarray:
        """Images without a correlation, ``(units,)``."""
        return np.isnan(self.correlations).sum(axis=1)

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The mean over images after each unit, with Student's interval; undefined images left out."""
        return tuple(map(mean_interval, self.correlations))

    @property
    def means(self) -> np.ndarray:
        """The mean over images after each unit, ``(units,)``; NaN where all are undefined."""
        return np.array([each.value for each in self.intervals])


@dataclass(frozen=True, eq=False)
class ComplexityRise:
    """Entropy of the maps of the trained and of the fully random network, in nats, ``(images,)`` each."""

    trained: np.ndarray
    randomised: np.ndarray

    @property
    def rise(self) -> np.ndarray:
        """``(randomised - trained) / trained``, ``(images,)``; NaN where a map is constant."""
        known = (self.trained > 0) & (self.randomised > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(known, (self.randomised - self.trained) / self.trained, nan)

    @property
    def interval(self) -> Interval:
        """The mean rise over images with Student's interval; undefined images left out and counted."""
        return mean_interval(self.rise)


def cascading_randomisation(
    method: Attributor | Factory,
    classifier: Any,
    images: Tensor,
    target: Target,
    seed: int = 0,
    *,
    units: Sequence[str] | None = None,
    independent: bool = False,
    progress: Progress | None = None,
) -> Randomisation:
    """Re-initialises a network unit by unit from its output and compares the maps (Adebayo et al. 2018).

    Everything happens on a copy; the network is returned byte for byte as found.

    Args:
        method: What builds a method on a network: a class such as ``GradCAM``, or any callable; it is called
            for each state of the network. Or a dataclass that is built already, whose fields that hold the
            classifier's network are put on the copy: the way for methods that need more than a network.
        classifier: A ``Classifier``, or a network.
        images: ``(B, C, H, W)`` in the network's own range.
        target: One class index for all images, or one for each.
        seed: Of the new weights, together with a unit's name.
        units: Names of modules in the order in which they are re-initialised; by default all, from the output
            towards the input (``randomisation_units``).
        independent: Each unit alone, the rest as trained, in place of one after the other.
        progress: Called after each unit.

    Returns:
        Spearman's rank correlation over all pixels of ``|map|`` with the trained network's ``|map|``.

    Raises:
        InputError: for images of another shape.
        ModelError: for a unit that is not there, a method that is none, or one built on another network.
        NumericError: for maps that are not finite.
    """
    check_images(images)
    network, build = on_a_copy(method, classifier)
    explain = partial(_magnitudes, build, images, target)
    return _cascade(network, explain, images, seed, units, independent, progress)


def smooth_randomisation(
    method: Attributor | Factory,
    classifier: Any,
    images: Tensor,
    target: Target,
    seed: int = 0,
    *,
    copies: int = 50,
    noise: float = 0.1,
    units: Sequence[str] | None = None,
    independent: bool = False,
    progress: Progress | None = None,
) -> Randomisation:
    """Cascading randomisation of maps averaged over noisy copies of each image: sMPRT (Hedström et al. 2024).

    Single maps of methods that shatter are noise, and any two of them are unlike; their means are compared
    instead. All networks see the same noise, a function of seed and copy alone.

    Args:
        method, classifier, images, target, seed, units, independent, progress: As
            ``cascading_randomisation``.
        copies: Noisy copies of each image, whose magnitudes are averaged.
        noise: Standard deviation as a share of the image's own range (max - min).

    Raises:
        InputError: for fewer than one copy or a noise below zero; and as ``cascading_randomisation``.
    """
    if copies < 1 or not noise >= 0:
        raise InputError(f"{copies} copies, noise {noise}", "1 or more, 0 or more", "smooth_randomisation")
    check_images(images)
    network, build = on_a_copy(method, classifier)

    def explain() -> np.ndarray:
        noisy = (jittered(images, noise, seed, copy) for copy in range(copies))
        return sum((_magnitudes(build, each, target) for each in noisy), start=np.zeros(1)) / copies

    return _cascade(network, explain, images, seed, units, independent, progress)


def efficient_randomisation(
    method: Attributor | Factory,
    classifier: Any,
    images: Tensor,
    target: Target,
    seed: int = 0,
    bins: int = 100,
) -> ComplexityRise:
    """Whether maps become more complex when all weights are random: eMPRT (Hedström et al. 2024).

    Two networks are explained, the trained and the fully random, and no two maps are compared, so that
    neither layer order nor similarity matters. A method that is sensitive to the weights has a rise above 0.

    Args:
        method, classifier, images, target, seed: As ``cascading_randomisation``.
        bins: Of the histogram of the raw signed map between its lowest and its highest value, whose entropy
            is the complexity: 0 for a constant map, at most ``log(bins)``.

    Raises:
        InputError: for fewer than two bins; and as ``cascading_randomisation``.
    """
    if bins < 2:
        raise InputError(f"{bins} bins", "2 or more", "efficient_randomisation")
    check_images(images)
    network, build = on_a_copy(method, classifier)
    trained = raw_maps(build(), images, target)
    for name in randomisation_units(network, images[:1]):
        reinitialise(network.get_submodule(name), seed, name)
    found = (trained, raw_maps(build(), images, target))
    return ComplexityRise(*(np.array([map_entropy(row, bins) for row in maps]) for maps in found))


def map_entropy(values: np.ndarray, bins: int = 100) -> float:
    """The entropy in nats of the histogram of a map, 0 for a constant one."""
    if np.ptp(values) == 0:
        return 0.0
    counts = np.histogram(values, bins=bins)[0]
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _cascade(
    network: nn.Module,
    explain: Explain,
    images: Tensor,
    seed: int,
    units: Sequence[str] | None,
    independent: bool,
    progress: Progress | None,
) -> Randomisation:
    names = randomisation_units(network, images[:1]) if units is None else _known(network, units)
    ranks = unit_ranks(explain())
    rows = []
    for done, name in enumerate(names, start=1):
        unit = network.get_submodule(name)
        trained = {key: value.clone() for key, value in unit.state_dict().items()} if independent else {}
        reinitialise(unit, seed, name)
        rows.append(rank_correlations(ranks, unit_ranks(explain())))
        if independent:
            unit.load_state_dict(trained)
        if progress:
            progress(done, len(names))
    return Randomisation(tuple(names), np.stack(rows), without_default(network))


def _known(network: nn.Module, units: Sequence[str]) -> Sequence[str]:
    modules = dict(network.named_modules())
    unknown = [name for name in units if name not in modules]
    if unknown or not units:
        got = f"unit {unknown[0]!r}" if unknown else "no unit"
        raise ModelError(got, "names of the network's modules", "units", "See randomisation_units(network).")
    return units


def _magnitudes(build: Callable[[], Attributor], images: Tensor, target: Target) -> np.ndarray:
    return np.abs(raw_maps(build(), images, target))
