"""A training run of a second: a tiny network on a few small phantoms, on one thread."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from plainfilm.models.densenet import DenseNet
from plainfilm.training import run as running
from plainfilm.training.recipe import read_recipe
from plainfilm.training.task import Task

SMOKE = Path(__file__).parents[2] / "recipes" / "smoke.yaml"
SMALL = (
    "data.size=32", "data.train=21", "data.validation=16", "data.test=4", "data.prevalence=0.4",
    "data.targets=[Cardiomegaly, Effusion]", "optimiser.epochs=3", "optimiser.batch_size=4",
    "snapshot_every=2",
)  # fmt: skip


def small(num_classes):
    """Dense layers, and dropout, whose draws must be those of a run that never stopped."""
    network = DenseNet(num_classes, growth_rate=4, block_config=(1, 2), num_init_features=8)
    network.flatten = torch.nn.Sequential(network.flatten, torch.nn.Dropout(0.5))
    return network


def trained(out, cache, *changes, resume=False):
    """Figures of 3 epochs of 5 steps under changed settings."""
    recipe, threads = read_recipe(SMOKE, [*SMALL, *changes]), torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "densenet_slim", small)
        try:
            return running.train(recipe, out, cache, lambda name, done, total: None, resume)
        finally:
            torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def run(cache):
    """``trained`` with a cache that all tests share."""
    return lambda out, *changes, resume=False: trained(out, cache, *changes, resume=resume)


@pytest.fixture
def at_step(monkeypatch):
    """Does something in place of the loss of a step."""

    def at_step(step, act):
        loss = Task.training_step

        def training_step(task, batch, batch_idx):
            value = loss(task, batch, batch_idx)
            return act(value) if task.global_step == step else value

        monkeypatch.setattr(Task, "training_step", training_step)

    return at_step
