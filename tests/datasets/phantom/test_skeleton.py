from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.lungs import outline_of
from plainfilm.datasets.phantom.patient import Patient, draw_patient
from plainfilm.datasets.phantom.skeleton import _spine, draw_skeleton


def bone_of(patient: Patient, size: int = 150) -> np.ndarray:
    return draw_skeleton(patient, Canvas.of(patient, size), outline_of(patient))


def test_bone_is_finite_and_never_negative() -> None:
    bone = bone_of(draw_patient(0, 0))
    assert np.isfinite(bone).all()
    assert bone.min() >= 0
    assert bone.max() < 12


def test_bone_weighs_the_same_at_two_sizes() -> None:
    patient = draw_patient(0, 1)
    small, large = bone_of(patient, 120), bone_of(patient, 240)
    assert large.mean() == pytest.approx(small.mean(), rel=0.03)
    pooled = large.reshape(120, 2, 120, 2).mean((1, 3))
    assert np.corrcoef(small.ravel(), pooled.ravel())[0, 1] > 0.9


def test_the_spine_follows_its_curve() -> None:
    patient = replace(draw_patient(0, 2), scoliosis=1.8)
    x, y = np.meshgrid(np.linspace(-8, 8, 321), np.linspace(-10, 14, 49))
    spine = _spine(patient, x, y)
    np.testing.assert_allclose((spine * x).sum(1) / spine.sum(1), patient.spine_shift(y[:, 0]), atol=0.05)


def test_osteopenia_lightens_all_bone() -> None:
    patient = draw_patient(0, 3)
    light, dense = (bone_of(replace(patient, bone_density=density)) for density in (0.7, 1.0))
    np.testing.assert_allclose(light, 0.7 * dense, rtol=1e-4, atol=1e-6)
