from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import torch

import plainfilm as pf
from plainfilm import __version__

HELP = """
import sys
from plainfilm.cli.main import main
for verb in ([], ["demo"], ["predict"], ["explain"], ["list"], ["doctor"]):
    try:
        main([*verb, "--help"])
    except SystemExit as stop:
        assert not stop.code, verb
heavy = {"torch", "numpy", "pandas", "matplotlib", "PIL", "jinja2"} & set(sys.modules)
assert not heavy, heavy
"""


def test_help_of_every_verb_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stdout
    assert "--max-excluded" in done.stdout


def test_the_version_is_printed(run):
    assert run("--version").out.strip() == f"plainfilm {__version__}"


def test_wrong_usage_exits_with_2(run, films):
    assert run("predict").code == 2
    assert run("predict", films, "--on-error", "ignore").code == 2
    assert run("fly").code == 2


def test_an_unknown_model_exits_with_2_and_says_what_to_do(run, films):
    outcome = run("predict", films, "--model", "phantm")
    assert outcome.code == 2
    assert outcome.out == ""
    assert "phantom" in outcome.err


def test_a_missing_film_exits_with_3(run, model):
    outcome = run("predict", "nowhere.png", "--model", model)
    assert outcome.code == 3
    assert outcome.err.startswith("error: nowhere.png: got no such file")


def test_a_damaged_model_exits_with_4(run, films, model, tmp_path):
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert run("predict", films, "--model", tmp_path).code == 4


@pytest.mark.parametrize("verb", ["predict", "explain", "demo"])
def test_an_output_folder_that_cannot_be_made_exits_with_5_before_any_work(
    run, films, tmp_path, monkeypatch, verb
):
    monkeypatch.setattr(pf, "load", lambda name: pytest.fail("work was begun"), raising=False)
    inputs = [] if verb == "demo" else [films]
    assert run(verb, *inputs, "--out", tmp_path / "missing" / "out").code == 5
    (tmp_path / "file").touch()
    assert run(verb, *inputs, "--out", tmp_path / "file").code == 5


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_folder_exits_with_5(run, films, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert run("predict", films, "--out", tmp_path / "locked").code == 5


def test_an_error_is_one_line_that_cannot_steer_the_terminal(run, model):
    outcome = run("predict", "a\x1b[2J\nb.png", "--model", model)
    assert outcome.code == 3
    assert outcome.err.count("\n") == 1
    assert "\x1b[2J" not in outcome.err


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_with_its_code_and_leaves_nothing_partial(
    run, films, tmp_path, monkeypatch, stop, code
):
    monkeypatch.setattr(pf, "load", lambda name: os.kill(os.getpid(), stop), raising=False)
    assert run("predict", films, "--out", tmp_path / "out").code == code
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_no_memory_exits_with_5(run, films, monkeypatch, error):
    def exhaust(name):
        raise error

    monkeypatch.setattr(pf, "load", exhaust, raising=False)
    assert run("predict", films).code == 5


@pytest.mark.parametrize("bug", [ZeroDivisionError, RuntimeError])
def test_a_bug_keeps_its_traceback(run, films, monkeypatch, bug):
    def stumble(name):
        raise bug

    monkeypatch.setattr(pf, "load", stumble, raising=False)
    with pytest.raises(bug):
        run("predict", films)
