from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plainfilm.datasets.phantom.body import draw_body, draw_gas
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.lungs import build_lungs
from plainfilm.datasets.phantom.patient import Patient, draw_patient


def body_of(patient: Patient) -> np.ndarray:
    canvas = Canvas.of(patient, 128)
    return draw_body(patient, canvas, build_lungs(patient, canvas))


@pytest.mark.parametrize("index", range(4))
def test_the_body_is_finite_never_negative_and_of_human_depth(index: int) -> None:
    body = body_of(draw_patient(0, index))
    assert np.isfinite(body).all()
    assert body.min() >= 0
    assert 15 < np.percentile(body, 99) < 40


def test_breasts_and_build_thicken_the_body() -> None:
    patient = replace(draw_patient(0, 0), is_female=True, breast=0.5)
    assert body_of(replace(patient, breast=4.0)).mean() > body_of(patient).mean()
    assert body_of(replace(patient, body_depth=patient.body_depth + 1)).mean() > body_of(patient).mean()


@pytest.mark.parametrize("index", range(6))
def test_gas_of_the_belly_lies_below_the_domes(index: int) -> None:
    patient = replace(draw_patient(0, index), has_stomach_gas=True, bowel_gas=3)
    canvas = Canvas.of(patient, 128)
    lungs = build_lungs(patient, canvas)
    gas = draw_gas(patient, canvas, lungs)
    assert gas.max() > 0.3
    assert (gas[canvas.y < lungs.diaphragm] == 0).all()


def test_without_gas_there_is_none() -> None:
    patient = replace(draw_patient(0, 0), has_stomach_gas=False, bowel_gas=0)
    canvas = Canvas.of(patient, 96)
    assert draw_gas(patient, canvas, build_lungs(patient, canvas)).max() == 0
