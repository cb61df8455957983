from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.polarity import looks_inverted
from plainfilm.io.read import read

INVERTED = {"00017625_000", "00017999_000"}
"""Films of the release on which bone is black, by eye."""


@pytest.fixture(scope="module")
def phantoms() -> list[np.ndarray]:
    return [study.radiograph.pixels for study in (Phantom(12, size=128, seed=3)[k] for k in range(12))]


def test_rendered_films_are_as_they_should_be_and_their_negatives_are_found(phantoms):
    assert not any(map(looks_inverted, phantoms))
    assert all(looks_inverted(1 - film) for film in phantoms)


@pytest.mark.parametrize("border", [0.0, 1.0])
def test_a_painted_border_hides_nothing(phantoms, border):
    for film in phantoms[:4]:
        assert not looks_inverted(np.pad(film, 30, constant_values=border))
        assert looks_inverted(np.pad(1 - film, 30, constant_values=border))


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_a_film_without_anything_is_no_suspect(grey):
    assert not looks_inverted(np.full((40, 30), grey, np.float32))
    assert not looks_inverted(np.full((1, 1), grey, np.float32))


def test_of_200_real_films_the_inverted_ones_are_found_and_no_others(real_data):
    paths = sorted((real_data / "nih" / "images_384").glob("*.png"))
    some = [path for k, path in enumerate(paths) if k % 3 == 0 or path.stem in INVERTED]
    films = {path.stem: read(path).pixels for path in some}
    assert {name for name, film in films.items() if looks_inverted(film)} == INVERTED
    assert {name for name, film in films.items() if not looks_inverted(1 - film)} == INVERTED
