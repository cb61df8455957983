"""Does a killed training run go on as if it had never stopped?

One run of ``plainfilm train`` is left alone; others are killed with SIGKILL at random instants (imports,
preparation, steps, snapshots, evaluation), resumed, and compared by the SHA-256 of every tensor of the last
snapshot and of the best network, and by ``metrics.csv``.

    python benchmarks/resume.py [kills]
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import safetensors.numpy

SETTINGS = (
    "data.size=48", "data.train=96", "data.validation=16", "data.test=16", "optimiser.epochs=4",
    "optimiser.batch_size=8", "snapshot_every=3", "loss=weighted-bce",
)  # fmt: skip
RECIPE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"


def start(folder: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    """A training process that prints nothing."""
    arguments = [
        "train",
        str(RECIPE),
        "--out",
        str(folder / name),
        "--cache",
        str(folder / "films"),
        *options,
    ]
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    program = "import sys; from plainfilm.cli.main import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments, *settings],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def bits(run: Path) -> dict[str, str]:
    """SHA-256 of everything that a run left."""
    last = max((run / "snapshots").glob("step-*"))
    files = {path.name: path for path in last.glob("*.safetensors")}
    files["best"] = next(run.glob("model*.safetensors"))
    found = {
        f"{file}/{name}": hashlib.sha256(tensor.tobytes()).hexdigest()
        for file, path in files.items()
        for name, tensor in safetensors.numpy.load_file(path).items()
    }
    found["metrics.csv"] = hashlib.sha256((run / "metrics.csv").read_bytes()).hexdigest()
    return found


def main(kills: int = 20) -> None:
    folder = Path(tempfile.mkdtemp(prefix="plainfilm-resume-"))
    for name in ("first", "whole"):  # the first fills the cache
        begun = time.perf_counter()
        assert start(folder, name).wait() == 0
        seconds = time.perf_counter() - begun
    whole, draw, equal = bits(folder / "whole"), random.Random(0), 0
    print(f"uninterrupted: {seconds:.1f} s, {len(whole) - 1} tensors")
    for kill in range(kills):
        name, instant = f"killed-{kill}", draw.uniform(0.2, 1) * seconds
        process = start(folder, name)
        try:
            process.wait(instant)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        code = process.wait()
        run = folder / name
        found = sorted(path.name for path in run.glob("snapshots/step-*"))
        code_after = start(folder, name, "--resume").wait()
        same = code_after == 0 and bits(run) == whole
        equal += same
        print(
            f"kill {kill + 1:2d} after {instant:5.1f} s (exit {code}): resumed from "
            f"{found[-1] if found else 'the start'}, {'equal' if same else 'DIFFERENT'}"
        )
    print(f"{equal} of {kills} resumed runs equal the uninterrupted one in SHA-256 of every tensor")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
