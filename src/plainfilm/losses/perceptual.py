"""Perceptual loss: two films are alike where a network that reads films sees the same in them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def perceptual_loss(reconstructed: Sequence[Tensor], images: Sequence[Tensor]) -> Tensor:
    """Squared distance of features as a share of their own square, summed over layers and images.

    After Johnson et al. (2016), who weigh layers by their number of elements; shares need no weights.

    Args:
        reconstructed: Features of the reconstructions, one ``(B, C, h, w)`` a layer.
        images: Features of the films, of the same shapes; constants.

    Returns:
        A scalar; 0 for equal features, B for each layer whose features have nothing in common.
    """
    shares = [
        (found.float() - wanted.float()).square().flatten(1).sum(1)
        / wanted.float().square().flatten(1).sum(1).clamp(min=1e-6)
        for found, wanted in zip(reconstructed, images, strict=True)
    ]
    return torch.stack(shares).sum()
