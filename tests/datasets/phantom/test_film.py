from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plainfilm.datasets.phantom.anatomy import base_attenuation, build_anatomy
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.film import expose
from plainfilm.datasets.phantom.patient import Patient, draw_patient


def film_of(patient: Patient, size: int = 128) -> np.ndarray:
    canvas = Canvas.of(patient, size)
    anatomy = build_anatomy(patient, canvas)
    attenuation, _, _ = base_attenuation(patient, canvas, anatomy)
    return expose(patient, canvas, attenuation, anatomy.body)


@pytest.mark.parametrize("size", [64, 97, 224])
def test_pixels_are_finite_and_lie_between_nought_and_one(size: int) -> None:
    film = film_of(draw_patient(0, 2), size)
    assert film.shape == (size, size)
    assert film.dtype == np.float32
    assert np.isfinite(film).all()
    assert film.min() >= 0
    assert film.max() <= 1


def test_a_film_is_a_function_of_seed_and_index_alone() -> None:
    first = film_of(draw_patient(7, 11))
    film_of(draw_patient(7, 12))
    np.testing.assert_array_equal(first, film_of(draw_patient(7, 11)))


@pytest.mark.parametrize("index", range(6))
def test_lungs_are_darker_than_the_mediastinum(index: int) -> None:
    patient = draw_patient(1, index)
    canvas = Canvas.of(patient, 128)
    anatomy = build_anatomy(patient, canvas)
    film = film_of(patient)
    middle = (np.abs(canvas.x) < 2) & (np.abs(canvas.y - 3) < 4)
    assert np.median(film[anatomy.lung_window > 0.9]) < np.median(film[middle]) - 0.1


def test_a_larger_film_shows_the_same_patient() -> None:
    patient = draw_patient(0, 4)
    small, large = film_of(patient, 112), film_of(patient, 224)
    pooled = large.reshape(112, 2, 112, 2).mean((1, 3))
    assert np.corrcoef(small.ravel(), pooled.ravel())[0, 1] > 0.985


def test_more_attenuation_is_whiter() -> None:
    patient = draw_patient(0, 4)
    canvas = Canvas.of(patient, 96)
    anatomy = build_anatomy(patient, canvas)
    attenuation, _, _ = base_attenuation(patient, canvas, anatomy)
    lump = 0.8 * (np.hypot(canvas.x + 7, canvas.y) < 2)
    gain = expose(patient, canvas, attenuation + lump, anatomy.body) - expose(
        patient, canvas, attenuation, anatomy.body
    )
    assert gain[lump > 0].mean() > 0.05
    assert np.abs(gain[np.hypot(canvas.x - 7, canvas.y) < 2]).mean() < 0.03


def test_a_marker_is_white_and_upright_at_its_corner() -> None:
    patient = draw_patient(0, 4)
    bare = replace(patient, exposure=replace(patient.exposure, marker="", is_portable=False))
    marked = replace(patient, exposure=replace(bare.exposure, marker="L", marker_at=(0.1, 0.1)))
    gain = film_of(marked, 200) - film_of(bare, 200)
    rows, columns = np.nonzero(gain > 0.3)
    assert rows.max() < 60
    assert columns.min() > 150


def test_shutters_cover_the_rim() -> None:
    patient = draw_patient(0, 4)
    shut = replace(
        patient.exposure, collimation=(0.05, 0, 0, 0), collimation_is_dark=True, collimation_angle=0.0
    )
    film = film_of(replace(patient, exposure=shut), 100)
    np.testing.assert_allclose(film[:, :4], 0.02, atol=1e-6)
