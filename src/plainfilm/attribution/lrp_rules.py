"""How relevance passes back through one operation: the rules of layer-wise relevance propagation.

An operation computes what it always does, with another way back hung behind the result: what arrives
there as a gradient is the relevance of the output, and what leaves is the relevance of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from plainfilm.attribution.operations import ACTIVATIONS, Rule, carries_gradient

Linear = Callable[[Tensor], Tensor]
"""An operation without its constant term."""

Spread = Callable[[Sequence[Tensor], Tensor], Sequence[Tensor]]
"""From the inputs and the relevance of the output to the relevance of each input."""

_AVERAGES = ("avg_pool2d", "adaptive_avg_pool2d", "mean", "sum", "interpolate")


class Composite:
    """Which rule each operation follows: first layer flat, convolutions z+, linear layers epsilon.

    One object serves one run of one batch.

    Attributes:
        by_name: The rules, for ``Replaced``.
        kept: What biases kept of the relevance, ``(B,)``; complete after the way back.
    """

    def __init__(self, epsilon: float, signed_sums: bool, kept: Tensor) -> None:
        self.epsilon = epsilon
        self.signed_sums = signed_sums
        self.kept = kept
        self.first_is_met = False
        self.by_name: dict[str, Rule] = {
            **dict.fromkeys((*ACTIVATIONS, "batch_norm"), passed),
            **dict.fromkeys(("conv2d", "conv_transpose2d", "linear"), self.weighted),
            **dict.fromkeys(_AVERAGES, self.pooled),
            **dict.fromkeys(("add", "sub", "rsub"), self.summed),
            **dict.fromkeys(("mul", "div"), scaled),
        }

    def weighted(
        self,
        layer: Any,
        values: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *rest: Any,
        **kwargs: Any,
    ) -> Tensor:
        """A convolution or linear layer; the first of the network has the flat rule."""

        def result(inputs: Tensor) -> Tensor:
            return _tensor(layer(inputs, weight, bias, *rest, **kwargs))

        def with_weight(weights: Tensor) -> Linear:
            return lambda inputs: _tensor(layer(inputs, weights, None, *rest, **kwargs))

        if not self.first_is_met:
            self.first_is_met = True
            return follow(result, partial(self._flat, with_weight(torch.ones_like(weight))), values)
        if layer.__name__ == "linear":
            return follow(result, partial(self._epsilon, with_weight(weight), bias), values)
        constant = None if bias is None else bias.clamp(min=0)[:, None, None]
        rising, falling = with_weight(weight.clamp(min=0)), with_weight(weight.clamp(max=0))
        return follow(result, partial(self._plus, rising, falling, constant), values)

    def pooled(self, pool: Any, values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Averages, sums and interpolation, in proportion to what each value weighs."""

        def result(inputs: Tensor) -> Tensor:
            return _tensor(pool(inputs, *args, **kwargs))

        def spread(inputs: Sequence[Tensor], relevance: Tensor) -> list[Tensor]:
            return self._share([(self._weight(inputs[0]), result)], relevance)

        return follow(result, spread, values)

    def summed(self, operation: Any, first: Any, second: Any, **kwargs: Any) -> Tensor:
        """A sum of two branches, in proportion to what each weighs; a constant is passed over."""

        def result(*inputs: Any) -> Tensor:
            return _tensor(operation(*inputs, **kwargs))

        if not carries_gradient(first):
            return passed(lambda values: result(first, values), second)
        if not carries_gradient(second):
            return passed(lambda values: result(values, second), first)

        def spread(inputs: Sequence[Tensor], relevance: Tensor) -> list[Tensor]:
            zeros = [torch.zeros_like(each) for each in inputs]
            terms = result(inputs[0], zeros[1]), result(zeros[0], inputs[1])
            shares = self._share([(self._weight(each), lambda term: term) for each in terms], relevance)
            return [share.sum_to_size(each.shape) for share, each in zip(shares, inputs, strict=True)]

        return follow(result, spread, first, second)

    def _weight(self, values: Tensor) -> Tensor:
        # Signed values that nearly cancel would blow each other up.
        return values if self.signed_sums else values.abs()

    def _flat(self, ones: Linear, inputs: Sequence[Tensor], relevance: Tensor) -> list[Tensor]:
        """Evenly over the receptive field (Lapuschkin et al. 2019)."""
        return self._share([(torch.ones_like(inputs[0]), ones)], relevance)

    def _epsilon(
        self, carry: Linear, bias: Tensor | None, inputs: Sequence[Tensor], relevance: Tensor
    ) -> list[Tensor]:
        """In proportion to signed contributions (Bach et al. 2015, eq. 58)."""
        return self._share([(inputs[0], carry)], relevance, bias)

    def _plus(
        self,
        rising: Linear,
        falling: Linear,
        bias: Tensor | None,
        inputs: Sequence[Tensor],
        relevance: Tensor,
    ) -> list[Tensor]:
        """In proportion to positive contributions (Bach et al. 2015, eq. 60 with alpha 1 and beta 0)."""
        (values,) = inputs
        parts = [(values.clamp(min=0), rising)]
        if (values < 0).any():
            parts.append((values.clamp(max=0), falling))
        return [torch.stack(self._share(parts, relevance, bias)).sum(0)]

    def _share(
        self, parts: Sequence[tuple[Tensor, Linear]], relevance: Tensor, bias: Tensor | None = None
    ) -> list[Tensor]:
        """``R_i = sum_j z_ij / (sum_i z_ij + b_j ± epsilon) · R_j``; the share of ``b_j`` is kept."""
        with torch.enable_grad():
            inputs = [values.detach().requires_grad_() for values, _ in parts]
            carried = [carry(each) for each, (_, carry) in zip(inputs, parts, strict=True)]
            total = torch.stack(carried).sum(0) if len(carried) > 1 else carried[0]
        whole = total.detach() if bias is None else total.detach() + bias
        ratio = relevance / (whole + torch.where(whole < 0, -self.epsilon, self.epsilon))
        if bias is not None:
            self.kept += (ratio * bias).flatten(1).sum(1)
        gradients = torch.autograd.grad(total, inputs, ratio)
        return [each.detach() * gradient for each, gradient in zip(inputs, gradients, strict=True)]


def passed(operation: Any, values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Activations, batch norm, constants: the relevance of the output is that of the input."""
    return _tensor(_Passed.apply(values, lambda inputs: operation(inputs, *args, **kwargs)))


def scaled(operation: Any, first: Any, second: Any, **kwargs: Any) -> Tensor:
    """A product with a constant is passed; one of two activations has no rule and stays as it is."""
    if carries_gradient(first) and carries_gradient(second):
        return _tensor(operation(first, second, **kwargs))
    if carries_gradient(first):
        return passed(operation, first, second, **kwargs)
    return passed(lambda values: operation(first, values, **kwargs), second)


def follow(operation: Callable[..., Tensor], spread: Spread, *inputs: Tensor) -> Tensor:
    """The operation's result, with a rule for its way back."""
    return _tensor(_Followed.apply(operation, spread, *inputs))


class _Passed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, operation: Linear) -> Tensor:
        return operation(values)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, None]:
        return relevance, None


class _Followed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, operation: Callable[..., Tensor], spread: Spread, *inputs: Tensor) -> Tensor:
        ctx.spread = spread
        ctx.save_for_backward(*inputs)
        return operation(*inputs)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Any, ...]:
        return None, None, *ctx.spread(ctx.saved_tensors, relevance)


RULED = frozenset({"_PassedBackward", "_FollowedBackward"})
"""Names of the way back that the rules leave in autograd's graph."""


def _tensor(value: Any) -> Tensor:
    result: Tensor = value
    return result
