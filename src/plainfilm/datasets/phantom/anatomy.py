"""The normal chest as thickness maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy import ndimage

from plainfilm.datasets.phantom.body import draw_body, draw_gas
from plainfilm.datasets.phantom.canvas import BONE, LUNG_DEFICIT, REPLACED_LUNG, SOFT_TISSUE, Canvas
from plainfilm.datasets.phantom.lungs import LungOutline, build_lungs
from plainfilm.datasets.phantom.mediastinum import draw_airways, draw_great_vessels, draw_heart, draw_hila
from plainfilm.datasets.phantom.noise import power_noise
from plainfilm.datasets.phantom.patient import Patient
from plainfilm.datasets.phantom.skeleton import draw_skeleton
from plainfilm.datasets.phantom.surgery import draw_metal
from plainfilm.datasets.phantom.vessels import draw_vessels


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Maps of one patient on one canvas, float32 ``(H, W)``, in cm along the ray.

    Attributes:
        canvas: The grid of all maps.
        outline: Where the lungs end.
        apex_y: Heights of the lung apices (right, left).
        noise_seed: Seed of ``textures`` and ``ridges``.
        lateral: Lateral lung edge, distance from the midline.
        medial: Medial lung edge, distance from the midline.
        diaphragm: Height y of the diaphragm.
        lung_window: 0 to 1, the lung seen above the domes.
        midline_distance: ``|x|``.
        is_left: bool, the patient's left half (x > 0).
        cavity: Thickness of the lung cavity before tissue is taken from it.
        heart: Heart and mediastinum.
        heart_width: Width of the heart, cm.
        heart_of_width: Redraws ``heart`` at another width, cm.
        great_vessels: Aortic knob and descending aorta.
        hila: Hilar tissue.
        vessels: Branching lung vessels.
        body: Trunk, neck, arms and breasts.
        air: Airways and gas outside the lung.
        bone: Compact bone.
    """

    canvas: Canvas
    outline: LungOutline
    apex_y: tuple[float, float]
    noise_seed: int
    lateral: np.ndarray
    medial: np.ndarray
    diaphragm: np.ndarray
    lung_window: np.ndarray
    midline_distance: np.ndarray
    is_left: np.ndarray
    cavity: np.ndarray
    heart: np.ndarray
    heart_width: float
    heart_of_width: Callable[[float], np.ndarray]
    great_vessels: np.ndarray
    hila: np.ndarray
    vessels: np.ndarray
    body: np.ndarray
    air: np.ndarray
    bone: np.ndarray

    @cached_property
    def textures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Four unit-variance noise fields of powers 4.4, 3.4, 2.2 and 2.6, for findings."""
        rng = np.random.default_rng([self.noise_seed, 3])
        first, second, third, fourth = (
            power_noise(self.canvas.shape, rng, beta) for beta in (4.4, 3.4, 2.2, 2.6)
        )
        return first, second, third, fourth

    @cached_property
    def ridges(self) -> np.ndarray:
        """Unit-variance noise about .19 cm wide, whose zero crossings make a net."""
        rng = np.random.default_rng([self.noise_seed, 5])
        grain = power_noise(self.canvas.shape, rng, 0.5)
        sigma = max(0.8, 0.19 * self.canvas.pixels_per_cm)
        net = ndimage.gaussian_filter(grain, sigma) - ndimage.gaussian_filter(grain, 2.2 * sigma)
        return net / net.std()

    @cached_property
    def wall_distance(self) -> np.ndarray:
        """Distance in cm inwards from the outer chest wall and the apex; 0 outside.

        The medial side is no wall, nor are the domes: with a medial wall at the apex, lines
        at a fixed distance (the pleural line) would come to a point there.
        """
        apex = self.canvas.by_side(self.apex_y)
        inside = (self.midline_distance < self.lateral) & (self.canvas.y > apex)
        signed = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
        # Half a pixel of each transform is the pixel's own; blurring a signed distance rounds
        # corners and leaves straight walls where they are.
        signed = ndimage.gaussian_filter(signed.astype(np.float32), 0.5 * self.canvas.pixels_per_cm)
        return np.maximum(signed / self.canvas.pixels_per_cm, 0)


def build_anatomy(patient: Patient, canvas: Canvas) -> Anatomy:
    """Draw the chest of a patient."""
    lungs = build_lungs(patient, canvas)
    heart_of_width = partial(draw_heart, patient, canvas)
    heart_width = patient.cardiothoracic_ratio * sum(patient.half_width)
    body = draw_body(patient, canvas, lungs)
    # No bone outside the skin, however the shoulders were drawn.
    bone = draw_skeleton(patient, canvas, lungs.outline) * np.clip(body / 2 - 0.5, 0, 1)
    metal = draw_metal(patient, canvas)
    return Anatomy(
        canvas=canvas,
        outline=lungs.outline,
        apex_y=patient.apex_y,
        noise_seed=patient.noise_seed,
        lateral=lungs.lateral,
        medial=lungs.medial,
        diaphragm=lungs.diaphragm,
        lung_window=lungs.window,
        midline_distance=np.abs(canvas.x),
        is_left=canvas.x > 0,
        cavity=lungs.cavity,
        heart=heart_of_width(heart_width),
        heart_width=heart_width,
        heart_of_width=heart_of_width,
        great_vessels=draw_great_vessels(patient, canvas),
        hila=draw_hila(patient, canvas),
        vessels=draw_vessels(patient, canvas),
        body=body,
        air=draw_airways(patient, canvas) + draw_gas(patient, canvas, lungs),
        bone=bone if metal is None else bone + metal,
    )


def lung_thickness(anatomy: Anatomy, heart: np.ndarray | None = None) -> np.ndarray:
    """Return the thickness of aerated lung (cm): tissue displaces air, it is not painted on.

    Args:
        anatomy: The chest.
        heart: A heart in place of the anatomy's own.
    """
    heart = anatomy.heart if heart is None else heart
    return np.maximum(anatomy.cavity - heart - 0.8 * anatomy.great_vessels - anatomy.hila, 0)


def base_attenuation(
    patient: Patient, canvas: Canvas, anatomy: Anatomy
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return attenuation, lung thickness (cm) and aeration (0 to 1) of the normal chest."""
    rng = np.random.default_rng([patient.noise_seed, 7])
    lung = lung_thickness(anatomy)
    aeration = anatomy.lung_window * np.minimum(lung / 6, 1)
    clouds = power_noise(canvas.shape, rng, 2.6)
    grain = power_noise(canvas.shape, rng, 1.6, low_cut=6.7)
    soft = anatomy.body * (1 + 0.012 * clouds) - LUNG_DEFICIT * lung * (1 + 0.02 * clouds) - anatomy.air
    attenuation = SOFT_TISSUE * soft + REPLACED_LUNG * anatomy.vessels * aeration
    attenuation += BONE * anatomy.bone * (1 + 0.05 * grain) + 0.015 * grain * (0.5 + aeration)
    return np.maximum(attenuation, 0), lung, aeration
