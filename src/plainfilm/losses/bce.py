"""Binary cross-entropy over findings, where some labels are unknown."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.errors import LabelError


def masked_bce(logits: Tensor, labels: Tensor, positive_weight: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy over the labels that are known.

    ``-w_k · y · log p - (1 - y) · log(1 - p)`` with ``p = sigmoid(logit)``; weighted as in
    CheXNet (Rajpurkar et al. 2017) where ``positive_weight`` is given.

    Args:
        logits: ``(B, K)``.
        labels: ``(B, K)``: 1 present, 0 absent, NaN unknown.
        positive_weight: ``(K,)``, the weight ``w_k`` of a positive label, or None for 1.

    Returns:
        A scalar; 0, with a graph, where no label is known.

    Raises:
        LabelError: for a label that is neither 0, 1 nor NaN.
    """
    known = ~labels.isnan()
    truth = torch.where(known, labels, 0.0)
    if not ((truth == 0) | (truth == 1)).all():
        wrong = truth[(truth != 0) & (truth != 1)]
        raise LabelError(
            f"{len(wrong)} labels such as {wrong[0].item():g}", "1, 0 or NaN for unknown", "masked_bce",
            "Choose a policy for uncertain labels before training.",
        )  # fmt: skip
    terms = F.binary_cross_entropy_with_logits(logits, truth, pos_weight=positive_weight, reduction="none")
    return torch.where(known, terms, 0.0).sum() / known.sum().clamp(min=1)


def balancing_weights(labels: Tensor, limit: float = 20.0) -> Tensor:
    """The weight of a positive that balances each finding: negatives over positives, ``(K,)``.

    Bounded to ``[1 / limit, limit]``: a finding without positives would weigh infinitely
    much, and a single mislabelled film could decide it. A finding without known labels
    weighs 1.

    Args:
        labels: ``(N, K)`` of the training part alone; NaN unknown.
        limit: The largest weight.
    """
    positives, negatives = (labels == 1).sum(0).float(), (labels == 0).sum(0).float()
    weights = (negatives / positives.clamp(min=1)).clamp(1 / limit, limit)
    return torch.where(positives + negatives > 0, weights, 1.0)
