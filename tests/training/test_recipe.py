from __future__ import annotations

from pathlib import Path

import pytest

from plainfilm.errors import InputError
from plainfilm.training.recipe import TableRecipe, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid(path):
    assert read_recipe(path).name


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: small\ndata: {kind: phantom, train: 10}\n")
    return path


def test_settings_can_be_changed(recipe):
    changed = read_recipe(
        recipe, ["optimiser.epochs=3", "data.shortcut.correlation=0.5", "loss=weighted-bce"]
    )
    assert changed.optimiser.epochs == 3
    assert changed.data.shortcut.correlation == 0.5
    assert changed.data.train == 10
    assert changed.loss == "weighted-bce"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimiser.epoch=3", r"optimiser\.epoch = 3"),
        ("loss=hinge", "loss = 'hinge'"),
        ("optimiser.epochs=0", r"optimiser\.epochs = 0"),
        ("data.train=0", r"data\.train = 0"),
        ("data.validation=0", r"validation = 0"),
        ("data.test=-1", r"test = -1"),
        ("data.size=31", r"size = 31"),
        ("weight_limit=0", "weight_limit = 0"),
        ("loss=[", r"'\[' for loss"),
        ("epochs", "key=value"),
        ("name.x=1", "name holds a value"),
        ("name=2026-13-45", "a value in YAML"),
    ],
)
def test_what_nobody_reads_is_refused(recipe, change, message):
    with pytest.raises(InputError, match=message):
        read_recipe(recipe, [change])


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml"):
        read_recipe(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(InputError, match="a list"):
        read_recipe(tmp_path / "list.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(InputError, match="YAML"):
        read_recipe(tmp_path / "broken.yaml")


def test_the_kind_of_data_chooses_its_settings(tmp_path):
    path = tmp_path / "table.yaml"
    path.write_text(
        "name: view\n"
        "data: {kind: table, folder: f, csv: c, labels: {AP: {column: View Position, equals: AP}}}\n"
    )
    assert isinstance(read_recipe(path).data, TableRecipe)
    changed = read_recipe(path, ["data.labels.AP.unknown=['', '-1.0']"])
    assert changed.data.labels["AP"].unknown == ("", "-1.0")
    with pytest.raises(InputError, match="size = 8"):
        read_recipe(path, ["data.size=8"])
