"""How alike are two maps? Agreement of rank and of structure, for many pairs at once."""

from __future__ import annotations

from math import nan

import numpy as np
import torch
from scipy.stats import rankdata

from plainfilm.metrics.scoring import drawn

WINDOW = 11
"""Side in pixels of the Gaussian window of SSIM; smaller maps are drawn larger."""


def unit_ranks(maps: np.ndarray) -> np.ndarray:
    """Centred midranks of each row of ``(maps, pixels)``, each row of length 1; NaN for a constant row."""
    ranks = rankdata(maps, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(length > 0, ranks / length, nan)


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each two rows of ``unit_ranks``, ``(maps,)``; NaN where one is constant."""
    return np.einsum("ij,ij->i", first, second).clip(-1, 1)


def structural_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """SSIM (Wang et al. 2004) of each two maps of ``(maps, h, w)``, each divided by its highest value.

    torchmetrics', with a Gaussian window of 11 pixels and sigma 1.5, mirrored at the border. Maps are
    magnitudes.

    Returns:
        ``(maps,)`` in [-1, 1]; NaN where one of the two is constant.
    """
    # Late, since torchmetrics takes seconds to import.
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    one, two = (torch.from_numpy(_scaled(maps))[:, None] for maps in (first, second))
    found = ssim(one, two, data_range=1.0, reduction="none")
    values = found[0] if isinstance(found, tuple) else found
    flat = (np.ptp(first, axis=(1, 2)) == 0) | (np.ptp(second, axis=(1, 2)) == 0)
    return np.where(flat, nan, values.reshape(len(first)).numpy())


def _scaled(maps: np.ndarray) -> np.ndarray:
    highest = maps.max(axis=(1, 2), keepdims=True)
    scaled = maps / np.where(highest > 0, highest, 1)
    if min(maps.shape[1:]) >= WINDOW:
        return scaled
    size = (4 * WINDOW, 4 * WINDOW)
    return np.stack([drawn(each, size) for each in scaled]).astype(np.float64)
