"""A run that was stopped anywhere and resumed ends with the bits of one that never stopped."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

import plainfilm
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import ArtifactError, ResourceError
from plainfilm.training.snapshots import snapshots_in
from plainfilm.training.task import Task

pytestmark = pytest.mark.filterwarnings("ignore")


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """A run that never stopped: 3 epochs of 5 steps."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(out)
    return out


@pytest.fixture
def killed_at(monkeypatch):
    def killed_at(step):
        loss = Task.training_step

        def training_step(task, batch, batch_idx):
            if task.global_step == step:
                raise Killed
            return loss(task, batch, batch_idx)

        monkeypatch.setattr(Task, "training_step", training_step)

    return killed_at


def bits(out):
    """SHA-256 of every tensor of the last snapshot and of the best network."""
    last = snapshots_in(out)[-1]
    files = {path.name: safetensors.torch.load_file(path) for path in last.glob("*.safetensors")}
    files["best"] = safetensors.torch.load_file(next(out.glob("model*.safetensors")))
    return {
        f"{file}/{name}": hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
        for file, tensors in files.items()
        for name, tensor in tensors.items()
    }


def same(one, two):
    assert bits(one) == bits(two)
    assert (one / "metrics.csv").read_text() == (two / "metrics.csv").read_text()


@pytest.mark.parametrize("step", [1, 3, 5, 9, 14])
def test_a_run_killed_before_this_step_ends_with_the_same_bits(
    run, whole, killed_at, monkeypatch, tmp_path, step
):
    killed_at(step)
    with pytest.raises(Killed):
        run(tmp_path / "run")
    monkeypatch.undo()
    run(tmp_path / "run", resume=True)
    same(tmp_path / "run", whole)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import trained
trained(Path(sys.argv[2]), Path(sys.argv[3]))
"""


def test_a_process_killed_with_minus_9_is_resumed_to_the_same_bits(run, whole, cache, tmp_path):
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path / "run"), str(cache)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not snapshots_in(tmp_path / "run"):
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    run(tmp_path / "run", resume=True)
    same(tmp_path / "run", whole)
    assert not list(tmp_path.rglob("*.part"))


def test_workers_change_nothing(run, whole, tmp_path):
    run(tmp_path / "run", "workers=1")
    same(tmp_path / "run", whole)


def test_the_last_two_snapshots_are_kept(whole):
    assert [path.name for path in snapshots_in(whole)] == ["step-000000014", "step-000000015"]


def test_a_finished_run_is_resumed_to_the_same_end(run, whole, tmp_path):
    before = bits(whole)
    run(whole, resume=True)
    assert bits(whole) == before


def test_an_unfinished_run_is_not_overwritten(run, killed_at, monkeypatch, tmp_path):
    killed_at(7)
    with pytest.raises(Killed):
        run(tmp_path / "run")
    monkeypatch.undo()
    with pytest.raises(ResourceError, match="--resume"):
        run(tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "what"), [("optimiser.epochs=4", "recipe"), ("data.seed=8", "recipe"), ("seed=3", "recipe")]
)
def test_a_changed_recipe_is_not_resumed(run, whole, change, what):
    with pytest.raises(ArtifactError, match=f"another {what}"):
        run(whole, change, resume=True)


def test_changed_data_are_not_resumed(run, whole, monkeypatch):
    monkeypatch.setattr(
        Phantom, "labels", lambda self, findings: np.ones((len(self), len(findings)), np.float32)
    )
    with pytest.raises(ArtifactError, match="another data"):
        run(whole, resume=True)


def test_another_version_is_not_resumed(run, whole, monkeypatch):
    monkeypatch.setattr(plainfilm, "__version__", "0.0.1")
    with pytest.raises(ArtifactError, match="Install the version"):
        run(whole, resume=True)


def test_a_damaged_snapshot_gives_way_to_the_one_before(run, whole, killed_at, monkeypatch, tmp_path, caplog):
    killed_at(9)
    with pytest.raises(Killed):
        run(tmp_path / "run")
    monkeypatch.undo()
    weights = snapshots_in(tmp_path / "run")[-1] / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    run(tmp_path / "run", resume=True)
    assert "cut off or changed" in caplog.text
    same(tmp_path / "run", whole)


def test_early_stopping_stops_a_resumed_run_where_it_stopped_the_first(run, killed_at, monkeypatch, tmp_path):
    patient = ("optimiser.epochs=6", "optimiser.patience=1", "optimiser.learning_rate=1e-9")
    run(tmp_path / "one", *patient)
    end = snapshots_in(tmp_path / "one")[-1].name
    assert end == "step-000000010"
    run(tmp_path / "one", *patient, resume=True)
    assert snapshots_in(tmp_path / "one")[-1].name == end
    killed_at(6)
    with pytest.raises(Killed):
        run(tmp_path / "two", *patient)
    monkeypatch.undo()
    run(tmp_path / "two", *patient, resume=True)
    same(tmp_path / "two", tmp_path / "one")
