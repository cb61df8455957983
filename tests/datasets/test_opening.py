from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.opening import FILMS, SEED, open_data
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import ArtifactError, InputError, LabelError


@pytest.mark.parametrize(
    ("name", "films", "seed"),
    [("phantom", FILMS, SEED), ("phantom:5", 5, SEED), ("phantom:5:7", 5, 7), ("phantom:5:0", 5, 0)],
)
def test_phantoms_are_named_with_their_number_and_seed(name: str, films: int, seed: int) -> None:
    assert open_data(name) == Phantom(films, seed=seed)


def test_a_folder_that_was_saved_is_opened(tmp_path: Path) -> None:
    films = pd.DataFrame({"film": ["a"], "path": [""], "patient": ["p"], "finding:Mass": [1.0]})
    saved = Manifest("mine", tmp_path, films)
    found = open_data(str(saved.save(tmp_path / "data")))
    assert found.fingerprint() == saved.fingerprint()


@pytest.mark.parametrize("name", ["phantoms", "phantom:", "phantom:-1", "phantom:5:x", "nowhere/at/all"])
def test_anything_else_is_an_error_that_says_what_is_meant(name: str) -> None:
    with pytest.raises(InputError, match="plainfilm data build"):
        open_data(name)


def test_a_folder_that_is_no_manifest_is_an_artefact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="data build"):
        open_data(str(tmp_path))


def test_one_part_of_the_films_can_be_asked_for(tmp_path):
    films = pd.DataFrame({"film": list("abc"), "split": ["train", "test", "test"]})
    folder = str(Manifest("parts", tmp_path, films).save(tmp_path / "data"))
    assert open_data(folder, "test").ids == ("b", "c")
    with pytest.raises(LabelError, match="one of the data's: test, train"):
        open_data(folder, "validation")
    with pytest.raises(InputError, match="phantoms have no parts"):
        open_data("phantom:3", "test")
