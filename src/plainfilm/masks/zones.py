"""Brixia's six zones: each lung's bounding box cut into three thirds (Borghesi & Maroldi 2020).

A, B and C lie down the patient's right lung, at the image's left, D, E and F down the left lung. No code or
drawing of the zones was released with Khakzar et al. 2021; this is the plainest reading of their text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from plainfilm.errors import LabelError
from plainfilm.masks.arrays import as_array, as_mask
from plainfilm.masks.box import Box, box_mask, mask_box
from plainfilm.masks.lungs import two_lungs
from plainfilm.radiograph import Size

HEIGHTS = 3
"""Zones of a lung, of equal height."""

GREATEST = 3
"""The greatest severity of a zone."""


def zone_boxes(lungs: Any, film: str = "lungs") -> tuple[Box, ...]:
    """The zones A to F as boxes (left, top, width, height) in film pixels.

    Edges between zones may lie within a pixel; ``box_mask`` gives that pixel to one of the two.

    Args:
        lungs: ``(H, W)``, the mask of both lungs.
        film: What messages call the film.

    Raises:
        InputError: for a mask without two lungs, or of other values than a mask has.
    """
    sides = two_lungs(as_mask(lungs, film), film)
    return tuple(third for lung in sides for third in _thirds(lung))


def severity_map(size: Size, zones: Sequence[Box], scores: Any) -> np.ndarray:
    """Each zone's score inside the zone, 0 outside; float64 ``(H, W)``.

    Args:
        size: Height and width of the film.
        zones: Six boxes, as ``zone_boxes`` gives them.
        scores: Six severities in [0, 3], in the same order; means of several readers need not be whole.

    Raises:
        LabelError: for another number of scores, or severities beyond [0, 3].
    """
    drawn = np.zeros(size)
    for box, score in zip(zones, _checked(scores, len(zones)), strict=True):
        drawn[box_mask(size, [box])] = score
    return drawn


def zones_with(size: Size, zones: Sequence[Box], scores: Any, severities: Collection[int]) -> np.ndarray:
    """The union of the zones whose score is among ``severities``: what a detector of them should find.

    Args:
        size: Height and width of the film.
        zones: Six boxes.
        scores: Six severities.
        severities: ``plainfilm.datasets.readers.brixia.DETECTORS`` names three sets.

    Returns:
        bool ``(H, W)``; empty where no zone has such a score.

    Raises:
        LabelError: as ``severity_map``.
    """
    scored = zip(zones, _checked(scores, len(zones)), strict=True)
    return box_mask(size, [box for box, score in scored if score in severities])


def _thirds(lung: np.ndarray) -> list[Box]:
    box = mask_box(lung)
    assert box is not None  # for the lungs are two
    left, top, width, height = box
    third = height / HEIGHTS
    return [(left, top + k * third, width, third) for k in range(HEIGHTS)]


def _checked(scores: Any, zones: int) -> np.ndarray:
    values = as_array(scores).astype(np.float64)
    if values.shape != (zones,) or not ((values >= 0) & (values <= GREATEST)).all():
        found = ", ".join(f"{value:g}" for value in values.ravel())
        raise LabelError(f"the scores {found}", f"{zones} severities from 0 to {GREATEST}", "zones")
    return values
