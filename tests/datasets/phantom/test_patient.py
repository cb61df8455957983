from __future__ import annotations

import dataclasses

import numpy as np

from plainfilm.datasets.phantom.patient import draw_patient


def test_a_patient_is_a_function_of_seed_and_index_alone() -> None:
    np.random.default_rng(0).random(5)
    first = draw_patient(4, 17)
    draw_patient(4, 18)
    assert draw_patient(4, 17) == first
    assert draw_patient(4, 18) != first
    assert draw_patient(5, 17) != first


def test_a_patient_holds_plain_values_and_can_be_edited() -> None:
    patient = draw_patient(0, 3)
    flat = {**dataclasses.asdict(patient), **dataclasses.asdict(patient.exposure)}
    flat.pop("exposure")
    for value in flat.values():
        assert all(
            type(part) in (bool, int, float, str) for part in (value if type(value) is tuple else (value,))
        )
    assert dataclasses.replace(patient, dome_y=(5.0, 6.0)).dome_y == (5.0, 6.0)


def test_a_population_has_the_stated_shares() -> None:
    people = [draw_patient(1, index) for index in range(600)]
    assert 0.25 < np.mean([who.is_ap for who in people]) < 0.35
    assert 0.4 < np.mean([who.is_female for who in people]) < 0.5
    assert 0.01 < np.mean([who.has_sternotomy for who in people]) < 0.1
    assert 0.15 < np.mean([abs(who.scoliosis) > 0.5 for who in people]) < 0.3
    assert all(who.breast == 0 for who in people if not who.is_female)


def test_only_the_old_have_spurs_and_a_calcified_knob() -> None:
    people = [draw_patient(2, index) for index in range(400)]
    assert all(who.osteophytes == 0 for who in people if who.age < 0.45)
    assert all(who.aortic_calcium == 0 for who in people if who.age < 0.55)
    assert any(who.aortic_calcium > 0.1 for who in people)
