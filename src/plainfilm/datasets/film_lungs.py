"""The lungs of a real film, read from a mask, as the anatomy that findings are drawn in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from plainfilm.datasets.phantom.anatomy import Anatomy
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.patient import Pair, Patient, draw_patient
from plainfilm.masks.lungs import two_lungs

LUNGS_ACROSS = 27.0
"""Width of both lungs in cm, the only scale that a film without spacing offers."""

LUNG_DEPTH = 15.4
"""Depth of a lung from front to back in cm."""


@dataclass(frozen=True, eq=False)
class FilmLungs:
    """The edges of a real film's lungs in cm; the first axis of each array is the side.

    Attributes:
        canvas: The film's grid in cm.
        lateral: Lateral edge by row, distance from the midline, ``(2, H)``.
        medial: Medial edge by row, ``(2, H)``.
        floor: Height of the lungs' lower border by column, ``(W,)``.
        window: Soft lung window, ``(H, W)``.
        apex_y: Height of each apex.
        lowest_y: Height of each lung's lowest point.
    """

    canvas: Canvas
    lateral: np.ndarray
    medial: np.ndarray
    floor: np.ndarray
    window: np.ndarray
    apex_y: Pair
    lowest_y: Pair

    @classmethod
    def of(cls, lungs: np.ndarray, film: str) -> FilmLungs:
        """Reads the edges of a mask of both lungs, bool ``(H, W)``, of the film called ``film``.

        Raises:
            InputError: for a mask without two lungs.
        """
        halves = two_lungs(lungs, film)
        midline = sum(float(np.nonzero(half)[1].mean()) for half in halves) / 2
        rows, columns = np.nonzero(halves[0] | halves[1])
        scale = (columns.max() - columns.min() + 1) / LUNGS_ACROSS
        canvas = Canvas.on_film(lungs.shape, scale, (midline, rows.min() + 13.6 * scale))
        heights = canvas.y[:, 0]
        spans = [np.flatnonzero(half.any(axis=1))[[0, -1]] for half in halves]
        edges = [_edges(np.abs(canvas.x[0]), half, scale) for half in halves]
        lateral, medial = (np.stack([edge[k] for edge in edges]) for k in (0, 1))
        return cls(
            canvas, lateral, medial, _floor(halves, heights, scale),
            canvas.blur((halves[0] | halves[1]).astype(np.float32), 0.12),
            (float(heights[spans[0][0]]), float(heights[spans[1][0]])),
            (float(heights[spans[0][1]]), float(heights[spans[1][1]])),
        )  # fmt: skip

    def edges(self, side: int, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lateral and medial distances from the midline at heights y, as ``LungOutline`` asks."""
        heights = self.canvas.y[:, 0]
        return np.interp(y, heights, self.lateral[side]), np.interp(y, heights, self.medial[side])

    def anatomy(self, pixels: np.ndarray, seed: int) -> Anatomy:
        """Lung maps of the film; what findings do not ask for is left empty."""
        canvas, distance, is_left = self.canvas, np.abs(self.canvas.x), self.canvas.x > 0
        lateral = np.where(is_left, self.lateral[1][:, None], self.lateral[0][:, None]).astype(np.float32)
        medial = np.where(is_left, self.medial[1][:, None], self.medial[0][:, None]).astype(np.float32)
        rise = np.clip((6 - canvas.y) / (6 - min(self.apex_y)), 0, 1)
        across = np.clip(distance / np.maximum(lateral, 0.1), 0, 1)
        depth = LUNG_DEPTH * np.sqrt((1 - rise**2.6) * (1 - across**2.6))
        # The film's own vessels: thin and brighter than their surroundings.
        vessels = canvas.blur(pixels, 0.1) - canvas.blur(pixels, 0.7)
        empty = np.zeros_like(distance)
        return Anatomy(
            canvas=canvas,
            outline=self,
            apex_y=self.apex_y,
            noise_seed=seed,
            lateral=lateral,
            medial=medial,
            diaphragm=np.broadcast_to(self.floor.astype(np.float32), canvas.shape),
            lung_window=self.window,
            midline_distance=distance,
            is_left=is_left,
            cavity=depth * self.window,
            heart=empty,
            heart_width=0.0,
            heart_of_width=lambda width: empty,
            great_vessels=empty,
            hila=empty,
            vessels=np.clip(4 * vessels, 0, 0.5),
            body=empty,
            air=empty,
            bone=empty,
        )

    def patient(self, view: str | None, seed: int) -> Patient:
        """A patient with this film's lungs; the rest is drawn."""
        half_width = float(self.lateral[0].max()), float(self.lateral[1].max())
        right, left = self._dome(0, half_width[0]), self._dome(1, half_width[1])
        return replace(
            draw_patient(seed, 0),
            is_ap=view == "AP",
            size=1.0,
            half_width=half_width,
            apex_y=self.apex_y,
            dome_y=(right, left),
            dome_drop=(max(self.lowest_y[0] - right, 0.5), max(self.lowest_y[1] - left, 0.5)),
            rotation_shift=0.0,
        )

    def _dome(self, side: int, half_width: float) -> float:
        """Height of the lower border about half-way between midline and wall."""
        x = self.canvas.x[0] if side else -self.canvas.x[0]
        return float(self.floor[np.abs(x - 0.52 * half_width) < 1.2].mean())


def _edges(distance: np.ndarray, half: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Largest and smallest distance from the midline by row, ``(H,)`` each."""
    top, bottom = np.flatnonzero(half.any(axis=1))[[0, -1]]
    far = np.where(half, distance, -np.inf).max(axis=1)
    near = np.where(half, distance, np.inf).min(axis=1)
    rows = np.flatnonzero(np.isfinite(near))
    every = np.clip(np.arange(len(half)), top, bottom)
    lateral, medial = np.interp(every, rows, far[rows]), np.interp(every, rows, near[rows])
    # Below the costophrenic angle the wall goes on where it was.
    lateral[bottom:] = lateral[max(0, bottom - int(3 * scale)) : bottom + 1].max()
    return ndimage.gaussian_filter1d(lateral, 0.4 * scale), ndimage.gaussian_filter1d(medial, 0.4 * scale)


def _floor(halves: tuple[np.ndarray, np.ndarray], heights: np.ndarray, scale: float) -> np.ndarray:
    both = halves[0] | halves[1]
    columns = np.flatnonzero(both.any(axis=0))
    lowest = len(heights) - 1 - np.argmax(both[::-1, columns], axis=0)
    floor = np.interp(np.arange(both.shape[1]), columns, heights[lowest])
    return ndimage.gaussian_filter1d(floor, 0.3 * scale)
