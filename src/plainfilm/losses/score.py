"""Regression of a score, where some are unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.errors import LabelError

ScoreLoss = Literal["mse", "smooth-l1"]

BEND = 0.1
"""Error, in shares of the greatest score, from which the smooth L1 loss grows in a line."""


def score_loss(predicted: Tensor, truth: Tensor, kind: ScoreLoss = "smooth-l1") -> Tensor:
    """Mean loss over the scores that are known, both in shares of the greatest score.

    "mse" is ``(p - t)^2``; "smooth-l1" is ``(p - t)^2 / 2b`` where the error is less than
    ``b = BEND``, else ``|p - t| - b / 2`` (Huber 1964).

    Args:
        predicted: ``(B, K)``.
        truth: ``(B, K)`` in [0, 1]; NaN unknown.
        kind: Which of the two.

    Returns:
        A scalar; 0, with a graph, where no score is known.

    Raises:
        LabelError: for a score outside [0, 1].
    """
    known = ~truth.isnan()
    target = torch.where(known, truth, 0.0)
    if target.numel() and not (target.amin() >= 0 and target.amax() <= 1):
        got = f"scores from {target.amin():g} to {target.amax():g} of the greatest"
        raise LabelError(got, "shares from 0 to 1", "score_loss", "Set greatest_score.")
    terms = _TERMS[kind](predicted, target)
    return torch.where(known, terms, 0.0).sum() / known.sum().clamp(min=1)


def _squared(predicted: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(predicted, target, reduction="none")


def _smooth(predicted: Tensor, target: Tensor) -> Tensor:
    return F.smooth_l1_loss(predicted, target, reduction="none", beta=BEND)


_TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": _squared, "smooth-l1": _smooth}
