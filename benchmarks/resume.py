"""Does a killed training run go on as if it had never stopped?

One run of ``plainfilm train`` is left alone; others are killed with SIGKILL at random instants (imports,
preparation, steps, snapshots, evaluation), resumed, and compared by the SHA-256 of every tensor of the last
snapshot and of the best network, and by ``metrics.csv``.

    python benchmarks/resume.py [kills [seed]]
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
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


def main(kills: int = 20, seed: int = 0) -> None:
    folder = Path(tempfile.mkdtemp(prefix="plainfilm-resume-"))
    for name in ("first", "whole"):  # the first fills the cache
        begun = time.perf_counter()
        assert start(folder, name).wait() == 0
        seconds = time.perf_counter() - begun
    whole, draw, killed, equal = bits(folder / "whole"), random.Random(seed), 0, 0
    print(f"uninterrupted: {seconds:.1f} s, {len(whole) - 1} tensors")
    while killed < kills:
        run, instant = folder / f"killed-{killed}", draw.uniform(0.1, 1) * seconds
        shutil.rmtree(run, ignore_errors=True)
        process = start(folder, run.name)
        try:
            process.wait(instant)
            continue  # it was faster than the first, and had ended: not a kill
        except subprocess.TimeoutExpired:
            process.kill()
        if process.wait() != -signal.SIGKILL:
            continue
        killed += 1
        found = sorted(path.name for path in run.glob("snapshots/step-*"))
        same = start(folder, run.name, "--resume").wait() == 0 and bits(run) == whole
        equal += same
        print(
            f"kill {killed:2d} after {instant:5.1f} s: resumed from {found[-1] if found else 'the start'}, "
            f"{'equal' if same else 'DIFFERENT'}"
        )
    print(f"{equal} of {kills} resumed runs equal the uninterrupted one in SHA-256 of every tensor")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
