"""What a training run does when the world is against it."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from plainfilm.errors import ResourceError
from plainfilm.training import films, fit
from plainfilm.training.parts import Part
from plainfilm.training.snapshot import read_meta
from plainfilm.training.snapshots import snapshots_in

pytestmark = pytest.mark.filterwarnings("ignore")


def test_too_little_space_is_told_before_the_work_begins(run, monkeypatch, tmp_path):
    usage = fit.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(fit.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ResourceError, match="MB for snapshots"):
        run(tmp_path / "run")
    assert not snapshots_in(tmp_path / "run")


def test_a_killed_worker_is_explained_and_the_run_can_go_on(run, monkeypatch, tmp_path):
    parent, getitems = os.getpid(), Part.__getitems__

    def killed(part, indices):
        if os.getpid() != parent and 7 in list(indices):
            os.kill(os.getpid(), signal.SIGKILL)
        return getitems(part, indices)

    monkeypatch.setattr(Part, "__getitems__", killed)
    with pytest.raises(ResourceError, match=r"lack of memory.*fewer workers"):
        run(tmp_path / "run", "workers=1")
    monkeypatch.undo()
    run(tmp_path / "run", "workers=0", resume=True)


def test_a_hung_worker_is_given_up(run, monkeypatch, tmp_path):
    parent, getitems = os.getpid(), Part.__getitems__

    def hung(part, indices):
        if os.getpid() != parent:
            signal.pause()
        return getitems(part, indices)

    assert films.TIMEOUT == 120
    monkeypatch.setattr(Part, "__getitems__", hung)
    monkeypatch.setattr(films, "TIMEOUT", 1)
    with pytest.raises(ResourceError, match="workers: got no batch within"):
        run(tmp_path / "run", "workers=1")


def test_an_accelerator_without_memory_is_explained(run, at_step, tmp_path):
    def full(value):
        raise torch.OutOfMemoryError("CUDA out of memory")

    at_step(3, full)
    with pytest.raises(ResourceError, match=r"batches of 4.*begin anew"):
        run(tmp_path / "run")
    assert read_meta(snapshots_in(tmp_path / "run")[-1])["step"] == 2


def test_other_errors_stay_what_they_are(run, at_step, tmp_path):
    def bug(value):
        raise RuntimeError("a bug")

    at_step(1, bug)
    with pytest.raises(RuntimeError, match="a bug"):
        run(tmp_path / "run")


def test_tensorboard_gets_the_same_figures(run, tmp_path):
    run(tmp_path / "run", "logger=tensorboard", "optimiser.epochs=1")
    assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))
    assert "validation_auroc" in (tmp_path / "run" / "metrics.csv").read_text()
