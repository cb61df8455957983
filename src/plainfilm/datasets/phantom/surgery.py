"""What surgeons and years leave behind: sternal wires, clips, a calcified aortic knob."""

from __future__ import annotations

import numpy as np

from plainfilm.datasets.phantom.canvas import BONE, Canvas, tube
from plainfilm.datasets.phantom.patient import Patient

Stroke = tuple[list[tuple[float, float]], float, float]  # path, radius in cm, attenuation per cm
METAL = 9.0  # attenuation per cm, of thin steel and titanium


def draw_metal(patient: Patient, canvas: Canvas) -> np.ndarray | None:
    """Return wires, clips and calcium in cm of bone that attenuates as much, or None."""
    rng = np.random.default_rng([patient.noise_seed, 4])
    strokes = _wires(patient, rng) if patient.has_sternotomy else []
    strokes += _clips(patient, rng)
    strokes += _calcium(patient)
    if not strokes:
        return None
    laid = []
    for points, radius, attenuation in strokes:
        x, y, mass = tube(points, radius, canvas.pixels_per_cm, core=0, across=3)
        laid.append((x.ravel(), y.ravel(), mass.ravel() * attenuation / BONE))
    return canvas.blur(canvas.splat(*np.concatenate(laid, axis=1)), 0.03)


def _wires(patient: Patient, rng: np.random.Generator) -> list[Stroke]:
    """Six loops down the sternum, each closed by a twist."""
    wires = []
    for level in range(6):
        x = patient.rotation_shift + rng.normal(0, 0.15)
        y = (-8.5 + 2.3 * level) * patient.size + rng.normal(0, 0.2)
        wide, high, tilt = rng.uniform(0.8, 1.3), rng.uniform(0.15, 0.4), rng.normal(0, 0.2)
        turn = np.linspace(0.3, 2 * np.pi - 0.3, 7)
        loop = [(x + wide * np.sin(a), y + high * np.cos(a) + tilt * np.sin(a)) for a in turn]
        wires += [(loop, 0.05, METAL), ([(x, y + high), (x + 0.2, y + high + 0.45)], 0.08, METAL)]
    return wires


def _clips(patient: Patient, rng: np.random.Generator) -> list[Stroke]:
    """A cluster of short bars: by the heart after a bypass, or in one armpit."""
    armpit = (patient.half_width[0] * rng.choice([-0.9, 0.9]), -7.0)
    x, y = (2.5, -3.0) if patient.has_sternotomy else armpit
    bars = []
    for _ in range(patient.clips):
        at, heading = rng.normal((x, y), 1.8), rng.uniform(0, np.pi)
        reach = 0.17 * np.array([np.cos(heading), np.sin(heading)])
        bars.append(([tuple(at - reach), tuple(at + reach)], 0.06, METAL))
    return bars


def _calcium(patient: Patient) -> list[Stroke]:
    """The rim of the aortic knob, as an arc."""
    if patient.aortic_calcium == 0:
        return []
    x, y, radius = patient.aortic_knob
    arc = [(x + 0.94 * radius * np.cos(a), y + 0.94 * radius * np.sin(a)) for a in np.linspace(-1.5, 0.5, 6)]
    return [(arc, 0.07, patient.aortic_calcium / 0.14)]
