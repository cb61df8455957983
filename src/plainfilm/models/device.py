"""Where a network lies."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn

from plainfilm.errors import ModelError


def device_of(network: nn.Module) -> torch.device:
    """The device of all weights and buffers; the CPU for a network that has none.

    Raises:
        ModelError: for a network spread over several devices, and for one on the device "meta",
            whose weights have shapes but no values.
    """
    first: dict[torch.device, str] = {}
    for name, tensor in chain(network.named_parameters(), network.named_buffers()):
        first.setdefault(tensor.device, name)
    where = type(network).__name__
    if len(first) > 1:
        found = ", ".join(f"{name} on {device}" for device, name in first.items())
        raise ModelError(
            f"weights on {len(first)} devices ({found})", "one device", where, "Use network.to(device)."
        )
    device = next(iter(first), torch.device("cpu"))
    if device.type == "meta":
        raise ModelError("weights without values (device 'meta')", "loaded weights", where)
    return device
