"""Ribs, spine and the shoulder girdle, as centimetres of compact bone along the ray."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from plainfilm.datasets.phantom.canvas import Canvas, Masses, capsule, smoothstep, tube
from plainfilm.datasets.phantom.lungs import LungOutline
from plainfilm.datasets.phantom.patient import Patient

RIBS = 11
SIGNS = np.array([-1.0, 1.0])


def draw_skeleton(patient: Patient, canvas: Canvas, outline: LungOutline) -> np.ndarray:
    """Return the thickness of bone."""
    rng = np.random.default_rng([patient.vessel_seed, 1])
    pieces = [_ribs(patient, canvas, outline, rng)]
    for side in (0, 1):
        pieces += [_clavicle(patient, canvas, side), *_scapula(patient, canvas, side)]
    x, y, mass = (np.concatenate([piece[k].ravel() for piece in pieces]) for k in range(3))
    blades = [_blade(patient, canvas, side, rng) for side in (0, 1)]
    bone = canvas.splat(x, y, mass) + canvas.blur(canvas.splat(*np.concatenate(blades, axis=1)), 0.35)
    bone = ndimage.gaussian_filter(bone, 0.4, truncate=3) + _humerus(patient, canvas)
    _add_middle(bone, patient, canvas)
    return bone * patient.bone_density


def _ribs(patient: Patient, canvas: Canvas, outline: LungOutline, rng: np.random.Generator) -> Masses:
    """Lay all ribs as bands about 3-D hoops: from the spine (theta 0) round the side to the front.

    The mass of a point is density times 3-D arc length, so that ribs seen end-on at the side
    of the chest are bright by themselves.
    """
    theta = np.linspace(0.12, 2.55, int(24 * canvas.pixels_per_cm))
    number = np.arange(RIBS)[:, None]
    x, y, z = _rib_lines(patient, outline, theta, rng)
    along_x, along_y = np.gradient(x, axis=-1), np.gradient(y, axis=-1)
    step = np.sqrt(along_x**2 + along_y**2 + np.gradient(z, axis=-1) ** 2)
    speed = np.hypot(along_x, along_y) + 1e-6
    normal_x, normal_y = -along_y / speed, along_x / speed
    slim = 1 - 0.25 * (number == 0) - 0.12 * (number > 8)
    half = patient.rib_half_width * (1 + 0.12 * np.sin(theta)) * slim
    # Where the band turns edge-on at the side, its width stays vertical.
    flat = np.clip(np.abs(along_x) / speed * 1.6, 0.25, 1)
    v, shell = _band(canvas, patient)
    offset = half[..., None] * v
    across = x[..., None] + (normal_x * flat)[..., None] * offset
    down = y[..., None] + (normal_y * flat + 1 - flat)[..., None] * offset
    density = _rib_fade(theta, number) * patient.rib_density
    mass = shell * (density * step * 2 * half / len(v))[..., None]
    lean = (patient.spine_shift(y) * np.clip(np.cos(theta), 0, 1))[..., None]
    mass, across = np.where(x[..., None] > 1.6, mass, 0), SIGNS[:, None, None, None] * across + lean
    return across, down, mass


def _band(canvas: Canvas, patient: Patient) -> tuple[np.ndarray, np.ndarray]:
    """Places across a rib from -1 to 1, and its profile there: a cortex about a lighter core."""
    count = max(7, int(2.6 * patient.rib_half_width * canvas.pixels_per_cm))
    v = (np.arange(count) + 0.5) / count * 2 - 1
    shell = 0.72 * np.sqrt(1 - v**2) - 0.39 * np.sqrt(np.clip(1 - (v / 0.72) ** 2, 0, 1))
    return v, np.where(v > 0.3, 0.85 * shell, shell)


def _rib_lines(
    patient: Patient, outline: LungOutline, theta: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle lines of the ribs: x from the midline, y, z; each (side, rib, theta)."""
    number = np.arange(RIBS)[:, None]
    start = -15 * patient.size + patient.rib_spacing * number * (1 + 0.012 * number)
    start = start + rng.normal(0, 0.12, (2, RIBS, 1))
    behind = patient.rib_drop_posterior * (0.5 + 0.15 * number) + 0.3
    before = patient.rib_drop_anterior * (0.55 + 0.09 * np.minimum(number, 6))
    descent = behind * (1 - np.cos(np.minimum(theta, np.pi / 2)))
    hump = 0.6 * np.sin(2 * np.minimum(theta, np.pi / 2)) * (number > 0)
    y = start + descent - hump + before * np.sin(np.maximum(theta - np.pi / 2, 0))
    reach = np.stack([outline.edges(side, y[side])[0] for side in (0, 1)]) + 0.25
    least = np.where(number < 2, patient.apex_x + 1.6 + 0.7 * number, 0)
    x = np.maximum(reach, least) * np.sin(theta) ** 0.84
    z = patient.lung_depth * np.sign(np.cos(theta)) * np.abs(np.cos(theta)) ** 0.84
    return x, y, z


def _rib_fade(theta: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Relative density along each rib: damped at the side, thinning and ending in cartilage."""
    end = np.where(number < 5, 2.55 - 0.035 * number, 2.36 - 0.16 * (number - 5))
    damped = 1 - np.where(number < 2, 0.8, 0.5) * np.sin(theta) ** 6
    cartilage = 1 - 0.5 * np.clip((theta - 1.7) / 0.7, 0, 1)
    deep = 1 - 0.14 * np.clip(number - 6, 0, 4)  # the lowest are thin
    behind = 1 + 0.3 * np.clip((1.5 - theta) / 0.6, 0, 1)
    return behind * deep * damped * cartilage * np.clip((end - theta) / 0.12, 0, 1)


def _clavicle(patient: Patient, canvas: Canvas, side: int) -> Masses:
    sign, tilt = SIGNS[side], patient.clavicle_tilt[side]
    path = [(sign * across, down) for across, down in clavicle_line(patient, tilt)]
    path[0] = (path[0][0] + patient.rotation_shift, path[0][1])  # its inner end goes with the sternum
    radii = (1.05, 0.75, 0.62, 0.6, 0.75)
    x, y, mass = tube(path, radii, canvas.pixels_per_cm, hollow=0.72, core=0.8)
    return x, y, 0.85 * mass


def clavicle_line(patient: Patient, tilt: float) -> list[tuple[float, float]]:
    """Return the middle line of a clavicle: (distance from the midline, y)."""
    start = -9.3 * patient.size + 0.4 * patient.clavicle_height
    across, fall = (1.5, 4, 7.5, 11, 14, 16.3), (0.2, -0.1, -1.3, -2.6, -2.9, -2.6)
    rise = (0, 0.2, 0.7, 1.1, 1.4, 1.5)
    return [(x, start + y - tilt * lift) for x, y, lift in zip(across, fall, rise, strict=True)]


def _scapula(patient: Patient, canvas: Canvas, side: int) -> list[Masses]:
    """Lateral border, spine with acromion, glenoid, coracoid, and medial border."""
    sign, out, joint = SIGNS[side], patient.scapula_offset + patient.half_width[side], -10.5 * patient.size
    borders = (
        (((3.9, 1.2), (2.2, 5), (0.9, 9.5), (0.2, 12)), (0.7, 0.45, 0.38, 0.25), 0.7, 1.5),
        (((-4.5, -0.6), (-0.5, -2.2), (3.5, -3.2), (5.5, -2.6)), (0.25, 0.45, 0.6, 0.7), 0.7, 1.1),
        (((4.1, -1.5), (3.6, 0.2), (3.9, 1.8)), (0.45, 0.6, 0.45), 0.7, 0.9),
        (((1.2, -1.0), (2.6, -2.1), (3.4, -1.1)), (0.5, 0.5, 0.35), 0.7, 0.8),
        (((-3.6, -1), (-3.9, 4), (-2.2, 8.5), (0.2, 12)), (0.2, 0.22, 0.2, 0.2), 0.6, 1.0),
    )
    pieces = []
    for points, radii, core, density in borders:
        path = [(sign * (out + x), joint + y) for x, y in points]
        x, y, mass = tube(path, radii, canvas.pixels_per_cm, core=core)
        pieces.append((x, y, density * mass))
    return pieces


def _blade(patient: Patient, canvas: Canvas, side: int, rng: np.random.Generator) -> np.ndarray:
    """Points of the scapula's thin blade: a triangle of .38 cm, as rows x, y, mass."""
    out, joint = patient.scapula_offset + patient.half_width[side], -10.5 * patient.size
    corners = np.array([[out - 3.6, joint - 1], [out + 3.9, joint], [out + 0.2, joint + 12]]) * [
        SIGNS[side],
        1,
    ]
    share = rng.random((int(68 * canvas.pixels_per_cm**2), 2))
    share = np.where(share.sum(1, keepdims=True) > 1, 1 - share, share)
    edge, other = corners[1] - corners[0], corners[2] - corners[0]
    x, y = (corners[0] + share[:, :1] * edge + share[:, 1:] * other).T
    area = abs(edge[0] * other[1] - edge[1] * other[0]) / 2
    return np.stack([x, y, np.full(len(x), 0.38 * area / len(x))])


def _humerus(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Both upper arms at once: a round head, a hollow shaft."""
    x, y = arm_joint(patient)
    swing = math.radians(patient.arm_angle)
    end = (x + math.sin(swing) * 50, y + math.cos(swing) * 50)
    across = arm_distance(patient, canvas)
    head = np.maximum(1 - ((across - x) ** 2 + (canvas.y - y) ** 2) / 2.4**2, 0)
    bone = capsule(across, canvas.y, (x, y), end, (1.25, 1.05))
    marrow = capsule(across, canvas.y, (x, y), end, (0.75, 0.6))
    return np.maximum(1.1 * np.sqrt(head) * (0.4 + 0.6 * head), 0.65 * (bone - 0.8 * marrow))


def arm_joint(patient: Patient) -> tuple[float, float]:
    """Return the centre of the humeral head: distance from the midline, y."""
    return patient.scapula_offset + patient.half_width[0] + 4.6, -10.8 * patient.size


def arm_distance(patient: Patient, canvas: Canvas) -> np.ndarray:
    """Return the distance from the midline in which both arms hang alike: no two hang quite so."""
    uneven = 0.05 * (patient.clavicle_tilt[0] - patient.clavicle_tilt[1])
    return np.abs(canvas.x) + canvas.by_side((uneven, -uneven)) * (canvas.y + 10 * patient.size)


def _add_middle(bone: np.ndarray, patient: Patient, canvas: Canvas) -> None:
    """Add spine and sternum to the columns near the midline."""
    near = np.flatnonzero((np.abs(canvas.x) < 6.5).any(0))
    if near.size == 0:
        return
    columns = slice(near[0], near[-1] + 1)
    x, y = canvas.x[:, columns], canvas.y[:, columns]
    bone[:, columns] += _spine(patient, x, y) + _manubrium(patient, x, y)


def _spine(patient: Patient, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Vertebral bodies with waists, discs and end plates; pedicles and processes."""
    aside = np.abs(x - patient.spine_shift(y))
    level = (y + 15 * patient.size) / patient.rib_spacing
    phase = level - np.floor(level) - 0.5  # 0 mid-body, +-.5 mid-disc
    half = 1.45 + 0.035 * np.clip(y + 15, 0, 30)
    edge = half * (1 - (0.14 + 0.09 * patient.osteophytes) * np.cos(2 * np.pi * phase))
    body, near_disc = smoothstep(edge - aside, 0.2), np.abs(phase)
    bony = smoothstep(0.40 - near_disc, 0.07)
    plates = np.exp(-(((near_disc - 0.39) / 0.06) ** 2))
    rim = np.exp(-(((aside - edge) / 0.16) ** 2))
    column = body * (0.58 * (0.62 + 0.38 * bony) + (0.16 + 0.12 * patient.osteophytes) * plates)
    above, below = (phase + 0.12) * patient.rib_spacing, (phase - 0.22) * patient.rib_spacing
    processes = (
        0.40 * _lozenge((aside - 0.68 * half) / 0.30, above / 0.42)
        + 0.30 * _lozenge(aside / 0.28, below / 0.75)
        + 0.28 * _lozenge((aside - half - 0.55) / 0.8, above / 0.42)
    )
    return column + processes + rim * (0.28 * bony + 0.5 * patient.osteophytes * plates)


def _lozenge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.exp(-((x * x + y * y) ** 2))


def _manubrium(patient: Patient, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    top = 11.2 * patient.size
    half = 2.6 - 0.12 * np.clip(y + top - 0.2, 0, 9)
    ends = smoothstep(y + top, 0.4) * smoothstep(-5.5 * patient.size - y, 0.8)
    return 0.25 * smoothstep(half - np.abs(x - patient.rotation_shift), 0.5) * ends
