"""Which way a counterfactual moves: arrows of optical flow over the film."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from plainfilm.attribution.animation import greys
from plainfilm.errors import InputError, ResourceError
from plainfilm.io.atomic import atomic_write

if TYPE_CHECKING:
    from plainfilm.attribution.counterfactual import Counterfactual

RADIUS, WARPS = 7, 10
"""Of the iterative Lucas-Kanade method, as published."""

ACROSS = 35
"""Arrows along a side."""

PERCENTILE = 98.0
"""Only arrows longer than this share of all are drawn."""

ENLARGED = 4
"""Arrows are drawn so many times as long as the shift that they stand for."""

INCHES, DOTS = 4.2, 160


@dataclass(frozen=True, eq=False)
class Motion:
    """The largest step that each pixel takes between two frames that follow each other.

    Attributes:
        down: In pixels, ``(H, W)``; towards the frames with less of the finding.
        right: Likewise.
    """

    down: np.ndarray
    right: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """Length of the step in pixels, ``(H, W)``."""
        return np.hypot(self.down, self.right)

    @property
    def product(self) -> np.ndarray:
        """What the published figure ranks arrows by; 0 for those that are level or upright."""
        return self.down * self.right


def optical_flow(shown: Counterfactual, reference: bool = False) -> Motion:
    """Iterative Lucas-Kanade flow (Le Besnerais & Champagnat 2005) from frame to frame, largest step first.

    Args:
        shown: The films; they are followed from the last, with most of the finding, to the first.
        reference: Take the largest value of each component by itself, as published, which mixes steps of
            different frames, and holds standing still for more than a step up or to the left.

    Raises:
        ResourceError: without the package scikit-image.
    """
    try:
        from skimage.registration import optical_flow_ilk
    except ModuleNotFoundError as error:
        advice = "Run: pip install 'plainfilm[animation]'."
        raise ResourceError("no package scikit-image", "it installed", "optical_flow", advice) from error
    films = (shown.frames.mean(1).numpy()[::-1] - shown.window[0]) / (shown.window[1] - shown.window[0])
    steps = np.stack([
        optical_flow_ilk(before, after, radius=RADIUS, num_warp=WARPS, dtype=np.float32)
        for before, after in pairwise(films)
    ])  # fmt: skip
    if reference:
        return Motion(*steps.max(0))
    largest = np.hypot(steps[:, 0], steps[:, 1]).argmax(0)
    return Motion(*np.take_along_axis(steps, largest[None, None], 0)[0])


def save_motion(path: str | Path, shown: Counterfactual, reference: bool = False) -> Path:
    """Draws the longest arrows in red over the film and writes a picture (.png, .jpg, .webp), atomically.

    Args:
        path: The file.
        shown: The films.
        reference: As ``optical_flow``, and with the published choice of arrows.

    Raises:
        InputError: for another suffix.
        ResourceError: as ``optical_flow``, or where the folder cannot be written.
    """
    path = Path(path)
    kinds = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}
    if path.suffix.lower() not in kinds:
        raise InputError(f"suffix {path.suffix!r}", ", ".join(kinds), path.name)
    rows, columns, down, right = arrows(optical_flow(shown, reference), reference)
    film = greys(shown.image.mean(0).numpy(), shown.window)
    figure = Figure(figsize=(INCHES, INCHES * film.shape[0] / film.shape[1]))
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(film, cmap="gray", vmin=0, vmax=255, aspect="auto")
    axis.quiver(
        columns,
        rows,
        right,
        down,
        color="red",
        angles="xy",
        scale_units="xy",
        scale=1 / ENLARGED,
        width=0.005,
    )
    axis.set_axis_off()
    with atomic_write(path) as file:
        figure.savefig(file, format=kinds[path.suffix.lower()], dpi=DOTS)
    return path


def arrows(motion: Motion, reference: bool = False) -> tuple[np.ndarray, ...]:
    """Rows, columns, and steps down and right of the arrows that are drawn, ``(N,)`` each."""
    stride = max(1, min(motion.down.shape) // ACROSS)
    rows, columns = (
        grid.ravel() for grid in np.mgrid[: motion.down.shape[0] : stride, : motion.down.shape[1] : stride]
    )
    rank = (motion.product if reference else motion.length)[rows, columns]
    kept = rank > np.percentile(rank, PERCENTILE)
    rows, columns = rows[kept], columns[kept]
    return rows, columns, motion.down[rows, columns], motion.right[rows, columns]
