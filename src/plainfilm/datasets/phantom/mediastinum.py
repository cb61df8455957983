"""What stands between the lungs: heart, great vessels, hila, airways."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from plainfilm.datasets.phantom.canvas import RULER, Canvas, capsule, smoothstep, tabulated
from plainfilm.datasets.phantom.patient import Patient


def _profile(heights: list[float], values: list[float]) -> np.ndarray:
    """Tabulate a monotone spline on the ``RULER``; heights too close are pushed apart."""
    knots = np.array(heights)
    for k in range(1, len(knots)):
        knots[k] = max(knots[k], knots[k - 1] + 0.3)
    return PchipInterpolator(knots, values)(np.clip(RULER, knots[0], knots[-1]))


def _left_border(patient: Patient, width: float, base: float) -> np.ndarray:
    reach, excess = width * (0.5 + 0.62 * patient.heart_shift), 0.26 * width - 3.2
    tall = base + 5.2  # from below the aortic knob to the base
    shares = (1, 0.81, 0.63, 0.44, 0.22, 0.04)
    heights = [-22, -13, -8.5, *(base - share * tall for share in shares), base + 1.4, base + 4, base + 12]
    upper = [1.6, 1.7, 1.8, 2, 2.8 + 0.3 * excess, 3.4 + 0.5 * excess]
    lower = [0.66 * reach + 0.6, 0.91 * reach, reach, 0.95 * reach, 0.5 * reach, 1.5]
    return _profile(heights, upper + lower)


def _right_border(patient: Patient, width: float, base: float) -> np.ndarray:
    reach = width * (0.5 - 0.62 * patient.heart_shift)
    vein, bulge = patient.medial[0], 0.7 * patient.aortic_unfolding
    tall = base + 5.2
    shares = (0.91, 0.7, 0.44, 0.23, 0.04)
    heights = [-22, -13, -8, *(base - share * tall for share in shares), base + 2, base + 12]
    upper = [1.9, vein - 0.2, vein - 0.3 + 0.5 * bulge, vein - 0.1 + bulge, vein + 0.3 + 0.6 * bulge]
    return _profile(heights, [*upper, 0.72 * reach + 0.5, reach, 0.95 * reach, 0.7 * reach, 1.5])


def draw_heart(patient: Patient, canvas: Canvas, width: float) -> np.ndarray:
    """Return the thickness of heart and mediastinum as one silhouette of the given heart width, cm."""
    base, deep = sum(patient.dome_y) / 2, patient.heart_depth
    lean = patient.rotation_shift + 0.35 * patient.spine_shift(RULER)
    left = _left_border(patient, width, base) + lean
    right = lean - _right_border(patient, width, base)
    depth = _profile(
        [-22, -13, -8, -4.5, 0.4 * base - 3.2, base - 4, base, base + 4, base + 12],
        [2, 2.6, 3, 3.6, 6.5, deep, deep, 0.8 * deep, 3],
    )
    centre, half = (left + right) / 2, (left - right) / 2
    off = np.abs(canvas.x - canvas.by_height(centre)) * canvas.by_height(1 / half)
    rounded = tabulated(lambda share: (1 - share**2.2) ** 0.75, np.minimum(off, 1))
    return canvas.by_height(depth * (width / 12.5) ** 0.4) * rounded


def draw_great_vessels(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Return the thickness of aortic knob and descending aorta."""
    x, y, radius = patient.aortic_knob
    # An ellipse drawn out towards the midline: a bump of the border, not a ball beside it.
    across, down = (canvas.x - x + 0.4 * radius) / (1.4 * radius), (canvas.y - y) / (1.08 * radius)
    inside = 1 - across**2 - down**2
    knob = 2.9 * radius * tabulated(lambda share: share**0.65, np.maximum(inside, 0))
    bow = 0.9 * patient.aortic_unfolding * np.exp(-(((RULER - y - 7) / 6) ** 2))
    course = x + 0.5 * radius - 0.4 - 0.05 * (RULER - y) + bow + 0.3 * patient.spine_shift(RULER)
    chord = np.sqrt(np.maximum(1.25**2 - (canvas.x - canvas.by_height(course)) ** 2, 0))
    return knob + 1.44 * chord * smoothstep(canvas.y - y, 0.6)


def draw_hila(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Return the thickness of nodes, fat and small vessels about both hila."""
    x = canvas.by_side((-patient.medial[0] - 0.9, patient.medial[1] + 0.9))
    y = canvas.by_side((-1.6 * patient.size, -2.9 * patient.size))
    return 3.5 * np.exp(-(((canvas.x - x) / 1.2) ** 2) - ((canvas.y - y) / 2.1) ** 2)


def draw_airways(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Return the thickness of air in the trachea and the main bronchi."""
    x, y = patient.carina
    trachea = 1.05 * capsule(canvas.x, canvas.y, (x - 0.2, -24), (x, y), (0.95, 0.95))
    right = 1.1 * capsule(canvas.x, canvas.y, (x, y), (-3.2, y + 3), (0.7, 0.5))
    left = 1.1 * capsule(canvas.x, canvas.y, (x, y), (4.2, y + 2.6), (0.65, 0.42))
    return np.maximum(trachea, np.maximum(right, left))
