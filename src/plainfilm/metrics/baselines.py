"""Maps that know nothing of the film, to stand beside every method.

A method that does not beat them has not found the finding: a random map has no
knowledge at all, a centre prior only that findings lie within the chest.
"""

from __future__ import annotations

import numpy as np

from plainfilm.errors import InputError

RANDOM, CENTRE = "random map", "centre prior"
BASELINES = (CENTRE, RANDOM)
"""What tables call them; the centre prior comes first."""

CENTRE_SIGMA = 0.25
"""Standard deviation of the centre prior, as a share of the film's height and width."""


def random_map(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Uniform noise: each pixel drawn apart from [0, 1).

    Its mean hit rate and its mean share of mass inside a mask are the mask's share of
    the film; its mean best-case IoU is ``expected_random_iou``.

    Args:
        shape: Height and width.
        seed: One per film, or all films get one map.

    Returns:
        float32 ``(H, W)``.

    Raises:
        InputError: for a shape without pixels.
    """
    return np.random.default_rng(seed).random(_checked(shape), dtype=np.float32)


def centre_prior(shape: tuple[int, int], sigma: float = CENTRE_SIGMA) -> np.ndarray:
    """A Gaussian hill over the centre of the film, 1 at the top.

    Args:
        shape: Height and width.
        sigma: Standard deviation as a share of the height and of the width.

    Returns:
        float32 ``(H, W)`` in (0, 1].

    Raises:
        InputError: for a shape without pixels, or a sigma not above zero.
    """
    if not sigma > 0:
        raise InputError(f"sigma {sigma}", "a share of the film above zero", "centre_prior")
    rows, columns = (((np.arange(n) + 0.5) / n - 0.5) / sigma for n in _checked(shape))
    return np.exp(-(rows[:, None] ** 2 + columns**2) / 2).astype(np.float32)


def expected_random_iou(area: int, pixels: int) -> float:
    """The mean best-case IoU of random maps against a mask, known exactly.

    ``area`` random pixels of ``pixels`` share a hypergeometric number i with the mask;
    the mean of ``i / (2 area - i)`` is taken over its distribution. Close to
    ``a / (2 - a)`` for a mask that covers the share a of the film.

    Args:
        area: Pixels of the mask.
        pixels: Pixels of the film.

    Returns:
        In (0, 1]; NaN for an empty mask.

    Raises:
        InputError: unless ``0 <= area <= pixels``.
    """
    if not 0 <= area <= pixels:
        raise InputError(f"a mask of {area} pixels on a film of {pixels}", "a part of the film", "baselines")
    if area == 0:
        return float("nan")
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, pixels + 1)))])

    def log_choose(n: int, k: np.ndarray) -> np.ndarray:
        return log_factorial[n] - log_factorial[k] - log_factorial[n - k]

    shared = np.arange(max(0, 2 * area - pixels), area + 1)
    log_chance = log_choose(area, shared) + log_choose(pixels - area, area - shared)
    chance = np.exp(log_chance - log_chance.max())
    return float(np.average(shared / (2 * area - shared), weights=chance))


def _checked(shape: tuple[int, int]) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"shape {shape}", "height and width above zero", "baselines")
    return shape
