from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom.anatomy import Anatomy, base_attenuation, build_anatomy, lung_thickness
from plainfilm.datasets.phantom.canvas import SOFT_TISSUE, Canvas
from plainfilm.datasets.phantom.patient import Patient, draw_patient


def chest(index: int, size: int = 128) -> tuple[Patient, Canvas, Anatomy]:
    patient = draw_patient(0, index)
    canvas = Canvas.of(patient, size)
    return patient, canvas, build_anatomy(patient, canvas)


def test_all_maps_are_float32_finite_and_of_one_shape() -> None:
    _, canvas, anatomy = chest(0)
    maps = [value for value in vars(anatomy).values() if isinstance(value, np.ndarray)]
    assert len(maps) == 14
    for value in maps:
        assert value.shape == canvas.shape
        assert value.dtype in (np.float32, np.bool_)
        assert np.isfinite(value).all()


def test_tissue_displaces_air() -> None:
    _, _, anatomy = chest(1)
    normal, large = lung_thickness(anatomy), lung_thickness(anatomy, anatomy.heart_of_width(17.0))
    assert normal.min() >= 0
    assert (normal <= anatomy.cavity).all()
    assert large.sum() < 0.97 * normal.sum()


@pytest.mark.parametrize("index", range(4))
def test_attenuation_is_what_the_thicknesses_say(index: int) -> None:
    patient, canvas, anatomy = chest(index)
    attenuation, lung, aeration = base_attenuation(patient, canvas, anatomy)
    plain = SOFT_TISSUE * (anatomy.body - 0.76 * lung - anatomy.air + 0.76 * anatomy.vessels * aeration)
    expected = np.maximum(plain + 0.36 * anatomy.bone, 0)
    assert np.abs(attenuation - expected).mean() < 0.05
    assert attenuation.min() >= 0


@pytest.mark.parametrize("index", range(4))
def test_lungs_let_more_through_than_the_mediastinum(index: int) -> None:
    patient, canvas, anatomy = chest(index)
    attenuation, _, _ = base_attenuation(patient, canvas, anatomy)
    middle = (anatomy.midline_distance < 2) & (np.abs(canvas.y - 3) < 4)
    assert np.median(attenuation[anatomy.lung_window > 0.9]) < np.median(attenuation[middle]) - 0.7


@pytest.mark.parametrize("index", range(3))
def test_the_same_chest_is_drawn_at_two_sizes(index: int) -> None:
    patient = draw_patient(0, index)
    maps = []
    for size in (112, 224):
        canvas = Canvas.of(patient, size)
        maps.append(base_attenuation(patient, canvas, build_anatomy(patient, canvas))[0])
    pooled = maps[1].reshape(112, 2, 112, 2).mean((1, 3))
    assert np.corrcoef(maps[0].ravel(), pooled.ravel())[0, 1] > 0.995


def test_wall_distance_grows_inwards_and_has_no_cusp_at_the_apex() -> None:
    patient, canvas, anatomy = chest(2, 160)
    distance = anatomy.wall_distance
    assert distance[anatomy.midline_distance > anatomy.lateral + 1].max() == 0
    row = np.argmin(np.abs(canvas.y[:, 80] - patient.widest_y))
    inner = anatomy.lateral[row] - anatomy.midline_distance[row]
    level = (inner > 1) & (inner < 4)
    np.testing.assert_allclose(distance[row, level], inner[level], atol=0.6)
    # Medial to the apex nothing turns the lines of equal distance back down.
    near = (canvas.x[0] > 0.5 - patient.apex_x) & (canvas.x[0] < -0.5)
    top = np.argmin(np.abs(canvas.y[:, 80] - patient.apex_y[0] - 2.0))
    assert np.ptp(distance[top, near]) < 1.2


def test_textures_are_made_once_and_depend_on_the_patient_alone() -> None:
    _, _, first = chest(3, 64)
    _, _, second = chest(3, 64)
    assert first.textures is first.textures
    for one, other in zip(first.textures, second.textures, strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.ridges.std() == pytest.approx(1, abs=1e-3)
