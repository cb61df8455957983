"""Soft tissue about the chest: trunk, shoulders, neck, arms, breasts, belly and its gas."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PchipInterpolator

from plainfilm.datasets.phantom.canvas import RULER, Canvas, capsule, smoothstep, tabulated, tube, uniform
from plainfilm.datasets.phantom.lungs import Lungs
from plainfilm.datasets.phantom.noise import power_noise
from plainfilm.datasets.phantom.patient import Patient
from plainfilm.datasets.phantom.skeleton import arm_distance, arm_joint, clavicle_line

FAT_SHORTFALL = 0.06  # share of muscle's attenuation that fat lacks


def draw_body(patient: Patient, canvas: Canvas, lungs: Lungs) -> np.ndarray:
    """Return the thickness of soft tissue, as if the chest held no air."""
    trunk, half_width = _trunk(patient, canvas)
    shoulders, neck = _shoulders(patient, canvas), _neck(patient, canvas)
    # A fifth-power mean joins the parts: a plain maximum shows a box with seams.
    body = sum(np.square(np.square(part)) * part for part in (trunk, shoulders, neck)) ** np.float32(0.2)
    body = np.maximum(body, _arms(patient, canvas))
    body += _folds(patient, canvas) + _companion_shadows(patient, canvas)
    body += _breasts(patient, canvas) if patient.is_female else _pectorals(canvas)
    return np.maximum(body + _belly(patient, canvas, lungs, half_width), 0)


def _trunk(patient: Patient, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Thickness of the trunk, and its half width at each pixel's height and side."""
    half_width = canvas.by_height(*(_flank(patient, side) for side in (0, 1)))
    depth = patient.body_depth * (1 - 0.46 * np.clip((-RULER - 1) / 12, 0, 1) ** 1.3)
    depth = depth * smoothstep(RULER + 14.5 * patient.size, 3)
    distance = np.abs(canvas.x)
    skin = tabulated(_barrel, np.minimum(distance / half_width, 1))
    muscle = tabulated(_rounded, np.minimum(distance / (half_width - 0.45 * patient.chest_wall), 1))
    return canvas.by_height(2 * depth) * (skin - FAT_SHORTFALL * (skin - muscle)), half_width


def _barrel(share: np.ndarray) -> np.ndarray:
    return np.clip(1 - share**3, 0, 1) ** 0.62


def _rounded(share: np.ndarray) -> np.ndarray:
    return np.clip(1 - share**3, 0, 1)


def _flank(patient: Patient, side: int) -> np.ndarray:
    """Half width of the trunk by height: back muscle at the armpit, ribs, waist, hip."""
    ribs = patient.half_width[0] * (1 - 0.14 * np.clip((-RULER - 1) / 9, 0, 1) ** 1.2)
    wall = patient.chest_wall * (1 - 0.5 * np.clip((-RULER - 1) / 8, 0, 1))
    build = 0.6 * np.clip((RULER - 6) / 10, -1, 1) * (patient.habitus + 0.3)
    back = 0.9 * patient.axillary_fold * np.exp(-(((RULER + 3) / 4.5) ** 2))
    waist = 1.5 * patient.waist * np.exp(-(((RULER - 15) / 5) ** 2))
    lean = (0.35, -0.35)[side] * patient.scoliosis * np.sin(RULER / 9)
    roll = 0.12 * max(patient.habitus, 0) * np.sin(RULER / 1.9 + patient.scoliosis_phase + side)
    return ribs + wall + build + back - waist + lean + roll * np.clip((RULER - 5) / 4, 0, 1)


def _shoulders(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Thickness from the neck's slope to the deltoid, fading downwards into the trunk."""
    skin = canvas.by_width(np.where(RULER > 0, *(_shoulder_line(patient, side) for side in (1, 0))))
    armpit = np.interp(np.abs(RULER), [0, 12, 16, 20, 30], [-2, -3, -4.5, -3.5, -3])
    thick = 13.2 + 1.2 * patient.habitus - 0.17 * np.clip(np.abs(RULER) - 5, 0, 16)
    depth = np.sqrt(1 - np.exp(np.minimum(skin - canvas.y, 0) / 1.7))
    return canvas.by_width(thick) * depth * smoothstep(canvas.by_width(armpit) - canvas.y, 3.5)


def _shoulder_line(patient: Patient, side: int) -> np.ndarray:
    """Height of the skin above the shoulder, by distance from the midline."""
    neck = 5.6 + 0.5 * patient.habitus
    arm = patient.half_width[0] + 6.6 + 0.4 * patient.habitus
    shrug = patient.clavicle_height + 0.35 * patient.clavicle_tilt[side]
    across = [-1, neck - 0.8, neck + 0.4, neck + 3, 11, 15.5, arm - 1, arm + 2.5, 41]
    down = [-40, -30, -20.2 + 0.5 * shrug, -17.4 + 0.5 * shrug, -15.9 + 0.4 * shrug, -15.4, -14.2, -9.5, 0]
    return PchipInterpolator(across, down)(np.abs(RULER))


def _neck(patient: Patient, canvas: Canvas) -> np.ndarray:
    share = np.clip(np.abs(RULER) / (5.6 + 0.5 * patient.habitus), 0, 1)
    wide = (11.6 + 0.6 * patient.habitus) * np.sqrt(1 - share**2)
    return canvas.by_width(wide) * canvas.by_height(1 - smoothstep(RULER + 14.5 * patient.size, 3))


def _arms(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Upper arms: muscle within fat."""
    x, y = arm_joint(patient)
    start = (x - 0.8 - 0.6 * patient.scapula_offset, y + 1.2 * patient.size)
    swing = math.radians(patient.arm_angle)
    end = (start[0] + 50 * math.sin(swing), start[1] + 50 * math.cos(swing))
    across, plump = arm_distance(patient, canvas), 0.5 * patient.habitus
    skin = capsule(across, canvas.y, start, end, (4.3 + plump, 3.6 + plump))
    muscle = capsule(across, canvas.y, start, end, (3.6 + 0.3 * plump, 2.7 + 0.2 * plump))
    return skin - 1.6 * FAT_SHORTFALL * (skin - muscle)


def _folds(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Axillary folds: the edges of chest and back muscles on their way to the arm, and the deltoid."""
    out, distance = patient.half_width[0], np.abs(canvas.x)
    ruler = np.abs(RULER)
    front = np.interp(ruler, [0, out - 7, out - 3, out + 0.5, out + 4, 41], [0, -1.2, -2.2, -4.4, -7.4, -10])
    rear = np.interp(ruler, [0, out - 3, out + 0.5, out + 3, out + 5, 41], [6, 4.5, 1.5, -2.5, -6, -9])
    lower = canvas.by_width(front) - canvas.y + 0.8 * patient.scapula_offset
    back = canvas.by_width(rear) - canvas.y + 0.8 * patient.scapula_offset
    outer = smoothstep(distance - out + 3.5, 3.5) * smoothstep(canvas.y + 13, 4)
    deltoid = smoothstep(distance - out - 2.6 - 0.25 * (canvas.y + 9), 0.5)
    fold = 1.5 * smoothstep(lower, 0.45) + 1.0 * smoothstep(back, 0.7) + 0.9 * deltoid * smoothstep(lower, 3)
    return patient.axillary_fold * outer * fold


def _companion_shadows(patient: Patient, canvas: Canvas) -> np.ndarray:
    """The skin that rides over each clavicle: a faint band along its upper edge."""
    laid = []
    for side, sign in ((0, -1), (1, 1)):
        path = [(sign * x, y - 1.15) for x, y in clavicle_line(patient, patient.clavicle_tilt[side])[1:5]]
        laid.append(tube(path, (0.1, 0.45, 0.5, 0.2), canvas.pixels_per_cm, core=0, across=6))
    x, y, mass = (np.concatenate([piece[k].ravel() for piece in laid]) for k in range(3))
    return canvas.blur(canvas.splat(x, y, mass), 0.12)


def _breasts(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Breasts: round below with a crisp lower border, tailing off above."""
    thick, distance = patient.breast, np.abs(canvas.x)
    uneven = 0.04 * (patient.clavicle_tilt[0] - patient.clavicle_tilt[1])
    centre_x, centre_y = (7.6 + 0.25 * thick) * patient.size, 4.6 * patient.size + 0.45 * thick
    radius = 5.2 + 0.35 * thick
    up = canvas.by_side((centre_y + 4 * uneven, centre_y - 4 * uneven)) - canvas.y
    is_above = up > 0
    down = up / np.where(is_above, 1.9 * radius, 0.72 * radius)
    inside = np.clip(1 - ((distance - centre_x) / radius) ** 2 - down**2, 0, 1)
    tail = np.where(is_above, np.minimum(up / radius, 1), 0)
    size = canvas.by_side((thick * (1 + uneven), thick * (1 - uneven)))
    return size * ((1 - tail) * np.sqrt(inside) + tail * inside * inside)


def _pectorals(canvas: Canvas) -> np.ndarray:
    return 1.2 * np.maximum(1 - ((np.abs(canvas.x) - 7.5) / 6.5) ** 2 - ((canvas.y + 3) / 7) ** 2, 0)


def _belly(patient: Patient, canvas: Canvas, lungs: Lungs, half_width: np.ndarray) -> np.ndarray:
    """What lies below the domes: liver and spleen denser, the fat of flanks and bowel lighter."""
    rng = np.random.default_rng([patient.noise_seed, 1])
    below, distance = canvas.y - lungs.diaphragm, np.abs(canvas.x)
    bulk = 2.6 * smoothstep(below - 1, 3) * (distance < half_width)
    level = max(patient.dome_y)
    slope, sag = uniform(rng, 0.15, 0.5), uniform(rng, 5, 9)
    # The liver's lower edge rises from right to left.
    edge = canvas.by_width(level + sag - slope * (RULER + 9)) - canvas.y
    spleen = (
        canvas.by_side((-9, 5 + uniform(rng, -1, 1.5))) - (canvas.y - level) - 0.3 * np.abs(distance - 9.5)
    )
    organs = np.maximum(smoothstep(edge, 1.2), smoothstep(spleen, 1))
    bowel = (1 - organs) * (0.7 + 0.3 * power_noise(canvas.shape, rng, 3.0, low_cut=5))
    stripe = np.exp(-(((distance - half_width + 0.8 * patient.chest_wall) / 0.3) ** 2))
    return bulk - smoothstep(below - 2, 1.5) * (uniform(rng, 0.4, 1.2) * bowel + 0.5 * stripe)


def draw_gas(patient: Patient, canvas: Canvas, lungs: Lungs) -> np.ndarray:
    """Return the thickness of gas in stomach and bowel."""
    rng = np.random.default_rng([patient.noise_seed, 2])
    below = canvas.y - lungs.diaphragm
    gas = _bowel(patient, canvas, rng)
    if patient.has_stomach_gas:
        gas = np.maximum(gas, _stomach(patient, canvas, below, rng))
    return gas * smoothstep(below - 0.7, 0.4)


def _stomach(patient: Patient, canvas: Canvas, below: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A bubble under the left dome: level with its fluid when upright, a puddle lying."""
    x, half = uniform(rng, 3.5, 7.5), uniform(rng, 1.4, 3.4)
    roof = uniform(rng, 0.7, 1.6)
    deep = uniform(rng, 1.2, 3.2)
    folds = 0.18 * np.sin(canvas.x * uniform(rng, 1.5, 3) + x) * np.sin(canvas.y * uniform(rng, 1.5, 3))
    across = (canvas.x - x - 0.25 * (canvas.y - patient.dome_y[1])) / half
    down = (below - roof - deep / 2) / (0.62 * deep)
    inside = tabulated(np.sqrt, np.clip(1 - across**2 - down**2 - folds, 0, 1))
    if not patient.is_ap:
        inside = inside * smoothstep(patient.dome_y[1] + roof + 0.8 * deep - canvas.y, 0.15)
    return uniform(rng, 1.2, 4) * inside


def _bowel(patient: Patient, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Colon at the flexures and loops between them, as sausages with haustra."""
    laid = []
    for loop in range(patient.bowel_gas):
        x = (1, -1, 1)[loop % 3] * uniform(rng, 4, 10)
        y = max(patient.dome_y) + uniform(rng, 2, 5 if loop % 3 == 0 else 9)
        heading, length = uniform(rng, 0, np.pi), uniform(rng, 1.2, 3.2)
        path = [(x, y)]
        for _ in range(3):
            heading += rng.normal(0, 0.7)
            path.append((path[-1][0] + length * np.cos(heading), path[-1][1] + length * np.sin(heading)))
        beads = np.linspace(0, 3 * length, 40)
        wide = uniform(rng, 0.5, 1.6)
        haustra = wide * (0.72 + 0.28 * np.cos(2 * np.pi * beads / (1.7 * wide) + x))
        ends = np.sqrt(np.clip(1 - (np.linspace(-1, 1, 40)) ** 6, 0, 1))
        px, py, mass = tube(path, haustra * ends + 0.02, canvas.pixels_per_cm, core=0, across=14)
        laid.append((px.ravel(), py.ravel(), mass.ravel() * uniform(rng, 0.4, 1)))
    if not laid:
        return np.zeros(canvas.shape, np.float32)
    return canvas.blur(canvas.splat(*np.concatenate(laid, axis=1)), 0.15)
