"""How well the lung segmenter, trained on phantoms alone, finds the lungs of real films.

Run ``python benchmarks/bench_lungs.py DATA`` (or set ``PLAINFILM_DATA``), where DATA holds
``brixia/images``, ``brixia/lung_masks_v7labs`` and ``brixia/index.csv``: chest films of COVID-19
patients from Cohen's collection with the lung masks of V7 Labs. A mask is lung above 100 of 255.

Dice is 2 |A and B| / (|A| + |B|), the mean over films with Student's 95 % interval, on each film's
own grid and with both masks brought to 128 x 128. It is also told apart by severity (the Brixia
score, 0 to 18) and by the shape of the film, and for the films whose lungs raised no warning.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from plainfilm.io.read import read
from plainfilm.metrics import mean_interval
from plainfilm.models.lungs import SHIPPED, LungSegmenter, load_lungs

DATA = Path(os.environ.get("PLAINFILM_DATA", Path(__file__).parents[2] / "shared" / "data"))
SIDE = 128


@dataclass(frozen=True)
class Score:
    """One film: Dice on its own grid and on 128 x 128, severity, height over width, warnings."""

    name: str
    dice: float
    dice_small: float
    severity: float
    shape: float
    warnings: tuple[str, ...]
    seconds: float


def scores(data: Path, segmenter: LungSegmenter) -> Iterator[Score]:
    """Segments every film that has a mask, in the order of their names."""
    folder = data / "brixia"
    with (folder / "index.csv").open(encoding="utf-8") as stream:
        severity = {row["png"]: float(row["S-Global"] or "nan") for row in csv.DictReader(stream)}
    for path in sorted((folder / "lung_masks_v7labs").glob("*.png")):
        film = read(folder / "images" / path.name, colour="luma")
        truth = Image.open(path).convert("L")
        start = time.perf_counter()
        lungs = segmenter.segment(film)
        yield Score(
            path.name,
            _dice(lungs.both, np.asarray(truth) > 100),
            _dice(_small(lungs.both), np.asarray(truth.resize((SIDE, SIDE))) > 100),
            severity.get(path.name, float("nan")),
            film.size[0] / film.size[1],
            lungs.warnings,
            time.perf_counter() - start,
        )


def _dice(found: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def _small(mask: np.ndarray) -> np.ndarray:
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) > 127


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="folder with brixia/")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="a checkpoint of save_lungs")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No real films at {options.data}; set PLAINFILM_DATA to a copy of them.")
        return
    torch.set_num_threads(1)
    found = list(scores(options.data, load_lungs(options.model)))
    groups = {
        "all, own grid": [score.dice for score in found],
        f"all, {SIDE} x {SIDE}": [score.dice_small for score in found],
        "severity 0 to 6": [score.dice for score in found if score.severity <= 6],
        "severity above 6": [score.dice for score in found if score.severity > 6],
        "taller than 0.9 wide": [score.dice for score in found if score.shape > 0.9],
        "wider": [score.dice for score in found if score.shape <= 0.9],
        "without a warning": [score.dice for score in found if not score.warnings],
        "with a warning": [score.dice for score in found if score.warnings],
    }
    for name, values in groups.items():
        print(f"{name:22} {len(values):4d} films   Dice {mean_interval(values)}")
    print(f"median {np.median([score.dice for score in found]):.3f}")
    print(f"median time a film {1000 * np.median([score.seconds for score in found]):.0f} ms")
    for score in sorted(found, key=lambda score: score.dice)[:5]:
        print(f"worst: {score.dice:.3f} {score.name} {' '.join(score.warnings)}")


if __name__ == "__main__":
    main()
