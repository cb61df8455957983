"""What a study shows, decided before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plainfilm.datasets.phantom.devices import DEVICES
from plainfilm.errors import InputError
from plainfilm.findings import ALL, NIH, SUPPORT_DEVICES

DISEASED = 0.75
"""Share of studies that may show findings at all."""

MOST_FINDINGS = 3

DEVICE_CHANCE = {True: 0.12, False: 0.05}
"""Chance of each device, by whether the film was taken AP: in bed, that is."""


@dataclass(frozen=True)
class Shortcut:
    """A device tied to a finding, as drains are to the lungs they have already treated.

    In a data set with a shortcut the finding is present in half of the studies and
    agrees with the device in ``(1 + correlation) / 2`` of them, which makes
    ``correlation`` their Pearson correlation. No other device is drawn.

    Attributes:
        device: A name from ``DEVICES``.
        finding: A name from ``plainfilm.findings.NIH``.
        correlation: From -1 to 1; 0 unties them.
        subtle: Draw the finding at its faintest. A network learns a shortcut only
            where the device is easier to see than the finding.

    Raises:
        InputError: for an unknown name or a correlation outside [-1, 1].
    """

    device: str = "chest tube"
    finding: str = "Pneumothorax"
    correlation: float = 0.9
    subtle: bool = True

    def __post_init__(self) -> None:
        Content((self.finding,), (self.device,))
        if not -1 <= self.correlation <= 1:
            raise InputError(f"correlation {self.correlation}", "a number from -1 to 1", "Shortcut")


@dataclass(frozen=True)
class Content:
    """The findings and devices of one study, by name.

    Raises:
        InputError: for a name that is not in ``plainfilm.findings.NIH`` or ``DEVICES``.
    """

    findings: tuple[str, ...]
    devices: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_names(self.findings, NIH, "finding")
        _check_names(self.devices, tuple(DEVICES), "device")

    @property
    def labels(self) -> dict[str, float]:
        """All names of ``plainfilm.findings.ALL`` to 1.0 or 0.0."""
        present = {*self.findings, *([SUPPORT_DEVICES] if self.devices else [])}
        return {name: float(name in present) for name in ALL}


def draw_content(rng: np.random.Generator, prevalence: float, is_ap: bool) -> Content:
    """Draw what a study shows: at most three findings, and any devices."""
    findings = _draw_findings(rng, prevalence)
    devices = tuple(name for name in DEVICES if rng.random() < DEVICE_CHANCE[is_ap])
    return Content(_kept(findings), devices)


def draw_tied_content(rng: np.random.Generator, prevalence: float, shortcut: Shortcut) -> Content:
    """Draw what a study of a data set with a shortcut shows."""
    is_ill, agrees = rng.random() < 0.5, rng.random() < (1 + shortcut.correlation) / 2
    others = [name for name in _draw_findings(rng, prevalence) if name != shortcut.finding]
    devices = (shortcut.device,) if is_ill == agrees else ()
    return Content(_kept([shortcut.finding, *others] if is_ill else others), devices)


def _draw_findings(rng: np.random.Generator, prevalence: float) -> list[str]:
    is_diseased = rng.random() < DISEASED
    names = [name for name in NIH if rng.random() < prevalence and is_diseased]
    return [names[k] for k in rng.permutation(len(names))]


def _kept(names: Sequence[str]) -> tuple[str, ...]:
    """The first three, without the later one of Mass and Nodule: readers cannot tell them apart."""
    kept = list(names[:MOST_FINDINGS])
    rivals = [name for name in kept if name in ("Mass", "Nodule")]
    return tuple(name for name in kept if name not in rivals[1:])


def _check_names(names: Sequence[str], known: tuple[str, ...], kind: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"{kind} {unknown[0]!r}", f"one of {', '.join(known)}", "phantom")
