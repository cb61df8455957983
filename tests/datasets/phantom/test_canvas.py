from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainfilm.datasets.phantom.canvas import (
    RULER,
    Canvas,
    capsule,
    line,
    smoothstep,
    spline,
    tabulated,
    tube,
)
from plainfilm.datasets.phantom.patient import draw_patient


def test_smoothstep_rises_from_nought_to_one_between_its_widths() -> None:
    distance = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    assert smoothstep(distance, 0.5) == pytest.approx([0, 0, 0.5, 1, 1])


@settings(max_examples=20, deadline=None)
@given(st.floats(-15, 15), st.floats(-15, 15), st.integers(0, 20))
def test_to_pixel_undoes_the_coordinates_of_the_grid(x: float, y: float, index: int) -> None:
    canvas = Canvas.of(draw_patient(0, index), 300)
    column, row = (round(float(at)) for at in canvas.to_pixel(np.array(x), np.array(y)))
    if 0 <= column < 300 and 0 <= row < 300:
        half_pixel = 0.75 / canvas.pixels_per_cm
        assert abs(canvas.x[row, column] - x) < half_pixel
        assert abs(canvas.y[row, column] - y) < half_pixel


def test_a_film_canvas_has_its_origin_where_it_was_put() -> None:
    canvas = Canvas.on_film((80, 120), 5.0, (50, 30))
    assert canvas.x[30, 50] == pytest.approx(0, abs=1e-5)
    assert canvas.y[30, 50] == pytest.approx(0, abs=1e-5)
    assert canvas.x[30, 60] == pytest.approx(2, abs=1e-5)


def test_splat_keeps_the_mass_of_points_inside_and_drops_those_outside() -> None:
    canvas = Canvas((60, 90), 4.0)
    x, y, mass = np.array([1.3, -2.2, 500.0]), np.array([0.4, 3.1, 0.0]), np.array([2.0, 3.0, 7.0])
    assert canvas.splat(x, y, mass).sum() / 4.0**2 == pytest.approx(5)


def test_splat_puts_the_centre_of_mass_where_the_point_is() -> None:
    canvas = Canvas((60, 60), 4.0)
    image = canvas.splat(np.array([1.37]), np.array([-2.21]), np.array([1.0]))
    assert (image * canvas.x).sum() / image.sum() == pytest.approx(1.37, abs=1e-4)
    assert (image * canvas.y).sum() / image.sum() == pytest.approx(-2.21, abs=1e-4)


def test_a_spline_passes_through_its_points_with_unit_tangents() -> None:
    points = [(0, 0), (2, 1), (3, 4), (6, 4)]
    position, tangent, length = spline(points, 2001)
    for point in points:
        assert np.hypot(*(position - point).T).min() < 5e-3
    assert np.hypot(*tangent.T) == pytest.approx(1, abs=1e-5)
    assert length == pytest.approx(sum(np.hypot(*np.diff(points, axis=0).T)))


def test_a_solid_tube_has_the_volume_of_a_cylinder() -> None:
    _, _, mass = tube([(0, 0), (4, 0)], 0.5, 20, core=0, across=200)
    samples = int(4 * 20 * 1.4)
    assert mass.sum() == pytest.approx(np.pi * 0.5**2 * 4 * samples / (samples - 1), rel=2e-3)


def test_a_line_is_antialiased_alike_at_two_sizes() -> None:
    small, large = (line(Canvas((n, n), n / 20), [(-4, -3), (0, 1), (5, 2)], 0.3, 2.0) for n in (100, 200))
    pooled = large.reshape(100, 2, 100, 2).mean((1, 3))
    assert pooled.sum() == pytest.approx(small.sum(), rel=0.05)
    assert np.abs(pooled - small).max() < 0.25 * small.max()


def test_a_capsule_has_the_chord_of_its_cylinder_in_the_middle() -> None:
    canvas = Canvas((41, 41), 10.0)
    thickness = capsule(canvas.x, canvas.y, (0, -5), (0, 5), (1.0, 1.0))
    expected = 2 * np.sqrt(np.maximum(1 - canvas.x**2, 0))
    np.testing.assert_allclose(thickness, expected, atol=2e-3)


def test_tables_agree_with_the_functions_they_hold() -> None:
    share = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    np.testing.assert_allclose(tabulated(lambda u: u**0.6, share), share**0.6, atol=0.01)
    canvas = Canvas((50, 50), 3.0)
    np.testing.assert_allclose(canvas.by_height(RULER, 2 * RULER), canvas.y * (1 + canvas.side), atol=0.03)
