"""What measures need of a method of attribution, which lives on a floor above them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from plainfilm.errors import InputError, ModelError, NumericError

Target = int | Sequence[int] | Tensor


class Attributor(Protocol):
    """Anything that explains: every method of ``plainfilm.attribution``."""

    def attribute(self, images: Tensor, target: Any, /) -> Tensor:
        """Maps ``(B, 1, h, w)`` of images ``(B, C, H, W)``."""
        ...


Factory = Callable[[nn.Module], Attributor]
"""Builds a method on a network: a class such as ``GradCAM``, or any callable."""


def check_images(images: Tensor) -> None:
    """Refuses anything but a batch of images.

    Raises:
        InputError: naming the shape.
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or not len(images):
        got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"images {got}", "a tensor (B, C, H, W)", "images")


def jittered(images: Tensor, noise: float, seed: int, copy: int) -> Tensor:
    """One noisy copy of each image; all get the same draw, a function of seed and copy.

    Args:
        images: ``(B, C, H, W)``.
        noise: Standard deviation as a share of the image's own range (max - min).
        seed: Of the draws.
        copy: Its number.
    """
    normal = np.random.default_rng([seed, copy]).standard_normal(images.shape[1:])
    deviation = noise * (images.amax((1, 2, 3)) - images.amin((1, 2, 3))).view(-1, 1, 1, 1)
    return images + deviation * torch.from_numpy(normal).to(images)


def raw_maps(method: Attributor, images: Tensor, target: Target) -> np.ndarray:
    """The maps of a method as float64 ``(images, pixels)``.

    Raises:
        InputError: for images of another shape.
        NumericError: for maps that are not finite.
    """
    check_images(images)
    maps: np.ndarray = method.attribute(images, target).detach().double().flatten(1).cpu().numpy()
    if not np.isfinite(maps).all():
        raise NumericError("a map that is not finite", "finite maps", type(method).__name__)
    return maps


def on_a_copy(method: Any, classifier: Any) -> tuple[nn.Module, Callable[[], Attributor]]:
    """A copy of the classifier's network in evaluation mode, and what builds the method on that copy.

    Raises:
        ModelError: for a classifier or a method that is none, or a method built on another network.
    """
    network = _network_of(classifier)
    if not isinstance(network, nn.Module):
        raise ModelError(f"a {type(classifier).__name__}", "a Classifier or a torch.nn.Module", "classifier")
    copied = deepcopy(network).eval()
    if isinstance(method, type) or not hasattr(method, "attribute"):
        if not callable(method):
            raise ModelError(f"a {type(method).__name__}", "a method of attribution, or its class", "method")
        return copied, partial(method, copied)
    held = _fields_holding(method, network)
    if not held:
        raise ModelError(
            f"a {type(method).__name__} built on another network", "one that holds the classifier's",
            "method", "Pass its class, or a callable that builds it on a network.",
        )  # fmt: skip
    # Whatever wraps the network is copied around the copy.
    return copied, lambda: replace(
        method, **{name: deepcopy(value, {id(network): copied}) for name, value in held.items()}
    )


def _fields_holding(method: Any, network: nn.Module) -> dict[str, Any]:
    if not is_dataclass(method):
        return {}
    values = {each.name: getattr(method, each.name) for each in fields(method) if each.init}
    return {name: value for name, value in values.items() if _holds(value, network)}


def _holds(value: Any, network: nn.Module) -> bool:
    module = _network_of(value)
    return isinstance(module, nn.Module) and any(each is network for each in module.modules())


def _network_of(value: Any) -> Any:
    # A module may call one of its own parts "network".
    return value if isinstance(value, nn.Module) else getattr(value, "network", None)
