from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.phantom.anatomy import base_attenuation, build_anatomy
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.patient import draw_patient
from plainfilm.datasets.phantom.scene import Scene
from plainfilm.datasets.phantom.zones import severities, zone_masks


@pytest.fixture(scope="module")
def scene() -> Scene:
    patient = draw_patient(0, 1)
    canvas = Canvas.of(patient, 112)
    anatomy = build_anatomy(patient, canvas)
    _, lung, aeration = base_attenuation(patient, canvas, anatomy)
    return Scene(patient, canvas, anatomy, lung, aeration)


def test_zones_are_thirds_of_each_lung_that_do_not_overlap(scene: Scene) -> None:
    zones = zone_masks(scene)
    assert len(zones) == 6
    assert np.sum(zones, axis=0).max() == 1
    covered = np.any(zones, axis=0)
    lungs = scene.anatomy.lung_window > 0.5
    assert covered.sum() > 0.98 * lungs.sum()
    assert not (covered & ~lungs).any()
    centres = [(scene.canvas.x[zone].mean(), scene.canvas.y[zone].mean()) for zone in zones]
    assert all(x < 0 for x, _ in centres[:3])
    assert all(x > 0 for x, _ in centres[3:])
    for first in (0, 3):
        assert centres[first][1] < centres[first + 1][1] < centres[first + 2][1]


@pytest.mark.parametrize(("change", "score"), [(0.0, 0), (0.03, 0), (0.05, 1), (0.1, 2), (0.3, 3)])
def test_the_score_rises_with_the_mean_change(scene: Scene, change: float, score: int) -> None:
    uniform = np.full(scene.lung.shape, change, np.float32)
    assert severities(scene, uniform).tolist() == [score] * 6


def test_one_opaque_zone_leaves_the_others_at_zero(scene: Scene) -> None:
    opacity = np.where(zone_masks(scene)[4], 0.25, 0.0)
    assert severities(scene, opacity).tolist() == [0, 0, 0, 0, 3, 0]


def test_a_small_dense_spot_is_no_zone_disease(scene: Scene) -> None:
    opacity = np.zeros_like(scene.lung)
    inside = np.argwhere(zone_masks(scene)[0])
    spot = inside[: int(0.07 * len(inside))]
    opacity[spot[:, 0], spot[:, 1]] = 1.0
    assert severities(scene, opacity)[0] == 0


def test_only_opacities_are_scored() -> None:
    phantom = Phantom(12, size=96)
    for index in range(6):
        assert phantom.study(index, ["Mass", "Effusion", "Emphysema"], []).zones.tolist() == [0] * 6
    scores = np.array([phantom.study(index, ["Edema"], []).zones for index in range(12)])
    assert set(np.unique(scores)) <= {0, 1, 2, 3}
    assert scores.max() >= 2
