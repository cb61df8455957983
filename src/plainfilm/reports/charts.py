"""Curves with their bands as the geometry of an SVG: axes, lines and areas, for a template to draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from plainfilm.audit.curves import Curve
from plainfilm.metrics.baselines import CENTRE
from plainfilm.reports.wording import MINUS

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 42
"""Margins of the plotting area, in the units of the view box."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Of Okabe and Ito (2008), which colour-blind readers tell apart; dashes tell the methods beyond these."""

GREY = "#7d8287"

DASHES = ("none", "6 3", "2 2.5", "8 3 2 3")


@dataclass(frozen=True)
class Style:
    """How a method is drawn, the same in every chart."""

    colour: str
    dash: str


@dataclass(frozen=True)
class Line:
    """A curve as data of SVG paths; ``band`` is "" where no interval has limits."""

    method: str
    path: str
    band: str


@dataclass(frozen=True)
class Tick:
    """A mark of an axis at a place in the view box."""

    place: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Several curves over common axes.

    Attributes:
        title: What is drawn.
        across: What the horizontal axis measures, with its unit.
        upwards: Likewise of the vertical one.
        lines: Baselines first, so that methods lie over them.
        columns: Marks of the horizontal axis.
        rows: Marks of the vertical axis.
        zero: Where the vertical axis is 0; None where that is an end or outside.
    """

    title: str
    across: str
    upwards: str
    lines: tuple[Line, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    zero: float | None


def styles(methods: Sequence[str], baselines: Sequence[str]) -> dict[str, Style]:
    """Colour and dash of each method; baselines are grey."""
    own = [name for name in methods if name not in baselines]
    found = {
        name: Style(COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS) % len(DASHES)])
        for k, name in enumerate(own)
    }
    return found | {name: Style(GREY, DASHES[0] if name == CENTRE else DASHES[2]) for name in baselines}


def chart(curves: Sequence[Curve], title: str, across: str, upwards: str, logarithmic: bool = False) -> Chart:
    """The chart of curves over shares, which it prints in per cent.

    Args:
        curves: One or more.
        title: Above it.
        across: Of the horizontal axis.
        upwards: Of the vertical axis.
        logarithmic: Whether the horizontal axis is, and has a mark at each point.
    """
    ends = [end for curve in curves for v in curve.values for end in (v.value, v.low, v.high) if end == end]
    levels = marks(min(0.0, *ends), max(ends))
    low, high = levels[0], levels[-1]
    shares = [share for curve in curves for share in curve.shares]
    scaled: Callable[[float], float] = log10 if logarithmic else float
    first, last = scaled(min(shares)) if logarithmic else 0.0, scaled(max(shares))

    def x(share: float) -> float:
        return LEFT + (scaled(share) - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    across_marks = sorted(set(shares)) if logarithmic else marks(0, max(shares))
    columns = tuple(Tick(x(share), f"{100 * share:.3g}") for share in across_marks if share <= max(shares))
    lines = [_line(curve, x, y) for curve in sorted(curves, key=lambda curve: not curve.is_baseline)]
    rows = tuple(Tick(y(level), _label(level, levels[1] - levels[0])) for level in levels)
    return Chart(title, across, upwards, tuple(lines), columns, rows, y(0) if low < 0 < high else None)


def marks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, in steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low or 1.0) / about
    power = 10.0 ** floor(log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def _line(curve: Curve, x: Callable[[float], float], y: Callable[[float], float]) -> Line:
    points = list(zip(map(x, curve.shares), curve.values, strict=True))
    path = "M" + "L".join(f"{place:.1f} {y(value.value):.1f}" for place, value in points)
    known = [(place, value) for place, value in points if value.status == "ok"]
    there = [f"{place:.1f} {y(value.high):.1f}" for place, value in known]
    back = [f"{place:.1f} {y(value.low):.1f}" for place, value in reversed(known)]
    return Line(curve.method, path, f"M{'L'.join(there + back)}Z" if len(known) > 1 else "")


def _label(level: float, step: float) -> str:
    digits = max(0, -floor(log10(step) + 1e-9))
    return f"{level:.{digits}f}".replace("-", MINUS)
