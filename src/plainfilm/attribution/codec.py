"""The two parts of a latent method: a classifier and an autoencoder, ours or anyone's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from plainfilm.attribution.probe import probe
from plainfilm.errors import ModelError
from plainfilm.models.autoencoder_store import load_autoencoder
from plainfilm.models.classifier import Classifier


@runtime_checkable
class Codec(Protocol):
    """What is needed of an autoencoder."""

    def encode(self, images: Tensor, /) -> Tensor:
        """Films ``(B, C, H, W)`` to latents ``(B, ...)``."""

    def decode(self, latents: Tensor, /) -> Tensor:
        """Latents to films."""


def known_autoencoder(autoencoder: Any) -> Codec:
    """An autoencoder as given, or by its name or file.

    Raises:
        ModelError: for anything without ``encode`` and ``decode``.
        ArtifactError: for a file that is missing, damaged or something else.
    """
    if isinstance(autoencoder, str | Path):
        return load_autoencoder(autoencoder)
    if not isinstance(autoencoder, Codec):
        got = "no autoencoder" if autoencoder is None else f"a {type(autoencoder).__name__}"
        raise ModelError(
            got, "encode(images) and decode(latents)", "LatentShift",
            "Give an autoencoder, its file, or the name of one that ships ('phantom').",
        )  # fmt: skip
    return autoencoder


def check_match(classifier: Any, autoencoder: Any) -> None:
    """Refuses an autoencoder whose films the classifier was not made for, where both say what they take.

    Raises:
        ModelError: naming size, range and channels of both.
    """
    theirs, ours = getattr(autoencoder, "spec", None), getattr(classifier, "spec", None)
    if theirs is None or ours is None:
        return
    facts = [(each.size, each.channels, each.low, each.high) for each in (theirs, ours)]
    if facts[0] != facts[1]:
        told = [f"{size} px, {channels} channel(s), {low} to {high}" for size, channels, low, high in facts]
        raise ModelError(
            f"an autoencoder of films of {told[0]}", f"{told[1]}, as the classifier's", "LatentShift",
            "Both must see films in one size and range.",
        )  # fmt: skip


def grey_window(classifier: Any, image: Tensor) -> tuple[float, float]:
    """Black and white: of the classifier's range, or of the film where that is unknown."""
    spec = getattr(classifier, "spec", None)
    low, high = (float(end) for end in (image.min(), image.max())) if spec is None else spec.ends
    return (low, high) if high > low else (low, low + 1)


def network_of(part: Any) -> nn.Module:
    """The module in a classifier or an autoencoder; an empty one for a plain function."""
    network = part.network if isinstance(part, Classifier) else part
    return network if isinstance(network, nn.Module) else nn.Module()


@contextmanager
def probed(*parts: Any) -> Iterator[None]:
    """All parts in evaluation mode, and returned as found."""
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(probe(network_of(part)))
        yield
