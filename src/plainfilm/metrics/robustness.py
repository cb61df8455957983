"""Do maps hold when the film changes a little, or when they are made again?

Noise and blur are those of Gifsplanation (Cohen et al. 2021, Figure G.1): films change, masks stay. Errors
are those over films at one level; the paper's bars were the spread of the levels' means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_mask
from plainfilm.metrics.attributor import Attributor, Target, check_images, jittered
from plainfilm.metrics.intervals import Interval, mean_interval
from plainfilm.metrics.localisation import best_case_iou
from plainfilm.metrics.scoring import drawn
from plainfilm.metrics.similarity import rank_correlations, structural_similarity, unit_ranks

Maps = Callable[[Tensor, Target], Tensor]
"""Images and target to evidence ``(B, 1, h, w)``: ``method.attribute``, or its magnitude."""

Localisation = Callable[[np.ndarray, np.ndarray], float]
"""A measure of a map against a mask."""

NOISE_LEVELS = tuple(100 * k / 2048 for k in range(0, 50, 5))
"""Width of the noise as a share of the input's range: 0, 500, ..., 4500 of [-1024, 1024]."""

BLUR_LEVELS = (0.0, 10.0, 20.0, 30.0, 40.0)
"""Sigma in pixels of the input."""

TRUNCATE = 3.5
"""Sigmas at which the blur ends."""


@dataclass(frozen=True, eq=False)
class Robustness:
    """A localisation measure of every film at every level.

    Attributes:
        levels: Share of the input's range, or sigma in pixels, ``(levels,)``.
        values: ``(levels, images)``; NaN where a mask is empty.
    """

    levels: np.ndarray
    values: np.ndarray

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The mean over films at each level, with Student's interval."""
        return tuple(map(mean_interval, self.values))

    @property
    def changes(self) -> tuple[Interval, ...]:
        """The mean over films of the difference to the first level, film by film."""
        return tuple(mean_interval(row - self.values[0]) for row in self.values)


@dataclass(frozen=True, eq=False)
class Repeatability:
    """Agreement of the magnitudes of an image's maps, averaged over pairs, ``(images,)`` each.

    Attributes:
        correlation: Spearman's over all pixels; NaN where every pair has a constant map.
        similarity: SSIM, likewise.
    """

    correlation: np.ndarray
    similarity: np.ndarray

    @property
    def intervals(self) -> dict[str, Interval]:
        """Means over images with Student's interval."""
        return {"correlation": mean_interval(self.correlation), "similarity": mean_interval(self.similarity)}


def noise_curve(
    maps: Maps,
    images: Tensor,
    target: Target,
    masks: Any,
    low: float,
    high: float,
    levels: Sequence[float] = NOISE_LEVELS,
    measure: Localisation = best_case_iou,
    seed: int = 0,
    reference: bool = False,
) -> Robustness:
    """Localisation under noise of growing width (``noisy``).

    Args:
        maps: ``method.attribute``; where the sign has no meaning, the magnitude of what it returns.
        images: ``(B, C, H, W)`` in the network's own range.
        target: One class index for all images, or one for each.
        masks: ``(B, H, W)`` on the input's grid; they are not changed.
        low: The input's value of black.
        high: The input's value of white.
        levels: Widths as shares of ``high - low``.
        measure: Of a map against a mask.
        seed: Of the noise.
        reference: The published noise in place of one that is centred and clipped.

    Raises:
        InputError: for images or masks of another shape, or a range or level that means nothing.
    """
    changed = (noisy(images, level, low, high, seed, reference) for level in levels)
    return _curve(maps, changed, target, masks, levels, measure)


def blur_curve(
    maps: Maps,
    images: Tensor,
    target: Target,
    masks: Any,
    sigmas: Sequence[float] = BLUR_LEVELS,
    measure: Localisation = best_case_iou,
) -> Robustness:
    """Localisation under growing blur (``softened``). Arguments and errors as ``noise_curve``."""
    return _curve(maps, (softened(images, sigma) for sigma in sigmas), target, masks, sigmas, measure)


def noisy(
    images: Tensor, level: float, low: float, high: float, seed: int = 0, reference: bool = False
) -> Tensor:
    """Images with uniform noise as wide as a share of the input's range.

    Image ``k`` of a batch gets the same draw at every level, a function of seed and ``k``.

    Args:
        images: ``(B, C, H, W)``.
        level: 0 or more.
        low: The input's value of black.
        high: The input's value of white.
        seed: Of the draws.
        reference: As published: noise from 0 to its width, which brightens the film, and no clipping.
            Otherwise the noise has mean 0 and the sum is clipped to the range.

    Raises:
        InputError: for a level below 0 or a range without width.
    """
    check_images(images)
    if not level >= 0 or not high > low:
        raise InputError(f"level {level} of a range {low} to {high}", "0 or more, low below high", "noisy")
    if level == 0:
        return images
    draws = [np.random.default_rng([seed, k]).random(images.shape[1:]) for k in range(len(images))]
    noise = level * (high - low) * torch.from_numpy(np.stack(draws)).to(images)
    if reference:
        return images + noise
    return (images + noise - level * (high - low) / 2).clamp(low, high)


def softened(images: Tensor, sigma: float) -> Tensor:
    """Images ``(B, C, H, W)`` through a Gaussian that ends at 3.5 sigma, with 0 beyond the border.

    0 is mid-grey for a network fed with [-1024, 1024] and black for one fed with [0, 1].

    Raises:
        InputError: for a sigma below 0.
    """
    check_images(images)
    if not sigma >= 0:
        raise InputError(f"sigma {sigma}", "0 or more pixels", "softened")
    if sigma == 0:
        return images
    values = images.detach().cpu().numpy()
    blurred = gaussian_filter(values, (0, 0, sigma, sigma), mode="constant", truncate=TRUNCATE)
    return torch.from_numpy(blurred).to(images)


def repeatability(
    method: Attributor, images: Tensor, target: Target, repeats: int = 5, noise: float = 0.0, seed: int = 0
) -> Repeatability:
    """Whether a method gives the same map again.

    Args:
        method: A built method.
        images: ``(B, C, H, W)`` in the network's own range.
        target: One class index for all images, or one for each.
        repeats: Maps of each image.
        noise: 0 compares every two maps of the film as it is, made with the method's ``seed``, ``seed + 1``
            and so on; a method without a field ``seed`` must repeat itself. Above 0 the method's seed stays,
            and the film's map is compared with those of films under normal noise of this standard deviation,
            as a share of the image's range (max - min).
        seed: Of the noise.

    Raises:
        InputError: for fewer than two repeats (one with noise), or a noise below 0.
    """
    check_images(images)
    if repeats < (1 if noise else 2) or not noise >= 0:
        raise InputError(f"{repeats} repeats, noise {noise}", "two or more, 0 or more", "repeatability")
    if noise:
        films = [images, *(jittered(images, noise, seed, each) for each in range(repeats))]
        maps = [_magnitudes(method, film, target) for film in films]
        pairs = [(0, each) for each in range(1, len(maps))]
    else:
        maps = [_magnitudes(_with_seed(method, each), images, target) for each in range(repeats)]
        pairs = list(combinations(range(repeats), 2))
    return _agreement(maps, pairs)


def _agreement(maps: list[np.ndarray], pairs: list[tuple[int, int]]) -> Repeatability:
    ranks = [unit_ranks(each.reshape(len(each), -1)) for each in maps]
    correlations = np.stack([rank_correlations(ranks[one], ranks[two]) for one, two in pairs])
    similarities = np.stack([structural_similarity(maps[one], maps[two]) for one, two in pairs])
    return Repeatability(_known_mean(correlations), _known_mean(similarities))


def _known_mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)


def _curve(
    maps: Maps, films: Any, target: Target, masks: Any, levels: Sequence[float], measure: Localisation
) -> Robustness:
    truths = [as_mask(mask) for mask in masks]
    rows = []
    for images in films:
        if [mask.shape for mask in truths] != [tuple(images.shape[2:])] * len(images):
            expected = f"one mask {tuple(images.shape[2:])} for each of {len(images)} images"
            raise InputError(f"masks {[mask.shape for mask in truths]}", expected, "robustness")
        evidence = maps(images, target)[:, 0].detach().double().cpu().numpy()
        rows.append([measure(drawn(e, m.shape), m) for e, m in zip(evidence, truths, strict=True)])
    if not rows:
        raise InputError("no level", "one or more", "robustness")
    return Robustness(np.asarray(levels, dtype=np.float64), np.array(rows))


def _magnitudes(method: Attributor, images: Tensor, target: Target) -> np.ndarray:
    maps: np.ndarray = method.attribute(images, target)[:, 0].detach().double().abs().cpu().numpy()
    return maps


def _with_seed(method: Any, further: int) -> Any:
    seeded = is_dataclass(method) and "seed" in [each.name for each in fields(method)]
    changes: dict[str, Any] = {"seed": method.seed + further} if seeded else {}
    return replace(method, **changes) if changes else method
