"""Random numbers that depend on a place in a run alone: not on what was drawn before, nor by whom.

A run that was stopped and resumed, or that spreads over other workers and batches, so sees the same numbers.
"""

from __future__ import annotations

from hashlib import blake2b

import torch
from torch import Tensor


def seed_at(seed: int, *place: str | int) -> int:
    """A seed of 63 bits for a place such as ("augmentation", epoch, film)."""
    digest = blake2b(repr((seed, *place)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def generator_at(seed: int, *place: str | int) -> torch.Generator:
    """A generator on the processor, seeded for a place."""
    return torch.Generator().manual_seed(seed_at(seed, *place))


def order_of(count: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch visits its films: int64 ``(count,)``, each once."""
    return torch.randperm(count, generator=generator_at(seed, "order", epoch))
