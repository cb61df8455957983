"""Latent Shift: the film that a classifier would judge otherwise, along the gradient of a latent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from plainfilm.attribution.codec import Codec, check_match, grey_window, known_autoencoder, network_of, probed
from plainfilm.attribution.counterfactual import Counterfactual, Kind
from plainfilm.attribution.latent_search import Pace, Side, Stop, Trace, exact_bound, fast_bound
from plainfilm.attribution.method import (
    Attribution,
    Target,
    check_in_range,
    checked_images,
    checked_maps,
    checked_scores,
    checked_targets,
)
from plainfilm.attribution.variants import check_whole
from plainfilm.errors import ModelError, NumericError
from plainfilm.models.classifier import Classifier

Search = Literal["exact", "fast"]
Grid = Literal["reference", "linear", "head"]

AT_ONCE = {"cpu": 1}
"""Films that are decoded together: on a processor a batch is slower than its films one by one."""
AT_ONCE_ELSEWHERE = 16


@dataclass(frozen=True, eq=False)
class LatentShift(Attribution):
    """Latent Shift (Cohen et al. 2021): films along the gradient of a prediction in an autoencoder's latent.

    With ``z = E(x)`` and ``g`` the gradient of the prediction of ``D(z)``, computed once, the films are
    ``D(z + lambda g)``. To the left the search ends where the prediction fell by ``drop``, to the right where
    it rose by ``rise``; or where it turned, or at the ``limit``. The map is how far the films depart from the
    reconstruction ``D(z)``.

    Attributes:
        classifier: A ``Classifier``, or whatever maps films ``(B, C, H, W)`` to probabilities ``(B, K)``.
        autoencoder: Anything with ``encode`` and ``decode``; or the name or file of an ``Autoencoder``.
        drop: In absolute probability.
        rise: Likewise; None leaves out the right side, which then ends at 0.
        search: "exact" looks at every place in order, as published. "fast" gallops and halves: the same
            place in a dozen evaluations, unless the prediction turns on the way.
        frames: Number of films from left to right.
        grid: "reference" gives the films of the published code, ``arange(l, r + 1, (r - l) / (frames - 1))``,
            whose last may lie beyond the right end; "linear" an even row from end to end with 0 put in;
            "head" that of the code's later version, ``arange(l, 0, |l| / (frames - 1))``.
        kind: Which map ``attribute`` gives (``Counterfactual.map``).
        limit: The largest ``|lambda|``.
        pace: Of the search (``latent_search.Side``).
        below: A probability that also ends the left side; None for none.
        most_change: Change of the film, as a share of its magnitude, that also ends a side.
        squashed: Whether a second sigmoid is put on the probability, as the published code's later version
            does; ``drop`` is then measured on that.
    """

    unit: ClassVar[str] = "change of the film"
    evidence: ClassVar[str] = "positive"
    of_network: ClassVar[bool] = False

    classifier: Any
    autoencoder: Any = None
    drop: float = 0.30
    rise: float | None = 0.05
    search: Search = "exact"
    frames: int = 11
    grid: Grid = "reference"
    kind: Kind = "max"
    limit: float = 1000.0
    pace: Pace = "steady"
    below: float | None = None
    most_change: float | None = None
    squashed: bool = False
    codec: Codec = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, words in (("search", Search), ("grid", Grid), ("kind", Kind), ("pace", Pace)):
            if getattr(self, name) not in get_args(words):
                got = f"{name} {getattr(self, name)!r}"
                raise ModelError(got, ", ".join(get_args(words)), "LatentShift")
        check_whole("frames", self.frames, "LatentShift", least=2)
        amounts = {"drop": self.drop, "limit": self.limit} | (
            {} if self.rise is None else {"rise": self.rise}
        )
        for name, value in amounts.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ModelError(f"{name} {value!r}", "a finite number above 0", "LatentShift")
        object.__setattr__(self, "codec", known_autoencoder(self.autoencoder))
        check_match(self.classifier, self.codec)

    @classmethod
    def preset(cls, name: str, classifier: Any, autoencoder: Any, **changes: Any) -> LatentShift:
        """A version of the published code by its name in ``PRESETS``, with changes.

        Raises:
            ModelError: for an unknown name.
        """
        if name not in PRESETS:
            raise ModelError(f"preset {name!r}", f"one of {', '.join(PRESETS)}", "LatentShift")
        return cls(classifier, autoencoder, **{**PRESETS[name], **changes})

    def attribute(self, images: Tensor, target: Target) -> Tensor:
        """Where the films change, ``(B, C, H, W)`` to ``(B, 1, H, W)``, at least 0.

        Raises:
            ModelError: for a target that the classifier does not have, a classifier through which no gradient
                flows, or an autoencoder of another size.
            NumericError: where a film, a prediction or a gradient is not finite.
        """
        return self.maps_of(self.counterfactuals(images, target))

    def maps_of(self, found: Sequence[Counterfactual]) -> Tensor:
        """What ``attribute`` gives where ``counterfactuals`` gave these."""
        maps = [torch.from_numpy(each.map(self.kind))[None] for each in found]
        return checked_maps(torch.stack(maps), "LatentShift")

    def counterfactual(self, image: Tensor, target: int | str) -> Counterfactual:
        """The films of one image ``(C, H, W)`` or ``(1, C, H, W)``; errors as ``attribute``.

        Args:
            image: In the classifier's range.
            target: A class index, or its name where the classifier knows names.
        """
        film = image[None] if image.ndim == 3 else image
        if isinstance(self.classifier, Classifier):
            target = self.classifier.index(target)
        if len(film) != 1 or not isinstance(target, int):
            got = f"{len(film)} images and target {target!r}"
            raise ModelError(got, "one image and one target", "counterfactual()", "Use counterfactuals().")
        return self.counterfactuals(film, target)[0]

    def counterfactuals(self, images: Tensor, target: Target) -> list[Counterfactual]:
        """The films of several images, for one target or one each; or of one image for several targets.

        An image is encoded once for all its targets.
        """
        with probed(self.classifier, self.codec):
            images = checked_images(images, network_of(self.classifier))
            several = len(images) == 1 and isinstance(target, Sequence | Tensor)
            wanted = checked_targets(target, _length(target) if several else len(images))
            groups = [wanted.tolist()] if several else [[one] for one in wanted.tolist()]
            return [
                found
                for image, targets in zip(images.split(1), groups, strict=True)
                for found in self._of_one(image, targets)
            ]

    def _of_one(self, image: Tensor, targets: list[int]) -> Iterator[Counterfactual]:
        with torch.no_grad():
            latent = self.codec.encode(image)
        latent = latent.detach().requires_grad_()
        film = self.codec.decode(latent)
        if film.shape != image.shape:
            raise ModelError(
                f"reconstructions {tuple(film.shape)} of images {tuple(image.shape)}", "the same size",
                "autoencoder", "Take an autoencoder of the size and channels of the classifier's input.",
            )  # fmt: skip
        predictions = self._predictions(film)
        check_in_range(torch.tensor(targets), predictions)
        with torch.no_grad():
            originals = self._predictions(image)[0].tolist()
        for k, target in enumerate(targets):
            direction = _gradient(predictions[0, target], latent, last=k == len(targets) - 1)
            trace = Trace(
                latent.detach(), direction, self.codec.decode,
                partial(self._column, target), AT_ONCE.get(image.device.type, AT_ONCE_ELSEWHERE),
            )  # fmt: skip
            trace.films[0.0], start = film.detach(), float(predictions[0, target].detach())
            trace.predictions[0.0] = trace.careful[0.0] = start
            yield self._searched(trace, image[0], target, originals[target])

    def _searched(self, trace: Trace, image: Tensor, target: int, original: float) -> Counterfactual:
        length = float(trace.direction.norm())
        (left, why_left), (right, why_right) = (
            self._bound(trace, side, length == 0) for side in self._sides()
        )
        lambdas = self._lambdas(left, right)
        if length:
            trace.see(lambdas.tolist())
        shown = lambdas.tolist() if length else [0.0] * len(lambdas)
        named = isinstance(self.classifier, Classifier)
        return Counterfactual(
            image=image.detach().cpu(),
            reconstruction=trace.films[0.0][0].cpu(),
            lambdas=lambdas,
            frames=torch.cat([trace.films[place] for place in shown]).cpu(),
            predictions=np.array([trace.predictions[place] for place in shown]),
            prediction=trace.predictions[0.0],
            original=original,
            bounds=(left, right),
            stop=(why_left, why_right),
            kappa=length / max(float(trace.latent.norm()), torch.finfo(torch.float32).tiny),
            window=grey_window(self.classifier, image),
            evaluations=len(trace.predictions.keys() | trace.careful.keys()),
            target=self.classifier.targets[target] if named else target,
        )

    def _sides(self) -> tuple[Side | None, Side | None]:
        more = {"limit": self.limit, "pace": self.pace, "most_change": self.most_change}
        left = Side(-1, self.drop, beyond=self.below, **more)  # type: ignore[arg-type]
        return left, None if self.rise is None else Side(1, self.rise, **more)  # type: ignore[arg-type]

    def _bound(self, trace: Trace, side: Side | None, is_flat: bool) -> tuple[float, Stop]:
        if side is None:
            return 0.0, Stop.NONE
        if is_flat:  # every place looks the same, so that the search would go on to its limit
            return side.lambdas()[-1], Stop.LIMIT
        return exact_bound(trace, side) if self.search == "exact" else fast_bound(trace, side)

    def _lambdas(self, left: float, right: float) -> np.ndarray:
        step = (right - left) / (self.frames - 1)
        if self.grid == "reference":
            return np.arange(left, right + 1, step)
        if self.grid == "head":
            return np.arange(left, 0.0, abs(left) / (self.frames - 1))
        return np.union1d(np.linspace(left, right, self.frames), [0.0])

    def _predictions(self, films: Tensor) -> Tensor:
        """What the classifier says, ``(B, K)``; a film that was made may leave the range of real ones."""
        ask: Callable[[Tensor], Any] = self.classifier
        if isinstance(self.classifier, Classifier):
            ask = partial(self.classifier.probabilities, checked=False)
        found = checked_scores(ask(films), len(films))
        return found.sigmoid() if self.squashed else found

    def _column(self, target: int, films: Tensor) -> Tensor:
        return self._predictions(films)[:, target]

    def settings(self) -> dict[str, Any]:
        found = super().settings()
        return {name: value for name, value in found.items() if name != "codec"} | {
            "autoencoder": self.autoencoder
            if isinstance(self.autoencoder, str | Path)
            else type(self.codec).__name__
        }

    @classmethod
    def setting_names(cls) -> tuple[str, ...]:
        return tuple(name for name in super().setting_names() if name != "codec")


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper-code": {"drop": 0.5, "rise": 0.05, "grid": "reference"},
    "head": {"drop": 0.15, "rise": None, "grid": "head", "squashed": True},
    "latentshift-pkg": {
        "drop": 0.8, "rise": None, "below": 0.05, "most_change": 0.05, "limit": 3000.0, "pace": "growing",
        "frames": 10, "grid": "linear",
    },
}  # fmt: skip
"""Versions of the published code: that of the paper's results, the later demonstration, and the package."""


def _gradient(prediction: Tensor, latent: Tensor, last: bool) -> Tensor:
    """d prediction / d latent; zero where the prediction does not depend on it."""
    if not prediction.requires_grad:
        raise ModelError(
            "predictions without a gradient", "a differentiable classifier and decoder", "LatentShift",
            "Does one of them run under torch.no_grad, through NumPy, or in another process?",
        )  # fmt: skip
    (found,) = torch.autograd.grad(prediction, latent, retain_graph=not last, allow_unused=True)
    gradient = torch.zeros_like(latent) if found is None else found
    if not torch.isfinite(gradient).all():
        raise NumericError("a gradient that is NaN or infinite", "a finite one", "LatentShift")
    return gradient.detach()


def _length(target: Any) -> int:
    return len(target) if getattr(target, "ndim", 1) else 1
