"""Who is on the film and how it was taken: every random choice about a normal study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from plainfilm.datasets.phantom.canvas import uniform

Pair = tuple[float, float]  # patient's right (image left), patient's left


@dataclass(frozen=True)
class Exposure:
    """How the film was taken and developed.

    Attributes:
        scatter: Scattered over primary intensity.
        blur: Detector blur, cm.
        dose: Relative photon count.
        gamma: Exponent of the display curve.
        compression: Share of the large-scale contrast taken away.
        window_low: Percentile of the body shown at the toe.
        window_high: Percentile of the body shown white.
        toe: Grey level of ``window_low``.
        toe_slope: Slope of the curve below it.
        sharpen: Strength of the unsharp mask.
        marker: Side marker, "L", "R" or "".
        marker_at: Its place, as shares of the film's width and height from the corner.
        marker_angle: Its turn, degrees.
        collimation: Widths of the shutters left, right, top, bottom, as shares of the film.
        collimation_is_dark: Whether the shutters are black, not white.
        collimation_angle: Their turn, degrees.
        is_portable: Whether "AP" is written on the film.
    """

    scatter: float
    blur: float
    dose: float
    gamma: float
    compression: float
    window_low: float
    window_high: float
    toe: float
    toe_slope: float
    sharpen: float
    marker: str
    marker_at: Pair
    marker_angle: float
    collimation: tuple[float, float, float, float]
    collimation_is_dark: bool
    collimation_angle: float
    is_portable: bool


@dataclass(frozen=True)
class Patient:
    """One person as flat numbers; pairs are (right, left), lengths cm.

    Attributes:
        is_ap: Taken lying or sitting, from the front.
        is_female: Sex.
        habitus: Build, standard normal: thin below 0.
        size: Overall scale, about 1.
        age: 0 young to 1 old.
        half_width: Midline to the lateral lung edge at its widest.
        apex_y: Height of the lung apex.
        apex_x: Distance of the apex from the midline.
        outline_power: Power of the superellipse from apex to widest point.
        widest_y: Height of the widest point.
        lung_depth: Half the depth of the lung from front to back.
        body_depth: Half the depth of the trunk.
        chest_wall: Thickness of the chest wall at the side.
        dome_y: Height of the domes.
        dome_drop: How far the dome falls to the costophrenic angle.
        dome_medial_drop: How far it falls towards the heart.
        dome_centre: Place of the dome's top, as a share of the half width.
        dome_edge: Half-width of the dome's edge: how crisp it is.
        dome_scallop: Height of the dome's scallops.
        cardiothoracic_ratio: Heart width over chest width.
        heart_shift: Share of the heart beyond half that lies left.
        heart_depth: Thickness of the heart.
        aortic_knob: Its x, y and radius.
        aortic_unfolding: How far the aorta bulges with age.
        aortic_calcium: Attenuation of the knob's calcified rim.
        medial: Medial lung edge from the midline.
        rotation_shift: Sideways shift of the front of the chest.
        rib_density: Relative density of ribs.
        rib_half_width: Half the height of a rib.
        rib_spacing: From one rib to the next.
        rib_drop_posterior: Fall of the ribs behind.
        rib_drop_anterior: Fall of the ribs in front.
        bone_density: Relative density of all bone; low in osteopenia.
        scoliosis: Sideways swing of the spine.
        scoliosis_length: Length of one radian of the swing.
        scoliosis_phase: Its phase; an S or a C curve.
        osteophytes: Size of the spurs of the spine, 0 to 1.
        clavicle_tilt: Tilt of each clavicle.
        clavicle_height: Shrug of the shoulders.
        breast: Thickness of the breasts, 0 in men.
        arm_angle: Of the upper arm from the trunk, degrees.
        axillary_fold: Strength of the muscle folds at the shoulder.
        scapula_offset: How far the scapulae are turned outwards.
        waist: How much the trunk narrows below the ribs.
        has_stomach_gas: Whether a gastric bubble is seen.
        bowel_gas: Number of gas-filled bowel loops.
        has_sternotomy: Whether sternal wires are seen.
        clips: Number of surgical clips.
        vessel_scale: Relative calibre of lung vessels.
        field_cm: Side of the film.
        rotation_deg: Turn of the patient on the film.
        shift: Place of the patient on the film.
        vessel_seed: Seed of vessel branching and bone detail.
        noise_seed: Seed of textures, gas and quantum noise.
        exposure: How the film was taken.
    """

    is_ap: bool
    is_female: bool
    habitus: float
    size: float
    age: float
    half_width: Pair
    apex_y: Pair
    apex_x: float
    outline_power: float
    widest_y: float
    lung_depth: float
    body_depth: float
    chest_wall: float
    dome_y: Pair
    dome_drop: Pair
    dome_medial_drop: Pair
    dome_centre: Pair
    dome_edge: Pair
    dome_scallop: Pair
    cardiothoracic_ratio: float
    heart_shift: float
    heart_depth: float
    aortic_knob: tuple[float, float, float]
    aortic_unfolding: float
    aortic_calcium: float
    medial: Pair
    rotation_shift: float
    rib_density: float
    rib_half_width: float
    rib_spacing: float
    rib_drop_posterior: float
    rib_drop_anterior: float
    bone_density: float
    scoliosis: float
    scoliosis_length: float
    scoliosis_phase: float
    osteophytes: float
    clavicle_tilt: Pair
    clavicle_height: float
    breast: float
    arm_angle: float
    axillary_fold: float
    scapula_offset: float
    waist: float
    has_stomach_gas: bool
    bowel_gas: int
    has_sternotomy: bool
    clips: int
    vessel_scale: float
    field_cm: float
    rotation_deg: float
    shift: Pair
    vessel_seed: int
    noise_seed: int
    exposure: Exposure

    @property
    def carina(self) -> tuple[float, float]:
        """Where the trachea divides, cm."""
        return 0.5 * self.rotation_shift + 0.25 * self.age + 0.2, -4.6 * self.size

    def spine_shift(self, y: np.ndarray) -> np.ndarray:
        """Return how far the spine lies beside the midline (cm) at heights y."""
        return self.scoliosis * np.sin(y / self.scoliosis_length + self.scoliosis_phase)


def draw_patient(seed: int, index: int) -> Patient:
    """Draw the patient of a study, from ``(seed, index)`` alone."""
    rng = np.random.default_rng([seed, index])
    is_ap, is_female = bool(rng.random() < 0.3), bool(rng.random() < 0.45)
    habitus = float(np.clip(rng.normal(), -1.8, 2.2))
    size = uniform(rng, 0.92, 1.08) * (0.94 if is_female else 1.03)
    age = uniform(rng, 0, 1)
    return Patient(
        is_ap=is_ap,
        is_female=is_female,
        habitus=habitus,
        size=size,
        age=age,
        **_chest(rng, is_ap, habitus, size),
        **_heart(rng, is_ap, size, age),
        **_bones(rng, size, age),
        **_trunk(rng, is_ap, is_female, habitus, age),
        **_position(rng, size),
        vessel_seed=int(rng.integers(1 << 31)),
        noise_seed=int(rng.integers(1 << 31)),
        exposure=_expose(rng, is_ap),
    )


def _pair(rng: np.random.Generator, low: float, high: float) -> Pair:
    return uniform(rng, low, high), uniform(rng, low, high)


def _chest(rng: np.random.Generator, is_ap: bool, habitus: float, size: float) -> dict[str, Any]:
    inspiration = float(np.clip(rng.normal(), -2, 2)) - (0.8 if is_ap else 0)
    dome = 7.3 * size + 1.1 * inspiration
    depth = uniform(rng, 7, 8.5) * size
    right, left = _pair(rng, -0.6, 0.6)
    wide_right, wide_left = _pair(rng, 0.96, 1.04)
    drop_right, drop_left = _pair(rng, 3.4, 6.2)
    return {
        "half_width": (13.2 * size * wide_right, 13.2 * size * wide_left),
        "apex_y": (right - 13.6 * size, left - 13.6 * size),
        "apex_x": uniform(rng, 4.6, 5.8) * size,
        "outline_power": uniform(rng, 1.75, 2.35),
        "widest_y": uniform(rng, 4, 8),
        "lung_depth": depth,
        "body_depth": depth + 1.4 + 0.9 * (habitus + 1),
        "chest_wall": 2.3 + 1.1 * (habitus + 1.3),
        "dome_y": (dome - uniform(rng, 0, 0.6), dome + uniform(rng, 0.3, 1.6)),
        "dome_drop": (drop_right * size, drop_left * size),
        "dome_medial_drop": (uniform(rng, 0.8, 4), uniform(rng, 0.6, 2.8)),
        "dome_centre": _pair(rng, 0.44, 0.6),
        "dome_edge": _pair(rng, 0.2, 0.9),
        "dome_scallop": (0.5 * rng.random() ** 3, 0.5 * rng.random() ** 3),
        "medial": (uniform(rng, 1.5, 2.4), uniform(rng, 1.2, 2.0)),
        "vessel_scale": uniform(rng, 0.85, 1.2),
    }


def _heart(rng: np.random.Generator, is_ap: bool, size: float, age: float) -> dict[str, Any]:
    old = max(0.0, age - 0.55) / 0.45
    unfolding = old * uniform(rng, 0, 1)
    knob_y = -6.3 * size + uniform(rng, -0.7, 0.7) - 0.4 * unfolding
    return {
        "cardiothoracic_ratio": uniform(rng, 0.42, 0.50) + (0.03 if is_ap else 0),
        "heart_shift": uniform(rng, 0.22, 0.44),
        "heart_depth": uniform(rng, 8.5, 11.5),
        "aortic_knob": (
            uniform(rng, 1.9, 2.7) + 0.5 * unfolding,
            knob_y,
            uniform(rng, 1.4, 2.2) + 0.3 * unfolding,
        ),
        "aortic_unfolding": unfolding,
        "aortic_calcium": old * uniform(rng, 0.05, 0.3) if rng.random() < 0.6 else 0.0,
        "rotation_shift": uniform(rng, -0.6, 0.6),
        "has_sternotomy": bool(rng.random() < 0.04 * (1 + old)),
        "clips": int(rng.integers(2, 7)) if rng.random() < 0.04 else 0,
    }


def _bones(rng: np.random.Generator, size: float, age: float) -> dict[str, Any]:
    return {
        "rib_density": uniform(rng, 0.8, 1.35),
        "rib_half_width": uniform(rng, 0.58, 0.76) * size,
        "rib_spacing": uniform(rng, 2.25, 2.5) * size,
        "rib_drop_posterior": uniform(rng, 1.6, 3.2),
        "rib_drop_anterior": uniform(rng, 5, 7.5),
        "bone_density": 1.06 - 0.3 * age * uniform(rng, 0, 1),
        "scoliosis": _curve(rng),
        "scoliosis_length": uniform(rng, 5.5, 9.5),
        "scoliosis_phase": uniform(rng, -1.6, 1.6),
        "osteophytes": max(0.0, age - 0.45) / 0.55 * uniform(rng, 0, 1),
    }


def _curve(rng: np.random.Generator) -> float:
    """Swing of the spine in cm: most are nearly straight, most curves lean to the right."""
    if rng.random() > 0.22:
        return uniform(rng, -0.4, 0.4)
    return uniform(rng, 0.7, 1.9) * (1 if rng.random() < 0.65 else -1)


def _trunk(
    rng: np.random.Generator, is_ap: bool, is_female: bool, habitus: float, age: float
) -> dict[str, Any]:
    return {
        "clavicle_tilt": _pair(rng, -1, 1.2),
        "clavicle_height": uniform(rng, -0.5, 1.5),
        "breast": uniform(rng, 1.3, 4) * (1 + 0.2 * habitus) if is_female else 0.0,
        "arm_angle": uniform(rng, 4, 16) if is_ap else uniform(rng, 8, 35),
        "axillary_fold": uniform(rng, 0.4, 1.2) * (1 - 0.3 * age),
        "scapula_offset": uniform(rng, 0, 2) - (2 if is_ap else 0),
        "waist": uniform(rng, 0, 1) if is_female else uniform(rng, -0.2, 0.6),
        "has_stomach_gas": bool(rng.random() < 0.75),
        "bowel_gas": int(rng.integers(0, 6)),
    }


def _position(rng: np.random.Generator, size: float) -> dict[str, Any]:
    return {
        "field_cm": uniform(rng, 35, 43.5) * (0.97 + 0.03 * size),
        "rotation_deg": uniform(rng, -3, 3),
        "shift": (uniform(rng, -1.3, 1.3), uniform(rng, -1.8, 1.2)),
    }


def _expose(rng: np.random.Generator, is_ap: bool) -> Exposure:
    left, right, top, bottom = (uniform(rng, 0, 0.035) if rng.random() < 0.12 else 0.0 for _ in range(4))
    return Exposure(
        scatter=uniform(rng, 0.9, 1.3) + (0.5 if is_ap else 0),
        blur=uniform(rng, 0.02, 0.05),
        dose=10 ** uniform(rng, 4.3, 5.4),
        gamma=uniform(rng, 0.75, 1.2),
        compression=uniform(rng, 0.2, 0.6),
        window_low=uniform(rng, 0.5, 4.5),
        window_high=uniform(rng, 97, 99.9),
        toe=uniform(rng, 0.1, 0.38),
        toe_slope=uniform(rng, 0.3, 0.8),
        sharpen=uniform(rng, 0.3, 1.3),
        marker=("L", "R", "L", "")[int(rng.integers(4))],
        marker_at=(uniform(rng, 0.04, 0.2), uniform(rng, 0.03, 0.2)),
        marker_angle=float(rng.normal(0, 15)),
        collimation=(left, right, top, bottom),
        collimation_is_dark=bool(rng.random() < 0.75),
        collimation_angle=uniform(rng, -1.5, 1.5),
        is_portable=is_ap and bool(rng.random() < 0.6),
    )
