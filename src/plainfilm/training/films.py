"""Loaders over the parts of a recipe, that can start anywhere in a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Sampler

from plainfilm.training.parts import Part, Parts
from plainfilm.training.randomness import order_of
from plainfilm.training.recipe import Recipe

TIMEOUT = 120
"""Seconds after which a worker that gives no batch counts as hung."""


@dataclass(frozen=True)
class Plan:
    """Which films are in which batch; a function of the step alone.

    Attributes:
        films: In the training part.
        batch_size: Of one process.
        processes: That train together; each takes every n-th film of a joint batch.
        seed: Of the order.
    """

    films: int
    batch_size: int
    processes: int
    seed: int

    @property
    def steps(self) -> int:
        """Batches an epoch; films left over wait for the next epoch's order."""
        return max(1, self.films // (self.batch_size * self.processes))

    def batches(self, epoch: int, rank: int) -> list[list[int]]:
        """The films of each batch of an epoch for one process."""
        order = order_of(self.films, self.seed, epoch)[: self.steps * self.batch_size * self.processes]
        return [joint[rank :: self.processes].tolist() for joint in order.chunk(self.steps)]


class RestOfEpoch(Sampler[list[int]]):
    """The batches that are left; counted in full, as Lightning counts the epoch."""

    def __init__(self, batches: list[list[int]], start: int) -> None:
        self.batches, self.start = batches, start

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches[self.start :])


class Films(lightning.LightningDataModule):
    """Loaders over the parts; the training loader is made anew each epoch, from the step reached."""

    def __init__(self, parts: Parts, recipe: Recipe) -> None:
        super().__init__()
        self.parts, self.recipe = parts, recipe

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.trainer is not None
        plan = plan_of(self.recipe, self.parts)
        epoch, start = divmod(self.trainer.global_step, plan.steps)
        batches = plan.batches(epoch, self.trainer.global_rank)
        return self._loader(self.parts.train, RestOfEpoch(batches, start))

    def val_dataloader(self) -> DataLoader[Any]:
        assert self.trainer is not None
        part, size = self.parts.validation, self.recipe.optimiser.batch_size
        films = list(range(len(part)))[self.trainer.global_rank :: self.trainer.world_size]
        return self._loader(part, RestOfEpoch([films[k : k + size] for k in range(0, len(films), size)], 0))

    def _loader(self, part: Part, batches: Sampler[list[int]]) -> DataLoader[Any]:
        workers = self.recipe.workers
        return DataLoader(
            part,
            batch_sampler=batches,
            collate_fn=_as_it_is,
            num_workers=workers,
            timeout=TIMEOUT if workers else 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # else each epoch would draw from the global one
        )


def plan_of(recipe: Recipe, parts: Parts) -> Plan:
    """The batches of a recipe's training."""
    return Plan(len(parts.train), recipe.optimiser.batch_size, recipe.devices, recipe.seed)


def _as_it_is(batch: Any) -> Any:
    return batch
