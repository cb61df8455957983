"""Operations of a network replaced while it runs, whatever its modules look like.

Module, function, method, operator, in place, reused: each ends in one call of torch that is met by name.
Nothing is attached to the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

Rule = Callable[..., Tensor]
"""``rule(operation, *args, **kwargs)``: what to compute instead of ``operation(*args, **kwargs)``."""

PIECEWISE_LINEAR = frozenset({"relu", "leaky_relu", "prelu", "relu6", "hardtanh", "hardsigmoid", "clamp"})
SMOOTH = frozenset(
    {"celu", "elu", "gelu", "hardswish", "mish", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh"}
)
ACTIVATIONS = PIECEWISE_LINEAR | SMOOTH
"""Functions of one value at a time, by the names that torch gives them."""


def name_of(operation: Any) -> str:
    """``relu`` for ``torch.relu``, ``F.relu``, ``Tensor.relu_`` and so on."""
    return str(getattr(operation, "__name__", "")).strip("_")


class Replaced(TorchFunctionMode):
    """Inside, each named operation on a tensor that carries a gradient is computed by its rule."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        super().__init__()
        self.rules = rules

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        rule = self.rules.get(name_of(func))
        if rule is None or not any(map(carries_gradient, (*args, *kwargs.values()))):
            return func(*args, **kwargs)
        if not args:
            args = (kwargs.pop("input"),)
        if not _works_in_place(func, args, kwargs):
            return rule(func, *args, **kwargs)
        values, *rest = args
        rest = [False if each is True else each for each in rest]
        kwargs.pop("inplace", None)
        result = rule(_out_of_place(func), values.clone(), *rest, **kwargs)
        # A network may go on with the tensor that it overwrote.
        return values.copy_(result)


def carries_gradient(value: Any) -> bool:
    """Whether the way back from the score passes through this value."""
    return isinstance(value, Tensor) and value.requires_grad


def _works_in_place(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if func.__name__.endswith("_") and not func.__name__.endswith("__"):
        return True
    if not isinstance(func, FunctionType) or "inplace" not in signature(func).parameters:
        return False
    return bool(signature(func).bind(*args, **kwargs).arguments.get("inplace", False))


def _out_of_place(func: Any) -> Any:
    name = name_of(func)
    return getattr(F, name, None) or getattr(torch, name)
