from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import plainfilm.training.run
from plainfilm.models.store import load_classifier
from plainfilm.training.lock import run_lock

SMOKE = Path(__file__).parents[2] / "recipes" / "smoke.yaml"
TINY = [
    f"--set={change}"
    for change in (
        "data.size=32", "data.train=16", "data.validation=8", "data.test=8",
        "optimiser.epochs=1", "optimiser.batch_size=8",
    )
]  # fmt: skip

HELP = """
import sys
from plainfilm.cli.main import main
try:
    main(["train", "--help"])
except SystemExit as stop:
    assert not stop.code
heavy = {"torch", "lightning", "numpy", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture
def train(run, tmp_path):
    return lambda *arguments: run("train", SMOKE, "--cache", tmp_path / "films", *TINY, *arguments)


def test_help_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "recipe" in done.stdout


@pytest.mark.filterwarnings("ignore")
def test_a_small_run_ends_with_figures_and_a_checkpoint(train, tmp_path):
    out = tmp_path / "deep" / "run"
    outcome = train("--out", out, "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["checkpoint"] == str(out)
    assert "auroc" in said["test"]["Mass"]
    assert load_classifier(out).card["test_films"] == 8


@pytest.mark.parametrize("change", ["optimiser.epoch=3", "data.train=0", "loss=["])
def test_a_wrong_setting_exits_with_3(train, tmp_path, change):
    outcome = train("--out", tmp_path / "run", "--set", change)
    assert outcome.code == 3
    assert outcome.err.startswith("error: ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["run", "x/run", "x/y/run"])
def test_an_output_below_a_file_exits_with_5_before_any_work(train, tmp_path, monkeypatch, place):
    monkeypatch.setattr(plainfilm.training.run, "train", lambda *arguments: pytest.fail("work was begun"))
    (tmp_path / "file").touch()
    assert train("--out", tmp_path / "file" / place).code == 5


def test_a_process_that_only_helped_prints_nothing(train, tmp_path, monkeypatch):
    monkeypatch.setattr(plainfilm.training.run, "train", lambda *arguments: {})
    outcome = train("--out", tmp_path / "run")
    assert outcome.code == 0
    assert "Checkpoint" not in outcome.err
    assert not outcome.out


@pytest.mark.filterwarnings("ignore")
def test_a_finished_run_may_be_resumed_and_one_begun_may_not_be_overwritten(train, tmp_path):
    out = tmp_path / "run"
    first, again = train("--out", out, "--json"), train("--out", out, "--json", "--resume")
    assert first.code == again.code == 0, again.err
    assert json.loads(first.out) == json.loads(again.out)
    assert train("--out", out, "--resume", "--set", "seed=5").code == 4
    for name in ("model.json", "model-b.json"):
        (out / name).unlink(missing_ok=True)
    refused = train("--out", out)
    assert refused.code == 5
    assert "--resume" in refused.err


def test_a_folder_in_use_exits_with_5(train, tmp_path):
    with run_lock(tmp_path / "run"):
        outcome = train("--out", tmp_path / "run")
    assert outcome.code == 5
    assert f"process {os.getpid()} on" in outcome.err
