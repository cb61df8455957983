from __future__ import annotations

import pytest
import torch

from plainfilm.training.recipe import read_recipe
from plainfilm.training.task import Task, _cycle


@pytest.mark.parametrize(
    ("done", "share"),
    [(0.0, 0.05), (0.05, 0.55 * 0.9938), (0.5, 0.5), (0.9, 0.0245), (1.0, 0.01), (2.0, 0.01)],
)
def test_the_learning_rate_rises_and_falls_along_a_cosine(done, share):
    assert _cycle(done, warm_up=0.1) == pytest.approx(share, abs=1e-3)


def test_without_a_warm_up_it_begins_at_its_peak():
    assert _cycle(0.0, warm_up=0.0) == 1


def test_a_film_has_its_own_seed_in_each_epoch_and_no_other(tmp_path, monkeypatch):
    (tmp_path / "recipe.yaml").write_text("name: small\ndata: {kind: phantom}\n")
    task = Task(torch.nn.Linear(1, 1), read_recipe(tmp_path / "recipe.yaml"), steps=10)
    monkeypatch.setattr(Task, "current_epoch", 0)
    first = task.seeds(torch.tensor([3, 1, 2]))
    assert len(set(first)) == 3
    assert task.seeds(torch.tensor([2])) == first[2:]
    monkeypatch.setattr(Task, "current_epoch", 1)
    assert not set(first) & set(task.seeds(torch.tensor([1, 2, 3])))
