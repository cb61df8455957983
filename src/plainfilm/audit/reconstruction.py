"""What an autoencoder makes of films, and what a classifier still sees in them.

The effect on predictions is Table K.1 of Cohen et al. (MIDL 2021), for any data set and with intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from plainfilm.datasets.study import Study
from plainfilm.errors import ModelError
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.weighted import mean
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.classifier import Classifier, evaluating

MOST_PAIRS = 24
"""Films that are kept for the eye."""

ERRORS = ("absolute_error", "squared_error", "explained")


@dataclass(frozen=True, eq=False)
class Pair:
    """A film as the networks see it and its reconstruction, both ``(S, S)`` in units of [0, 1].

    The reconstruction may leave [0, 1].
    """

    film: str
    pixels: np.ndarray
    reconstructed: np.ndarray
    present: tuple[str, ...]


@dataclass(frozen=True)
class Impact:
    """What reconstruction does to the prediction of a target, over films alike in one label.

    Attributes:
        label: The finding that they have in common, "" for all films.
        present: Whether they have it.
        target: What is predicted.
        before: Mean prediction of the films.
        after: Mean prediction of their reconstructions.
        difference: Mean of after minus before. All three with intervals over patients.
    """

    label: str
    present: bool
    target: str
    before: Interval
    after: Interval
    difference: Interval


@dataclass(frozen=True)
class Discrimination:
    """How well films with a finding are told from those without, before and after reconstruction.

    Attributes:
        finding: What is predicted.
        before: AUROC on the films.
        after: AUROC on their reconstructions.
        difference: After minus before, of the same patients.
    """

    finding: str
    before: Interval
    after: Interval
    difference: Interval

    @property
    def is_lost(self) -> bool:
        """Whether the fall is beyond chance."""
        return self.difference.high < 0


@dataclass
class Reconstructing:
    """Films with their reconstructions, reduced to numbers and the first pairs.

    Attributes:
        model: The classifier that looks at both.
        autoencoder: What reconstructs.
        pairs: The first ``MOST_PAIRS`` films.
        rows: Of ``table``.

    Raises:
        ModelError: where the two take films of another size or shape.
    """

    model: Classifier
    autoencoder: Autoencoder
    pairs: list[Pair] = field(default_factory=list)
    rows: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        own, other = self.autoencoder.spec, self.model.spec
        if (own.size, own.fit, own.channels) != (other.size, other.fit, other.channels):
            raise ModelError(
                f"an autoencoder of {own.size} pixels, {own.fit}, {own.channels} channel(s)",
                f"{other.size} pixels, {other.fit}, {other.channels} channel(s), as the classifier",
                "reconstruct",
            )  # fmt: skip

    def add(self, study: Study) -> None:
        """Takes in one film.

        Raises:
            InputError, NumericError: for a film that cannot be used.
        """
        film = study.radiograph
        self.model.prepare(film)  # refuses what is too small
        pixels = self.model.spec.placement(film.size).sample(film.pixels)
        images = torch.from_numpy(self.autoencoder.spec.scale(pixels))[None].to(self.autoencoder.device)
        with torch.no_grad(), evaluating(self.autoencoder):
            found = self.autoencoder(images)
        low, high = self.autoencoder.spec.ends
        reconstructed = (found[0, 0].double().cpu().numpy() - low) / (high - low)
        numbers = _errors(found[0, 0].double().cpu().numpy(), images[0, 0].double().cpu().numpy())
        before, after = self._predictions(pixels), self._predictions(reconstructed)
        names = self.model.findings
        self.rows.append({
            "film": film.id, "patient": study.patient or film.id, **dict(zip(ERRORS, numbers, strict=True)),
            **{f"before:{name}": before[name] for name in names},
            **{f"after:{name}": after[name] for name in names},
            **{f"truth:{name}": value for name, value in study.findings.items()},
        })  # fmt: skip
        if len(self.pairs) < MOST_PAIRS:
            self.pairs.append(Pair(film.id, pixels, reconstructed.astype(np.float32), study.present))

    @property
    def table(self) -> pd.DataFrame:
        """A row for each film: errors in units of the autoencoder's input, predictions, and truth."""
        return pd.DataFrame(self.rows)

    def _predictions(self, pixels: np.ndarray) -> dict[str, float]:
        images = torch.from_numpy(self.model.spec.scale(pixels))[None].to(self.model.device)
        with torch.no_grad():
            chances = self.model.probabilities(images, checked=False)[0].tolist()
        return {name: value for name, value in zip(self.model.targets, chances, strict=True) if name}


def errors(table: pd.DataFrame) -> dict[str, Interval]:
    """Means over films with intervals over patients.

    "absolute_error" is a mean over pixels, "squared_error" a sum over the film's, and "explained" the share
    of the film's variance.
    """
    return {name: bootstrap_interval(mean, table[name], patients=table["patient"]) for name in ERRORS}


def impacts(table: pd.DataFrame, targets: Sequence[str]) -> list[Impact]:
    """Table K.1: every label, with and without, against every target; or all films where none has a label."""
    return [
        _impact(films, label, present, target)
        for label, present, films in _groups(table)
        for target in targets
    ]


def discriminations(table: pd.DataFrame, targets: Sequence[str]) -> list[Discrimination]:
    """AUROC before and after, of each target that is labelled both present and absent."""
    found = []
    for name in targets:
        if f"truth:{name}" not in table or not {0.0, 1.0} <= set(table[f"truth:{name}"]):
            continue
        films = table[table[f"truth:{name}"].notna()]
        before, after, truth = (films[f"{kind}:{name}"].to_numpy() for kind in ("before", "after", "truth"))
        patients = films["patient"]
        found.append(
            Discrimination(
                name,
                bootstrap_interval(auroc, before, truth, patients=patients),
                bootstrap_interval(auroc, after, truth, patients=patients),
                bootstrap_interval(_gain, before, after, truth, patients=patients),
            )
        )
    return found


def _groups(table: pd.DataFrame) -> Iterator[tuple[str, bool, pd.DataFrame]]:
    labels = [name.removeprefix("truth:") for name in table if name.startswith("truth:")]
    if not labels:
        yield "", True, table
    for label in labels:
        for present in (True, False):
            films = table[table[f"truth:{label}"] == float(present)]
            if len(films):
                yield label, present, films


def _impact(films: pd.DataFrame, label: str, present: bool, target: str) -> Impact:
    before, after = films[f"before:{target}"].to_numpy(), films[f"after:{target}"].to_numpy()
    columns = (before, after, after - before)
    return Impact(
        label, present, target,
        *(bootstrap_interval(mean, column, patients=films["patient"]) for column in columns),
    )  # fmt: skip


def _gain(before: np.ndarray, after: np.ndarray, truth: np.ndarray) -> float:
    return auroc(after, truth) - auroc(before, truth)


def _errors(found: np.ndarray, wanted: np.ndarray) -> tuple[float, float, float]:
    error = found - wanted
    spread = np.square(wanted - wanted.mean()).sum()
    squared = np.square(error).sum()
    return (
        float(np.abs(error).mean()),
        float(squared),
        float(1 - squared / spread) if spread else float("nan"),
    )
