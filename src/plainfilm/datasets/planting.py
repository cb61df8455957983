"""Plants a finding or a device on a real film: a benchmark with exact truth on one's own data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from plainfilm.datasets.phantom.anatomy import Anatomy
from plainfilm.datasets.phantom.canvas import REPLACED_LUNG, Canvas
from plainfilm.datasets.phantom.devices import DEVICES, FAINTEST_DEVICE
from plainfilm.datasets.phantom.findings import RECIPES, draw_change, expert_mask, finding_mask
from plainfilm.datasets.phantom.patient import Patient, draw_patient
from plainfilm.datasets.phantom.scene import Scene, draw_side
from plainfilm.datasets.phantom.zones import severities
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.radiograph import Placement, Radiograph

PLANTABLE = (*(name for name in RECIPES if name != "Cardiomegaly"), *DEVICES)
"""What can be planted: everything but a large heart, which no film has room for."""

LUNGS_ACROSS = 27.0
"""Width of both lungs in cm, the only scale that a film without spacing offers."""

LUNG_DEPTH = 15.4
"""Depth of a lung from front to back in cm."""

LUNG_TO_MEDIASTINUM = 1.7
"""Log attenuation between lung and mediastinum, which turns attenuation into grey levels."""

SHOULDER = 0.86
"""Grey level above which the film saturates."""

LEAST_LUNG = 0.02
"""Share of the film that each lung must cover."""


def plant(
    radiograph: Radiograph, lungs: np.ndarray, finding: str, seed: int = 0, size: int | None = None
) -> Study:
    """Plants one finding or device on a film, leaving the rest of it as it was.

    The film's own scale of grey is taken from its lungs and mediastinum. No ray is given
    more tissue than the air that it has left to fill, so that an effusion behind the
    heart does not shine.

    Args:
        radiograph: A film without the finding.
        lungs: bool ``(H, W)``, both lungs, as far as the diaphragm and behind the heart or not.
        finding: A name from ``PLANTABLE``.
        seed: Seed of side, place, extent and strength.
        size: Side in pixels of a square onto which the film is letterboxed first.

    Returns:
        A study with the changed film, and the exact mask under the finding's name
        ("Support Devices" for a device).

    Raises:
        InputError: for an unknown name, a mask of another shape, or a mask without two lungs.
    """
    if finding not in PLANTABLE:
        raise InputError(f"finding {finding!r}", f"one of {', '.join(PLANTABLE)}", "plant")
    if lungs.shape != radiograph.size:
        raise InputError(f"a lung mask of shape {lungs.shape}", f"shape {radiograph.size}", radiograph.id)
    if size is not None:
        radiograph, lungs = _resized(radiograph, lungs, size)
    site = _Site.of(radiograph, lungs.astype(bool), seed)
    rng = np.random.default_rng([seed, PLANTABLE.index(finding)])
    if finding in DEVICES:
        change = DEVICES[finding](site.scene.patient, site.scene.canvas, rng, draw_side(rng))
        name, mask, opacity = SUPPORT_DEVICES, np.abs(change) > FAINTEST_DEVICE, np.zeros_like(change)
    else:
        change = draw_change(site.scene, finding, rng)
        changed = finding_mask(change, site.scene.canvas, finding)
        name, mask = finding, expert_mask(site.scene, finding, changed, rng)
        opacity = change if RECIPES[finding].is_opacity else np.zeros_like(change)
    return Study(
        radiograph=replace(radiograph, pixels=site.expose(change), id=f"{radiograph.id}+{finding}"),
        findings={name: 1.0},
        masks={name: mask},
        zones=severities(site.scene, opacity),
        lungs=lungs.astype(bool),
    )


def _resized(radiograph: Radiograph, lungs: np.ndarray, size: int) -> tuple[Radiograph, np.ndarray]:
    placement = Placement.letterbox(radiograph.size, (size, size))
    pixels = np.clip(placement.sample(radiograph.pixels), 0, 1)
    return replace(radiograph, pixels=pixels, spacing=None), placement.sample_mask(lungs)


@dataclass(frozen=True, eq=False)
class _Site:
    """A real film as a scene, with the grey levels that one unit of log attenuation is worth."""

    scene: Scene
    pixels: np.ndarray
    gain: float

    @classmethod
    def of(cls, radiograph: Radiograph, lungs: np.ndarray, seed: int) -> _Site:
        pixels, shape = radiograph.pixels, _LungShape.of(lungs, radiograph.id)
        canvas, anatomy = shape.canvas, shape.anatomy(pixels, seed)
        spine = (np.abs(canvas.x) < 2) & (np.abs(canvas.y) < 8)
        dark = float(np.median(pixels[lungs]))
        gain = float(np.clip((np.median(pixels[spine]) - dark) / LUNG_TO_MEDIASTINUM, 0.06, 0.35))
        headroom = np.percentile(pixels[spine], 60) - canvas.blur(pixels, 0.35)
        lung = np.minimum(anatomy.cavity, np.maximum(headroom, 0) / (gain * REPLACED_LUNG))
        aeration = anatomy.lung_window * np.clip(lung / 6, 0, 1)
        patient = shape.patient(radiograph.view, seed)
        return cls(Scene(patient, canvas, anatomy, lung.astype(np.float32), aeration), pixels, gain)

    def expose(self, change: np.ndarray) -> np.ndarray:
        """The film after a change of log attenuation, float32 ``(H, W)`` in [0, 1]."""
        film = self.pixels + self.gain * self.scene.canvas.blur(change, 0.1)
        # What was brighter than the shoulder may stay; what is pushed beyond it is compressed.
        knee = np.maximum(self.pixels, SHOULDER)
        room = np.maximum(1 - knee, 1e-3)
        film = np.where(film > knee, knee + room * np.tanh((film - knee) / room), film)
        return np.clip(film, 0, 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _LungShape:
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
    apex_y: tuple[float, float]
    lowest_y: tuple[float, float]

    @classmethod
    def of(cls, lungs: np.ndarray, film: str) -> _LungShape:
        halves, midline = _halves(lungs, film)
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
            tuple(float(heights[top]) for top, _ in spans),
            tuple(float(heights[bottom]) for _, bottom in spans),
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
        half_width = tuple(float(edge.max()) for edge in self.lateral)
        domes = tuple(self._dome(side, half_width[side]) for side in (0, 1))
        return replace(
            draw_patient(seed, 0),
            is_ap=view == "AP",
            size=1.0,
            half_width=half_width,
            apex_y=self.apex_y,
            dome_y=domes,
            dome_drop=tuple(max(low - dome, 0.5) for low, dome in zip(self.lowest_y, domes, strict=True)),
            rotation_shift=0.0,
        )

    def _dome(self, side: int, half_width: float) -> float:
        """Height of the lower border about half-way between midline and wall."""
        x = self.canvas.x[0] if side else -self.canvas.x[0]
        return float(self.floor[np.abs(x - 0.52 * half_width) < 1.2].mean())


def _halves(lungs: np.ndarray, film: str) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """The lungs left and right of the emptiest column in the middle, and the midline."""
    columns = np.flatnonzero(lungs.any(axis=0))
    if columns.size:
        span = columns[-1] - columns[0]
        first, last = columns[0] + span // 3, columns[-1] - span // 3
        split = first + int(np.argmin(ndimage.uniform_filter1d(lungs.sum(axis=0), 5)[first : last + 1]))
        halves = _largest(lungs, slice(None, split)), _largest(lungs, slice(split, None))
        if min(half.mean() for half in halves) >= LEAST_LUNG:
            centres = [float(np.nonzero(half)[1].mean()) for half in halves]
            return halves, sum(centres) / 2
    raise InputError("a lung mask without two lungs", f"{LEAST_LUNG:.0%} of the film in each half", film)


def _largest(lungs: np.ndarray, columns: slice) -> np.ndarray:
    half = np.zeros_like(lungs)
    half[:, columns] = lungs[:, columns]
    labels, count = ndimage.label(half)
    if count == 0:
        return half
    return ndimage.binary_fill_holes(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))


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
