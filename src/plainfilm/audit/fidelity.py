"""How well maps agree with the model, by several measures: no ranking of methods rests on one.

All maps of a film are judged together, those that know nothing among them, since Sensitivity-N asks the model
once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from plainfilm.audit.measures import Block
from plainfilm.datasets.study import Study
from plainfilm.metrics.imputation import road
from plainfilm.metrics.insertion import Curves, insertion_deletion
from plainfilm.metrics.removal import SIDE, blur_for, blurred, counterfactual_recovery
from plainfilm.metrics.sensitivity import Sensitivity, sensitivity_n
from plainfilm.models.classifier import Classifier
from plainfilm.radiograph import Placement, Radiograph

Depth = Literal["quick", "full"]
"""Whether fidelity is measured by removal alone, or by all of ``FIDELITY``."""

PASSES = 50
"""Images that insertion and deletion of a map score together: on rendered films the areas lie within 0.002 of
those of 400."""

PIXELS_PER_STEP = 25
"""Of an input of ``SIDE``, as published; of another so many that the rows stay as many."""

SHARES = (0.1, 0.3, 0.5)
"""Of the pixels that ROAD removes."""

BLOCKS, REMOVED, MASKS = 14, (4, 10, 20, 40, 80), 20
"""Sensitivity-N: blocks a side, how many of them are blurred, and random masks for each. Single pixels set to
zero, as published, told maps of the cause from noise no better than chance
(``benchmarks/measures_judged.py``)."""

CHANGED = tuple(np.linspace(0.02, 0.5, 25).round(2).tolist())
"""Shares of the pixels at which the curves of insertion and deletion are kept."""

NOISE = 0.01
"""Of ROAD, as a share of the input's range."""

Rows = dict[str, list[dict[str, float]]]
"""Method to the measures of each film of a block."""


def passes(maps: int) -> int:
    """Images that the full depth scores for one film and finding with so many maps, baselines included."""
    removed_and_recovered = 2
    return maps * (PASSES + 2 * len(SHARES) + removed_and_recovered) + len(REMOVED) * MASKS + 1


def judge(
    block: Block,
    maps: Mapping[str, np.ndarray],
    without: Sequence[Radiograph] = (),
    done: Callable[[int], None] = lambda films: None,
) -> tuple[Rows, list[dict[str, Any]]]:
    """Everything but the fall by removal, which ``Block.judge`` has.

    Insertion, deletion, ROAD and Sensitivity-N follow the probability of the finding; recovery its logit.

    Args:
        block: Films and findings.
        maps: Method to evidence ``(B, h, w)``, at least 0.
        without: The same patients without their finding, where they can be rendered.
        done: Told before each film how many are judged.

    Returns:
        Method to the measures of each film; and the points of their curves, one a row: ``film``, ``patient``,
        ``finding``, ``method``, ``curve``, ``share`` of the pixels, ``value``.
    """
    rows: Rows = {name: [] for name in maps}
    points = []
    for k, (study, finding) in enumerate(block.subjects):
        done(k)
        own = {name: each[k] for name, each in maps.items()}
        found, curves = _of_film(block.model, block.images[k : k + 1], int(block.targets[k]), own)
        named = {"film": study.radiograph.id, "patient": study.patient, "finding": finding}
        points += [named | point for point in curves]
        for name in maps:
            rows[name].append(found[name])
    for name, recovered in _recovery(block, maps, without).items():
        rows[name] = [
            row | {"counterfactual_recovery": float(value)}
            for row, value in zip(rows[name], recovered, strict=True)
        ]
    return rows, points


def _of_film(
    model: Classifier, image: Tensor, target: int, maps: Mapping[str, np.ndarray]
) -> tuple[dict[str, dict[str, float]], list[dict[str, Any]]]:
    def score(images: Tensor) -> Tensor:
        return model.probabilities(images)[:, target]

    size, masks = image.shape[-2] * image.shape[-1], block_masks(image.shape[-1])
    sensed = sensitivity_n(score, image, maps, masks[:, 0].sum((1, 2)), masks, blurred(image))
    rows, points = {}, []
    for number, (name, values) in enumerate(maps.items()):
        games = _games(score, image, values)
        low, high = model.spec.levels
        rows[name] = {
            "insertion_auc": games.insertion_auc,
            "deletion_auc": games.deletion_auc,
            "road": road(score, image, values, SHARES, NOISE * float((high - low).max())).gap,
            "sensitivity_n": float(sensed.correlations[number].mean()),
        }
        points += [{"method": name, **point} for point in _points(games, sensed, number, size)]
    return rows, points


def block_masks(side: int, seed: int = 0) -> np.ndarray:
    """Masks of whole blocks, the same for every film, bool ``(sizes, masks, side, side)``."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((len(REMOVED), MASKS, BLOCKS, BLOCKS), bool)
    for count, of_size in zip(REMOVED, masks, strict=True):
        for mask in of_size:
            mask.flat[rng.choice(mask.size, count, replace=False)] = True
    block = np.arange(side) * BLOCKS // side
    return masks[..., block, :][..., block]


def _games(score: Callable[[Tensor], Tensor], image: Tensor, values: np.ndarray) -> Curves:
    """Insertion and deletion at the published settings, whatever the size of the input."""
    side = image.shape[-1]
    step = max(1, round(PIXELS_PER_STEP * (side / SIDE) ** 2))
    return insertion_deletion(score, image, values, step, blur_for(side), passes=PASSES)


def _points(games: Curves, sensed: Sensitivity, number: int, size: int) -> list[dict[str, Any]]:
    at = np.asarray(CHANGED)
    curves = {
        "insertion": (at, np.interp(at, games.pixels / size, games.insertion)),
        "deletion": (at, np.interp(at, games.pixels / size, games.deletion)),
        "sensitivity_n": (np.asarray(REMOVED) / BLOCKS**2, sensed.correlations[number]),
    }
    return [
        {"curve": curve, "share": float(share), "value": float(value)}
        for curve, (shares, values) in curves.items()
        for share, value in zip(shares, values, strict=True)
    ]


def _recovery(
    block: Block, maps: Mapping[str, np.ndarray], without: Sequence[Radiograph]
) -> dict[str, np.ndarray]:
    """Counterfactual recovery ``(B,)`` of each method; nothing where no film can be rendered again."""
    if not without:
        return {}
    others, _ = block.model.prepare_batch(without)
    subjects = zip(block.subjects, block.placements, strict=True)
    areas = [_area(study, finding, placement) for (study, finding), placement in subjects]
    return {
        name: counterfactual_recovery(block.score, block.images, others, each, areas)
        for name, each in maps.items()
    }


def _area(study: Study, finding: str, placement: Placement) -> int:
    """Pixels of the input that the finding changed."""
    changed = study.causes.get(finding, study.masks[finding])
    return max(1, int((placement.sample(changed.astype(np.float32)) > 0.5).sum()))
