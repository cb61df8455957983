from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.phantom.anatomy import base_attenuation, build_anatomy
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.findings import (
    RECIPES,
    draw_change,
    edit_geometry,
    finding_mask,
    finding_rng,
)
from plainfilm.datasets.phantom.patient import draw_patient
from plainfilm.datasets.phantom.scene import Scene
from plainfilm.findings import NIH

SIZE = 112
PATIENTS = 6


def scene_of(index: int, names: tuple[str, ...] = ()) -> Scene:
    patient = edit_geometry(draw_patient(0, index), names, 0, index)
    canvas = Canvas.of(patient, SIZE)
    anatomy = build_anatomy(patient, canvas)
    _, lung, aeration = base_attenuation(patient, canvas, anatomy)
    return Scene(patient, canvas, anatomy, lung, aeration)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene_of(index) for index in range(PATIENTS)]


def test_every_nih_finding_has_a_recipe() -> None:
    assert tuple(RECIPES) == NIH


@pytest.mark.parametrize("name", NIH)
def test_a_change_repeats_itself_and_differs_between_patients(name: str, scenes: list[Scene]) -> None:
    first, again = (draw_change(scenes[0], name, finding_rng(0, 0, name)) for _ in range(2))
    other = draw_change(scenes[0], name, finding_rng(0, 1, name))
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", NIH)
def test_a_change_is_strong_enough_to_be_seen_and_its_mask_holds_most_of_it(
    name: str, scenes: list[Scene]
) -> None:
    for index, scene in enumerate(scenes):
        change = np.abs(draw_change(scene, name, finding_rng(0, index, name)))
        mask = finding_mask(change, scene.canvas, name)
        assert np.percentile(change[mask], 95) > 0.08
        # Much of an effusion lies thinly behind the dome, where the film is white anyway.
        assert change[mask].sum() > (0.45 if name == "Effusion" else 0.65) * change.sum()
        assert mask.mean() < 0.45


@pytest.mark.parametrize("name", ["Consolidation", "Effusion", "Mass", "Nodule", "Edema", "Atelectasis"])
def test_an_opacity_never_replaces_more_lung_than_there_is(name: str, scenes: list[Scene]) -> None:
    for index, scene in enumerate(scenes):
        change = draw_change(scene, name, finding_rng(0, index, name))
        # .152 per cm of lung; behind the dome an effusion also lies where there is no lung.
        # Two nodules may overlap.
        above = scene.canvas.y < scene.anatomy.diaphragm
        limit = 0.152 * 0.95 * scene.lung * (2 if name == "Nodule" else 1)
        assert (change - limit)[above].max() < 1e-3


@pytest.mark.parametrize("name", ["Mass", "Effusion", "Pneumothorax", "Nodule"])
def test_a_mask_without_smoothing_is_the_two_thresholds(name: str, scenes: list[Scene]) -> None:
    change = draw_change(scenes[2], name, finding_rng(0, 2, name))
    touched = sorted(abs(value) for value in change.ravel().tolist() if abs(value) > 0.01)
    at = 0.98 * (len(touched) - 1)
    low, high = touched[int(at)], touched[min(int(at) + 1, len(touched) - 1)]
    percentile = low + (at - int(at)) * (high - low)
    threshold = max(0.03, 0.2 * percentile)
    expected = np.array([[abs(value) > threshold for value in row] for row in change.tolist()])
    assert np.array_equal(finding_mask(change, scenes[2].canvas, name), expected)


def test_no_change_has_an_empty_mask(scenes: list[Scene]) -> None:
    assert not finding_mask(np.zeros((SIZE, SIZE), np.float32), scenes[0].canvas, "Mass").any()


def test_the_heart_is_outlined_whole_without_spikes() -> None:
    phantom = Phantom(8, size=SIZE)
    for index in range(8):
        study = phantom.study(index, findings=["Cardiomegaly"], devices=[])
        heart, rim = study.masks["Cardiomegaly"], study.causes["Cardiomegaly"]
        assert ndimage.label(heart)[1] == 1
        opened = ndimage.binary_opening(heart, ndimage.generate_binary_structure(2, 1), iterations=2)
        assert opened.sum() > 0.97 * heart.sum()
        assert rim.sum() < heart.sum()
        assert rim.any()


def test_a_large_heart_is_larger_than_the_patients_own() -> None:
    for index in range(12):
        scene = scene_of(index)
        change = draw_change(scene, "Cardiomegaly", finding_rng(0, index, "Cardiomegaly"))
        assert change.min() > -0.05
        assert change.max() > 0.15
        assert change[change > 0].sum() > 20 * -change[change < 0].sum()


def test_a_hernia_has_no_hole_where_its_gas_begins() -> None:
    phantom = Phantom(10, size=SIZE)
    for index in range(10):
        mask = phantom.study(index, findings=["Hernia"], devices=[]).masks["Hernia"]
        assert np.array_equal(ndimage.binary_fill_holes(mask), mask)
        assert ndimage.label(mask)[1] == 1


def test_an_effusion_is_outlined_above_the_diaphragm_and_caused_below_it_too() -> None:
    phantom = Phantom(10, size=SIZE)
    for index in range(10):
        study = phantom.study(index, findings=["Effusion"], devices=[])
        mask, cause = study.masks["Effusion"], study.causes["Effusion"]
        assert mask.any()
        assert (mask & cause).sum() > 0.9 * mask.sum()


def test_the_pleural_line_has_no_cusp_at_the_apex(scenes: list[Scene]) -> None:
    # The line lies at a fixed distance from the wall; were the medial side a wall too,
    # the distance would fall again towards the midline and the line come to a point.
    for scene in scenes:
        x, y = scene.canvas.x, scene.canvas.y
        for side in (0, 1):
            level = np.abs(y - scene.patient.apex_y[side] - 1.5) < 0.3
            at_apex = level & (np.abs(np.abs(x) - scene.patient.apex_x) < 0.3) & scene.half(side)
            medial = level & (np.abs(np.abs(x) - scene.patient.apex_x + 2) < 0.3) & scene.half(side)
            if at_apex.any():
                distance = scene.anatomy.wall_distance
                assert distance[medial].mean() > distance[at_apex].mean() - 0.15


def test_only_some_findings_edit_the_patient() -> None:
    patient = draw_patient(0, 3)
    editing = {name for name in NIH if edit_geometry(patient, [name], 0, 3) != patient}
    assert editing == {"Atelectasis", "Edema", "Emphysema", "Fibrosis"}
