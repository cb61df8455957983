"""The gradient with every ReLU letting only positive evidence back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from plainfilm.attribution.method import Method, input_gradient
from plainfilm.attribution.operations import Replaced
from plainfilm.errors import ModelError


@dataclass(frozen=True, eq=False)
class GuidedBackprop(Method):
    """Guided backpropagation (Springenberg et al. 2015), signed, summed over channels.

    Backwards through ``y = relu(x)`` goes ``relu(dy) · [x > 0]`` instead of ``dy · [x > 0]``.
    Every ReLU is met, whether module, function, in place or used twice: torchvision's
    DenseNet ends in a functional one that libraries based on module hooks pass over.
    """

    unit: ClassVar[str] = "guided logit per unit of input"

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        met: list[str] = []

        def guided(operation: Any, values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            met.append(operation.__name__)
            result: Tensor = _GuidedReLU.apply(values)
            return result

        with Replaced({"relu": guided}):
            gradient = input_gradient(self.network, images, targets)
        if not met and gradient.any():
            raise ModelError(
                "a network without a ReLU", "at least one ReLU", "GuidedBackprop",
                "Use gradient, integrated-gradients or grad-cam instead.",
            )  # fmt: skip
        return gradient.sum(1, keepdim=True)


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values > 0)
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (is_positive,) = ctx.saved_tensors
        return gradient.clamp(min=0) * is_positive
