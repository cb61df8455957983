"""A radiograph with what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from plainfilm.masks.box import Box, box_mask
from plainfilm.radiograph import Radiograph


@dataclass(frozen=True, eq=False)
class Study:
    """One film, its findings and its annotations.

    Attributes:
        radiograph: The film.
        findings: Finding name to 1.0 (present), 0.0 (absent) or NaN (unknown).
        masks: Finding name to bool ``(H, W)`` on the film's own grid, as an expert
            would outline it; only findings that are annotated.
        boxes: Finding name to boxes (left, top, width, height) in film pixels.
        zones: Brixia severities 0 to 3 of six zones: A, B, C down the patient's right
            lung, D, E, F down the left; None where unscored.
        lungs: bool ``(H, W)``, or None.
        causes: Finding name to the pixels that the finding changed, where they differ
            from ``masks``; known for rendered films alone.
        patient: An opaque patient id, for splits.
        scores: Name to a number that a reader gave, "Brixia" for instance.
        attributes: What subgroups are made of: "view", "sex", "age", "device", "split".
    """

    radiograph: Radiograph
    findings: Mapping[str, float] = field(default_factory=dict)
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    boxes: Mapping[str, tuple[Box, ...]] = field(default_factory=dict)
    zones: np.ndarray | None = None
    lungs: np.ndarray | None = None
    causes: Mapping[str, np.ndarray] = field(default_factory=dict)
    patient: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the findings that are present."""
        return tuple(name for name, value in self.findings.items() if value == 1)

    def region(self, finding: str) -> np.ndarray | None:
        """Where an expert saw a finding, bool ``(H, W)``: its mask, else its boxes; None where neither is."""
        if finding in self.masks:
            return self.masks[finding]
        boxes = self.boxes.get(finding)
        return None if boxes is None else box_mask(self.radiograph.size, boxes)
