"""The connected regions of a mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def largest_region(mask: np.ndarray) -> np.ndarray:
    """The largest region of a mask, its holes filled.

    Pixels that share an edge are connected; of regions of one size the first in index order counts.

    Args:
        mask: bool ``(H, W)``.

    Returns:
        bool ``(H, W)``, empty for an empty mask.
    """
    labels, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return ndimage.binary_fill_holes(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))
