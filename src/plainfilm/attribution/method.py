"""What every attribution method shares: targets, memory, and one way of calling it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from plainfilm.attribution.probe import probe
from plainfilm.attribution.target import unwrapped
from plainfilm.errors import ModelError, NumericError

Target = int | Sequence[int] | Tensor
"""One class index for all images, or one for each."""

Evidence = str
"""How a raw map becomes evidence to be localised: its "positive" part or its "magnitude"."""


class Attribution(ABC):
    """A frozen dataclass of settings with ``attribute``; its first field is the model that it explains.

    Attributes:
        unit: What one unit of a map means.
        evidence: Which part of a map counts.
        of_network: Whether the model is the bare network, before the sigmoid, and not the classifier.
    """

    unit: ClassVar[str] = ""
    evidence: ClassVar[Evidence] = "magnitude"
    of_network: ClassVar[bool] = True

    @abstractmethod
    def attribute(self, images: Tensor, target: Target) -> Tensor:
        """Maps ``(B, 1, h, w)`` of images ``(B, C, H, W)``, for one target or one for each image."""

    @classmethod
    def setting_names(cls) -> tuple[str, ...]:
        """What can be set: all fields but the model."""
        return tuple(each.name for each in fields(cls)[1:])  # type: ignore[arg-type]

    def settings(self) -> dict[str, Any]:
        """The settings by name, without the model."""
        return {name: getattr(self, name) for name in self.setting_names()}


@dataclass(frozen=True, eq=False)
class Method(Attribution):
    """A method of attribution that explains a network: settings, and ``attribute``.

    A method defines ``maps``; ``attribute`` brings the probe, the check of the
    targets, the chunks and the check of the result.

    Attributes:
        network: Maps images ``(B, C, H, W)`` to scores ``(B, K)``, before the sigmoid.
        memory: GiB that one chunk of images may take; more images are split.
    """

    network: nn.Module
    memory: float = field(default=2.0, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.memory, int | float) or not self.memory > 0:
            raise ModelError(f"memory {self.memory!r}", "a number of GiB above 0", type(self).__name__)
        object.__setattr__(self, "network", unwrapped(self.network))

    def attribute(self, images: Tensor, target: Target) -> Tensor:
        """Explains one score of each image.

        Args:
            images: ``(B, C, H, W)`` in the network's own range.
            target: One class index for all images, or one for each.

        Returns:
            Raw signed maps ``(B, 1, h, w)`` in the method's unit, float32 (float64 for a float64
            network), on the input's grid or on a feature grid inside it.

        Raises:
            ModelError: for a target that the network does not have, or a network to
                which the method cannot be applied.
            NumericError: where a map is not finite.
        """
        with probe(self.network):
            images = checked_images(images, self.network)
            targets = checked_targets(target, len(images)).to(images.device)
            try:
                maps = self.chunked_maps(images, targets)
            except NumericError as error:
                raise _located(error, self.network, images) from error
        return checked_maps(maps, type(self).__name__)

    def chunked_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        """``maps`` of as many images at a time as memory allows."""
        return in_chunks(self.maps, images, targets, self.memory)

    @abstractmethod
    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        """The method itself: ``(B, C, H, W)`` and ``(B,)`` to ``(B, 1, h, w)``, inside the probe."""


def checked_images(images: Tensor, network: nn.Module) -> Tensor:
    """Images in the precision of the network's weights, which is float32 inside the probe, or float64.

    Where there are no weights, float64 stays and all else becomes float32.

    Raises:
        ModelError: unless ``(B, C, H, W)`` and floating point.
    """
    if (
        not isinstance(images, Tensor)
        or images.ndim != 4
        or not images.is_floating_point()
        or not len(images)
    ):
        got = (
            f"{tuple(images.shape)} of {images.dtype}"
            if isinstance(images, Tensor)
            else type(images).__name__
        )
        raise ModelError(got, "floating-point images (B, C, H, W)", "attribute()")
    own = torch.float64 if images.dtype == torch.float64 else torch.float32
    weights = next((p.dtype for p in network.parameters() if p.is_floating_point()), own)
    return images.detach().to(weights)


def checked_targets(target: Target, batch: int) -> Tensor:
    """Class indices ``(B,)`` from one index or a sequence.

    Raises:
        ModelError: for a bool, a float, a name or a negative index, or for another
            number of indices than images. That an index is too large shows only
            when the scores are there (``target_scores``).
    """
    several = isinstance(target, Tensor) or (isinstance(target, Sequence) and not isinstance(target, str))
    values = target.tolist() if isinstance(target, Tensor) else target
    listed = list(values) if several and isinstance(values, Sequence) else [values] * batch
    wrong = [v for v in listed if isinstance(v, bool) or not isinstance(v, int) or v < 0]
    if wrong:
        raise ModelError(
            f"target {wrong[0]!r}", "a class index of 0 or more", "attribute()",
            "Names are understood by plainfilm.explain(), which knows the model's targets.",
        )  # fmt: skip
    if len(listed) != batch:
        raise ModelError(f"{len(listed)} targets", f"one, or one for each of {batch} images", "attribute()")
    return torch.tensor(listed, dtype=torch.long)


def checked_scores(scores: Any, batch: int) -> Tensor:
    """Scores ``(B, K)``, finite.

    Raises:
        ModelError: where the network returns something else.
        NumericError: where a score is not finite.
    """
    if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != batch:
        got = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
        raise ModelError(
            f"an output of {got}", f"scores of shape ({batch}, K)", "the network",
            "Choose a head with attribution.target.Head; score a segmentation with target.RegionScore.",
        )  # fmt: skip
    if not torch.isfinite(scores).all():
        raise NumericError("scores that are NaN or infinite", "finite scores", "the network's output")
    return scores


def check_in_range(targets: Tensor, scores: Tensor) -> None:
    """Refuses targets that are not below K.

    Raises:
        ModelError: naming the range.
    """
    if int(targets.max()) >= scores.shape[1]:
        raise ModelError(
            f"target {int(targets.max())}", f"an index from 0 to {scores.shape[1] - 1}", "attribute()"
        )


def _located(error: NumericError, network: nn.Module, images: Tensor) -> NumericError:
    """The same error with the first layer whose result is not finite, found by running once more."""
    names: list[str] = []

    def note(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point() and not torch.isfinite(output).all():
            names.append(name)

    for name, module in network.named_modules():
        if name:
            # The probe removes these hooks.
            module.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
    with torch.no_grad():
        network(images.clone())
    where = f"layer {names[0]}" if names else error.where
    return NumericError(error.got, error.expected, where, "Look at this layer's weights and its input.")


def target_scores(scores: Any, targets: Tensor) -> Tensor:
    """The score of each image's own target, ``(B, K)`` and ``(B,)`` to ``(B,)``."""
    scores = checked_scores(scores, len(targets))
    check_in_range(targets, scores)
    return scores.gather(1, targets[:, None]).squeeze(1)


def input_gradient(network: Callable[[Tensor], Any], images: Tensor, targets: Tensor) -> Tensor:
    """d score[target] / d image, ``(B, C, H, W)``; 0 where the score does not depend on the image."""
    leaf = images.detach().requires_grad_()
    # The clone lets a network change its input in place.
    total = target_scores(network(leaf.clone()), targets).sum()
    if not total.requires_grad:
        return torch.zeros_like(images)
    (gradient,) = torch.autograd.grad(total, leaf, allow_unused=True)
    return torch.zeros_like(images) if gradient is None else gradient


def in_chunks(
    run: Callable[[Tensor, Tensor], Tensor], images: Tensor, targets: Tensor, memory: float
) -> Tensor:
    """``run`` over as many images at once as ``memory`` GiB hold.

    The first image goes alone and is measured; its result is kept.
    """
    if len(images) == 1:
        return run(images, targets)
    results: list[Tensor] = []
    size = images_within(memory, lambda: results.append(run(images[:1], targets[:1])))
    for start in range(1, len(images), size):
        results.append(run(images[start : start + size], targets[start : start + size]))
    return torch.cat(results)


def images_within(memory: float, run_one: Callable[[], Any]) -> int:
    """How many images ``memory`` GiB hold at once, found by running one; at least 1.

    Held at the same time are what autograd saves for the way back, and a few results of the
    operation that is running.
    """
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        # Detached, since a graph that holds its own result would never be freed.
        return tensor.detach()

    with _LargestResult() as largest, saved_tensors_hooks(note, lambda tensor: tensor):
        run_one()
    one = sum(saved.values()) + RESULTS_HELD * largest.bytes
    return max(1, int(min(memory * 2**30 / max(one, 1), MOST_AT_ONCE)))


RESULTS_HELD = 3
"""An operation's input, its result, and a workspace of that size."""

MOST_AT_ONCE = 4096


class _LargestResult(TorchDispatchMode):
    """Notes the size of the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = (each.nbytes for each in tree_iter(result) if isinstance(each, Tensor))
        self.bytes = max(self.bytes, *sizes, 0)
        return result


def checked_maps(maps: Tensor, where: str) -> Tensor:
    """Maps without their graph.

    Raises:
        NumericError: where a value is NaN or infinite.
    """
    maps = maps.detach()
    finite = torch.isfinite(maps)
    if not finite.all():
        raise NumericError(
            f"{int((~finite).sum())} values of a map that are NaN or infinite", "finite maps", where,
            "Look for extreme weights or inputs outside the model's range.",
        )  # fmt: skip
    return maps
