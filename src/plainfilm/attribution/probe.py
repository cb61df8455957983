"""A network seen without leaving a mark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


@contextmanager
def probe(network: nn.Module) -> Iterator[nn.Module]:
    """Prepares a network for attribution and returns it byte for byte as found.

    Inside, the network is in evaluation mode, computes in float32 at least, asks for no
    parameter gradients, and gradients are enabled. Afterwards, also after an
    exception or Ctrl-C, these are as before: training flags, parameters with their
    dtype, ``requires_grad`` and ``.grad``, buffers (batch-norm statistics among
    them), hooks, and the random state of torch.

    Args:
        network: Any module. It is used in place, not copied.

    Yields:
        The same network.
    """
    undo = _Snapshot(network)
    devices = sorted({p.device.index for p in network.parameters() if p.device.type == "cuda"})
    try:
        network.eval()
        for parameter in undo.parameters:
            parameter.requires_grad_(False)
            parameter.grad = None
        for tensor in (*undo.parameters, *undo.buffers):
            if tensor.dtype in (torch.float16, torch.bfloat16):
                # A half-precision map is mostly rounding, so the weights are widened.
                tensor.data = tensor.data.float()
        with torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
            yield network
    finally:
        undo.restore()


class _Snapshot:
    """What a network looks like from outside, to be put back."""

    def __init__(self, network: nn.Module) -> None:
        modules = list(network.modules())
        self.modes = [(module, module.training) for module in modules]
        self.hooks: list[tuple[dict[int, Any], dict[int, Any]]] = [
            (hooks, dict(hooks)) for module in modules for hooks in (getattr(module, name) for name in _HOOKS)
        ]
        self.parameters = {p: (p.data, p.requires_grad, p.grad) for p in network.parameters()}
        self.buffers = {b: (b.data, b.data.clone()) for b in network.buffers()}
        # A forward pass may put a new tensor in a buffer's place.
        self.places = [(m._buffers, dict(m._buffers)) for m in modules]

    def restore(self) -> None:
        for module, training in self.modes:
            module.training = training
        for hooks, before in self.hooks:
            if hooks.keys() != before.keys():
                hooks.clear()
                hooks.update(before)
        for buffers, found in self.places:
            buffers.update(found)
        for parameter, (data, requires_grad, grad) in self.parameters.items():
            parameter.data = data
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad
        for buffer, (data, values) in self.buffers.items():
            buffer.data = data
            if not torch.equal(data, values):
                data.copy_(values)
