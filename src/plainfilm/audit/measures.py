"""What is measured of the maps of an audit, under two headings that are never mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainfilm.attribution.method import Attribution, Evidence
from plainfilm.datasets.study import Study
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics.baselines import CENTRE, RANDOM, centre_prior, random_map
from plainfilm.metrics.localisation import best_case_iou, hit, mass_inside, rank_inside
from plainfilm.metrics.removal import removal_drop
from plainfilm.metrics.strata import lesions, relative_area
from plainfilm.models.classifier import Classifier
from plainfilm.radiograph import Placement

COARSE = (7, 7)
"""Grid of the random map: noise in single pixels would hardly be changed by a blur."""


PLAUSIBILITY = ("best_case_iou", "hit", "mass_inside", "rank_inside")
"""Agreement with the annotations."""

FIDELITY = (
    "insertion_auc", "deletion_auc", "road", "sensitivity_n", "removal_drop", "counterfactual_recovery",
)  # fmt: skip
"""Agreement with the model; an audit has those that its depth and its films allow."""

DEVICES = "mass_on_devices"


@dataclass(frozen=True, eq=False)
class Block:
    """Films and findings that are explained together.

    Attributes:
        model: The classifier.
        subjects: Study and finding of each row.
        images: ``(B, C, S, S)``.
        placements: Where each image lies on its film.
        targets: ``(B,)``.
        first: The first row of the audit that is in this block.
    """

    model: Classifier
    subjects: Sequence[tuple[Study, str]]
    images: Tensor
    placements: tuple[Placement, ...]
    targets: Tensor
    first: int

    @classmethod
    def of(cls, model: Classifier, subjects: Sequence[tuple[Study, str]], first: int) -> Block:
        """The films of the subjects, ready for the model."""
        images, placements = model.prepare_batch([study.radiograph for study, _ in subjects])
        targets = torch.tensor([model.index(finding) for _, finding in subjects], device=images.device)
        return cls(model, subjects, images, placements, targets, first)

    def explain(self, method: Attribution) -> np.ndarray:
        """Raw maps ``(B, h, w)``; zeros for a constant film, where a map comes from the network's borders."""
        maps = method.attribute(self.images, self.targets)[:, 0].float().cpu().numpy()
        return np.where(self._blank[:, None, None], np.float32(0), maps)

    def baselines(self) -> dict[str, np.ndarray]:
        """The maps that know nothing, ``(B, h, w)``."""
        size = (self.images.shape[2], self.images.shape[3])
        rows = range(self.first, self.first + len(self.subjects))
        noise = np.stack([random_map(COARSE, row) for row in rows])
        return {CENTRE: np.stack([centre_prior(size)] * len(noise)), RANDOM: noise}

    def judge(self, shown: np.ndarray) -> list[dict[str, float]]:
        """Plausibility of every map ``(B, h, w)`` of ``shown_of``, and the fall of its score by removal."""
        drops = removal_drop(self.score, self.images, shown)
        return [
            plausibility(placement.at(values.shape).restore(values), *subject) | {"removal_drop": float(drop)}
            for values, placement, subject, drop in zip(
                shown, self.placements, self.subjects, drops, strict=True
            )
        ]

    @cached_property
    def _blank(self) -> np.ndarray:
        return np.array([np.ptp(study.radiograph.pixels) == 0 for study, _ in self.subjects])

    @cached_property
    def _scores(self) -> Tensor:
        return self._score_of(self.images)

    def score(self, images: Tensor) -> Tensor:
        """The logit of each image's own finding, ``(B,)``."""
        # Asked for with every map, the images' own scores are computed once.
        return self._scores if images is self.images else self._score_of(images)

    def _score_of(self, images: Tensor) -> Tensor:
        return self.model.logits(images).gather(1, self.targets[:, None])[:, 0]


def shown_of(maps: np.ndarray, evidence: Evidence) -> np.ndarray:
    """What of a method's maps ``(B, h, w)`` is evidence, at least 0."""
    return np.maximum(maps if evidence == "positive" else np.abs(maps), 0)


def plausibility(evidence: np.ndarray, study: Study, finding: str) -> dict[str, float]:
    """How a map ``(H, W)`` on the film agrees with what is outlined, and how much lies on devices."""
    region = study.region(finding)
    if region is None:
        region = np.zeros(study.radiograph.size, bool)
    devices = study.region(SUPPORT_DEVICES) if finding != SUPPORT_DEVICES else None
    return {
        "best_case_iou": best_case_iou(evidence, region),
        "hit": hit(evidence, region),
        "mass_inside": mass_inside(evidence, region),
        "rank_inside": rank_inside(evidence, region),
        DEVICES: float("nan") if devices is None else mass_inside(evidence, devices),
    }


def outline_facts(study: Study, finding: str) -> dict[str, Any]:
    """Of what was outlined: its share of the film (``area``) and its separate parts (``lesions``)."""
    region = study.region(finding)
    if region is None or not region.any():
        return {"area": float("nan"), "lesions": 0}
    parts = lesions(region) if finding in study.masks else len(study.boxes[finding])
    return {"area": relative_area(region), "lesions": parts}
