from __future__ import annotations

from dataclasses import replace

import numpy as np

from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.patient import draw_patient
from plainfilm.datasets.phantom.surgery import draw_metal

PLAIN = replace(draw_patient(0, 0), has_sternotomy=False, clips=0, aortic_calcium=0.0)


def test_most_people_carry_none() -> None:
    assert draw_metal(PLAIN, Canvas.of(PLAIN, 96)) is None


def test_wires_lie_over_the_sternum() -> None:
    canvas = Canvas.of(PLAIN, 200)
    metal = draw_metal(replace(PLAIN, has_sternotomy=True), canvas)
    assert metal is not None
    assert metal.max() > 0.3
    assert np.abs(canvas.x[metal > 0.05]).max() < 3


def test_calcium_rims_the_aortic_knob() -> None:
    canvas = Canvas.of(PLAIN, 200)
    metal = draw_metal(replace(PLAIN, aortic_calcium=0.3), canvas)
    assert metal is not None
    x, y, radius = PLAIN.aortic_knob
    rim = np.hypot(canvas.x - x, canvas.y - y)[metal > 0.3 * metal.max()]
    assert np.abs(rim - 0.94 * radius).max() < 0.4
