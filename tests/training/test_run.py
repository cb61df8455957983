from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from plainfilm.errors import ArtifactError
from plainfilm.models.store import load_classifier
from plainfilm.training import run
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import new_classifier, train

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = ["data.train=32", "data.validation=16", "data.test=16", "data.size=32", "optimiser.epochs=1"]


def quiet(name: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.mark.filterwarnings("ignore")
def test_a_recipe_becomes_a_checkpoint_with_its_card(tmp_path):
    recipe = read_recipe(RECIPES / "smoke.yaml", [*SMALL, "loss=weighted-bce"])
    figures = train(recipe, tmp_path / "run", tmp_path / "cache", quiet)
    classifier = load_classifier(tmp_path / "run")
    assert set(figures) == set(classifier.targets)
    assert classifier.spec.size == 32
    assert classifier.card["recipe"]["loss"] == "weighted-bce"
    assert set(classifier.card["test"]) == set(classifier.targets)
    assert "validation_auroc" in (tmp_path / "run" / "metrics.csv").read_text()
    assert not list((tmp_path / "run").glob("*.part"))
    assert json.loads(json.dumps(classifier.card))


@pytest.mark.filterwarnings("ignore")
def test_a_start_takes_over_the_features_but_not_the_head(tmp_path):
    recipe = read_recipe(RECIPES / "smoke.yaml", SMALL)
    train(recipe, tmp_path / "first", tmp_path / "cache", quiet)
    changes = [
        *SMALL,
        f"model.start={tmp_path / 'first'}",
        "optimiser.learning_rate=1e-12",
        "data.targets=[Mass]",
    ]
    train(read_recipe(RECIPES / "smoke.yaml", changes), tmp_path / "second", tmp_path / "cache", quiet)
    first, second = (load_classifier(tmp_path / name).network for name in ("first", "second"))
    torch.testing.assert_close(second.features.conv0.weight, first.features.conv0.weight)
    assert second.classifier.out_features == 1


def test_a_start_of_another_network_is_refused():
    changes = [*SMALL, "model.network=densenet121", "model.start=phantom"]
    with pytest.raises(ArtifactError, match=r"model\.start phantom.*missing"):
        new_classifier(read_recipe(RECIPES / "smoke.yaml", changes), ("Mass",))


def test_a_start_that_lacks_weights_is_refused(monkeypatch):
    start = new_classifier(read_recipe(RECIPES / "smoke.yaml", SMALL), ("Mass",))
    del start.network.features.norm5
    monkeypatch.setattr(run, "load", lambda name: start)
    with pytest.raises(ArtifactError, match=r"missing \(norm5"):
        new_classifier(read_recipe(RECIPES / "smoke.yaml", [*SMALL, "model.start=part"]), ("Mass",))


@pytest.mark.parametrize("task", ["classifier", "lungs"])
def test_a_process_that_only_helps_writes_no_figures(tmp_path, monkeypatch, task):
    monkeypatch.setattr(run, "fit", lambda *arguments: False)
    recipe = read_recipe(RECIPES / "smoke.yaml", [*SMALL, f"task={task}"])
    assert run.train(recipe, tmp_path / "run", tmp_path / "cache", quiet) == {}
    assert not list((tmp_path / "run").glob("model*"))
