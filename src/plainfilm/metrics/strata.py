"""Films by what was there to find: how large the finding is, and in how many places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_mask

SIZES = ("small", "medium", "large")
SIZE_EDGES = (0.01, 0.05)
"""Shares of the film below which a finding is small, and below which it is medium."""

NONE = ""
"""The stratum of an empty mask."""


def relative_area(mask: Any) -> float:
    """The mask's share of the film, in [0, 1].

    Raises:
        InputError: for no mask ``(H, W)``.
    """
    return float(as_mask(mask).mean())


def lesions(mask: Any) -> int:
    """The number of separate regions of a mask; pixels that touch by a corner are connected.

    Raises:
        InputError: for no mask ``(H, W)``.
    """
    return int(ndimage.label(as_mask(mask), np.ones((3, 3)))[1])


def size_stratum(mask: Any, edges: Sequence[float] = SIZE_EDGES) -> str:
    """ "small", "medium" or "large" by the mask's share of the film; "" for an empty mask.

    A share at an edge belongs above it. State the edges with the numbers: terciles of a data set's own masks
    make equal groups, fixed edges make data sets comparable.

    Raises:
        InputError: for no mask ``(H, W)``, or edges that do not rise.
    """
    return stratum_of_share(relative_area(mask), edges)


def stratum_of_share(share: float, edges: Sequence[float] = SIZE_EDGES) -> str:
    """``size_stratum`` of a mask's share of the film, which is 0 or NaN for an empty mask.

    Raises:
        InputError: for edges that do not rise.
    """
    if len(edges) != len(SIZES) - 1 or not edges[0] < edges[1]:
        raise InputError(f"edges {tuple(edges)}", "two shares that rise", "size_stratum")
    return SIZES[int(np.searchsorted(edges, share, side="right"))] if share > 0 else NONE


def count_stratum(mask: Any, most: int = 3) -> str:
    """ "1", "2", ... by the number of lesions, "3+" from ``most`` on; "" for an empty mask.

    Raises:
        InputError: for no mask ``(H, W)``, or ``most`` below 1.
    """
    if most < 1:
        raise InputError(f"most {most}", "1 or more", "count_stratum")
    count = lesions(mask)
    if not count:
        return NONE
    return str(count) if count < most else f"{most}+"
