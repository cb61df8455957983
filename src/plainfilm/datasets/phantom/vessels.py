"""The branching vessels of the lung."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.patient import Patient

TRUNK_ANGLES = (-95, -62, -35, -8, 18, 40, 62, 80)  # degrees below the horizontal, outwards
TRUNK_RADII = (0.34, 0.36, 0.32, 0.3, 0.34, 0.42, 0.6, 0.5)
SMALLEST = 0.05  # cm; finer branches are lost in the noise
CALIBRES = (0.0, 0.11, 0.2, 0.34, 9.0)  # cm; one blur for each class


@dataclass(frozen=True, eq=False)
class Branches:
    """One generation of branches, as arrays over branches (x, y, angle, radius)."""

    x: np.ndarray
    y: np.ndarray
    angle: np.ndarray
    radius: np.ndarray

    def __getitem__(self, keep: np.ndarray) -> Branches:
        return Branches(self.x[keep], self.y[keep], self.angle[keep], self.radius[keep])


def draw_vessels(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Return the thickness of arteries and veins, branching by Murray's law (r^3 is kept)."""
    rng = np.random.default_rng(patient.vessel_seed)
    branches, pieces = _trunks(rng, patient), []
    for _ in range(9):
        piece, branches = _grow(rng, branches, patient.size, 1.2 * canvas.pixels_per_cm)
        pieces.append(piece)
    x, y, radius, mass = (np.concatenate(column) for column in zip(*pieces, strict=True))
    thickness = np.zeros(canvas.shape, np.float32)
    for thin, thick in pairwise(CALIBRES):
        some = (radius >= thin) & (radius < thick)
        if some.any():
            blur = 0.5 * float(radius[some].mean())
            thickness += canvas.blur(canvas.splat(x[some], y[some], mass[some]), blur)
    return thickness


def _trunks(rng: np.random.Generator, patient: Patient) -> Branches:
    """Start eight trunks at each hilum."""
    sides = []
    for sign, medial, height in ((-1, patient.medial[0], -2.4), (1, patient.medial[1], -3.3)):
        degrees = np.array(TRUNK_ANGLES) + rng.normal(0, 7, 8)
        below = np.where(degrees > 30, 1.0, -0.6)
        x = sign * (medial + 1.2 + rng.normal(0, 0.3, 8))
        y = height * patient.size + rng.normal(0, 0.5, 8) + below
        angle = np.deg2rad(degrees if sign > 0 else 180 - degrees)
        sides.append((x, y, angle, np.array(TRUNK_RADII) * rng.uniform(0.85, 1.15, 8) * patient.vessel_scale))
    return Branches(*np.concatenate(sides, axis=1))


def _grow(
    rng: np.random.Generator, stem: Branches, size: float, per_cm: float
) -> tuple[tuple[np.ndarray, ...], Branches]:
    """Lay points along each branch, then split it in two.

    Returns:
        Points as (x, y, radius, mass), and the next generation.
    """
    count = len(stem.radius)
    length = 1.9 * (stem.radius / 0.35) ** 0.55 * rng.uniform(0.6, 1.4, count) * size
    bend = rng.normal(0, 0.22, count)
    points = _along(stem, length, bend, per_cm)
    # End of an arc that turns by ``bend``, to second order.
    middle = stem.angle + bend / 2
    x, y = stem.x + length * np.cos(middle), stem.y + length * np.sin(middle)
    share = rng.uniform(0.74, 0.93, count)
    turn = np.where(rng.random(count) < 0.5, 1, -1)
    ends = stem.angle + bend
    main = (x, y, ends - turn * rng.uniform(0.05, 0.25, count), stem.radius * share)
    side = (x, y, ends + turn * rng.uniform(0.4, 0.9, count), stem.radius * np.cbrt(1 - share**3))
    forks = Branches(*np.concatenate([main, side], axis=1))
    forks = Branches(forks.x, forks.y, forks.angle, 0.97 * forks.radius)
    aside = np.abs(forks.x)
    return points, forks[(forks.radius > SMALLEST) & (aside > 1.5) & (aside < 16)]


def _along(stem: Branches, length: np.ndarray, bend: np.ndarray, per_cm: float) -> tuple[np.ndarray, ...]:
    """Points spread evenly over arcs, as many as each is long."""
    counts = np.maximum(3, (length * per_cm).astype(int))
    of = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    t = (np.arange(len(of)) - first[of] + 0.5) / counts[of]
    heading, reach = stem.angle[of] + bend[of] * t / 2, length[of] * t
    radius = stem.radius[of] * (1 - 0.12 * t)
    mass = np.pi * radius**2 * (length / counts)[of]
    return stem.x[of] + reach * np.cos(heading), stem.y[of] + reach * np.sin(heading), radius, mass
