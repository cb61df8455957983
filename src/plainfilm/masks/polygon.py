"""Masks from polygons, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_mask, check_size
from plainfilm.radiograph import Size

Ring = Sequence[Sequence[float]]

FARTHEST = 1e6
"""Pixels from the film's corner beyond which a coordinate is a mistake."""

JUST_INSIDE = 0.999
"""Level at which a mask is contoured: corners fall on the centres of its outermost pixels."""


def polygon_mask(size: Size, polygons: Sequence[Ring]) -> np.ndarray:
    """The union of polygons, their outlines included, as CheXlocalize draws them (Saporta et al. 2022).

    A ring of two corners is a line and of one a point; what lies beyond the film is cut off.

    Args:
        size: Height and width in pixels.
        polygons: Rings of (x, y), x to the right; a pixel's centre has whole numbers.

    Returns:
        bool ``(H, W)``.

    Raises:
        InputError: for a size that no film has, and for corners that are not two finite numbers each or lie
            far from any film.
    """
    check_size(size, "polygon_mask")
    image = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(image)
    for ring in map(_corners, polygons):
        if len(ring) == 1:
            draw.point(ring, fill=1)
        elif ring:
            draw.polygon(ring, outline=1, fill=1)
    return np.asarray(image)


def mask_polygons(mask: Any) -> list[list[tuple[float, float]]]:
    """The outline of each region of a mask, as rings of (x, y) that ``polygon_mask`` fills.

    Holes are lost, and a notch one pixel wide that runs aslant.

    Args:
        mask: ``(H, W)``; bool, 0 and 1, or 0 and 255.

    Raises:
        InputError: for another shape or other values.
    """
    import contourpy

    padded = np.pad(as_mask(mask).astype(np.float64), 1)
    lines = contourpy.contour_generator(z=padded).lines(JUST_INSIDE)
    return [[(round(x) - 1.0, round(y) - 1.0) for x, y in line] for line in map(np.asarray, lines)]


def _corners(ring: Ring) -> list[tuple[float, float]]:
    try:
        corners = np.asarray(ring, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("a ring that is not of numbers", "corners (x, y)", "polygon_mask") from error
    if corners.size and corners.shape[1:] != (2,):
        raise InputError(f"a ring of shape {corners.shape}", "corners (x, y)", "polygon_mask")
    if not (np.abs(corners) <= FARTHEST).all():
        worst = corners[~(np.abs(corners) <= FARTHEST)][0]
        raise InputError(f"the coordinate {worst:g}", f"up to {FARTHEST:g} pixels", "polygon_mask")
    return [(x, y) for x, y in corners.tolist()]
