from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import torch
from PIL import Image

import plainfilm as pf
from plainfilm.cli.demo import EXPLAINED, HELD_OUT_SEED, PREDICTED, choose_studies, explained_findings
from plainfilm.datasets.phantom import Phantom
from plainfilm.models.classifier import wrap


def test_the_demo_ends_with_a_page_a_sheet_and_three_numbers(run, model, tmp_path):
    out = tmp_path / "demo"
    outcome = run("demo", "--out", out, "--films", 3, "--size", 64, "--model", model)
    assert outcome.code == 0, outcome.err
    names = ["contact_sheet.png", "index.html", "localisation.csv", "predictions.csv"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert np.asarray(Image.open(out / "contact_sheet.png")).std() > 20
    for words in ("Mean AUROC", "Best localisation", "Knowing nothing", "index.html"):
        assert words in outcome.err
    assert "the exact outline" in (out / "index.html").read_text()


def test_maps_are_scored_against_exact_masks_beside_the_baselines(run, model, tmp_path):
    run("demo", "--out", tmp_path / "demo", "--films", 2, "--size", 64, "--model", model)
    with (tmp_path / "demo" / "localisation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["method"] for row in rows}) == 6
    assert {row["finding"] for row in rows} <= set(EXPLAINED)


def tiny(*targets):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), Mean(), torch.nn.Linear(4, len(targets))
    )
    return wrap(network.eval(), targets, 32)


class Mean(torch.nn.Module):
    """The mean over the film."""

    def forward(self, features):
        return features.mean((2, 3))


def test_a_model_that_knows_nothing_of_the_phantom_exits_with_2(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pf, "load", lambda name: tiny("Fracture"), raising=False)
    outcome = run("demo", "--out", tmp_path / "demo", "--films", 1, "--size", 64)
    assert outcome.code == 2
    assert "Fracture" in outcome.err


def test_a_model_of_other_findings_is_explained_by_those(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pf, "load", lambda name: tiny("Edema", "Fracture"), raising=False)
    assert explained_findings(tiny("Edema", "Fracture")) == ("Edema",)
    outcome = run("demo", "--out", tmp_path / "demo", "--films", 3, "--size", 64)
    assert outcome.code == 0, outcome.err


def test_films_without_a_finding_to_explain_exit_with_3(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pf, "load", lambda name: tiny("Edema"), raising=False)
    outcome = run("demo", "--out", tmp_path / "demo", "--films", 1, "--size", 64)
    assert outcome.code == 3
    assert "--films" in outcome.err


def test_each_finding_is_explained_about_equally_often():
    phantom = Phantom(24 * PREDICTED, seed=HELD_OUT_SEED)
    chosen = choose_studies(phantom, 24)
    times = Counter(name for names in chosen.values() for name in names)
    assert len(chosen) == 24
    assert set(times) == set(EXPLAINED)
    assert min(times.values()) >= 3
    assert max(times.values()) <= 6
    assert all(phantom.content(k).labels[name] for k, names in chosen.items() for name in names)


def test_fewer_films_with_findings_than_asked_for_are_all_taken():
    phantom = Phantom(4, seed=HELD_OUT_SEED)
    assert len(choose_studies(phantom, 10)) <= 4
