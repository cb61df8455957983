from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from plainfilm.metrics import Interval
from plainfilm.training.judging import areas, as_json, probabilities
from plainfilm.training.parts import parts_of
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import new_classifier

SMOKE = Path(__file__).parents[2] / "recipes" / "smoke.yaml"


@pytest.fixture
def recipe():
    return read_recipe(SMOKE, ["data.train=8", "data.validation=4", "data.test=7", "data.size=32"])


@pytest.fixture
def part(recipe, tmp_path):
    return parts_of(recipe, tmp_path, lambda name, done, total: None).test


@pytest.fixture
def classifier(recipe):
    return new_classifier(recipe, ("Mass", "Effusion"))


def test_films_are_judged_alike_in_batches_of_any_size(classifier, part):
    together = probabilities(classifier, part)
    assert together.shape == (7, 2)
    np.testing.assert_allclose(probabilities(classifier, part, batch_size=3), together, atol=1e-6)


def test_films_are_judged_on_the_gpu_where_there_is_one(classifier, part, monkeypatch):
    expected, moved = probabilities(classifier, part), []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(classifier.network, "cuda", lambda: moved.append(True))
    np.testing.assert_array_equal(probabilities(classifier, part), expected)
    assert moved == [True]


def test_more_films_of_the_same_patients_make_no_figure_surer(classifier, part):
    truth = np.stack([np.arange(len(part.store)) % 2, np.arange(len(part.store)) % 3 == 0], 1)
    once = replace(part, truth=truth.astype(np.float32))
    often = areas(classifier, replace(once, rows=np.tile(part.rows, 4)))
    for name, area in areas(classifier, once).items():
        assert (often[name].low, often[name].high) == pytest.approx((area.low, area.high), nan_ok=True)
        assert often[name].value == pytest.approx(area.value)
        assert often[name].n == 4 * area.n


def test_an_undefined_figure_becomes_none():
    told = as_json({"Mass": Interval(math.nan, math.nan, math.nan, 3, n_positive=0)}, "auroc")
    assert told == {"Mass": {"auroc": None, "low": None, "high": None, "positives": 0}}
