"""Drawing a map over its film, with a colour bar in the map's own unit."""

from __future__ import annotations

import warnings
from typing import IO, TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from plainfilm.radiograph import Placement

if TYPE_CHECKING:
    from plainfilm.attribution.explanation import Explanation

SIGNED, UNSIGNED = "RdBu_r", "inferno"
OPACITY = 0.65
"""Of the strongest colour; the film stays visible under it."""

LONGEST_TITLE = 60

PANEL, DOTS = 4.2, 160
"""Width of a film in inches, and dots an inch."""


def limits(values: np.ndarray) -> tuple[float, float]:
    """The range that the colours span: symmetric about 0 where a map is signed.

    Single extreme pixels would leave a gradient map blank, so the range ends at the
    99.8th percentile of the magnitude; stronger values take the last colour.
    """
    magnitude = np.abs(values)
    top = float(np.percentile(magnitude, 99.8)) or float(magnitude.max()) or 1.0
    return (-top, top) if values.min() < 0 else (0.0, top)


def overlay(pixels: np.ndarray, values: np.ndarray, span: tuple[float, float] | None = None) -> np.ndarray:
    """Colours a film by a map on its own grid: ``(H, W)`` and ``(H, W)`` to uint8 ``(H, W, 3)``.

    A colour covers the film the more, the further its value is from 0.
    """
    low, high = span or limits(values)
    colours = matplotlib.colormaps[SIGNED if low < 0 else UNSIGNED](Normalize(low, high, clip=True)(values))
    alpha = OPACITY * np.clip(np.abs(values) / high, 0, 1)[..., None] ** 0.7
    blended = (1 - alpha) * pixels[..., None] + alpha * colours[..., :3]
    return (np.clip(blended, 0, 1) * 255 + 0.5).astype(np.uint8)


def grey(pixels: np.ndarray) -> np.ndarray:
    """A film as uint8 ``(H, W, 3)``."""
    return np.repeat((pixels * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)


def save_overlay(file: IO[bytes], explanation: Explanation, kind: str) -> None:
    """Writes film and overlay side by side with a colour bar, as "png", "jpeg" or "webp"."""
    pixels, values = _at_most(round(PANEL * DOTS), explanation)
    tall = PANEL * pixels.shape[0] / pixels.shape[1]
    figure = Figure(figsize=(2 * PANEL + 1.3, tall + 0.5), facecolor="white")
    FigureCanvasAgg(figure)
    of_what = "" if explanation.output == "value" else "p "
    title = f"{explanation.target}  {of_what}= {explanation.probability:.2f}  ·  {explanation.method}"
    _show(_axes(figure, 0.1, 0.1, PANEL, tall), grey(pixels), explanation.film.id)
    _show(_axes(figure, PANEL + 0.2, 0.1, PANEL, tall), overlay(pixels, values), title)
    _colour_bar(_axes(figure, 2 * PANEL + 0.3, 0.1, 0.14, tall), values, explanation.unit)
    with warnings.catch_warnings():
        # An id may hold letters that the font lacks; they are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=kind, dpi=DOTS)


def _at_most(longest: int, explanation: Explanation) -> tuple[np.ndarray, np.ndarray]:
    """Film and map, both shrunk where the film has more pixels than the picture can show."""
    film = explanation.film
    shrink = min(1.0, longest / max(film.size))
    size = max(1, round(film.size[0] * shrink)), max(1, round(film.size[1] * shrink))
    smaller = Placement.resize(film.size, size)
    return np.clip(smaller.sample(film.pixels), 0, 1), smaller.sample(explanation.on_film())


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches: matplotlib's own layouts draw everything twice to find one."""
    wide, tall = figure.get_size_inches()
    return figure.add_axes((left / wide, bottom / tall, width / wide, height / tall))


def _show(axis: Axes, picture: np.ndarray, title: str) -> None:
    axis.imshow(picture, aspect="auto")
    axis.set_axis_off()
    # A file name may hold bytes that are no text, which no font can draw.
    title = title.encode("utf-8", "replace").decode()
    short = title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"
    axis.set_title(short, fontsize=9, parse_math=False)


def _colour_bar(axis: Axes, values: np.ndarray, unit: str) -> None:
    low, high = limits(values)
    axis.imshow(
        np.linspace(low, high, 256)[:, None],
        cmap=SIGNED if low < 0 else UNSIGNED,
        aspect="auto",
        origin="lower",
        extent=(0, 1, low, high),
    )
    axis.set_xticks([])
    axis.yaxis.tick_right()
    axis.yaxis.set_label_position("right")
    axis.set_ylabel(unit, fontsize=8)
    axis.tick_params(labelsize=7)
