"""The chest that a finding appears in, and the ways in which findings ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plainfilm.datasets.phantom.anatomy import REPLACED_LUNG, Anatomy
from plainfilm.datasets.phantom.canvas import Canvas, smoothstep, uniform
from plainfilm.datasets.phantom.patient import Patient

Point = tuple[float, float]
Range = tuple[float, float]

MOST_REPLACED = 0.95
"""Share of the aerated lung along a ray that any disease can fill."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A chest before a finding: everything that decides how the finding shows.

    Attributes:
        patient: The patient, after the geometry edits of all findings.
        canvas: The pixel grid.
        anatomy: Thickness maps.
        lung: float32 ``(H, W)``, aerated lung along each ray in cm.
        aeration: float32 ``(H, W)`` in [0, 1], how far vessels stand out against air.
        subtle: Whether the finding is to be drawn at the faint end of its range.
    """

    patient: Patient
    canvas: Canvas
    anatomy: Anatomy
    lung: np.ndarray
    aeration: np.ndarray
    subtle: bool = False

    @cached_property
    def parenchyma(self) -> np.ndarray:
        """The lung as a soft window in [0, 1], which fades where less than 3 cm of lung is left."""
        return self.anatomy.lung_window * np.clip(self.lung / 3, 0, 1)

    @cached_property
    def within_wall(self) -> np.ndarray:
        """1 inside the lateral edge of the lungs, 0 in the chest wall."""
        return smoothstep(self.anatomy.lateral - self.anatomy.midline_distance, 0.2)

    def half(self, side: int) -> np.ndarray:
        """bool ``(H, W)``: the pixels on one side of the midline, 0 for the patient's right."""
        return self.anatomy.is_left if side else ~self.anatomy.is_left

    def filling(self, thickness: np.ndarray) -> np.ndarray:
        """Change of log attenuation when ``thickness`` cm of lung are replaced by tissue or fluid."""
        return REPLACED_LUNG * np.minimum(np.maximum(thickness, 0), MOST_REPLACED * self.lung)

    def site(self, rng: np.random.Generator, side: int, height: Range, breadth: Range) -> Point:
        """A point in a lung, in cm.

        Args:
            rng: Draws two numbers.
            side: 0 for the patient's right lung.
            height: Range between the apex (0) and the dome of the diaphragm (1).
            breadth: Range between the medial edge (0) and the lateral edge (1).
        """
        top, dome = self.patient.apex_y[side], self.patient.dome_y[side]
        y = top + (dome - top) * uniform(rng, *height)
        lateral, medial = (float(edge[0]) for edge in self.anatomy.outline.edges(side, np.array([y])))
        return outward(side) * (medial + (lateral - medial) * uniform(rng, *breadth)), y

    def patch(
        self, rng: np.random.Generator, centre: Point, width: Range, height: Range, roughness: float
    ) -> np.ndarray:
        """A rough ellipse as a height map: 1 at its centre, 0 at its border, negative outside."""
        x, y = self.canvas.x - centre[0], self.canvas.y - centre[1]
        radii = uniform(rng, *width), uniform(rng, *height)
        angle = uniform(rng, 0, np.pi)
        along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        distance = np.hypot(along / radii[0], across / radii[1])
        return 1 - distance + roughness * self.anatomy.textures[rng.integers(2)]


def outward(side: int) -> int:
    """The sign of x on a side: -1 for the patient's right, which is on the left of the film."""
    return 1 if side else -1


def draw_side(rng: np.random.Generator) -> int:
    """One lung at random, always the first number a one-sided finding draws."""
    return int(rng.integers(2))
