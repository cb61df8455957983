"""Training throughput beside a bare PyTorch loop: same network, batches, augmentation and precision.

Both take turns on the same films, each a whole epoch at a time; the ratio is that of the median epochs.

    python benchmarks/bench_training.py [epochs]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning
import torch

from plainfilm.losses.bce import masked_bce
from plainfilm.training.augmentation import apply_changes, draw_changes
from plainfilm.training.best import BestNetwork
from plainfilm.training.classification import Classification
from plainfilm.training.films import plan_of
from plainfilm.training.fit import fit
from plainfilm.training.parts import Parts, parts_of
from plainfilm.training.randomness import seed_at
from plainfilm.training.recipe import Recipe, read_recipe
from plainfilm.training.run import new_classifier

RECIPE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"
CHANGES = ("data.size=128", "data.train=256", "data.validation=8", "data.test=8", "optimiser.epochs=1")


Seconds = tuple[float, float]
"""By the clock on the wall, and of the processor: the same on a machine that nobody shares."""


def now() -> Seconds:
    return time.perf_counter(), time.process_time()


def bare(recipe: Recipe, parts: Parts) -> Seconds:
    """An epoch of a loop that does nothing else."""
    network = new_classifier(recipe, parts.targets).network.to(memory_format=torch.channels_last)
    optimiser, plan = torch.optim.AdamW(network.parameters(), 1e-3), plan_of(recipe, parts)
    network.train()
    start = now()
    for batch in plan.batches(0, 0):
        images, labels, films = parts.train.__getitems__(batch)
        seeds = [seed_at(recipe.seed, "augmentation", 0, film) for film in films.tolist()]
        images = apply_changes(images, draw_changes(seeds)).contiguous(memory_format=torch.channels_last)
        loss = masked_bce(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return since(start)


def since(start: Seconds) -> Seconds:
    wall, processor = now()
    return wall - start[0], processor - start[1]


class Clock(BestNetwork):
    """Times the steps of an epoch, without the validation that follows."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.start = now()

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.seconds = since(self.start)


def ours(recipe: Recipe, parts: Parts) -> Seconds:
    """An epoch of the training that users run, with its log, bar and signals."""
    plan, network = plan_of(recipe, parts), new_classifier(recipe, parts.targets).network
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(Path(folder), lambda epoch, score: None)
        fit(Classification(network, recipe, plan.steps, parts.targets), recipe, parts, Path(folder), clock)
    return clock.seconds


def main(epochs: int = 5) -> None:
    torch.set_num_threads(1)
    recipe = read_recipe(RECIPE, CHANGES)
    parts = parts_of(recipe, Path(tempfile.gettempdir()) / "plainfilm-bench", lambda *told: None)
    films = plan_of(recipe, parts).steps * recipe.optimiser.batch_size
    bare(recipe, parts)  # warm
    pairs = [(ours(recipe, parts), bare(recipe, parts)) for _ in range(epochs)]
    for clock, name in enumerate(("wall", "processor")):
        mine, loop = (
            statistics.median(seconds[clock] for seconds in each) for each in zip(*pairs, strict=True)
        )
        ratios = ", ".join(f"{b[clock] / a[clock]:.3f}" for a, b in pairs)
        print(f"{name:10} plainfilm {films / mine:6.1f} films/s, bare PyTorch {films / loop:6.1f}, ", end="")
        print(f"ratio {loop / mine:.3f} (pairs: {ratios})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
