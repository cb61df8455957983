from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom import DEVICES
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.devices import FAINTEST_DEVICE
from plainfilm.datasets.phantom.patient import draw_patient


def draw(name: str, index: int, side: int, size: int = 128) -> tuple[Canvas, np.ndarray]:
    patient = draw_patient(0, index)
    canvas = Canvas.of(patient, size)
    return canvas, DEVICES[name](patient, canvas, np.random.default_rng(index), side)


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_adds_a_little_metal_and_takes_nothing(name: str) -> None:
    for index in range(5):
        _, change = draw(name, index, index % 2)
        assert change.min() >= 0
        assert change.max() > 0.2
        assert 0.001 < (change > FAINTEST_DEVICE).mean() < 0.08


@pytest.mark.parametrize("name", ["chest tube", "pacemaker"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_one_sided_device_lies_on_its_side(name: str, side: int) -> None:
    for index in range(5):
        canvas, change = draw(name, index, side)
        on_its_side = change[(canvas.x > 0) == bool(side)].sum()
        assert on_its_side > 0.7 * change.sum()


def test_the_tip_of_an_et_tube_lies_above_the_carina() -> None:
    for index in range(8):
        canvas, change = draw("ET tube", index, 0)
        lowest = canvas.y[change > FAINTEST_DEVICE].max()
        above = draw_patient(0, index).carina[1] - lowest
        assert 0.5 < above < 6


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_is_the_same_at_every_size(name: str) -> None:
    _, small = draw(name, 4, 1, size=96)
    _, large = draw(name, 4, 1, size=192)
    halved = large.reshape(96, 2, 96, 2).mean((1, 3))
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.9
    assert small.sum() == pytest.approx(halved.sum(), rel=0.1)
