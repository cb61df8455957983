from __future__ import annotations

import csv
from collections import Counter

import numpy as np
from PIL import Image

from plainfilm.cli.demo import EXPLAINED, HELD_OUT_SEED, PREDICTED, choose_studies
from plainfilm.datasets.phantom import Phantom


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


def test_each_finding_is_explained_about_equally_often():
    phantom = Phantom(24 * PREDICTED, seed=HELD_OUT_SEED)
    chosen = choose_studies(phantom, 24)
    times = Counter(name for names in chosen.values() for name in names)
    assert len(chosen) == 24
    assert set(times) == set(EXPLAINED)
    assert min(times.values()) >= 3
    assert max(times.values()) <= 6
    assert all(phantom.labels(k)[name] for k, names in chosen.items() for name in names)


def test_fewer_films_with_findings_than_asked_for_are_all_taken():
    phantom = Phantom(4, seed=HELD_OUT_SEED)
    assert len(choose_studies(phantom, 10)) <= 4
