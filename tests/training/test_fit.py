"""What a training run does when the world is against it."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal

import pytest
import torch

from plainfilm.errors import NumericError, ResourceError
from plainfilm.io import atomic
from plainfilm.training import films, fit
from plainfilm.training.parts import Part
from plainfilm.training.snapshot import read_meta, read_snapshot
from plainfilm.training.snapshots import snapshots_in
from plainfilm.training.task import Task

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def at_step(monkeypatch):
    """Does something in place of the loss of a step."""

    def at_step(step, act):
        loss = Task.training_step

        def training_step(task, batch, batch_idx):
            value = loss(task, batch, batch_idx)
            return act(value) if task.global_step == step else value

        monkeypatch.setattr(Task, "training_step", training_step)

    return at_step


def signalled(number):
    def act(value):
        os.kill(os.getpid(), number)
        return value

    return act


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("step", [2, 4], ids=["in an epoch", "at its end"])
def test_a_signal_ends_the_run_after_the_step_with_a_snapshot(run, at_step, tmp_path, number, code, step):
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    at_step(step, signalled(number))
    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "run")
    assert stop.value.code == code
    assert read_meta(snapshots_in(tmp_path / "run")[-1])["step"] == step + 1
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_the_second_signal_ends_the_run_at_once(run, at_step, tmp_path):
    def twice(value):
        signalled(signal.SIGTERM)(value)
        signalled(signal.SIGTERM)(value)
        pytest.fail("the run went on")

    at_step(2, twice)
    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "run")
    assert stop.value.code == 143
    assert read_meta(snapshots_in(tmp_path / "run")[-1])["step"] == 2


def test_a_loss_that_is_no_number_stops_before_the_weights_are_touched(run, at_step, tmp_path):
    at_step(3, lambda loss: loss * torch.nan)
    with pytest.raises(NumericError, match="a loss of nan at step 3"):
        run(tmp_path / "run")
    folder = tmp_path / "run" / "not-finite"
    told = json.loads((folder / "batch-000000003-0.json").read_text())
    assert told["step"] == 3
    assert len(told["films"]) == 4
    weights = read_snapshot(folder / "step-000000003")["state_dict"]
    assert all(torch.isfinite(tensor).all() for name, tensor in weights.items() if name.startswith("network"))


def test_a_write_that_fails_leaves_the_former_snapshot(run, monkeypatch, tmp_path):
    """A disk that is full at the n-th file of a snapshot, for every n that a snapshot has."""
    whole = atomic.os.fsync
    for nth in (10, 11, 12):
        calls, out = [], tmp_path / f"run-{nth}"

        def fsync(handle, calls=calls, nth=nth, out=out):
            if snapshots_in(out):
                calls.append(handle)
            if len(calls) >= nth:
                raise OSError(errno.ENOSPC, "No space left on device")
            whole(handle)

        monkeypatch.setattr(atomic.os, "fsync", fsync)
        with pytest.raises(ResourceError, match="no space left"):
            run(out)
        monkeypatch.undo()
        for path in snapshots_in(out):
            read_snapshot(path)
        assert snapshots_in(out)
        assert not list((out / "snapshots").glob("*.part"))


def test_a_full_disk_ends_the_run_with_5_and_the_former_snapshot_loads(run, at_step, tmp_path):
    former = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(value):
        weights = snapshots_in(tmp_path / "run")[-1] / "weights.safetensors"
        resource.setrlimit(resource.RLIMIT_FSIZE, (weights.stat().st_size - 1, former[1]))
        return value

    at_step(3, fill)
    try:
        with pytest.raises(ResourceError, match="file too large") as stop:
            run(tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert stop.value.exit_code == 5
    assert [read_meta(path)["step"] for path in snapshots_in(tmp_path / "run")] == [2]
    read_snapshot(snapshots_in(tmp_path / "run")[0])
    assert not list(tmp_path.rglob("*.part"))


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
