"""Feature maps weighted by how much a score depends on them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from plainfilm.attribution.method import (
    Method,
    checked_images,
    checked_maps,
    checked_scores,
    in_chunks,
    target_scores,
)
from plainfilm.attribution.probe import probe
from plainfilm.errors import ModelError


@dataclass(frozen=True, eq=False)
class GradCAM(Method):
    """Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2), signed: without its last ReLU.

    ``map_k = sum_c w_kc · A_c`` with ``w_kc = mean over cells of d score_k / d A_c``.
    One forward pass serves every target: only the part behind the layer is
    differentiated. ``A`` is what the layer returned, before anything overwrites it in
    place, and the gradient belongs to the same tensor.

    Attributes:
        layer: A name as in ``named_modules()``, or the module; None takes the last feature
            map with spatial extent that is not a bare activation or pooling. Of a vision
            transformer name a block, ``"encoder.layers.encoder_layer_11.ln_1"`` for instance:
            its tokens are laid out on the grid of patches. The score must still depend on the
            patches behind that layer; behind the last block it may rest on the class token alone.
    """

    unit: ClassVar[str] = "logit per cell"
    evidence: ClassVar[str] = "positive"
    layer: str | nn.Module | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.layer, str | nn.Module | None):
            raise ModelError(f"layer {self.layer!r}", "a name from named_modules() or a module", "GradCAM")

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        features, scores = self._run(images)
        return _weighted(features, target_scores(scores, targets), keep_graph=False)

    def all_targets(self, images: Tensor) -> Tensor:
        """The maps of all targets from one forward pass, ``(B, C, H, W)`` to ``(B, K, h, w)``."""
        with probe(self.network):
            images = checked_images(images, self.network)
            none = torch.zeros(len(images), dtype=torch.long)
            maps = in_chunks(lambda chunk, _: self._all(chunk), images, none, self.memory)
        return checked_maps(maps, type(self).__name__)

    def settings(self) -> dict[str, Any]:
        layer = self._resolved.get("layer", self.layer)
        named = {module: name for name, module in self.network.named_modules()}
        return super().settings() | {"layer": named.get(layer) if isinstance(layer, nn.Module) else layer}

    @cached_property
    def _resolved(self) -> dict[str, nn.Module]:
        """The layer, once it has been looked for."""
        return {}

    def _all(self, images: Tensor) -> Tensor:
        features, scores = self._run(images)
        scores = checked_scores(scores, len(images))
        return torch.cat(
            [_weighted(features, scores[:, k], keep_graph=True) for k in range(scores.shape[1])], 1
        )

    def _run(self, images: Tensor) -> tuple[Tensor, Any]:
        """The layer's feature map as a leaf of the graph, and the scores computed from it."""
        if "layer" not in self._resolved:
            self._resolved["layer"] = (
                last_feature_map(self.network, images[:1])
                if self.layer is None
                else find_layer(self.network, self.layer)
            )
        grids: list[tuple[int, int]] = []
        leaves: list[Tensor] = []

        def note_grid(module: nn.Module, inputs: Any, output: Tensor) -> None:
            grids.append((output.shape[2], output.shape[3]))

        def start_graph_here(module: nn.Module, inputs: Any, output: Any) -> Tensor:
            leaf, rebuilt = _as_leaf(output, type(module).__name__, grids)
            leaves.append(leaf)
            return rebuilt

        with ExitStack() as hooks:
            hooks.callback(self._resolved["layer"].register_forward_hook(start_graph_here).remove)
            for module in self.network.modules():
                if isinstance(module, nn.Conv2d):
                    hooks.callback(module.register_forward_hook(note_grid).remove)
            # Parameters ask for no gradient inside the probe, so no graph exists before the layer.
            # Channels last is the order in which convolutions run fastest.
            scores = self.network(images.clone(memory_format=torch.channels_last))
        if not leaves:
            raise ModelError("a layer that the forward pass never calls", "a layer in use", "GradCAM")
        return leaves[-1], scores


def _as_leaf(output: Any, layer: str, grids: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """A layer's output as a map ``(B, C, h, w)`` to differentiate by, and what the network goes on with.

    The network gets a copy: what it overwrites in place is not ours. The tokens ``(B, n, C)`` of a
    transformer are laid out on the grid of the last convolution before them, its patches; tokens in
    front (class, registers) belong to no place and pass through.
    """
    if isinstance(output, Tensor) and output.ndim == 4:
        leaf = output.detach().clone().requires_grad_()
        return leaf, leaf.clone()
    if not isinstance(output, Tensor) or output.ndim != 3 or not grids:
        raise _no_feature_map(f"layer {layer} without a feature map or tokens")
    height, width = grids[-1]
    front = output.shape[1] - height * width
    if not 0 <= front <= MOST_FRONT_TOKENS:
        raise _no_feature_map(f"{output.shape[1]} tokens for a grid of {height} × {width} patches")
    patches = output[:, front:].transpose(1, 2).unflatten(2, (height, width))
    leaf = patches.detach().clone().requires_grad_()
    return leaf, torch.cat([output[:, :front], leaf.flatten(2).transpose(1, 2)], 1)


def _weighted(features: Tensor, score: Tensor, keep_graph: bool) -> Tensor:
    if not score.requires_grad:
        return torch.zeros_like(features[:, :1])
    (gradient,) = torch.autograd.grad(score.sum(), features, retain_graph=keep_graph, allow_unused=True)
    if gradient is None:
        return torch.zeros_like(features[:, :1])
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * features.detach()).sum(1, keepdim=True)


def find_layer(network: nn.Module, layer: str | nn.Module) -> nn.Module:
    """A module of the network by name, or itself.

    Raises:
        ModelError: with close matches where there is no such layer.
    """
    modules = dict(network.named_modules())
    if isinstance(layer, nn.Module):
        if layer not in modules.values():
            raise ModelError(f"a {type(layer).__name__} of another network", "a module of this one", "layer")
        return layer
    if layer not in modules or not layer:
        close = get_close_matches(layer, modules, n=3, cutoff=0.4)
        raise ModelError(
            f"layer {layer!r}", "a name from named_modules()", "layer",
            f"Close: {', '.join(close)}." if close else "",
        )  # fmt: skip
    return modules[layer]


MOST_FRONT_TOKENS = 16
"""Class and register tokens; more are a sign that the grid is another."""

_NOT_A_FEATURE_MAP = (
    nn.modules.activation.__name__,
    nn.modules.pooling.__name__,
    nn.modules.dropout.__name__,
)


def last_feature_map(network: nn.Module, image: Tensor) -> nn.Module:
    """The last module that returns ``(B, C, h, w)`` with h·w > 1.

    Bare activations, pooling, dropout and ``nn.Sequential`` are passed over, so that a network whose
    last ReLU is a module, a function or in place gets one and the same layer.

    Raises:
        ModelError: where there is none, in a multilayer perceptron for example.
    """
    found: list[nn.Module] = []
    tokens_after: list[nn.Module] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            found.append(module)
            tokens_after.clear()
        if isinstance(module, nn.LayerNorm) and output.ndim == 3:
            tokens_after.append(module)

    candidates = [m for m in network.modules() if _may_be_feature_map(m) and m is not network]
    with ExitStack() as hooks, torch.no_grad():
        for module in candidates:
            hooks.callback(module.register_forward_hook(note).remove)
        network(image.clone())
    if tokens_after:
        raise _no_feature_map("a transformer, whose last feature map lies before its attention")
    if not found:
        raise _no_feature_map("a network without a feature map")
    return found[-1]


def _no_feature_map(got: str) -> ModelError:
    return ModelError(
        got, "a layer that returns (B, C, h, w) with h·w > 1, or the tokens of a grid", "GradCAM",
        "Name such a layer, or use gradient, guided-backprop or integrated-gradients.",
    )  # fmt: skip


def _may_be_feature_map(module: nn.Module) -> bool:
    return type(module).__module__ not in _NOT_A_FEATURE_MAP and not isinstance(module, nn.Sequential)
