"""Findings that fill air: masses, pneumonias, oedema, collapse.

Every function takes a ``Scene`` and the finding's own generator and returns the signed
change of log attenuation, float32 ``(H, W)``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plainfilm.datasets.phantom.canvas import line, smoothstep, tube, uniform
from plainfilm.datasets.phantom.patient import Patient
from plainfilm.datasets.phantom.scene import Scene, draw_side, outward

FAINTEST_NODULE = 1.8
"""cm of tissue at a nodule's centre; below, it drowns among ribs and vessels."""


def mass(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """One lobulated ball, 3.2 to 6.8 cm across."""
    side, density = draw_side(rng), uniform(rng, 0.95, 1.4)
    thickness = _ball(scene, rng, side, uniform(rng, 1.6, 3.4), roughness=0.05)
    return scene.filling(density * thickness) * scene.within_wall


def nodule(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """One ball, rarely two, 1.2 to 3.2 cm across; 30 % are calcified."""
    side = draw_side(rng)
    change = np.zeros_like(scene.lung)
    for _ in range(1 if rng.random() < 0.75 else 2):
        radius, density = _visible_nodule(rng)
        change += scene.filling(density * _ball(scene, rng, side, radius, roughness=0.0))
    return change * scene.within_wall


def _visible_nodule(rng: np.random.Generator) -> tuple[float, float]:
    """Radius and density, redrawn until a reader could see the nodule."""
    while True:
        radius = uniform(rng, 0.6, 1.6)
        density = 2.2 if rng.random() < 0.3 else uniform(rng, 0.95, 1.4)
        if 2 * radius * density >= FAINTEST_NODULE:
            return radius, density


def _ball(scene: Scene, rng: np.random.Generator, side: int, radius: float, roughness: float) -> np.ndarray:
    x, y = scene.site(rng, side, (0.12, 0.9), (0.25, 0.85))
    x = outward(side) * min(abs(x), scene.patient.half_width[side] - 0.6 * radius)
    dx, dy = scene.canvas.x - x, (scene.canvas.y - y) * uniform(rng, 0.85, 1.15)
    angle = np.arctan2(dy, dx)
    outline = np.ones_like(dx)
    for lobes in rng.integers(2, 6, 3):
        outline += uniform(rng, 0, 0.07) * np.cos(lobes * angle + uniform(rng, 0, 6))
    if roughness:
        outline += roughness * scene.anatomy.textures[0]
    share = (dx**2 + dy**2) / (radius * outline) ** 2
    return 2 * radius * np.clip(1 - share, 0, 1) ** uniform(rng, 0.5, 0.9)


def consolidation(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A dense lobar patch with air bronchograms, 40 % cut straight by a fissure."""
    side = draw_side(rng)
    x, y = centre = scene.site(rng, side, (0.25, 0.95), (0.25, 0.8))
    patch = scene.patch(rng, centre, (3, 6), (2.5, 4.5), roughness=0.18)
    share = smoothstep(patch - 0.08, uniform(rng, 0.1, 0.22))
    if rng.random() < 0.4:
        slope = 0.25 * outward(side)
        below = (scene.canvas.y - y) * uniform(rng, 0.9, 1) + slope * (scene.canvas.x - x)
        share = share * smoothstep(below + uniform(rng, -0.5, 1.2), 0.12)
    uneven = 1 + 0.15 * scene.anatomy.textures[1]
    thickness = share * (uniform(rng, 2.2, 7) * uneven - 2.2 * scene.anatomy.vessels)
    return scene.half(side) * scene.parenchyma * scene.filling(thickness)


def pneumonia(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Three confluent lumps around one focus, blurred and granular."""
    side = draw_side(rng)
    x, y = scene.site(rng, side, (0.35, 0.98), (0.2, 0.85))
    share = np.zeros_like(scene.lung)
    for _ in range(3):
        centre = x + rng.normal(0, 1.3), y + rng.normal(0, 1.3)
        share += 0.55 * smoothstep(scene.patch(rng, centre, (1.8, 3.4), (1.8, 3), roughness=0.35), 0.3)
    granular = 1 + 0.35 * scene.anatomy.textures[2]
    thickness = share * (uniform(rng, 1.5, 3.2) * granular + 0.8 * scene.anatomy.vessels)
    return scene.half(side) * scene.parenchyma * scene.filling(thickness)


def infiltration(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Two to five faint ill-defined patches, in one lung or in both."""
    side = draw_side(rng)
    sides = (side,) if rng.random() < 0.5 else (0, 1)
    share = np.zeros_like(scene.lung)
    for _ in range(rng.integers(2, 6)):
        centre = scene.site(rng, sides[rng.integers(len(sides))], (0.2, 0.95), (0.1, 0.8))
        share += smoothstep(scene.patch(rng, centre, (2, 4.5), (2, 4.5), roughness=0.45), 0.45)
    _, _, fine, coarse = scene.anatomy.textures
    streaks = 0.9 * np.minimum(share, 1) * scene.anatomy.vessels
    thickness = np.minimum(share, 1.5) * uniform(rng, 0.8, 1.7) * (1 + 0.4 * fine + 0.3 * coarse)
    return scene.parenchyma * scene.filling(thickness + streaks)


def widen_heart(patient: Patient, rng: np.random.Generator) -> Patient:
    """Oedema comes from a failing heart, which is a little wide."""
    del rng
    return replace(patient, cardiothoracic_ratio=patient.cardiothoracic_ratio + 0.03)


def edema(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Batwing shadows around both hila, a gradient to the bases, thick vessels, Kerley lines."""
    thickness = uniform(rng, 1.3, 3.4)
    anatomy = scene.anatomy
    across = (anatomy.midline_distance - anatomy.medial - 1.5) / uniform(rng, 3, 5)
    down = (scene.canvas.y + 0.5) / uniform(rng, 5, 7.5)
    batwing = np.exp(-(across**2) - down**2) * (1 + 0.3 * anatomy.textures[0] + 0.2 * anatomy.textures[2])
    bases = 0.25 * np.clip((scene.canvas.y + 10) / 20, 0, 1)
    fluid = thickness * (batwing + bases + 0.7 / 3 * anatomy.vessels)
    return scene.parenchyma * scene.filling(fluid + _kerley_lines(scene, rng))


def _kerley_lines(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Short horizontal septa at the lateral bases, up to five a side."""
    lines = np.zeros_like(scene.lung)
    for side in (0, 1):
        for _ in range(rng.integers(0, 6)):
            y = scene.patient.dome_y[side] - uniform(rng, -1.5, 4)
            wall = float(scene.anatomy.outline.edges(side, np.array([y]))[0][0])
            depths = 0.2, 1.0, uniform(rng, 1.4, 2.2)
            drops = 0.0, 0.05, 0.15
            septum = [(outward(side) * (wall - d), y - h) for d, h in zip(depths, drops, strict=True)]
            lines += line(scene.canvas, septum, 0.06, 2.0)
    return lines


ATELECTASES = ("plate", "base", "lobar")


def raise_dome(patient: Patient, rng: np.random.Generator) -> Patient:
    """Collapsed lung pulls its half of the diaphragm up by 0.4 to 2.2 cm."""
    _, side = _kind_of_atelectasis(rng)
    rise = uniform(rng, 0.4, 2.2)
    right, left = patient.dome_y
    return replace(patient, dome_y=(right, left - rise) if side else (right - rise, left))


def atelectasis(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Lung without air: plates above the diaphragm, a basal band, or a collapsed lower lobe."""
    kind, side = _kind_of_atelectasis(rng)
    draw = {"plate": _plates, "base": _basal_band, "lobar": _collapsed_lobe}[kind]
    return scene.half(side) * draw(scene, rng, side)


def _kind_of_atelectasis(rng: np.random.Generator) -> tuple[str, int]:
    kind = ATELECTASES[rng.integers(3)]
    # A collapsed left lower lobe, hidden behind the heart, is the more common one.
    return kind, int(rng.random() < (0.65 if kind == "lobar" else 0.5))


def _plates(scene: Scene, rng: np.random.Generator, side: int) -> np.ndarray:
    thickness = np.zeros_like(scene.lung)
    for _ in range(rng.integers(1, 4)):
        x, y = scene.site(rng, side, (0.6, 1.0), (0.3, 0.75))
        reach, tilt = uniform(rng, 1.8, 4.2), uniform(rng, -0.35, 0.35)
        dx, dy = reach * np.cos(tilt), reach * np.sin(tilt)
        points = [(x - dx, y - dy), (x, y + uniform(rng, -0.4, 0.4)), (x + dx, y + dy)]
        spindle = tube(points, (0.12, uniform(rng, 0.35, 0.6), 0.12), scene.canvas.pixels_per_cm, core=0)
        thickness += uniform(rng, 3, 5) * scene.canvas.blur(scene.canvas.splat(*spindle), 0.1)
    around = scene.canvas.blur(thickness, 0.8)
    return scene.parenchyma * scene.filling(thickness + 0.15 * around)


def _basal_band(scene: Scene, rng: np.random.Generator, side: int) -> np.ndarray:
    top = scene.patient.dome_y[side] - uniform(rng, 1.5, 3.5)
    wavy = 0.25 * (scene.anatomy.midline_distance - 6) + 0.6 * scene.anatomy.textures[0]
    share = smoothstep(scene.canvas.y - top - wavy, uniform(rng, 0.8, 1.8))
    uneven = 1 + 0.2 * scene.anatomy.textures[1]
    return scene.parenchyma * scene.filling(share * uniform(rng, 2, 3.5) * uneven)


def _collapsed_lobe(scene: Scene, rng: np.random.Generator, side: int) -> np.ndarray:
    """A triangle beside the spine, widest at the diaphragm."""
    edge = uniform(rng, 4, 7) * np.clip((scene.canvas.y + uniform(rng, 1, 5)) / 9, 0, 1)
    share = smoothstep(edge - scene.anatomy.midline_distance, 0.18)
    return scene.anatomy.lung_window * scene.filling(share * uniform(rng, 2, 5))
