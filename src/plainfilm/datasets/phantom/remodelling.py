"""Findings that change the shape of what is there: heart, airspaces, scar, stomach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plainfilm.datasets.phantom.anatomy import lung_thickness
from plainfilm.datasets.phantom.canvas import REPLACED_LUNG, SOFT_TISSUE, smoothstep, uniform
from plainfilm.datasets.phantom.patient import Pair, Patient
from plainfilm.datasets.phantom.scene import Scene


def large_heart(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Thickness map of the enlarged heart, a cardiothoracic ratio of .51 to .65.

    On AP films, which magnify a normal heart to as much as .53, it is larger than that.
    """
    ratio = uniform(rng, 0.51, 0.53 if scene.subtle else 0.65)
    ratio = max(ratio, scene.patient.cardiothoracic_ratio + 0.04)
    return scene.anatomy.heart_of_width(ratio * sum(scene.patient.half_width))


def cardiomegaly(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A large heart in place of the patient's own."""
    return REPLACED_LUNG * (scene.lung - lung_thickness(scene.anatomy, large_heart(scene, rng)))


def overinflate(patient: Patient, rng: np.random.Generator) -> Patient:
    """Emphysema lowers and flattens the domes, deepens the chest and narrows the heart."""
    fall, flatness = uniform(rng, 0.3, 2.2), uniform(rng, 0.45, 0.95)
    right, left = patient.dome_y
    return replace(
        patient,
        dome_y=(right + fall, left + fall),
        dome_drop=_scaled(patient.dome_drop, flatness),
        dome_medial_drop=_scaled(patient.dome_medial_drop, flatness),
        lung_depth=patient.lung_depth + uniform(rng, 0, 0.8),
        body_depth=patient.body_depth + 0.3,
        cardiothoracic_ratio=patient.cardiothoracic_ratio - uniform(rng, 0, 0.03),
    )


def _scaled(pair: Pair, factor: float) -> Pair:
    return pair[0] * factor, pair[1] * factor


def emphysema(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Darker lungs with thin vessels, most of all above, and up to three bullae."""
    upper = 0.6 + 0.4 * np.clip((2 - scene.canvas.y) / 10, 0, 1)
    lost = SOFT_TISSUE * uniform(rng, 0.03, 0.11) * scene.lung
    vessels = REPLACED_LUNG * uniform(rng, 0.15, 0.55) * scene.anatomy.vessels * scene.aeration
    change = -upper * (lost + vessels)
    for _ in range(rng.integers(0, 4)):
        change += _bulla(scene, rng)
    return change * scene.anatomy.lung_window


def _bulla(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    x, y = scene.site(rng, int(rng.integers(2)), (0.05, 0.6), (0.4, 0.95))
    radius = uniform(rng, 1, 2.6)
    distance = np.hypot(scene.canvas.x - x, scene.canvas.y - y)
    chord = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0))
    wall = 0.03 * np.exp(-(((distance - radius) / 0.1) ** 2))
    return scene.parenchyma * (wall - 0.12 * SOFT_TISSUE * chord)


def shrink_lungs(patient: Patient, rng: np.random.Generator) -> Patient:
    """Scar pulls both domes up by as much as 1.6 cm."""
    rise = uniform(rng, 0, 1.6)
    right, left = patient.dome_y
    return replace(patient, dome_y=(right - rise, left - rise))


def fibrosis(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A net of fine lines, basal and peripheral, or in the upper zones."""
    y, depth = scene.canvas.y, scene.anatomy.wall_distance
    if rng.random() < 0.7:
        base = np.clip((y - uniform(rng, -8, 0)) / 8, 0, 1)
        where = base * np.clip(1.4 - depth / uniform(rng, 3, 6), 0.12, 1)
    else:
        where = np.clip(-y / 8, 0, 1) * np.clip(1.3 - depth / 6, 0.2, 1)
    net = np.clip(1 - 1.6 * np.abs(scene.anatomy.ridges), 0, 1) ** 1.5
    thickness = uniform(rng, 1.6, 3.6) * where * (0.95 * net + 0.22 + 0.08 * scene.anatomy.textures[0])
    return scene.parenchyma * REPLACED_LUNG * np.minimum(thickness, scene.lung)


def hernia(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Stomach behind the heart: a disc, in 80 % with a gas bubble above a fluid level."""
    dome = min(scene.patient.dome_y)
    x, y = uniform(rng, -1, 3.2), dome - uniform(rng, 0.4, 2.2)
    has_gas = rng.random() < 0.8
    radius, squash = uniform(rng, 2.4 if has_gas else 3.4, 4.5), uniform(rng, 0.75, 1)
    share = ((scene.canvas.x - x) / radius) ** 2 + ((scene.canvas.y - y) / (radius * squash)) ** 2
    tissue = 1.6 * radius * np.sqrt(np.clip(1 - share, 0, 1))
    change = REPLACED_LUNG * np.minimum(scene.canvas.blur(tissue, 0.2), scene.lung + 3)
    if has_gas:
        level = y - uniform(rng, -0.4, 0.5) * 0.5 * radius
        bubble = smoothstep(level - scene.canvas.y, 0.12) * np.sqrt(np.clip(1 - share / 0.72, 0, 1))
        change = change - SOFT_TISSUE * uniform(rng, 0.8, 1.3) * radius * bubble
    return change * smoothstep(dome + 1.5 - scene.canvas.y, 0.8)
