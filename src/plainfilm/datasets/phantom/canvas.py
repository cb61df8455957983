"""The film plane in patient centimetres, and the few shapes that are laid on it.

Lengths are cm: x to the right of the image, y downwards, the origin on the midline at
mid-thorax. Maps are thicknesses along the ray, in cm, and attenuation is in natural logs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from plainfilm.datasets.phantom.patient import Patient

SOFT_TISSUE = 0.20  # attenuation per cm
LUNG_DEFICIT = 0.76  # the share of soft tissue's attenuation that aerated lung lacks
BONE = 0.36  # attenuation per cm, beyond the soft tissue it stands in
REPLACED_LUNG = SOFT_TISSUE * LUNG_DEFICIT  # per cm of lung replaced by tissue

RULER = np.linspace(-40, 40, 4097)  # cm; profiles along x or y are tabulated on it

Points = Sequence[tuple[float, float]] | np.ndarray
Masses = tuple[np.ndarray, np.ndarray, np.ndarray]


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a plain float between two bounds."""
    return float(rng.uniform(low, high))


def smoothstep(distance: np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """Rise from 0 to 1 as ``distance`` goes from -width to +width: the only edge here."""
    u = np.clip(distance * (0.5 / width) + 0.5, 0, 1)
    return u * u * (3 - 2 * u)


def tabulated(function: Callable[[np.ndarray], np.ndarray], share: np.ndarray) -> np.ndarray:
    """Apply a costly function to a map of shares in [0, 1] through a table of 4097 values."""
    table = function(np.linspace(0, 1, 4097)).astype(np.float32)
    return table.take((share * 4096 + 0.5).astype(np.intp), mode="clip")


def _on_ruler(position: np.ndarray) -> np.ndarray:
    return np.clip((position - RULER[0]) * (4096 / 80) + 0.5, 0, 4096).astype(np.intp)


@dataclass(frozen=True, eq=False)
class Canvas:
    """A pixel grid laid over the patient, possibly shifted and turned.

    Attributes:
        shape: Rows and columns.
        pixels_per_cm: Scale.
        centre: The point (x, y) in cm under the middle of the grid.
        angle: Rotation of the patient on the film, in radians.
    """

    shape: tuple[int, int]
    pixels_per_cm: float
    centre: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0

    @classmethod
    def of(cls, patient: Patient, size: int) -> Canvas:
        """Return the square grid that this patient's exposure covers."""
        centre = (patient.shift[0], 2.0 - patient.shift[1])
        return cls((size, size), size / patient.field_cm, centre, float(np.deg2rad(patient.rotation_deg)))

    @classmethod
    def on_film(cls, shape: tuple[int, int], pixels_per_cm: float, origin: tuple[float, float]) -> Canvas:
        """Return the grid of an upright film whose pixel ``origin`` (column, row) is (0, 0) cm."""
        height, width = shape
        centre = (
            ((width - 1) / 2 - origin[0]) / pixels_per_cm,
            ((height - 1) / 2 - origin[1]) / pixels_per_cm,
        )
        return cls(shape, pixels_per_cm, centre)

    @property
    def size(self) -> int:
        """The longer side in pixels."""
        return max(self.shape)

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.shape
        across = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / self.pixels_per_cm
        down = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / self.pixels_per_cm
        return across[None, :], down[:, None]

    @cached_property
    def x(self) -> np.ndarray:
        """Centimetres to the right of the midline, float32 ``(H, W)``."""
        across, down = self._axes
        return (np.cos(self.angle) * across - np.sin(self.angle) * down + self.centre[0]).astype(np.float32)

    @cached_property
    def y(self) -> np.ndarray:
        """Centimetres below mid-thorax, float32 ``(H, W)``."""
        across, down = self._axes
        return (np.sin(self.angle) * across + np.cos(self.angle) * down + self.centre[1]).astype(np.float32)

    @cached_property
    def side(self) -> np.ndarray:
        """0 on the patient's right (x <= 0), 1 on the left, int ``(H, W)``."""
        return (self.x > 0).astype(np.intp)

    @cached_property
    def _row(self) -> np.ndarray:
        return _on_ruler(self.y)

    @cached_property
    def _row_of_side(self) -> np.ndarray:
        return self._row + len(RULER) * self.side

    @cached_property
    def _column(self) -> np.ndarray:
        return _on_ruler(self.x)

    def by_height(self, right: np.ndarray, left: np.ndarray | None = None) -> np.ndarray:
        """Look up values given along y on the ``RULER``, for each side its own."""
        if left is None:
            return right.astype(np.float32).take(self._row)
        return np.concatenate([right, left]).astype(np.float32).take(self._row_of_side)

    def by_width(self, values: np.ndarray) -> np.ndarray:
        """Look up values given along x on the ``RULER``."""
        return values.astype(np.float32).take(self._column)

    def by_side(self, pair: tuple[float, float]) -> np.ndarray:
        """Return a map that holds the first value on the right and the second on the left."""
        return np.array(pair, np.float32).take(self.side)

    def to_pixel(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (column, row) of points given in cm."""
        x, y = x - self.centre[0], y - self.centre[1]
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        height, width = self.shape
        column = (cos * x + sin * y) * self.pixels_per_cm + (width - 1) / 2
        row = (cos * y - sin * x) * self.pixels_per_cm + (height - 1) / 2
        return column, row

    def splat(self, x: np.ndarray, y: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """Spread point masses over the grid: volume in cm^3 in, thickness in cm out.

        Each point is shared bilinearly by its four pixels, so that a curve made of points
        is antialiased at every size. Points outside the grid are dropped.
        """
        height, width = self.shape
        column, row = self.to_pixel(np.ravel(x), np.ravel(y))
        inside = (column > 0) & (row > 0) & (column < width - 1) & (row < height - 1)
        column, row = column[inside], row[inside]
        mass = np.ravel(mass)[inside] * self.pixels_per_cm**2
        left, top = column.astype(np.int32), row.astype(np.int32)
        right_share, low_share = mass * (column - left), row - top
        left_share, first = mass - right_share, top * width + left
        index = np.concatenate([first, first + 1, first + width, first + width + 1])
        lower_left, lower_right = left_share * low_share, right_share * low_share
        weight = np.concatenate([left_share - lower_left, right_share - lower_right, lower_left, lower_right])
        total = np.bincount(index, weight, minlength=height * width)
        return total.reshape(height, width).astype(np.float32)

    def blur(self, image: np.ndarray, centimetres: float) -> np.ndarray:
        """Blur by a Gaussian of the given sigma in cm, at least a third of a pixel."""
        return ndimage.gaussian_filter(image, max(0.35, centimetres * self.pixels_per_cm), truncate=3)


def spline(points: Points, samples: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Sample a smooth curve through points: Hermite cubics over chord length.

    Returns:
        Positions ``(samples, 2)``, unit tangents ``(samples, 2)``, and the chord length.
    """
    knots = np.asarray(points, dtype=float)
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(knots, axis=0).T))])
    slope = np.gradient(knots, at, axis=0)
    t = np.linspace(0, at[-1], samples)
    piece = np.clip(np.searchsorted(at, t, side="right") - 1, 0, len(at) - 2)
    span = (at[piece + 1] - at[piece])[:, None]
    u = (t - at[piece])[:, None] / span
    start, end, out, into = knots[piece], knots[piece + 1], slope[piece] * span, slope[piece + 1] * span
    bend, twist = 3 * (end - start) - 2 * out - into, 2 * (start - end) + out + into
    position = start + u * (out + u * (bend + u * twist))
    tangent = out + u * (2 * bend + 3 * u * twist)
    return position, tangent / (np.hypot(*tangent.T)[:, None] + 1e-9), float(at[-1])


def tube(
    points: Points,
    radius: float | Sequence[float] | np.ndarray,
    pixels_per_cm: float,
    hollow: float = 0.7,
    core: float = 0.65,
    across: int | None = None,
) -> Masses:
    """Return points and masses (x, y, cm^3) of a tube along a spline, seen in projection.

    Args:
        points: Control points (x, y) in cm.
        radius: One radius, or radii spread evenly from the first end to the last, cm.
        pixels_per_cm: Scale, which sets how many points are laid.
        hollow: Radius of the core as a share of the tube's.
        core: The share of the core's mass that is missing; 0 makes the tube solid.
        across: Points across the tube; chosen from its width when None.
    """
    length = np.hypot(*np.diff(np.asarray(points, dtype=float), axis=0).T).sum()
    position, tangent, length = spline(points, max(8, int(length * pixels_per_cm * 1.4)))
    radii = np.interp(
        np.linspace(0, 1, len(position)), np.linspace(0, 1, np.size(radius)), np.atleast_1d(radius)
    )
    count = across or max(6, int(3.2 * np.max(radius) * pixels_per_cm))
    v = (np.arange(count) + 0.5) / count * 2 - 1
    shell = np.sqrt(1 - v**2) - core * hollow * np.sqrt(np.clip(1 - (v / hollow) ** 2, 0, 1))
    offset = radii[:, None] * v
    mass = shell * (4 * radii[:, None] ** 2 / count) * (length / (len(position) - 1))
    return position[:, :1] - tangent[:, 1:] * offset, position[:, 1:] + tangent[:, :1] * offset, mass


def line(canvas: Canvas, points: Points, radius: float, amplitude: float) -> np.ndarray:
    """Return the map of a thin solid line or catheter, antialiased, ``amplitude`` per cm of chord."""
    across = max(3, int(3.2 * radius * canvas.pixels_per_cm))
    x, y, mass = tube(points, radius, canvas.pixels_per_cm, core=0.0, across=across)
    return ndimage.gaussian_filter(canvas.splat(x, y, mass), 0.4) * amplitude


def capsule(
    x: np.ndarray,
    y: np.ndarray,
    start: tuple[float, float],
    end: tuple[float, float],
    radii: tuple[float, float],
) -> np.ndarray:
    """Return the chord thickness of a cone with round ends between two points.

    Args:
        x: Map of x in cm; ``|x|`` draws both sides at once.
        y: Map of y in cm.
        start: The first end's centre.
        end: The last end's centre.
        radii: Radius at the first and at the last end.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    x, y = x - start[0], y - start[1]
    along = np.clip((x * dx + y * dy) * (1 / (dx * dx + dy * dy)), 0, 1)
    gap = (x - along * dx) ** 2 + (y - along * dy) ** 2
    return 2 * np.sqrt(np.maximum((radii[0] + (radii[1] - radii[0]) * along) ** 2 - gap, 0))
