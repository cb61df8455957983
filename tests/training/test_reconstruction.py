from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from plainfilm.errors import ArtifactError, InputError
from plainfilm.losses.elastic import elastic_loss
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.autoencoder_store import load_autoencoder
from plainfilm.training import run
from plainfilm.training.parts import Batch
from plainfilm.training.recipe import read_recipe
from plainfilm.training.reconstruction import Reconstruction, move_widely, reconstruction_figures
from plainfilm.training.run import new_autoencoder, train

RECIPES = Path(__file__).parents[2] / "recipes"

RECIPE = """
name: small
task: autoencoder
data: {kind: phantom, size: 32, train: 24, validation: 8, test: 8, seed: 7}
optimiser: {epochs: 2, batch_size: 8, learning_rate: 5.0e-3}
"""
TINY = {"size": 32, "low": -1024.0, "high": 1024.0, "blocks": (1, 1), "planes": (4, 4), "strides": (1, 2),
        "up_planes": (4, 4), "stem": 4, "top": 4}  # fmt: skip


def quiet(name, done, total):
    pass


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


def batch(count=3):
    images = torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.zeros(count, 1), torch.arange(count))


@pytest.mark.filterwarnings("ignore")
def test_a_recipe_becomes_an_autoencoder_with_its_card(recipe, tmp_path):
    figures = train(read_recipe(recipe), tmp_path / "run", tmp_path / "cache", quiet)
    found = load_autoencoder(tmp_path / "run")
    assert set(figures) == set(found.card["test"]) == {"absolute error", "squared error", "explained"}
    assert found.card["recipe"]["task"] == "autoencoder"
    assert found.spec.size == 32
    assert "validation_explained" in (tmp_path / "run" / "metrics.csv").read_text()
    assert json.loads(json.dumps(found.card))


@pytest.mark.filterwarnings("ignore")
def test_a_start_is_taken_over_whole(recipe, tmp_path):
    train(read_recipe(recipe), tmp_path / "run", tmp_path / "cache", quiet)
    again = new_autoencoder(read_recipe(recipe, [f"model.start={tmp_path / 'run'}"]))
    first = load_autoencoder(tmp_path / "run")
    torch.testing.assert_close(again.state_dict(), first.state_dict(), rtol=0, atol=0)
    other = read_recipe(recipe, [f"model.start={tmp_path / 'run'}", "model.latent=[8, 1]"])
    with pytest.raises(ArtifactError, match="weights of another network"):
        new_autoencoder(other)


@pytest.mark.parametrize("network", ["autoencoder50", "autoencoder101"])
def test_the_published_networks_are_named_in_a_recipe(recipe, network):
    found = new_autoencoder(read_recipe(recipe, [f"model.network={network}", "model.latent=[8, 2]"]))
    assert found.latent == (32, 1, 1)
    assert found.spec.ends == (-1024.0, 1024.0)


@pytest.mark.parametrize("change", [
    ["task=classifier", "augmentation=wide"], ["task=classifier", "model.latent=[4, 2]"],
    ["task=classifier", "model.network=autoencoder101"], ["model.network=densenet121"], ["loss=mse"],
])  # fmt: skip
def test_settings_of_another_task_are_refused(recipe, change):
    with pytest.raises(InputError):
        read_recipe(recipe, change)


def test_a_process_that_only_helps_writes_no_figures(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "fit", lambda *arguments: False)
    assert train(read_recipe(recipe), tmp_path / "run", tmp_path / "cache", quiet) == {}
    assert not list((tmp_path / "run").glob("model*"))


@pytest.fixture
def task(recipe, monkeypatch):
    task = Reconstruction(Autoencoder(**TINY), read_recipe(recipe, ["augmentation=wide"]), steps=10)
    monkeypatch.setattr(Reconstruction, "current_epoch", 0)
    return task


def test_the_loss_is_elastic_in_the_range_of_the_network_for_each_film(task):
    films = batch()
    moved = move_widely(films.images, task.seeds(films.films)) * 2048 - 1024
    with torch.no_grad():
        loss = task.eval().loss(films)
        wanted = elastic_loss(task.network(moved), moved) / 3
    torch.testing.assert_close(loss, wanted)


def test_the_score_is_the_share_of_the_variance_about_each_films_mean(task, monkeypatch):
    logged = {}
    monkeypatch.setattr(Reconstruction, "log", lambda self, name, value, **_: logged.update({name: value}))
    monkeypatch.setattr(Reconstruction, "all_gather", lambda self, sums: sums)
    monkeypatch.setattr(Reconstruction, "trainer", SimpleNamespace(num_training_batches=1))
    films = batch(5)
    task.eval().on_validation_epoch_start()
    with torch.no_grad():
        for rows in ([0, 1], [2, 3, 4]):
            task.validation_step(Batch(films.images[rows], films.truth[rows], films.films[rows]), 0)
        task.on_validation_epoch_end()
        images = films.images * 2048 - 1024
        error = (task.network(images) - images).numpy()
    squares = [np.square(film).sum() for film in error]
    spread = [np.square(film - film.mean()).sum() for film in images.numpy()]
    assert float(logged["validation_squared_error"]) == pytest.approx(np.mean(squares), rel=1e-4)
    assert float(logged["validation_absolute_error"]) == pytest.approx(np.abs(error).mean(), rel=1e-4)
    assert float(logged["validation_explained"]) == pytest.approx(1 - sum(squares) / sum(spread), abs=1e-5)


def test_figures_are_means_over_films():
    images = batch(5).images

    class Films:
        patients = tuple("abcde")

        def __len__(self):
            return 5

        def __getitems__(self, rows):
            return Batch(images[list(rows)], torch.zeros(1), torch.zeros(1))

    network = Autoencoder(**TINY)
    figures = reconstruction_figures(network, Films(), batch_size=2)
    with torch.no_grad():
        inputs = images * 2048 - 1024
        error = network.eval()(inputs) - inputs
    assert figures["absolute error"].value == pytest.approx(error.abs().mean().item(), rel=1e-4)
    wanted = error.square().sum((1, 2, 3)).mean().item()
    assert figures["squared error"].value == pytest.approx(wanted, rel=1e-4)
    assert figures["explained"].n == 5


def test_wide_movements_stay_within_those_of_the_paper_and_repeat():
    cross = torch.zeros(200, 1, 65, 65)
    cross[..., 32, :] = cross[..., 32:34, 32] = 1
    cross[..., 20, 32] = 3  # north of the middle
    moved = move_widely(cross, range(200))
    torch.testing.assert_close(moved[7:9], move_widely(cross[7:9], [7, 8]), rtol=0, atol=0)
    # The bright cell alone, seen from where the middle went, tells angle and scale.
    dots = torch.zeros(200, 2, 65, 65)
    dots[:, 0, 31:34, 31:34] = dots[:, 1, 19:22, 31:34] = 1
    places = []
    for channel in range(2):
        weight = move_widely(dots[:, channel : channel + 1], range(200))[:, 0]
        grid = torch.arange(65.0)
        total = weight.sum((1, 2))
        rows, columns = (weight.sum(2) @ grid) / total, (weight.sum(1) @ grid) / total
        places.append(torch.stack([rows, columns], 1))
    middle, dot = places
    arm = dot - middle
    angle = torch.rad2deg(torch.atan2(arm[:, 1], -arm[:, 0]))
    scale = arm.norm(dim=1) / 12
    assert angle.abs().max() <= 46
    assert angle.abs().max() > 38
    assert 0.83 <= scale.min() < 0.9
    assert 1.1 < scale.max() <= 1.17


def test_the_papers_recipe_is_the_papers():
    recipe = read_recipe(RECIPES / "autoencoder.yaml")
    assert new_autoencoder(recipe).latent == (512, 3, 3)
    assert (recipe.augmentation, recipe.optimiser.learning_rate, recipe.optimiser.epochs) == (
        "wide", 1e-4, 250,
    )  # fmt: skip
