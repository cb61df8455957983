"""What is explained: one head of several, one score of a segmentation, a network out of its wrapper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plainfilm.errors import ModelError


class Head(nn.Module):
    """One output of a network that returns several: a tuple, a mapping, or an object with fields.

    Args:
        network: Any network.
        key: A position, a key, or the name of a field: ``Head(network, "logits")``.
    """

    def __init__(self, network: nn.Module, key: int | str) -> None:
        super().__init__()
        self.network, self.key = network, key

    def forward(self, images: Tensor) -> Tensor:
        """The chosen output of ``images`` ``(B, C, H, W)``.

        Raises:
            ModelError: where the network returns nothing by that key.
        """
        outputs = self.network(images)
        chosen = _entries(outputs).get(self.key)
        if not isinstance(chosen, Tensor):
            raise ModelError(
                f"no tensor at {self.key!r} of a {type(outputs).__name__}",
                f"one of its outputs ({', '.join(map(repr, _entries(outputs)))})", "Head",
            )  # fmt: skip
        return chosen


def _entries(outputs: Any) -> Mapping[Any, Any]:
    """The outputs by key, position or name of a field."""
    if isinstance(outputs, Mapping):
        return outputs
    fields = vars(outputs) if hasattr(outputs, "__dict__") else {}
    if isinstance(outputs, tuple | list):
        named = outputs._asdict() if hasattr(outputs, "_asdict") else {}
        return dict(enumerate(outputs)) | named
    return fields


class RegionScore(nn.Module):
    """Scores ``(B, K)`` of a segmentation network: the mean logit of each class over a region.

    So every method explains a segmentation, as in Seg-Grad-CAM (Vinogradova et al. 2020, eq. 2; its sum
    is taken over the number of pixels, so that large and small regions have one unit).

    Args:
        network: Maps images ``(B, C, H, W)`` to logits ``(B, K, h, w)``.
        region: Bool ``(h, w)`` on the grid of the logits. None takes the pixels where a class is
            predicted, its logit being above 0, for each image and class; a class that is predicted
            nowhere scores 0 and has a flat map. This region is held constant in gradients but moves with the
            image, so give one to methods that follow a path (integrated and expected gradients).
    """

    region: Tensor | None

    def __init__(self, network: nn.Module, region: Tensor | None = None) -> None:
        super().__init__()
        if region is not None and (region.dtype != torch.bool or region.ndim != 2 or not region.any()):
            raise ModelError(
                f"a region {tuple(region.shape)} of {region.dtype}",
                "bool (h, w) with a pixel in it",
                "RegionScore",
            )
        self.network = network
        self.register_buffer("region", region)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, K)``, in logits.

        Raises:
            ModelError: where the network returns no logits ``(B, K, h, w)`` of the region's size.
        """
        logits = self.network(images)
        if not isinstance(logits, Tensor) or logits.ndim != 4:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ModelError(
                f"an output of {got}",
                "logits (B, K, h, w)",
                "RegionScore",
                "Choose an output with target.Head.",
            )
        if self.region is not None and self.region.shape != logits.shape[2:]:
            raise ModelError(
                f"a region of {tuple(self.region.shape)}",
                f"{tuple(logits.shape[2:])}, as the logits",
                "RegionScore",
            )
        region = (logits > 0) if self.region is None else self.region.expand_as(logits)
        return (logits * region).sum((2, 3)) / region.sum((2, 3)).clamp(min=1)


def unwrapped(network: Any) -> nn.Module:
    """The module inside ``DataParallel``, ``DistributedDataParallel`` and ``torch.compile``.

    Hooks need the module itself: a replica or compiled code would pass them by.

    Raises:
        ModelError: for anything but a module, and for TorchScript, which takes no hooks.
    """
    while isinstance(network, nn.Module) and (inside := _inside(network)) is not None:
        network = inside
    if not isinstance(network, nn.Module):
        raise ModelError(f"a {type(network).__name__}", "a torch.nn.Module", "network")
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        raise ModelError("a TorchScript module", "a module of Python", "network", "Use the original.")
    return network


def _inside(network: nn.Module) -> Any:
    if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return network.module
    # torch.compile keeps the module under this name; its class is private.
    return getattr(network, "_orig_mod", None)
