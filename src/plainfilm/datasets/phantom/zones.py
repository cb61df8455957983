"""Six lung zones and their Brixia severities (Borghesi & Maroldi 2020)."""

from __future__ import annotations

import numpy as np

from plainfilm.datasets.phantom.scene import Scene

VISIBLE = 0.04
"""Change of log attenuation that counts as opaque."""

LEAST_AREA = 0.08
"""Share of a zone that must be opaque for a score above 0."""

SEVERITIES = (0.07, 0.18)
"""Mean change of a zone at which its score rises to 2 and to 3."""


def zone_masks(scene: Scene) -> tuple[np.ndarray, ...]:
    """The zones A, B, C (patient's right, from above) and D, E, F (left), each bool ``(H, W)``."""
    lungs, y, masks = scene.anatomy.lung_window > 0.5, scene.canvas.y, []
    for side in (0, 1):
        top, dome = scene.patient.apex_y[side], scene.patient.dome_y[side]
        third = np.floor((y - top) / (dome - top) * 3)
        lung = lungs & scene.half(side)
        masks += [lung & (third == 0), lung & (third == 1), lung & (third >= 2)]
    return tuple(masks)


def severities(scene: Scene, opacity: np.ndarray) -> np.ndarray:
    """Scores 0 to 3, int64 ``(6,)``, from the summed change of log attenuation by opacities."""
    return np.array([_severity(opacity[zone]) for zone in zone_masks(scene)])


def _severity(change: np.ndarray) -> int:
    if not change.size or (change > VISIBLE).mean() < LEAST_AREA:
        return 0
    return 1 + sum(change.mean() >= limit for limit in SEVERITIES)
