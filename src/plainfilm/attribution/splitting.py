"""A network split behind a layer: what lies before it runs once, what lies behind it again and again.

Nothing is rebuilt or traced. While the tail runs, the layer returns other features, and every module that
had finished before the layer began returns what it returned on the whole network. So a layer of any
network will do, also one that connections pass by, and operations that are no module stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from plainfilm.attribution.layer import named_layer
from plainfilm.attribution.method import checked_scores
from plainfilm.errors import ModelError

TOLERANCE = 1e-5
"""How far the tail of unchanged features may be from the network's own scores, relative to the largest."""

Forward = Callable[..., Any]
Calls = Sequence[tuple[nn.Module, Any]]
"""Modules in the order in which they were called, each with what it returned."""


@dataclass(frozen=True, eq=False)
class Split:
    """A network behind one layer, for the images that it has seen.

    Attributes:
        network: The network, inside the probe as long as the split is used.
        layer: The module whose output is replaced.
        images: ``(B, C, H, W)``.
        features: What the layer returned, ``(B, C, h, w)``.
        scores: What the network returned, ``(B, K)``.
        before: What finished before the layer began. None where that cannot be used again, so that
            the whole network runs each time.
        order: Of the features in memory.
    """

    network: nn.Module = field(repr=False)
    layer: nn.Module = field(repr=False)
    images: Tensor
    features: Tensor
    scores: Tensor
    before: Calls | None = field(default=None, repr=False)
    order: torch.memory_format = torch.contiguous_format

    def tail(self, features: Tensor, image: Tensor) -> Tensor:
        """The scores where the layer returns these features.

        Args:
            features: ``(N, C, h, w)``, the caller's no longer: the network may work in place on them.
            image: Number of the image that each row of features belongs to, ``(N,)``.

        Returns:
            ``(N, K)``, differentiable in the features.
        """

        def again(output: Any) -> Any:
            return tree_map_only(Tensor, lambda tensor: _Rows.of(tensor, len(self.images), image), output)

        recorded: dict[nn.Module, list[Any]] = {}
        for module, output in self.before or ():
            recorded.setdefault(module, []).append(output)
        forwards = {module: _next(iter(each), again, module.forward) for module, each in recorded.items()}
        forwards[self.layer] = lambda *args, **kwargs: features.contiguous(memory_format=self.order)
        with _calling(forwards):
            return checked_scores(self.network(again(self.images)), len(image))

    def is_exact(self) -> bool:
        """Whether the tail of what the layer returned gives the network's own scores, to ``TOLERANCE``."""
        image = torch.tensor([0, len(self.images) - 1], device=self.images.device)
        with torch.no_grad():
            difference = self.tail(self.features[image], image) - self.scores[image]
        return bool(difference.abs().max() <= TOLERANCE * self.scores.abs().max().clamp(min=1))


def split(network: nn.Module, layers: Sequence[str | nn.Module], images: Tensor) -> dict[str, Split]:
    """Splits a network behind each of several layers, from one forward pass.

    Args:
        network: Inside the probe.
        layers: Names as in ``named_modules()``, or modules.
        images: ``(B, C, H, W)``.

    Returns:
        Name of the layer to its split, which is proved: it gives the network's own scores.

    Raises:
        ModelError: for a layer that is unknown, is used never or twice, or returns anything but one
            ``(B, C, h, w)`` tensor, or where replacing its output by itself changes the scores.
        NumericError: where a score is not finite.
    """
    named = dict(named_layer(network, layer) for layer in layers)
    seen = _recorded(network, tuple(named.values()), images)
    scores = checked_scores(seen.scores, len(images))
    return {
        name: _proved(
            Split(network, layer, images, seen.output(name, layer), scores, seen.before[layer], seen.order)
        )
        for name, layer in named.items()
    }


def outputs_of(network: nn.Module, layers: Sequence[str | nn.Module], images: Tensor) -> dict[str, Tensor]:
    """What each layer returns for images ``(B, C, H, W)``, by name, ``(B, C, h, w)``; errors as ``split``."""
    named = dict(named_layer(network, layer) for layer in layers)
    seen = _recorded(network, tuple(named.values()), images)
    return {name: seen.output(name, layer) for name, layer in named.items()}


def _proved(part: Split) -> Split:
    """The split as recorded, or the whole network where the records cannot be used again."""
    try:
        exact = part.is_exact()
    except RuntimeError:  # rows that do not fit together, since a module changes their number
        exact = False
    part = part if exact else replace(part, before=None)
    if not exact and not part.is_exact():
        raise ModelError(
            "other scores where its output is replaced by itself", "the same scores",
            f"layer of type {type(part.layer).__name__}",
            "The network may draw random numbers; name a layer behind them.",
        )  # fmt: skip
    return part


def in_full_precision(images: Tensor) -> torch.autocast:
    """Puts aside an autocast around the call: a proof to 1e-5, and bits, are lost in half precision."""
    return torch.autocast(images.device.type, enabled=False)


def _recorded(network: nn.Module, layers: tuple[nn.Module, ...], images: Tensor) -> _Recording:
    """Channels last is the order that convolutions run fastest on, but some views forbid it."""
    try:
        return _Recording(network, layers, images, torch.channels_last)
    except RuntimeError:
        return _Recording(network, layers, images, torch.contiguous_format)


class _Recording:
    """One forward pass, with what each outermost module returned before each layer began."""

    def __init__(
        self, network: nn.Module, layers: tuple[nn.Module, ...], images: Tensor, order: torch.memory_format
    ) -> None:
        self.order = order
        self.calls: list[tuple[nn.Module, Any]] = []
        self.before: dict[nn.Module, Calls] = {}
        self.features: dict[nn.Module, list[Any]] = {layer: [] for layer in layers}
        self.inside = False
        every = list(network.modules())
        # What holds a layer is looked into; all else is recorded as one.
        holders = {module for module in every if any(each in layers for each in module.modules())}
        watched = [module for module in every if module in layers or module not in holders]
        forwards = {module: self._noted(module, module.forward) for module in watched}
        with torch.no_grad(), _calling(forwards):
            self.scores = network(images.clone(memory_format=order))

    def output(self, name: str, layer: nn.Module) -> Tensor:
        """The one output of a layer.

        Raises:
            ModelError: unless it is one floating-point ``(B, C, h, w)``.
        """
        outputs = self.features[layer]
        if len(outputs) != 1:
            raise ModelError(
                f"{len(outputs)} calls in a forward pass", "one", f"layer {name}", "Name another."
            )
        (output,) = outputs
        if not isinstance(output, Tensor) or output.ndim != 4 or not output.is_floating_point():
            got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise ModelError(f"an output of {got}", "floating-point (B, C, h, w)", f"layer {name}")
        return output

    def _noted(self, module: nn.Module, forward: Forward) -> Forward:
        is_layer = module in self.features

        def noted(*args: Any, **kwargs: Any) -> Any:
            if self.inside and not is_layer:
                return forward(*args, **kwargs)
            if is_layer:
                self.before[module] = tuple(self.calls)
            self.inside, outside = True, self.inside
            try:
                output = forward(*args, **kwargs)
            finally:
                self.inside = outside
            # What follows may work in place on it.
            kept = tree_map_only(Tensor, torch.clone, output)
            if is_layer:
                self.features[module].append(kept)
            if not outside:
                self.calls.append((module, kept))
            return output

        return noted


@contextmanager
def _calling(forwards: Mapping[nn.Module, Forward]) -> Iterator[None]:
    """Calls these in place of the modules' own ``forward``; their hooks are called as ever."""
    found = {module: vars(module).get("forward") for module in forwards}
    try:
        for module, forward in forwards.items():
            vars(module)["forward"] = forward
        yield
    finally:
        for module, own in found.items():
            if own is None:
                vars(module).pop("forward", None)
            else:
                vars(module)["forward"] = own


def _next(recorded: Iterator[Any], again: Forward, forward: Forward) -> Forward:
    """What was recorded, call by call; a module that is used on both sides of the layer then runs."""
    end = object()

    def called(*args: Any, **kwargs: Any) -> Any:
        output = next(recorded, end)
        return forward(*args, **kwargs) if output is end else again(output)

    return called


class _Rows(Tensor):
    """Rows of a recorded tensor, copied only when an operation looks at them; few are ever looked at."""

    recorded: Tensor
    batch: int
    image: Tensor
    copied: Tensor | None

    @staticmethod
    def of(recorded: Tensor, batch: int, image: Tensor) -> _Rows:
        """What ``batch`` images returned, for the images of these numbers."""
        rows: _Rows = recorded.as_subclass(_Rows)
        rows.recorded, rows.batch, rows.image, rows.copied = recorded, batch, image, None
        return rows

    def copy(self) -> Tensor:
        """The rows; one copy, since a network may go on with what it overwrote."""
        if self.copied is None:
            of_images = self.recorded.ndim > 0 and len(self.recorded) == self.batch
            self.copied = self.recorded[self.image] if of_images else self.recorded.clone()
        return self.copied

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map_only(_Rows, _Rows.copy, (args, kwargs or {}))
        return func(*args, **kwargs)
