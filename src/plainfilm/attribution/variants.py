"""Many variants of each image, as many at a time as memory allows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from plainfilm.errors import ModelError


def pairs(images: int, variants: int, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Every pair of an image and a variant, as two index tensors, ``at_once`` pairs at a time."""
    for chunk in torch.arange(images * variants).split(at_once):
        yield chunk // variants, chunk % variants


def draws(seed: int, *counter: int | str) -> torch.Generator:
    """Random numbers that depend on a seed and a counter alone, not on what was drawn before."""
    name = repr((seed, *counter)).encode()
    return torch.Generator().manual_seed(int.from_bytes(hashlib.blake2b(name, digest_size=7).digest()))


def check_whole(name: str, value: object, where: str, least: int = 1) -> None:
    """Refuses a setting that is not a whole number from ``least``.

    Raises:
        ModelError: naming the setting.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ModelError(f"{name} {value!r}", f"a whole number from {least}", where)
