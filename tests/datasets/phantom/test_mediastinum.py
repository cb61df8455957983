from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.mediastinum import draw_airways, draw_great_vessels, draw_heart
from plainfilm.datasets.phantom.patient import Patient, draw_patient


def widest(patient: Patient, width: float) -> float:
    canvas = Canvas((300, 400), 10.0, (0.0, 2.0))
    return float(((draw_heart(patient, canvas, width) > 0.3).sum(1) / 10.0).max())


@pytest.mark.parametrize("index", range(5))
def test_the_heart_is_as_wide_as_asked(index: int) -> None:
    patient = draw_patient(0, index)
    for width in (11.0, 15.0):
        assert widest(patient, width) == pytest.approx(width, rel=0.08)


def test_more_of_the_heart_lies_left_of_the_midline() -> None:
    patient = draw_patient(0, 1)
    canvas = Canvas((200, 200), 6.0, (patient.rotation_shift, 5.0))
    heart = draw_heart(patient, canvas, 12.5)
    assert heart[:, 100:].sum() > 1.2 * heart[:, :100].sum()


def test_the_aortic_knob_stands_left_at_its_place() -> None:
    patient = draw_patient(0, 1)
    canvas = Canvas.of(patient, 200)
    _, y, radius = patient.aortic_knob
    vessels = draw_great_vessels(patient, canvas)
    row, column = np.unravel_index(vessels.argmax(), vessels.shape)
    assert abs(canvas.y[row, column] - y) < 1.5 * radius
    assert canvas.x[row, column] > 0


def test_the_trachea_divides_at_the_carina() -> None:
    patient = draw_patient(0, 2)
    canvas = Canvas((300, 200), 8.0, (0.0, -5.0))
    air = draw_airways(patient, canvas) > 0.5
    _, y = patient.carina
    above, below = (air[np.argmin(np.abs(canvas.y[:, 0] - level))] for level in (y - 3, y + 2))
    assert np.abs(np.diff(above.astype(int))).sum() == 2
    assert np.abs(np.diff(below.astype(int))).sum() == 4
