"""The layer whose cells a class activation map weighs: named, or found."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Size, Tensor, nn

from plainfilm.attribution.tokens import Layout, layouts, proved
from plainfilm.errors import ModelError

Layer = tuple[nn.Module, Layout]
"""A module, and where the cells of its output lie."""

_FOUND: WeakKeyDictionary[nn.Module, dict[Any, tuple[str, Layout]]] = WeakKeyDictionary()
"""Searching takes forward passes, so it is done once for a network and a size of image."""


def layer_of(network: nn.Module, layer: str | nn.Module | None, image: Tensor) -> Layer:
    """The layer asked for, or else the last that the score rests on, with its layout.

    Args:
        network: Inside the probe.
        layer: A name as in ``named_modules()``, a module, or None.
        image: ``(1, C, H, W)``.

    Raises:
        ModelError: with close matches for an unknown layer; where the layer's output has no
            cells whose place on the image is proved, or no layer has (a multilayer perceptron).
    """
    modules = dict(network.named_modules())
    found = _FOUND.setdefault(network, {})
    wanted = None if layer is None else named_layer(network, layer)[0]
    key = (wanted, tuple(image.shape))
    if key in found and found[key][0] in modules:
        name, layout = found[key]
        return modules[name], layout
    if wanted is not None:
        module, layout = _read(network, modules[wanted], image)
    else:
        seen = _observe(network, image, [each for each in modules.values() if _may_have_cells(each)])
        last = _last(network, image, seen, must_matter=True)
        if last is None:
            # Nothing to remember: a head of zeros, say, that is still to be trained.
            last = _last(network, image, seen, must_matter=False)
            if last is None:
                raise _no_cells("a network without a layer whose cells have a place on the image")
            return last
        module, layout = last
    found[key] = next(name for name, each in modules.items() if each is module), layout
    return module, layout


def named_layer(network: nn.Module, layer: str | nn.Module) -> tuple[str, nn.Module]:
    """A layer with its name as in ``named_modules()``.

    Raises:
        ModelError: with close matches for an unknown name; for a module of another network.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    for name, module in modules.items():
        if layer is module or layer == name:
            return name, module
    close = get_close_matches(layer, modules, n=3, cutoff=0.4) if isinstance(layer, str) else []
    raise ModelError(
        f"layer {layer!r}" if isinstance(layer, str) else f"a {type(layer).__name__} of another network",
        "a name from named_modules(), or a module of this network", "layer",
        f"Close: {', '.join(close)}." if close else "",
    )  # fmt: skip


@dataclass
class _Pass:
    """What one forward pass shows: outputs in order, and the shapes that convolutions return."""

    outputs: list[tuple[nn.Module, Tensor]] = field(default_factory=list)
    convolved: set[Size] = field(default_factory=set)
    scores: Any = None

    def layouts(self, layer: nn.Module, output: Tensor, size: tuple[int, int]) -> tuple[list[Layout], bool]:
        """How a layer's output may be read, and whether that is settled without a proof."""
        if len({each.shape for module, each in self.outputs if module is layer}) > 1:
            # A norm that is used on tokens and again on what was pooled from them.
            return [], False
        shape = output.shape[1:]
        # As many channels as rows could also be channels last, unless the layer itself convolves.
        told = output.ndim == 4 and (shape[0] != shape[1] or any(map(_convolves, layer.modules())))
        if told and shape in self.convolved:
            return [Layout("channels first")] if shape[1] * shape[2] > 1 else [], True
        return layouts(output.shape, size), False


def _observe(network: nn.Module, image: Tensor, watched: list[nn.Module]) -> _Pass:
    """One forward pass with a graph. The network goes on with copies, so it can overwrite nothing."""
    seen = _Pass()

    def note(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not isinstance(output, Tensor):
            return None
        seen.outputs.append((module, output))
        return output.clone()

    def note_shape(module: nn.Module, inputs: Any, output: Tensor) -> None:
        seen.convolved.add(output.shape[1:])

    with ExitStack() as hooks:
        for module in network.modules():
            if _convolves(module):
                hooks.callback(module.register_forward_hook(note_shape).remove)
        for module in watched:
            hooks.callback(module.register_forward_hook(note).remove)
        seen.scores = network(image.clone().requires_grad_().clone())
    return seen


def _read(network: nn.Module, layer: nn.Module, image: Tensor) -> Layer:
    """The layout of a named layer."""
    if _returns_channels_first(layer):
        return layer, Layout("channels first")
    seen = _observe(network, image, [layer])
    if not seen.outputs:
        raise ModelError("a layer that returns no tensor in the forward pass", "a layer in use", "layer")
    output = seen.outputs[-1][1]
    possible, settled = seen.layouts(layer, output, (image.shape[2], image.shape[3]))
    layout = _settle(network, layer, image, possible, settled)
    if layout is None:
        raise _no_cells(
            f"an output {tuple(output.shape)} of {type(layer).__name__} whose cells have no place"
        )
    return layer, layout


def _last(network: nn.Module, image: Tensor, seen: _Pass, must_matter: bool) -> Layer | None:
    """The last layer with cells, if there is one; only those on whose cells the scores rest."""
    for layer, output in reversed(seen.outputs):
        possible, settled = seen.layouts(layer, output, (image.shape[2], image.shape[3]))
        if must_matter and possible:
            gradient = _gradient(seen.scores, output)
            # Behind the last block of a transformer the scores may rest on the class token alone,
            # which a layout that is still to be proved may take for a cell.
            least = 0.0 if settled else 0.5
            possible = [each for each in possible if _share(each.cells(gradient)) > least]
        layout = _settle(network, layer, image, possible, settled)
        if layout is not None:
            return layer, layout
    return None


def _share(cells: Tensor) -> float:
    """Share of the cells with a value that is not 0."""
    return cells.any(1).float().mean().item()


def _settle(
    network: nn.Module, layer: nn.Module, image: Tensor, possible: list[Layout], settled: bool
) -> Layout | None:
    return next(iter(possible), None) if settled else proved(network, layer, image, possible)


def _gradient(scores: Any, output: Tensor) -> Tensor:
    """Of a mixture of all scores: their plain sum would be constant behind a softmax."""
    if not isinstance(scores, Tensor) or not scores.requires_grad or not output.requires_grad:
        return torch.zeros_like(output)
    mixture = (scores * torch.arange(1, scores[0].numel() + 1).to(scores).view_as(scores[0])).sum()
    (gradient,) = torch.autograd.grad(mixture, output, retain_graph=True, allow_unused=True)
    return torch.zeros_like(output) if gradient is None else gradient


_PASSED_OVER = (
    nn.modules.activation.__name__,
    nn.modules.pooling.__name__,
    nn.modules.dropout.__name__,
    # Identity among them, and the queries, keys and values inside an attention.
    nn.modules.linear.__name__,
)


def _may_have_cells(module: nn.Module) -> bool:
    """Not a bare activation, pooling or the like.

    So a network whose last ReLU is a module, a function or in place gets one and the same layer.
    """
    return type(module).__module__ not in _PASSED_OVER and not isinstance(module, nn.Sequential)


def _returns_channels_first(layer: nn.Module) -> bool:
    while isinstance(layer, nn.Sequential) and len(layer):
        layer = layer[-1]
    return _convolves(layer)


def _convolves(module: nn.Module) -> bool:
    """Whether channels are first in what it returns, by its contract."""
    return isinstance(module, nn.Conv2d | nn.BatchNorm2d)


def _no_cells(got: str) -> ModelError:
    """The error of a network, or of a layer, that has no map to weigh."""
    return ModelError(
        got, "a feature map (B, C, h, w) or (B, h, w, C), or tokens on a grid", "layer",
        "Name another layer, or use gradient, integrated-gradients, expected-gradients or occlusion.",
    )  # fmt: skip
