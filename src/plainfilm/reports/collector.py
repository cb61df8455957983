"""Gathers what a report needs while films go by, so that no film has to stay in memory."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from plainfilm.attribution.explain import explain_targets
from plainfilm.attribution.explanation import Explanation, Status
from plainfilm.metrics.intervals import Interval
from plainfilm.models.classifier import Classifier
from plainfilm.radiograph import Radiograph
from plainfilm.reports.localisation import Score, score_maps
from plainfilm.reports.page import MOST_FILMS, Case, Report

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one film, and what the reader noticed."""

    id: str
    probabilities: Mapping[str, float]
    warnings: tuple[str, ...]


@dataclass
class Collector:
    """Films with their predictions, maps and scores, reduced to what a page shows.

    Attributes:
        model: The classifier that is reported on.
        predictions: One per film.
        cases: The first ``MOST_FILMS`` films, ready to be drawn.
        scores: Of every map whose target is outlined.
        maps: How many maps there were.
        flat: How many of them were flat.
        settings: Method to the settings that it ran with.
    """

    model: Classifier
    predictions: list[Prediction] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    maps: int = 0
    flat: int = 0
    settings: dict[str, Settings] = field(default_factory=dict)

    def add(
        self,
        film: Radiograph,
        probabilities: Mapping[str, float],
        explanations: Sequence[Explanation] = (),
        masks: Mapping[str, np.ndarray] | None = None,
        present: Sequence[str] | None = None,
    ) -> None:
        """Takes in one film; ``masks`` are bool ``(H, W)`` by finding, on the film's own grid.

        Raises:
            InputError: for a mask of another size.
            NumericError: for a map that is not finite.
        """
        # Scored first: a film that fails must leave no trace here.
        scores = _scores(explanations, masks or {})
        if len(self.cases) < MOST_FILMS:
            self.cases.append(Case.of(film, probabilities, explanations, masks, present))
        self.predictions.append(Prediction(film.id, probabilities, film.warnings))
        self.scores += scores
        self.maps += len(explanations)
        self.flat += sum(explanation.status is Status.FLAT for explanation in explanations)
        self.settings |= {e.method: e.record()["settings"] for e in explanations}

    def report(
        self,
        title: str,
        command: str,
        truth: str = "",
        excluded: Mapping[str, str] | None = None,
        areas: Mapping[str, Interval] | None = None,
    ) -> Report:
        """All of it as a report; ``truth`` says in words what the maps were scored against."""
        return Report(
            title=title, model=model_name(self.model), provenance=self._provenance(command), cases=self.cases,
            is_value=self.model.output == "value",
            films=len(self.predictions), operating_points=self.model.operating_points, areas=areas or {},
            scores=self.scores, maps=(self.maps, self.flat), truth=truth, excluded=excluded or {},
            warnings=[text for prediction in self.predictions for text in prediction.warnings],
            caution=str(self.model.card.get("caution", "")),
        )  # fmt: skip

    def _provenance(self, command: str) -> dict[str, str]:
        spec, network = self.model.spec, type(self.model.network).__name__
        return {
            "Command": command,
            "Model": f"{model_name(self.model)} ({network}, {len(self.model.findings)} findings)",
            "Weights SHA-256": str(self.model.card.get("sha256", "not from a file")),
            "Model input": f"{spec.size} × {spec.size} × {spec.channels}, {spec.fit.replace('_', ' ')}",
            **{f"Settings of {name}": _in_words(settings) for name, settings in self.settings.items()},
            "Software": f"torch {torch.__version__}, Python {platform.python_version()}",
            "Device": str(self.model.device),
            "Threads": str(torch.get_num_threads()),
        }  # fmt: skip


def explanations_of(
    model: Classifier, film: Radiograph, targets: Sequence[str], methods: Mapping[str, Settings]
) -> list[Explanation]:
    """The maps of one film: every method for every target.

    Raises:
        ModelError, NumericError: as ``plainfilm.explain``.
    """
    return [
        explanation
        for name, settings in methods.items()
        for explanation in explain_targets(model, film, targets, name, **settings)
    ]


def model_name(model: Classifier) -> str:
    """The name that a model's card gives it, or the class of its network."""
    return str(model.card.get("name", type(model.network).__name__))


def _scores(explanations: Sequence[Explanation], masks: Mapping[str, np.ndarray]) -> list[Score]:
    by_target: dict[str, list[Explanation]] = {}
    for explanation in explanations:
        if explanation.target in masks:
            by_target.setdefault(explanation.target, []).append(explanation)
    return [score for target, maps in by_target.items() for score in score_maps(maps, masks[target])]


def _in_words(settings: Settings) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "none"
