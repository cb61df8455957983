"""Where the lungs end and how deep they are: outline, domes, cavity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from plainfilm.datasets.phantom.canvas import RULER, Canvas, smoothstep, tabulated
from plainfilm.datasets.phantom.patient import Patient


class LungOutline(Protocol):
    """Something that knows how far a lung reaches from the midline."""

    def edges(self, side: int, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return lateral and medial distances from the midline (cm, positive) at heights y.

        Side 0 is the patient's right lung (image left), side 1 the left.
        """


@dataclass(frozen=True)
class PatientOutline:
    """The outline of a drawn patient: a superellipse at the side, an ellipse at the apex."""

    patient: Patient

    def edges(self, side: int, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return lateral and medial distances from the midline (cm, positive) at heights y."""
        who = self.patient
        apex_x, apex_y, medial = who.apex_x, who.apex_y[side], who.medial[side]
        rise = np.clip((who.widest_y - y) / (who.widest_y - apex_y), 0, 1)
        bulge = (1 - rise**who.outline_power) ** (1 / who.outline_power)
        tuck = 1 - 0.06 * np.clip((y - who.widest_y) / 12, 0, 1) ** 2
        lateral = apex_x + (who.half_width[side] - apex_x) * bulge * tuck
        near_apex = np.clip((apex_y + 4.5 - y) / 4.5, 0, 1)
        return lateral, apex_x - (apex_x - medial) * np.sqrt(1 - near_apex**2)


def outline_of(patient: Patient) -> LungOutline:
    """Return the lung outline of a drawn patient."""
    return PatientOutline(patient)


def diaphragm(
    patient: Patient, side: int | np.ndarray, distance: np.ndarray, lateral: np.ndarray
) -> np.ndarray:
    """Return the height y (cm) of the diaphragm.

    Args:
        patient: Whose domes.
        side: 0 right, 1 left, or a map of them.
        distance: Distance from the midline, cm.
        lateral: Lateral lung edge there, cm.
    """
    top, drop, medial_drop, centre, scallop = np.array(
        [
            patient.dome_y,
            patient.dome_drop,
            patient.dome_medial_drop,
            np.multiply(patient.dome_centre, patient.half_width),
            patient.dome_scallop,
        ],
        np.float32,
    )[:, side]
    outward = np.clip((distance - centre) / np.maximum(lateral - centre, 1), 0, 1)
    inward = np.clip(1 - distance / centre, 0, 1)
    # Arcs of muscle bulge upwards between their insertions.
    arcs = np.sqrt(np.sin((distance - 1.5) * 0.68) ** 2 + 0.05) - 0.65
    slant = 0.55 * outward**2 + 0.45 * (1 - np.sqrt(1 - outward * outward))
    return top + drop * slant + medial_drop * inward**2 - scallop * arcs


@dataclass(frozen=True, eq=False)
class Lungs:
    """Maps of both lungs; ``window`` and ``cavity`` as in ``Anatomy``."""

    outline: LungOutline
    lateral: np.ndarray
    medial: np.ndarray
    diaphragm: np.ndarray
    window: np.ndarray
    cavity: np.ndarray


def build_lungs(patient: Patient, canvas: Canvas) -> Lungs:
    """Draw the lung cavities of a patient, before tissue is taken from them."""
    outline = outline_of(patient)
    edges = [outline.edges(side, RULER) for side in (0, 1)]
    lateral, medial = (canvas.by_height(edges[0][k], edges[1][k]) for k in (0, 1))
    distance = np.abs(canvas.x)
    dome = diaphragm(patient, canvas.side, distance, lateral)
    apex = canvas.by_side(patient.apex_y)
    # The medial border fades in two stages: a single sharp edge leaves a white plank.
    inwards = distance - medial
    towards_heart = 0.5 * (smoothstep(inwards + 0.1, 0.45) + smoothstep(inwards - 0.8, 1.4))
    frame = smoothstep(lateral - distance, 0.12) * smoothstep(canvas.y - apex, 0.25)
    below = canvas.y - dome
    above_dome = smoothstep(-below, canvas.by_side(patient.dome_edge))
    depth = _depth(patient, canvas) * tabulated(
        lambda share: np.sqrt(1 - share**3.2), np.minimum(distance / lateral, 1)
    )
    # Lung behind and below the domes, in the posterior recess.
    recess = 0.28 * np.exp(-0.5 * np.maximum(below, 0)) * smoothstep(distance - medial - 0.5, 1)
    # Before and behind the mediastinum the lungs all but meet, most so above the heart.
    meeting = canvas.by_height(0.3 * smoothstep(patient.dome_y[0] - 3 - RULER, 5)) * (1 - towards_heart)
    cavity = depth * frame * (towards_heart + meeting) * np.maximum(above_dome, recess)
    return Lungs(outline, lateral, medial, dome, frame * towards_heart * above_dome, cavity)


def _flattened(share: np.ndarray) -> np.ndarray:
    return np.sqrt(np.clip(1 - share**2.6, 0, 1))


def _depth(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Front-to-back depth at the midline, cm: full at the widest height, none at the apex."""
    rises = (np.clip((patient.widest_y - RULER) / (patient.widest_y - apex), 0, 1) for apex in patient.apex_y)
    right, left = (2 * patient.lung_depth * _flattened(rise) for rise in rises)
    return canvas.by_height(right, left)
