"""The fourteen findings by name: how each edits the patient, changes the rays, and is masked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from plainfilm.datasets.phantom import opacities, pleura, remodelling
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.lungs import diaphragm
from plainfilm.datasets.phantom.patient import Patient
from plainfilm.datasets.phantom.scene import Scene
from plainfilm.findings import NIH

FAINTEST_CHANGE = 0.03
"""Change of log attenuation below which no pixel belongs to a mask."""

MASKED_SHARE = 0.2
"""Share of a finding's strongest change at which its mask ends."""

SUBTLE_SHARE = 0.4
"""Strength of a subtle finding that has no subtle form of its own."""

Change = Callable[[Scene, np.random.Generator], np.ndarray]
Edit = Callable[[Patient, np.random.Generator], Patient]


@dataclass(frozen=True)
class Recipe:
    """One finding.

    Attributes:
        change: Signed change of log attenuation.
        edit: Change of the patient's geometry, made before anatomy is drawn.
        smoothing: Sigma in cm by which the change is smoothed before it is masked, so
            that a diffuse finding gets the coherent outline an expert would draw.
        is_opacity: Whether the finding counts for the severity of a lung zone.
        has_subtle_form: Whether ``change`` heeds ``Scene.subtle`` itself.
    """

    change: Change
    edit: Edit | None = None
    smoothing: float = 0.0
    is_opacity: bool = False
    has_subtle_form: bool = False


RECIPES: dict[str, Recipe] = {
    "Atelectasis": Recipe(opacities.atelectasis, opacities.raise_dome),
    "Cardiomegaly": Recipe(remodelling.cardiomegaly, has_subtle_form=True),
    "Effusion": Recipe(pleura.effusion),
    "Infiltration": Recipe(opacities.infiltration, smoothing=0.45, is_opacity=True),
    "Mass": Recipe(opacities.mass),
    "Nodule": Recipe(opacities.nodule),
    "Pneumonia": Recipe(opacities.pneumonia, smoothing=0.3, is_opacity=True),
    "Pneumothorax": Recipe(pleura.pneumothorax, has_subtle_form=True),
    "Consolidation": Recipe(opacities.consolidation, smoothing=0.2, is_opacity=True),
    "Edema": Recipe(opacities.edema, opacities.widen_heart, smoothing=0.6, is_opacity=True),
    "Emphysema": Recipe(remodelling.emphysema, remodelling.overinflate, smoothing=0.4),
    "Fibrosis": Recipe(remodelling.fibrosis, remodelling.shrink_lungs, smoothing=0.45, is_opacity=True),
    "Pleural_Thickening": Recipe(pleura.pleural_thickening),
    "Hernia": Recipe(remodelling.hernia),
}


def finding_rng(seed: int, index: int, name: str) -> np.random.Generator:
    """The finding's own generator in a study, so that it never changes anything else."""
    return np.random.default_rng([seed, index, 1 + NIH.index(name)])


def edit_geometry(patient: Patient, names: Iterable[str], seed: int, index: int) -> Patient:
    """The patient as the findings have shaped the chest, in the order of ``NIH``."""
    for name in NIH:
        edit = RECIPES[name].edit
        if name in names and edit:
            patient = edit(patient, finding_rng(seed, index, name))
    return patient


def draw_change(scene: Scene, name: str, rng: np.random.Generator) -> np.ndarray:
    """Signed change of log attenuation, float32 ``(H, W)``, that a finding makes in a scene."""
    recipe = RECIPES[name]
    change = recipe.change(scene, rng)
    if scene.subtle and not recipe.has_subtle_form:
        change = SUBTLE_SHARE * change
    return change.astype(np.float32)


def finding_mask(change: np.ndarray, canvas: Canvas, name: str) -> np.ndarray:
    """The pixels that a finding changed visibly: bool ``(H, W)``.

    A pixel belongs to the mask where the change exceeds both ``FAINTEST_CHANGE`` and
    ``MASKED_SHARE`` of the finding's 98th percentile.
    """
    strength = np.abs(change)
    smoothing = RECIPES[name].smoothing
    if smoothing:
        strength = np.abs(canvas.blur(change, smoothing))
    touched = strength[strength > 0.01]
    if not touched.size:
        return np.zeros(change.shape, dtype=bool)
    mask = strength > max(FAINTEST_CHANGE, MASKED_SHARE * float(np.percentile(touched, 98)))
    # Between the gas and the wall of a hernia the change passes through zero.
    return ndimage.binary_fill_holes(mask) if name == "Hernia" else mask


def expert_mask(scene: Scene, name: str, changed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a radiologist would outline, given the pixels that a finding changed.

    The two differ for a large heart, outlined whole, and for an effusion, outlined down
    to the diaphragm although fluid lies behind it too.
    """
    if name == "Cardiomegaly":
        return _heart_mask(scene, remodelling.large_heart(scene, rng))
    if name == "Effusion":
        return _rounded(changed & (scene.canvas.y < scene.anatomy.diaphragm + 0.8), scene.canvas)
    return changed


def _heart_mask(scene: Scene, heart: np.ndarray) -> np.ndarray:
    """The heart from the carina to the diaphragm, from its thickness in cm."""
    x, y, patient = scene.canvas.x, scene.canvas.y, scene.patient
    silhouette = (heart > 0.2 * patient.heart_depth) & (y > patient.carina[1])
    low = x[silhouette & (np.abs(y - np.mean(patient.dome_y)) < 2)]
    if not low.size:
        return np.zeros(heart.shape, dtype=bool)
    ends = float(low.min()), float(low.max())
    # Readers draw the lower border straight from one cardiophrenic angle to the other.
    floor = np.interp(x, ends, (_dome_at(patient, 0, ends[0]), _dome_at(patient, 1, ends[1])))
    return _rounded(silhouette & (y < floor), scene.canvas)


def _dome_at(patient: Patient, side: int, x: float) -> float:
    distance = np.array([abs(x)])
    return float(diaphragm(patient, side, distance, np.array([patient.half_width[side]]))[0])


def _rounded(mask: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Without slivers, notches and sharp corners."""
    return canvas.blur(mask.astype(np.float32), 0.35) > 0.5
