"""Drawing a map over its film, with a colour bar in the map's own unit."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from plainfilm.attribution.explanation import Explanation

SIGNED, UNSIGNED = "RdBu_r", "inferno"
OPACITY = 0.65
"""Of the strongest colour; the film stays visible under it."""

LONGEST_TITLE = 60


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
    values = explanation.on_film()
    height, width = values.shape
    figure = Figure(figsize=(9.4, 0.9 + 4.2 * height / width), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, gridspec_kw={"wspace": 0.03})
    _show(axes[0], grey(explanation.film.pixels), explanation.film.id)
    title = f"{explanation.target}  p = {explanation.probability:.2f}  ·  {explanation.method}"
    _show(axes[1], overlay(explanation.film.pixels, values), title)
    _colour_bar(figure, axes, values, explanation.unit)
    figure.savefig(file, format=kind, dpi=130, bbox_inches="tight", pad_inches=0.12)


def _show(axis: Axes, picture: np.ndarray, title: str) -> None:
    axis.imshow(picture)
    axis.set_axis_off()
    axis.set_title(
        title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…",
        fontsize=9,
        parse_math=False,
    )


def _colour_bar(figure: Figure, axes: np.ndarray, values: np.ndarray, unit: str) -> None:
    low, high = limits(values)
    scale = matplotlib.cm.ScalarMappable(Normalize(low, high), SIGNED if low < 0 else UNSIGNED)
    bar = figure.colorbar(scale, ax=list(axes), fraction=0.022, pad=0.015)
    bar.set_label(unit, fontsize=8)
    bar.ax.tick_params(labelsize=7)
