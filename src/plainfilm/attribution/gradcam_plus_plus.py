"""Grad-CAM with a weight for each cell, so that a small lesion counts like a large one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from plainfilm.attribution.gradcam import GradCAM


@dataclass(frozen=True, eq=False)
class GradCAMPlusPlus(GradCAM):
    """Grad-CAM++ (Chattopadhay et al. 2018, eq. 7 and 19), signed: without its last ReLU.

    ``map = sum_c w_c · A_c`` with ``w_c = sum over cells of alpha · relu(g)``, ``g = d score / d A`` and
    ``alpha = g² / (2 g² + g³ · sum over cells of A_c)``. This closed form is the paper's for the
    exponential of the score and layers that are linear in pieces. The exponential's value, one positive
    number an image, is left out: it would only scale the map, and overflow.
    Layer, grid and ``all_targets`` are those of ``GradCAM``.
    """

    unit: ClassVar[str] = "weighted logit"

    def weights(self, features: Tensor, gradient: Tensor) -> Tensor:
        bottom = 2 * gradient**2 + gradient**3 * features.sum((2, 3), keepdim=True)
        # No evidence, rather than an infinite weight, where the fraction has no value.
        alpha = torch.where(bottom == 0, 0, gradient**2 / torch.where(bottom == 0, 1, bottom))
        return (alpha * gradient.relu()).sum((2, 3), keepdim=True)
