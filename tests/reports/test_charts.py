from __future__ import annotations

import re
from collections.abc import Sequence
from math import log, nan

import pytest

from plainfilm.audit.curves import Curve
from plainfilm.metrics.baselines import BASELINES, CENTRE, RANDOM
from plainfilm.metrics.intervals import Interval
from plainfilm.reports.charts import (
    BOTTOM,
    COLOURS,
    GREY,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    chart,
    marks,
    styles,
)

SHARES = (0.1, 0.2, 0.5)


def curve(method: str, *values: float, half: float = 0.05, shares: Sequence[float] = SHARES) -> Curve:
    return Curve(method, tuple(shares), tuple(Interval(v, v - half, v + half, 30) for v in values))


def drawn(*curves: Curve, logarithmic: bool = False) -> Chart:
    return chart(curves, "Deletion", "pixels, %", "probability", logarithmic)


def numbers(path: str) -> list[tuple[float, float]]:
    """The points of a path."""
    pairs = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)
    return [(float(x), float(y)) for x, y in pairs]


def value_at(drawing: Chart, y: float) -> float:
    """What a height means by the marks of the vertical axis."""
    low, high = drawing.rows[0], drawing.rows[-1]
    bottom, top = (float(tick.label.replace("\u2212", "-")) for tick in (low, high))
    return bottom + (low.place - y) / (low.place - high.place) * (top - bottom)


def test_a_line_lies_where_the_marks_of_its_axes_say() -> None:
    found = drawn(curve("iba", 0.62, 0.41, 0.18))
    points = numbers(found.lines[0].path)
    assert [value_at(found, y) for _, y in points] == pytest.approx([0.62, 0.41, 0.18], abs=0.002)
    place = {float(tick.label): tick.place for tick in found.columns}
    assert [x for x, _ in points] == pytest.approx([place[100 * share] for share in SHARES], abs=0.1)


def test_a_band_goes_along_the_upper_limits_and_back_along_the_lower() -> None:
    found = drawn(curve("iba", 0.6, 0.4, 0.2))
    ends = [value_at(found, y) for _, y in numbers(found.lines[0].band)]
    assert ends == pytest.approx([0.65, 0.45, 0.25, 0.15, 0.35, 0.55], abs=0.002)
    assert found.lines[0].band.endswith("Z")


def test_without_limits_there_is_a_line_and_no_band() -> None:
    values = tuple(Interval(v, nan, nan, 1) for v in (0.6, 0.4, 0.2))
    (line,) = drawn(Curve("iba", SHARES, values)).lines
    assert len(numbers(line.path)) == 3
    assert line.band == ""
    assert "nan" not in line.path


def test_nothing_lies_outside_the_area_of_the_plot() -> None:
    found = drawn(curve("iba", -0.31, 0.4, 1.02), curve(CENTRE, 0.1, 0.2, 0.3))
    for line in found.lines:
        for x, y in numbers(line.path) + numbers(line.band):
            assert LEFT <= x <= WIDTH - RIGHT
            assert TOP <= y <= HEIGHT - BOTTOM
    assert [tick.place for tick in found.rows] == sorted((t.place for t in found.rows), reverse=True)


def test_zero_is_marked_where_values_lie_on_both_sides_of_it() -> None:
    found = drawn(curve("iba", -0.3, 0.1, 0.4))
    assert found.zero is not None
    assert value_at(found, found.zero) == pytest.approx(0, abs=1e-6)
    assert drawn(curve("iba", 0.3, 0.1, 0.4)).zero is None


def test_a_logarithmic_axis_has_a_mark_at_every_point() -> None:
    shares = (4 / 196, 20 / 196, 80 / 196)
    found = drawn(curve("iba", 0.1, 0.2, 0.3, shares=shares), logarithmic=True)
    assert [tick.label for tick in found.columns] == ["2.04", "10.2", "40.8"]
    places = [tick.place for tick in found.columns]
    assert (places[1] - places[0]) / (places[2] - places[0]) == pytest.approx(log(5) / log(20))
    assert [x for x, _ in numbers(found.lines[0].path)] == pytest.approx(places, abs=0.1)


def test_methods_are_drawn_over_the_baselines() -> None:
    found = drawn(curve("iba", 0.6, 0.4, 0.2), curve(CENTRE, 0.5, 0.5, 0.5), curve(RANDOM, 0.5, 0.5, 0.5))
    assert [line.method for line in found.lines] == [CENTRE, RANDOM, "iba"]


def test_baselines_are_grey_and_no_two_methods_look_alike() -> None:
    names = [f"method-{k}" for k in range(14)]
    found = styles([*names, *BASELINES], BASELINES)
    assert {found[name].colour for name in BASELINES} == {GREY}
    assert len(set(found.values())) == len(names) + len(BASELINES)
    assert [found[name].colour for name in names[:6]] == list(COLOURS)
    assert GREY not in {found[name].colour for name in names}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.13, 0.31, [-0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4]),
        (0, 0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (0, 0.043, [0, 0.01, 0.02, 0.03, 0.04, 0.05]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_marks_are_round_and_hold_the_range(low: float, high: float, expected: list[float]) -> None:
    found = marks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    if low < high:
        assert found == pytest.approx(expected)
    else:
        assert found[0] < found[-1]
