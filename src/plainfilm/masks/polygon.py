"""Masks from polygons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from plainfilm.radiograph import Size


def polygon_mask(size: Size, polygons: Sequence[Sequence[Sequence[float]]]) -> np.ndarray:
    """The union of polygons, each a ring of (x, y) in pixels: bool ``(H, W)``."""
    image = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(image)
    for ring in polygons:
        draw.polygon([tuple(point) for point in ring], outline=1, fill=1)
    return np.asarray(image)
