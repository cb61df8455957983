"""Support devices: what radiographers call lines and tubes.

Every function returns the added log attenuation, float32 ``(H, W)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plainfilm.datasets.phantom.canvas import Canvas, line, smoothstep, uniform
from plainfilm.datasets.phantom.patient import Patient
from plainfilm.datasets.phantom.scene import Point, outward

Device = Callable[[Patient, Canvas, np.random.Generator, int], np.ndarray]

FAINTEST_DEVICE = 0.05
"""Attenuation above which a device's pixels belong to its mask."""


def et_tube(patient: Patient, canvas: Canvas, rng: np.random.Generator, side: int) -> np.ndarray:
    """An endotracheal tube with its stripe, the tip 1 to 5.5 cm above the carina."""
    del side
    x, carina = patient.carina
    points = [(x - 0.2 + rng.normal(0, 0.3), -24.0), (x - 0.1, -16.0), (x, carina - uniform(rng, 1, 5.5))]
    walls = sum(line(canvas, _moved(points, edge), 0.06, 1.5) for edge in (-0.42, 0.42))
    return walls + line(canvas, _moved(points, 0.3), 0.1, 5.0)


def chest_tube(patient: Patient, canvas: Canvas, rng: np.random.Generator, side: int) -> np.ndarray:
    """A drain with its stripe, from the lateral wall to the apex."""
    out, wall = outward(side), patient.half_width[side]
    entry, tip = uniform(rng, -1, 6), patient.apex_y[side] + uniform(rng, 2, 8)
    points = [
        (out * (wall + patient.chest_wall + 1), entry + 2.5),
        (out * (wall - 0.6), entry),
        (out * (wall - 2.2), (entry + tip) / 2 - 0.5),
        (out * uniform(rng, 4, 9), tip),
    ]
    return line(canvas, points, 0.5, 0.22) + line(canvas, _moved(points, 0.28), 0.13, 5.5)


def pacemaker(patient: Patient, canvas: Canvas, rng: np.random.Generator, side: int) -> np.ndarray:
    """A generator below the clavicle with one or two leads into the right heart."""
    out, scale = outward(side), patient.size
    x, y = out * uniform(rng, 8, 11) * scale, uniform(rng, -1, 2.5) - 9.3 * scale
    change = 2.2 * _can(canvas, x, y, uniform(rng, -0.5, 0.5))
    heart = 2 * patient.cardiothoracic_ratio * patient.half_width[0]
    floor = float(np.mean(patient.dome_y))
    tips = (0.42 * heart + uniform(rng, -1, 1), floor - 0.8), (-0.18 * heart, floor - 4.5)
    vein = (2.5, -9.2 * scale) if side else (-3.6, -9.2 * scale)
    for number, tip in enumerate(tips[: rng.integers(1, 3)]):
        atrium = 0.3 * number - 2.3, floor - 4.8
        cava: list[Point] = [(-2.2, -6 * scale), (-2.2, (atrium[1] - 6 * scale) / 2), atrium]
        change += line(canvas, [(x, y - 1), (out * 6.5, -11.3 * scale), vein, *cava, tip], 0.10, 4.0)
    return change


def _can(canvas: Canvas, x: float, y: float, tilt: float) -> np.ndarray:
    """A rounded box of 4.8 by 4.2 cm as a window in [0, 1]."""
    dx, dy = canvas.x - x, canvas.y - y
    along, across = np.cos(tilt) * dx + np.sin(tilt) * dy, np.cos(tilt) * dy - np.sin(tilt) * dx
    return smoothstep(1 - np.abs(along / 2.4) ** 3 - np.abs(across / 2.1) ** 3, 0.25)


def ecg_leads(patient: Patient, canvas: Canvas, rng: np.random.Generator, side: int) -> np.ndarray:
    """Two to four electrodes with their wires."""
    del patient, side
    change = np.zeros_like(canvas.x)
    for _ in range(rng.integers(2, 5)):
        x, y = rng.choice([-1, 1]) * uniform(rng, 5, 12), uniform(rng, -10, 9)
        distance = np.hypot(canvas.x - x, canvas.y - y)
        change += 0.6 * smoothstep(0.55 - distance, 0.08) + 0.9 * smoothstep(0.25 - distance, 0.08)
        # Wires leave the film above or below.
        end_x = rng.choice([-1, 1]) * uniform(rng, 2, 18)
        end_y = rng.choice([-1, 1]) * uniform(rng, 20, 24)
        near = 0.6 * x + 0.4 * end_x + rng.normal(0, 2), 0.6 * y + 0.4 * end_y + rng.normal(0, 1)
        far = 0.3 * x + 0.7 * end_x + rng.normal(0, 2), 0.3 * y + 0.7 * end_y
        change += line(canvas, [(x, y), near, far, (end_x, end_y)], 0.09, 1.6)
    return change


def _moved(points: list[Point], right: float) -> list[Point]:
    return [(x + right, y) for x, y in points]


DEVICES: dict[str, Device] = {
    "ET tube": et_tube,
    "chest tube": chest_tube,
    "pacemaker": pacemaker,
    "ECG leads": ecg_leads,
}
"""Name to drawing; a drawing takes the patient, the canvas, its own generator and a side."""
