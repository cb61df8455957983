from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.lungs import build_lungs, diaphragm, outline_of
from plainfilm.datasets.phantom.patient import draw_patient


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("side", [0, 1])
def test_the_outline_closes_at_the_apex_and_is_widest_where_it_should_be(index: int, side: int) -> None:
    patient = draw_patient(0, index)
    y = np.linspace(patient.apex_y[side], patient.widest_y, 400)
    lateral, medial = outline_of(patient).edges(side, y)
    assert lateral[0] == pytest.approx(patient.apex_x)
    assert medial[0] == pytest.approx(patient.apex_x)
    assert lateral[-1] == pytest.approx(patient.half_width[side])
    assert medial[-1] == pytest.approx(patient.medial[side])
    assert (np.diff(lateral) >= 0).all()
    assert (lateral[1:] > medial[1:]).all()


def test_the_dome_falls_to_the_costophrenic_angle() -> None:
    patient = draw_patient(0, 1)
    lateral = np.full(200, 13.0)
    y = diaphragm(patient, 0, np.linspace(6.5, 13, 200), lateral)
    assert y[-1] - y[0] > 2.5


def test_a_map_of_sides_gives_what_each_side_gives() -> None:
    patient = draw_patient(0, 2)
    distance, lateral = np.linspace(1, 12, 50), np.full(50, 12.5)
    both = diaphragm(patient, np.repeat([0, 1], 25), distance, lateral)
    np.testing.assert_allclose(both[:25], diaphragm(patient, 0, distance, lateral)[:25], rtol=1e-5)
    np.testing.assert_allclose(both[25:], diaphragm(patient, 1, distance, lateral)[25:], rtol=1e-5)


def test_the_lung_window_lies_within_the_outline_and_above_the_domes() -> None:
    patient = draw_patient(0, 5)
    canvas = Canvas.of(patient, 160)
    lungs = build_lungs(patient, canvas)
    inside = lungs.window > 0.5
    assert inside.any()
    distance = np.abs(canvas.x[inside])
    assert (distance < lungs.lateral[inside]).all()
    assert (canvas.y[inside] < lungs.diaphragm[inside]).all()
    assert (canvas.y[inside] > min(patient.apex_y)).all()
    assert lungs.window.max() <= 1
    assert 8 < lungs.cavity.max() < 18
