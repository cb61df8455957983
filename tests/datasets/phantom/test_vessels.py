from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.patient import draw_patient
from plainfilm.datasets.phantom.vessels import Branches, _grow, draw_vessels


def test_a_fork_keeps_the_sum_of_cubed_radii() -> None:
    stem = Branches(np.full(500, 5.0), np.zeros(500), np.zeros(500), np.full(500, 0.5))
    _, forks = _grow(np.random.default_rng(0), stem, 1.0, 5.0)
    assert len(forks.radius) == 1000
    cubes = (forks.radius[:500] / 0.97) ** 3 + (forks.radius[500:] / 0.97) ** 3
    np.testing.assert_allclose(cubes, 0.5**3)


def test_points_carry_the_volume_of_their_branch() -> None:
    stem = Branches(np.array([5.0]), np.zeros(1), np.zeros(1), np.array([0.4]))
    (x, _, radius, mass), _ = _grow(np.random.default_rng(0), stem, 1.0, 50.0)
    length = (x.max() - x.min()) * len(x) / (len(x) - 1)
    assert mass.sum() == pytest.approx(np.pi * np.mean(radius**2) * length, rel=0.05)


def test_vessels_are_the_same_at_two_sizes() -> None:
    patient = draw_patient(0, 3)
    small, large = (draw_vessels(patient, Canvas.of(patient, size)) for size in (150, 300))
    pooled = large.reshape(150, 2, 150, 2).mean((1, 3))
    assert np.corrcoef(small.ravel(), pooled.ravel())[0, 1] > 0.9


def test_another_seed_gives_other_vessels_and_calibre_more_mass() -> None:
    patient = draw_patient(0, 3)
    canvas = Canvas.of(patient, 128)
    vessels = draw_vessels(patient, canvas)
    assert not np.allclose(vessels, draw_vessels(replace(patient, vessel_seed=1), canvas))
    assert draw_vessels(replace(patient, vessel_scale=1.6), canvas).sum() > 1.3 * vessels.sum()
