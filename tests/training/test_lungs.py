from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from plainfilm.models.lungs import load_lungs
from plainfilm.radiograph import Radiograph
from plainfilm.training.lungs import dice, segmentation_loss, vary
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import train

RECIPE = Path(__file__).parents[2] / "recipes" / "lungs.yaml"


def quiet(name, done, total):
    pass


@pytest.fixture
def films():
    generator = torch.Generator().manual_seed(0)
    lungs = torch.zeros(6, 1, 64, 64)
    lungs[:, :, 16:48, 10:26], lungs[:, :, 16:48, 38:54] = 1, 1
    return 0.8 - 0.6 * lungs + 0.02 * torch.rand(6, 1, 64, 64, generator=generator), lungs


def test_dice_is_its_definition():
    one = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    two = torch.tensor([[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    torch.testing.assert_close(dice(one, two), torch.tensor([0.5, 1.0, 1.0]))


def test_a_perfect_answer_costs_next_to_nothing(films):
    _, lungs = films
    assert segmentation_loss(40 * (lungs - 0.5), lungs) < 1e-3
    assert segmentation_loss(-40 * (lungs - 0.5), lungs) > 10


def test_the_same_generator_varies_films_alike(films):
    first, second, other = (vary(*films, torch.Generator().manual_seed(seed)) for seed in (4, 4, 5))
    for one, two, three in zip(first, second, other, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
        assert not torch.equal(one, three)


def test_varied_films_are_standardised_and_their_lungs_stay_dark(films):
    images, lungs = vary(*films, torch.Generator().manual_seed(1))
    assert torch.isfinite(images).all()
    assert (images.mean((1, 2, 3)).abs() < 1e-4).all()
    for image, lung in zip(images, lungs > 0.5, strict=True):
        assert image[lung].mean() < image[~lung].mean()


def test_a_lung_is_never_outside_the_frame(films):
    images, lungs = vary(*films, torch.Generator().manual_seed(2))
    assert ((lungs >= 0) & (lungs <= 1)).all()
    padding = images == 0
    assert padding.any()
    assert not lungs[padding].any()


def test_a_recipe_becomes_a_segmenter_with_its_card(tmp_path):
    changes = [
        "data.size=64", "data.train=16", "data.validation=8", "data.test=4",
        "optimiser.epochs=1", "optimiser.batch_size=8",
    ]  # fmt: skip
    recipe = read_recipe(RECIPE, changes)
    figures = train(recipe, tmp_path / "run", tmp_path / "cache", quiet)
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    assert card["recipe"]["task"] == "lungs"
    assert 0 <= card["validation_dice"] <= 1
    assert card["test"]["lungs"]["dice"] == pytest.approx(figures["lungs"].value, abs=1e-4)
    assert figures["lungs"].n == 4
    assert load_lungs(tmp_path / "run").segment(Radiograph(torch.rand(50, 70).numpy())).both.shape == (50, 70)
