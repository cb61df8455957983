"""The gradient with every ReLU letting only positive evidence back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from plainfilm.attribution.method import Method, input_gradient
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
        with _GuidedReLUs() as guided:
            gradient = input_gradient(self.network, images, targets)
        if not guided.met:
            raise ModelError(
                "a network without a ReLU", "at least one ReLU", "GuidedBackprop",
                "Use gradient, integrated-gradients or grad-cam instead.",
            )  # fmt: skip
        return gradient.sum(1, keepdim=True)


_IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_}
_RELUS = {F.relu, torch.relu, Tensor.relu, *_IN_PLACE}


class _GuidedReLUs(TorchFunctionMode):
    """Replaces each ReLU while the network runs, so nothing is attached to the network itself."""

    def __init__(self) -> None:
        super().__init__()
        self.met = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _RELUS:
            return func(*args, **kwargs)
        self.met += 1
        values = args[0] if args else kwargs["input"]
        in_place = func in _IN_PLACE or kwargs.get("inplace", False) or True in args[1:]
        return _GuidedReLU.apply(values, in_place)


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, in_place: bool) -> Tensor:
        ctx.save_for_backward(values > 0)
        if not in_place:
            return values.clamp(min=0)
        # A network may go on with the tensor that it overwrote.
        ctx.mark_dirty(values)
        return values.clamp_(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (is_positive,) = ctx.saved_tensors
        return gradient.clamp(min=0) * is_positive, None
