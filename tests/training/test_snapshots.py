from __future__ import annotations

import errno
import os
import resource
import signal

import pytest

from plainfilm.errors import ResourceError
from plainfilm.io import atomic
from plainfilm.training.snapshot import read_meta, read_snapshot
from plainfilm.training.snapshots import snapshots_in

pytestmark = pytest.mark.filterwarnings("ignore")


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
