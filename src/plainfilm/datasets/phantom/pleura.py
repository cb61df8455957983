"""Findings of the pleural space: fluid, air, scar."""

from __future__ import annotations

import numpy as np

from plainfilm.datasets.phantom.canvas import (
    LUNG_DEFICIT,
    REPLACED_LUNG,
    SOFT_TISSUE,
    smoothstep,
    uniform,
)
from plainfilm.datasets.phantom.scene import Scene, draw_side

PLEURAL_LINE = 0.075
"""Attenuation of the visceral pleura seen edge-on."""


def effusion(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Fluid with a meniscus that climbs the chest wall; on half of the AP films also a veil."""
    side = draw_side(rng)
    anatomy, y = scene.anatomy, scene.canvas.y
    angle = scene.patient.dome_y[side] + scene.patient.dome_drop[side]
    height = uniform(rng, 2.2, 9) if rng.random() < 0.8 else uniform(rng, 9, 15)
    # A smaller one hides in the angle behind the dome, where only a lateral film shows it.
    height = max(height, 2.0 + 0.75 * scene.patient.dome_drop[side])
    rise, edge = uniform(rng, 1.5, 4.5), uniform(rng, 0.7, 1.6)
    across = np.clip(anatomy.midline_distance / np.maximum(anatomy.lateral, 0.1), 0, 1)
    surface = angle - height + rise * (1 - across**5) - 0.8 * np.clip(1 - 2.5 * across, 0, 1)
    share = 0.95 * smoothstep(y - surface - 0.8, edge)
    if scene.patient.is_ap and rng.random() < 0.5:
        share = np.maximum(0.8 * share, 0.36 * np.clip((y + 8) / 20, 0, 1))
    return scene.half(side) * REPLACED_LUNG * scene.lung * share


def pneumothorax(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Air along the wall, widest at the apex, without vessels, behind a thin pleural line."""
    side = draw_side(rng)
    y, distance, top = scene.canvas.y, scene.anatomy.wall_distance, scene.patient.apex_y[side]
    if scene.subtle:
        air, width = uniform(rng, 0.15, 0.5), uniform(rng, 0.4, 1.8)
    else:
        air, width = uniform(rng, 0.65, 1.0), float(np.exp(uniform(rng, 0, np.log(6))))
    end, taper = uniform(rng, -4, 12), uniform(rng, 0.5, 1.1)
    cap = 1 + 0.5 * np.exp(-(((y - top) / 2.5) ** 2))
    gap = width * np.clip((end - y) / (end - top), 0, 1) ** taper * cap
    inside = scene.half(side) * scene.anatomy.lung_window
    free = inside * smoothstep(gap - distance, 0.08) * (gap > 0.05)
    pleura = inside * np.exp(-(((distance - gap) / 0.09) ** 2)) * (gap > 0.25)
    emptied = 0.9 * SOFT_TISSUE * (1 - LUNG_DEFICIT) * air * scene.lung
    vessels = REPLACED_LUNG * np.sqrt(air) * scene.anatomy.vessels * scene.aeration
    return PLEURAL_LINE * (0.5 + 0.5 * air) * pleura - free * (emptied + vessels)


def pleural_thickening(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A rind of scar along the lateral wall, or an apical cap."""
    side = draw_side(rng)
    anatomy, y = scene.anatomy, scene.canvas.y
    middle, reach = uniform(rng, -12, 6), uniform(rng, 3, 8)
    if rng.random() < 0.35:
        along = smoothstep(scene.patient.apex_y[side] + uniform(rng, 2, 4) - y, 1.5)
    else:
        along = np.exp(-(((y - middle) / reach) ** 4))
    thickness = uniform(rng, 0.9, 2.0) * (1 + 0.35 * anatomy.textures[0])
    rind = smoothstep(thickness * along - anatomy.wall_distance, 0.15) * (anatomy.wall_distance > 0)
    rind = rind * smoothstep(anatomy.lateral - anatomy.midline_distance, 0.15)
    rind = rind * smoothstep(anatomy.midline_distance - anatomy.medial - 0.3, 0.8)
    rind = rind * np.minimum(3 * anatomy.lung_window, 1)
    return scene.half(side) * rind * along * SOFT_TISSUE * uniform(rng, 2, 4)
