"""Feature maps weighted by how much a score depends on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from plainfilm.attribution.layer import layer_of
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
        layer: A name as in ``named_modules()``, or the module; None takes the last layer on whose
            cells the scores rest. Cells are those of a feature map, channels first or last, or the
            patch tokens of a transformer; where on the image they lie is proved (``tokens.proved``).
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
        return self._map(features, target_scores(scores, targets), keep_graph=False)

    def all_targets(self, images: Tensor) -> Tensor:
        """The maps of all targets from one forward pass, ``(B, C, H, W)`` to ``(B, K, h, w)``."""
        with probe(self.network):
            images = checked_images(images, self.network)
            none = torch.zeros(len(images), dtype=torch.long)
            maps = in_chunks(lambda chunk, _: self._all(chunk), images, none, self.memory)
        return checked_maps(maps, type(self).__name__)

    def weights(self, features: Tensor, gradient: Tensor) -> Tensor:
        """The weight of each channel, ``(B, C, h, w)`` twice to ``(B, C, 1, 1)``."""
        return gradient.mean((2, 3), keepdim=True)

    def settings(self) -> dict[str, Any]:
        layer = self._used.get("layer", self.layer)
        named = {module: name for name, module in self.network.named_modules()}
        return super().settings() | {"layer": named.get(layer) if isinstance(layer, nn.Module) else layer}

    @cached_property
    def _used(self) -> dict[str, nn.Module]:
        """The layer of the last call, for the record."""
        return {}

    def _all(self, images: Tensor) -> Tensor:
        features, scores = self._run(images)
        scores = checked_scores(scores, len(images))
        return torch.cat(
            [self._map(features, scores[:, k], keep_graph=True) for k in range(scores.shape[1])], 1
        )

    def _run(self, images: Tensor) -> tuple[Tensor, Any]:
        """The layer's cells as a leaf of the graph, and the scores computed from them."""
        layer, layout = layer_of(self.network, self.layer, images[:1])
        self._used["layer"] = layer
        leaves: list[Tensor] = []

        def start_graph_here(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            leaves.append(layout.cells(output).detach().clone().requires_grad_())
            # The network gets a copy: what it overwrites in place is not ours.
            return layout.put(leaves[-1], output)

        handle = layer.register_forward_hook(start_graph_here)
        try:
            # Parameters ask for no gradient inside the probe, so no graph exists before the layer.
            scores = _forward(self.network, images, leaves)
        finally:
            handle.remove()
        if not leaves:
            raise ModelError("a layer that the forward pass never calls", "a layer in use", "GradCAM")
        return leaves[-1], scores

    def _map(self, features: Tensor, score: Tensor, keep_graph: bool) -> Tensor:
        if not score.requires_grad:
            return torch.zeros_like(features[:, :1])
        (gradient,) = torch.autograd.grad(score.sum(), features, retain_graph=keep_graph, allow_unused=True)
        if gradient is None:
            return torch.zeros_like(features[:, :1])
        features = features.detach()
        return (self.weights(features, gradient) * features).sum(1, keepdim=True)


def _forward(network: nn.Module, images: Tensor, leaves: list[Tensor]) -> Any:
    """The scores, with the images in the order in which convolutions run fastest where the network allows."""
    try:
        return network(images.clone(memory_format=torch.channels_last))
    except RuntimeError:
        # A network that flattens with .view() takes the plain order alone; another error comes again.
        leaves.clear()
        return network(images.clone())
