"""Pictures for reports: films, overlays, outlines and colour bars, small enough to embed."""

from __future__ import annotations

import base64
import io

import contourpy
import numpy as np
from PIL import Image

from plainfilm.attribution.explanation import Explanation
from plainfilm.attribution.picture import overlay
from plainfilm.radiograph import Placement, Size

LONGEST = 448
"""Side to which films are drawn in a report: sharp at twice the size of their column."""

Span = tuple[float, float]


def display_size(film: Size) -> Size:
    """The film's own size, or its shape with the longer side at ``LONGEST``."""
    scale = min(1.0, LONGEST / max(film))
    return max(1, round(film[0] * scale)), max(1, round(film[1] * scale))


def small(pixels: np.ndarray) -> np.ndarray:
    """A film ``(H, W)`` at display size, float32 in [0, 1]."""
    size = pixels.shape[0], pixels.shape[1]
    return np.clip(Placement.resize(size, display_size(size)).sample(pixels), 0, 1)


def small_map(explanation: Explanation) -> np.ndarray:
    """The map of an explanation on the film at display size, float32, in its own unit."""
    placement = explanation.placement
    size = display_size(placement.film)
    down, right = size[0] / placement.film[0], size[1] / placement.film[1]
    top, left, height, width = placement.box
    shrunk = Placement(size, placement.grid, (top * down, left * right, height * down, width * right))
    return shrunk.restore(explanation.map)


def outline(mask: np.ndarray) -> str:
    """The border of a mask ``(H, W)`` as the data of an SVG path, in pixels of the display size."""
    size = mask.shape[0], mask.shape[1]
    height, width = display_size(size)
    parts = []
    for line in contours(mask):
        points = line * (width / size[1], height / size[0])
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(parts)


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """The borders of a mask ``(H, W)`` as closed lines ``(n, 2)`` of (x, y) in film coordinates."""
    # A border of background closes the lines of a mask that touches the film's edge.
    framed = np.pad(mask.astype(np.float32), 1)
    lines = contourpy.contour_generator(z=framed).lines(0.5)
    # Array cell i of the framed mask has its centre at film coordinate i - 0.5.
    return [np.clip(np.asarray(line) - 0.5, 0, (mask.shape[1], mask.shape[0])) for line in lines]


def film_uri(pixels: np.ndarray) -> str:
    """A film ``(H, W)`` in [0, 1] as an embedded image."""
    return grey_uri((pixels * 255 + 0.5).astype(np.uint8))


def grey_uri(greys: np.ndarray) -> str:
    """Grey levels ``(H, W)``, uint8, as an embedded image."""
    return _uri(Image.fromarray(greys))


def overlay_uri(pixels: np.ndarray, values: np.ndarray, span: Span) -> str:
    """A film coloured by a map of the same size, as an embedded image."""
    return _uri(Image.fromarray(overlay(pixels, values, span)))


def bar_stops(span: Span, count: int = 17) -> tuple[str, ...]:
    """Colours from the low to the high end of a scale, as they appear on mid-grey film."""
    values = np.linspace(*span, count, dtype=np.float32)[None]
    colours = overlay(np.full(values.shape, 0.35, dtype=np.float32), values, span)[0]
    return tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in colours)


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=86, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
