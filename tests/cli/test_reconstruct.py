from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from plainfilm.datasets.annotations import annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.autoencoder_store import save_autoencoder

Run = Callable[..., Any]


@pytest.fixture(scope="session")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an autoencoder of random weights for films of 32 pixels."""
    torch.manual_seed(0)
    network = Autoencoder(32, 0.0, 1.0, (1, 1), (2, 2), (1, 2), (2, 2), stem=2, top=2)
    folder = tmp_path_factory.mktemp("autoencoder")
    save_autoencoder(network, folder, {"name": "tiny"})
    return folder


@pytest.fixture
def films(tmp_path: Path, save_film: Callable[..., None]) -> Path:
    root = tmp_path / "films"
    root.mkdir()
    for k in range(6):
        save_film(root / f"{k}.png", seed=k)
    return root


def test_films_get_a_page_and_tables(run: Run, model, autoencoder, films, tmp_path):
    out = tmp_path / "out"
    found = run("reconstruct", films, "--autoencoder", autoencoder, "--model", model, "--out", out)
    assert found.code == 0
    assert "explained" in found.out
    assert "Reconstructions by tiny" in (out / "index.html").read_text()
    rows = list(csv.DictReader((out / "reconstructions.csv").open()))
    assert [row["film"] for row in rows] == list("012345")
    assert {row["label"] for row in csv.DictReader((out / "impact.csv").open())} == {"all films"}


def test_a_data_set_gets_table_k1_and_areas(run: Run, model, autoencoder, films, tmp_path):
    table = pd.DataFrame({
        "film": [f"f{k}" for k in range(6)], "path": [f"{k}.png" for k in range(6)],
        "patient": [f"p{k}" for k in range(6)], "finding:Mass": [1.0, 0.0] * 3,
    })  # fmt: skip
    data = Manifest("six", films, table, annotation_table([])).save(tmp_path / "data")
    given = ("--data", data, "--autoencoder", autoencoder, "--model", model, "--out", tmp_path / "out")
    found = run("reconstruct", *given, "--json")
    record = json.loads(found.out)
    assert record["films"] == 6
    assert [area["finding"] for area in record["auroc"]] == ["Mass"]
    mass = [row for row in record["impact"] if row["target"] == "Mass"]
    assert [(row["label"], row["present"], row["n"]) for row in mass] == [
        ("Mass", True, 3),
        ("Mass", False, 3),
    ]


def test_a_film_that_cannot_be_read_is_excluded_where_asked(run: Run, model, autoencoder, films, tmp_path):
    (films / "3.png").write_bytes(b"<html>")
    given = ("reconstruct", films, "--autoencoder", autoencoder, "--model", model, "--out", tmp_path / "out")
    assert run(*given).code == 3
    found = run(*given, "--on-error", "quarantine", "--max-excluded", 0.5)
    assert found.code == 6
    assert "not an image" in (tmp_path / "out" / "excluded.csv").read_text()


def test_an_autoencoder_of_another_size_is_refused_before_any_work(run: Run, autoencoder, films, tmp_path):
    found = run("reconstruct", films, "--autoencoder", autoencoder, "--out", tmp_path / "out")
    assert found.code == 2
    assert "32 pixels" in found.err
    assert not (tmp_path / "out").exists()


def test_an_unknown_autoencoder_is_told(run: Run, model, films, tmp_path):
    found = run("reconstruct", films, "--autoencoder", "nobody", "--model", model, "--out", tmp_path / "out")
    assert found.code == 2
    assert "'nobody', expected one of phantom" in found.err
