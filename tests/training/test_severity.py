from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score

import plainfilm
from plainfilm.datasets.manifest import Manifest
from plainfilm.errors import InputError, LabelError
from plainfilm.models.densenet import densenet_slim
from plainfilm.models.store import load_classifier
from plainfilm.training.parts import Batch
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import train
from plainfilm.training.severity import Severity, in_score_units, severity_figures

RECIPE = """
name: grey
task: severity
data: {{kind: manifest, folder: {folder}, score: global, size: 32, split: patients, test_share: 0.4}}
loss: smooth-l1
optimiser: {{epochs: 5, batch_size: 8, learning_rate: 5.0e-3}}
"""


def quiet(name, done, total):
    pass


@pytest.fixture
def recipe(tmp_path):
    """Films whose grey level is their score, from 0 to 18; two have none."""
    rows = []
    for film in range(60):
        score = film % 19
        grey = np.full((40, 40), 30 + 10 * score, np.uint8)
        grey[::4] //= 2
        Image.fromarray(grey).save(tmp_path / f"{film}.png")
        rows.append(
            {"film": str(film), "path": f"{film}.png", "patient": f"p{film // 2}", "score:global": score}
        )
    rows[3]["score:global"] = rows[8]["score:global"] = np.nan
    Manifest("grey", tmp_path, pd.DataFrame(rows)).save(tmp_path / "manifest")
    path = tmp_path / "grey.yaml"
    path.write_text(RECIPE.format(folder=tmp_path / "manifest"))
    return path


@pytest.mark.filterwarnings("ignore")
def test_a_recipe_becomes_a_network_that_gives_the_score_and_can_be_explained(recipe, tmp_path):
    figures = train(read_recipe(recipe), tmp_path / "run", tmp_path / "cache", quiet)
    regressor = load_classifier(tmp_path / "run")
    assert regressor.output == "value"
    assert regressor.targets == ("global",)
    assert figures["r"].value > 0.3
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    assert card["test"]["r"]["value"] == pytest.approx(figures["r"].value, abs=1e-4)
    dark, light = (plainfilm.read(tmp_path / f"{film}.png") for film in (1, 17))
    assert regressor.predict(dark)["global"] < regressor.predict(light)["global"]
    explanation = plainfilm.explain(regressor, light, "global", method="gradient")
    assert explanation.unit.startswith("value")


def test_a_network_in_score_units_answers_the_greatest_score_times_as_much():
    network, images = densenet_slim(1).eval(), torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(in_score_units(network, 18.0)(images), 18 * network(images))


def test_figures_are_those_of_scipy():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 18, 60)
    predicted = truth + rng.normal(0, 3, 60)
    figures = severity_figures(predicted, truth, [str(k // 2) for k in range(60)])
    assert figures["r"].value == pytest.approx(pearsonr(predicted, truth).statistic)
    assert figures["r"].low < figures["r"].value < figures["r"].high
    assert figures["mae"].value == pytest.approx(np.mean(np.abs(predicted - truth)))


def test_a_score_that_is_not_there_is_named(recipe, tmp_path):
    changed = read_recipe(recipe, ["data.score=A"])
    with pytest.raises(LabelError, match=r"score 'A'.*global"):
        train(changed, tmp_path / "run", tmp_path / "cache", quiet)


@pytest.mark.parametrize("change", ["loss=bce", "data.score=null", "task=classifier", "task=lungs"])
def test_a_loss_that_does_not_fit_the_task_is_refused(recipe, change):
    with pytest.raises(InputError, match="task"):
        read_recipe(recipe, [change])


def test_the_validation_figures_are_those_of_all_films_together(recipe):
    task = Severity(densenet_slim(1).eval(), read_recipe(recipe), steps=1)
    images, truth = torch.rand(7, 1, 32, 32), torch.rand(7, 1)
    told = {}
    task.log = lambda name, value, **settings: told.update({name: float(value)})
    task.all_gather = lambda sums: torch.stack([sums, torch.zeros_like(sums)])
    task._trainer = SimpleNamespace(num_training_batches=1)
    with torch.no_grad():
        task.on_validation_epoch_start()
        for rows in (slice(0, 4), slice(4, 7)):
            task.validation_step(Batch(images[rows], truth[rows], torch.arange(7)[rows]), 0)
        task.on_validation_epoch_end()
        predicted = task.network(images)
    assert told["validation_r2"] == pytest.approx(r2_score(truth, predicted), rel=1e-4)
    assert told["validation_mae"] == pytest.approx(18 * mean_absolute_error(truth, predicted), rel=1e-4)
