"""A network together with what is needed to use it: target names, input, operating points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from plainfilm.errors import InputError, ModelError, NumericError
from plainfilm.models.device import device_of
from plainfilm.models.spec import InputSpec, Level
from plainfilm.radiograph import Placement, Radiograph

Output = Literal["logit", "probability", "value"]
Film = Radiograph | np.ndarray

LEAST_SHARE = 8
"""A film may be enlarged so many times at most."""


class Classifier:
    """A multi-label chest X-ray network that is asked by the names of findings.

    The network itself is never changed: its mode is put back after every call, and weights in
    half precision are computed in float32 through copies.

    Attributes:
        network: Maps images ``(B, C, S, S)`` to ``(B, len(targets))``.
        targets: Names of the outputs in order; "" for an output that was never trained.
        spec: Size, range and channels of the input.
        output: Whether the network returns logits or, already, probabilities; or a "value" in a unit of
            its own, such as a severity score, which ``logits``, ``probabilities`` and ``predict`` pass on.
        card: Where the network came from: recipe, data, metrics and the like.
        operating_points: Finding name to the probability from which on it is called present, or None.

    Raises:
        ModelError: without targets, with a target named twice, with an unknown ``output``, or
            with operating points that are no probability of a target.
    """

    def __init__(
        self,
        network: nn.Module,
        targets: Sequence[str],
        spec: InputSpec,
        output: Output = "logit",
        card: Mapping[str, Any] | None = None,
        operating_points: Mapping[str, float | None] | None = None,
    ) -> None:
        if not isinstance(network, nn.Module):
            raise ModelError(f"a {type(network).__name__}", "a torch.nn.Module", "Classifier")
        if output not in get_args(Output):
            raise ModelError(f"output {output!r}", "'logit', 'probability' or 'value'", "Classifier")
        self.network = network
        self.targets = _checked_targets(targets)
        self.spec = spec
        self.output = output
        self.card = dict(card or {})
        given = dict(operating_points or {})
        self.operating_points = {name: given.pop(name, None) for name in self.findings}
        _check_operating_points(self.operating_points, unknown=tuple(given))

    def __repr__(self) -> str:
        return f"Classifier({type(self.network).__name__}, targets={self.findings}, spec={self.spec})"

    @property
    def findings(self) -> tuple[str, ...]:
        """The targets that have a name."""
        return tuple(name for name in self.targets if name)

    @property
    def device(self) -> torch.device:
        """Where the network lies.

        Raises:
            ModelError: for a network spread over several devices, or without values (``device_of``).
        """
        return device_of(self.network)

    def index(self, target: str | int) -> int:
        """The position of a target, given by name or by non-negative position.

        Raises:
            ModelError: for an unknown name, a position outside [0, C), a position without a
                name, and anything that is neither name nor integer.
        """
        if isinstance(target, str):
            return self._index_of(target)
        if isinstance(target, bool) or not isinstance(target, Integral):
            raise ModelError(f"{target!r} ({type(target).__name__})", "a name or position", "target")
        if not 0 <= target < len(self.targets):
            raise ModelError(f"position {target}", f"0 to {len(self.targets) - 1}, or a name", "target")
        if not self.targets[int(target)]:
            raise ModelError(f"position {target}, which was never trained", "a named output", "target")
        return int(target)

    def prepare(self, film: Film) -> tuple[Tensor, Placement]:
        """Brings a film to the network's size and range.

        Args:
            film: A Radiograph, or pixels ``(H, W)`` in [0, 1], white = dense.

        Returns:
            float32 ``(1, C, S, S)`` on the network's device, and where it lies on the film.

        Raises:
            InputError: for anything else, and for a film with a side shorter than an eighth of
                the network's input.
        """
        film = as_radiograph(film)
        least = max(2, self.spec.size // LEAST_SHARE)
        if min(film.size) < least:
            found = f"a film of {film.size[1]} x {film.size[0]} pixels"
            advice = f"Enlarged to the model's {self.spec.size} pixels it would show nothing that was there."
            raise InputError(found, f"at least {least} on each side", film.id, advice)
        placement = self.spec.placement(film.size)
        values = self.spec.scale(placement.sample(film.pixels))
        return torch.from_numpy(values)[None].to(self.device), placement

    def prepare_batch(self, films: Sequence[Film]) -> tuple[Tensor, tuple[Placement, ...]]:
        """``prepare`` for several films: ``(B, C, S, S)`` and one placement each."""
        if not films:
            raise InputError("no films", "at least one", "prepare_batch")
        images, placements = zip(*map(self.prepare, films), strict=True)
        return torch.cat(images), placements

    def logits(self, images: Tensor, checked: bool = True) -> Tensor:
        """Log-odds ``(B, len(targets))`` of prepared images; gradients flow.

        Args:
            images: ``(B, C, S, S)`` in the range of ``spec``.
            checked: Whether images out of that range are refused, which films that a method made may leave.

        Raises:
            ModelError: if the images or the network's output do not fit (``InputSpec.check``).
            NumericError: if an image or an output is not finite.
        """
        values = self._run(images, checked)
        if self.output != "probability":
            return values
        # A probability that was rounded to 0 or 1 must not become an infinite logit.
        return torch.logit(values, eps=torch.finfo(values.dtype).eps)

    def probabilities(self, images: Tensor, checked: bool = True) -> Tensor:
        """Probabilities ``(B, len(targets))`` of prepared images; gradients flow, errors as ``logits``."""
        values = self._run(images, checked)
        return values.sigmoid() if self.output == "logit" else values

    def __call__(self, images: Tensor) -> Tensor:
        """``probabilities``: a classifier may stand where a function of images is asked for."""
        return self.probabilities(images)

    def as_probabilities(self, logits: Tensor) -> Tensor:
        """What ``probabilities`` gives where ``logits`` gave these, ``(B, len(targets))`` both."""
        return logits if self.output == "value" else logits.sigmoid()

    def predict(self, film: Film) -> dict[str, float]:
        """The probability of each finding in one film, or its value, by name."""
        return self.predict_many([film])[0]

    def predict_many(self, films: Iterable[Film], batch_size: int = 16) -> list[dict[str, float]]:
        """The probabilities of several films, ``batch_size`` at a time, in the order given."""
        if batch_size < 1:
            raise InputError(f"batch_size {batch_size}", "1 or more", "predict_many")
        films, predictions = list(films), []
        for start in range(0, len(films), batch_size):
            images, _ = self.prepare_batch(films[start : start + batch_size])
            with torch.no_grad():
                rows = self.probabilities(images).tolist()
            predictions += [self._by_name(row) for row in rows]
        return predictions

    def _by_name(self, row: Sequence[float]) -> dict[str, float]:
        return {name: value for name, value in zip(self.targets, row, strict=True) if name}

    def _run(self, images: Tensor, checked: bool) -> Tensor:
        if checked:
            self.spec.check(images)
        try:
            with evaluating(self.network):
                values = _forward(self.network, images.to(self.device))
        except RuntimeError:
            self.spec.check_stem(self.network)
            raise
        return self._checked_output(values, len(images))

    def _checked_output(self, values: object, count: int) -> Tensor:
        where = type(self.network).__name__
        if not isinstance(values, Tensor):
            raise ModelError(
                f"an output of type {type(values).__name__}", "one tensor (B, targets)", where,
                "Wrap a module whose forward returns the classification head alone.",
            )  # fmt: skip
        if values.shape != (count, len(self.targets)):
            raise ModelError(
                f"an output of shape {tuple(values.shape)}",
                f"({count}, {len(self.targets)}) for {count} images and {len(self.targets)} targets", where,
                "Name one target per output, in order.",
            )  # fmt: skip
        if not torch.isfinite(values).all():
            raise NumericError("NaN or infinite outputs", "finite outputs", where, "Check the weights.")
        if self.output == "probability" and not (values.amin() >= 0 and values.amax() <= 1):
            raise ModelError(
                f"outputs from {values.amin():.4g} to {values.amax():.4g}", "probabilities in [0, 1]", where,
                "Use output='logit' for a network that ends without a sigmoid.",
            )  # fmt: skip
        return values

    def _index_of(self, name: str) -> int:
        if name in self.findings:
            return self.targets.index(name)
        folded = {known.casefold(): known for known in self.findings}
        close = [folded[match] for match in get_close_matches(name.strip().casefold(), folded)]
        advice = f"Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ModelError(f"{name!r}", f"one of {', '.join(self.findings)}", "target", advice)


def wrap(
    module: nn.Module,
    targets: Sequence[str],
    size: int,
    low: Level = 0.0,
    high: Level = 1.0,
    channels: int = 1,
    fit: str = "centre_crop",
    output: Output = "logit",
    operating_points: Mapping[str, float | None] | None = None,
) -> Classifier:
    """Makes a classifier of any network that maps images to one number per target.

    Args:
        module: Maps images ``(B, channels, size, size)`` to ``(B, len(targets))``. It is used as
            it is and never changed.
        targets: Names of the outputs, in order; "" for one that was never trained.
        size: Height and width of the input.
        low: Value that the network was trained to see as black, one number or one per channel.
        high: Value that it was trained to see as white; torchxrayvision's use -1024 and 1024.
        channels: Channels of the input.
        fit: How a film is brought to a square (``InputSpec``).
        output: "probability" for networks that end in a sigmoid or a calibration, as
            torchxrayvision's with weights do.
        operating_points: Finding name to the probability from which on it is called present.

    Raises:
        ModelError: if the arguments contradict each other.
    """
    spec = InputSpec(size, low, high, channels, fit)
    return Classifier(module, targets, spec, output, operating_points=operating_points)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Puts every module in evaluation mode, and each back into its own mode afterwards."""
    in_training = [module for module in network.modules() if module.training]
    for module in in_training:
        module.training = False
    try:
        yield
    finally:
        for module in in_training:
            module.training = True


def _forward(network: nn.Module, images: Tensor) -> object:
    """Calls a network in float32, or in float64 where its weights are."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if not dtypes & {torch.float16, torch.bfloat16}:
        return network(images.to(max(dtypes, default=torch.float32, key=lambda dtype: dtype.itemsize)))
    full = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    return functional_call(network, full, (images.float(),))


def as_radiograph(pixels: Film) -> Radiograph:
    """A film as it is, or an array ``(H, W)`` in [0, 1] as a film.

    Raises:
        InputError: for anything else.
    """
    if isinstance(pixels, Radiograph):
        return pixels
    if not isinstance(pixels, np.ndarray):
        raise InputError(
            f"a {type(pixels).__name__}", "a Radiograph or an array (H, W) in [0, 1]", "film",
            "Read files with plainfilm.read().",
        )  # fmt: skip
    return Radiograph(pixels)


def _checked_targets(targets: Sequence[str]) -> tuple[str, ...]:
    if isinstance(targets, str) or not all(isinstance(name, str) for name in targets):
        raise ModelError(f"targets {targets!r}", "a sequence of names", "Classifier")
    named = [name for name in targets if name]
    repeated = sorted({name for name in named if named.count(name) > 1})
    if not named or repeated:
        got = f"targets that occur twice ({', '.join(repeated)})" if repeated else "no named target"
        raise ModelError(got, "one name per output, each once", "Classifier")
    return tuple(targets)


def _check_operating_points(points: Mapping[str, float | None], unknown: Sequence[str]) -> None:
    if unknown:
        raise ModelError(f"operating points of {', '.join(unknown)}", "names of targets", "Classifier")
    for name, point in points.items():
        if point is not None and not (math.isfinite(point) and 0 <= point <= 1):
            raise ModelError(f"operating point {point}", "a probability in [0, 1] or None", name)
