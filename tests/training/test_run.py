from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from plainfilm.errors import ArtifactError, InputError
from plainfilm.models.store import load_classifier
from plainfilm.training import run
from plainfilm.training.films import parts_of
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import new_classifier, probabilities, train_classifier

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = ["data.train=32", "data.validation=16", "data.test=16", "data.size=32", "optimiser.epochs=1"]


def quiet(name: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.mark.filterwarnings("ignore")
def test_a_recipe_becomes_a_checkpoint_with_its_card(tmp_path):
    recipe = read_recipe(RECIPES / "smoke.yaml", [*SMALL, "loss=weighted-bce"])
    figures = train_classifier(recipe, tmp_path / "run", tmp_path / "cache", quiet)
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
    train_classifier(recipe, tmp_path / "first", tmp_path / "cache", quiet)
    changes = [
        *SMALL,
        f"model.start={tmp_path / 'first'}",
        "optimiser.learning_rate=1e-12",
        "data.targets=[Mass]",
    ]
    train_classifier(
        read_recipe(RECIPES / "smoke.yaml", changes), tmp_path / "second", tmp_path / "cache", quiet
    )
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
    assert not list((tmp_path / "run").iterdir())


def test_films_are_judged_on_the_gpu_where_there_is_one(tmp_path, monkeypatch):
    recipe = read_recipe(RECIPES / "smoke.yaml", SMALL)
    parts = parts_of(recipe.data, tmp_path, quiet)
    classifier = new_classifier(recipe, parts.targets)
    expected, moved = probabilities(classifier, parts.test), []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(classifier.network, "cuda", lambda: moved.append(True))
    np.testing.assert_array_equal(probabilities(classifier, parts.test), expected)
    assert moved == [True]


def test_a_negative_seed_of_the_films_is_refused(tmp_path):
    recipe = read_recipe(RECIPES / "smoke.yaml", [*SMALL, "data.seed=-1"])
    with pytest.raises(InputError, match="seed -1"):
        parts_of(recipe.data, tmp_path, quiet)


def test_cells_that_say_nothing_become_unknown_labels(tmp_path):
    rows = ["Image Index,Patient ID,Mass"]
    for film in range(30):
        Image.fromarray(np.full((40, 40), film, np.uint8)).save(tmp_path / f"{film}.png")
        rows.append(f"{film}.png,{film},{('1.0', '0.0', '-1.0')[film % 3]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    path = tmp_path / "mass.yaml"
    path.write_text(
        f"name: mass\ndata: {{kind: table, folder: {tmp_path}, csv: {tmp_path}/labels.csv, size: 32, "
        "labels: {Mass: {column: Mass, equals: '1.0', unknown: ['', '-1.0']}}}\n"
    )
    store = parts_of(read_recipe(path).data, tmp_path / "cache", quiet).train.store
    np.testing.assert_array_equal(store.labels[:3, 0], [1, 0, np.nan])


def test_a_table_is_split_by_patient(tmp_path):
    rows = ["Image Index,Patient ID,View Position"]
    for film in range(60):
        Image.fromarray(np.full((40, 40), film, np.uint8)).save(tmp_path / f"{film}.png")
        rows.append(f"{film}.png,{film // 3},{'AP' if film % 2 else 'PA'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    path = tmp_path / "view.yaml"
    path.write_text(
        f"name: view\ndata: {{kind: table, folder: {tmp_path}, csv: {tmp_path}/labels.csv, size: 32, "
        "labels: {AP: {column: View Position, equals: AP}}}\n"
    )
    parts = parts_of(read_recipe(path).data, tmp_path / "cache", quiet)
    patients = [
        {parts.train.store.patients[row] for row in part.rows}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert sum(map(len, patients)) == 20 == len(set.union(*patients))
    assert parts.train.labels.unique().tolist() == [0, 1]
