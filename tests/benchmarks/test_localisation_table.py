"""The protocol of the published localisation table, as the benchmark follows it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError
from plainfilm.models.zoo import load

PATH = Path(__file__).parents[2] / "benchmarks" / "localisation_table.py"


@pytest.fixture(scope="module")
def table():
    spec = importlib.util.spec_from_file_location("localisation_table", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["localisation_table"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class Films:
    """Labels and outlines of six films."""

    def __len__(self):
        return 6

    def labels(self, findings):
        return np.array([[1], [1], [0], [np.nan], [1], [1]], float)

    def outlined(self):
        return [("Mass",), (), ("Mass",), ("Mass",), ("Mass", "Hernia"), ("Mass",)]


def test_candidates_are_labelled_outlined_and_above_zero_in_order(table):
    scores = np.array([0.3, 0.9, 0.9, 0.9, 0.0, 0.1])
    assert table.candidates(Films(), "Mass", scores, 80) == [0, 5]
    assert table.candidates(Films(), "Mass", scores + 0.1, 80) == [0, 4, 5]
    assert table.candidates(Films(), "Mass", scores + 0.1, 2) == [0, 4]


def test_a_cell_is_mean_and_sample_deviation_without_undefined_films(table):
    assert table.cell([0.1, 0.3, float("nan"), 0.2]) == "0.200 ± 0.100 (3)"
    assert table.cell([0.5]) == "0.500 ± - (1)"
    assert table.cell([float("nan")]) == "-"


def test_phantoms_have_no_view(table):
    assert isinstance(table.opened("phantom:3", None), Phantom)
    with pytest.raises(InputError, match="view"):
        table.opened("phantom:3", "PA")


@pytest.mark.parametrize("reference", [False, True])
def test_the_study_runs_and_as_published_takes_one_film_more(table, reference, tmp_path, monkeypatch, capsys):
    path = tmp_path / "table.json"
    words = ["x", "--data", "phantom:40", "--findings", "Mass", "--limit", "1", "--json", str(path)]
    monkeypatch.setattr(
        sys, "argv", [*words, "--methods", "gradient", "iba", *(["--reference"] if reference else [])]
    )
    bare = load("phantom")
    del bare.card["statistics"]  # without them a bottleneck has to refuse
    monkeypatch.setattr(table, "load", lambda name: bare)
    table.main()
    (column,) = json.loads(path.read_text())
    assert len(column["films"]) == len(column["iou"]["gradient"]) == 1 + reference
    assert "iba" in column["refused"]
    assert "Mass · phantom" in capsys.readouterr().out


def test_real_boxes_are_found(table, real_data, monkeypatch):
    monkeypatch.setenv("PLAINFILM_DATA", str(real_data))
    assert sum("Pneumonia" in names for names in table.opened("rsna", None).outlined()) == 19
    nih = table.opened("nih", "PA")
    assert set(nih.films["view"]) == {"PA"}
