"""A film of 1024 px read, placed and resized to 224 px, against torchxrayvision's NIH_Dataset[i].

Run ``python benchmarks/bench_reading.py`` for the ratio. Both sides take the same PNG files of
NIH ChestX-ray14, crop them to the central square and shrink them to 224 x 224; theirs is
``NIH_Dataset[i]`` with ``XRayCenterCrop`` and ``XRayResizer(224)``, as its documentation shows.
A side's time is the mean over files of the CPU time of its fastest turn. Files with an alpha
channel are left out, for NIH_Dataset does not drop it.

The goal is a ratio of 3; 2.7 to 2.9 were measured. Decoding, which both share and which takes
ours 9.9 of 13 ms, bounds it, so its time is printed too; the test guards only against falling
behind.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torchxrayvision
from PIL import Image
from torchvision.transforms import Compose

from plainfilm.io.read import read
from plainfilm.radiograph import Placement

REPOSITORY = Path(__file__).parents[1]
DATA = Path(os.environ.get("PLAINFILM_DATA", REPOSITORY.parent / "shared" / "data"))
GRID = (224, 224)
GOAL, GUARD = 3.0, 2.0


def ours(path: Path) -> np.ndarray:
    """Pixels ``(224, 224)`` in [0, 1]."""
    film = read(path)
    return Placement.centre_crop(film.size, GRID).sample(film.pixels)


def theirs(folder: Path, names: list[str]) -> torchxrayvision.datasets.NIH_Dataset:
    """Their data set over just these files, in this order."""
    table = pd.read_csv(DATA / "nih" / "Data_Entry_2017_v2020.subset.csv").set_index("Image Index")
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "listed.csv"
        table.loc[names].reset_index().to_csv(listed)
        return torchxrayvision.datasets.NIH_Dataset(
            imgpath=str(folder), csvpath=str(listed), views=["PA", "AP"], unique_patients=False,
            transform=Compose(
                [torchxrayvision.datasets.XRayCenterCrop(), torchxrayvision.datasets.XRayResizer(GRID[0])]
            ),
        )  # fmt: skip


def fastest(function: Callable[[], object], turns: int = 7) -> float:
    """CPU milliseconds of the fastest of some turns; other work on the machine does not count."""
    times = []
    for _ in range(turns):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def compare(count: int = 12) -> tuple[float, float, float]:
    """Mean milliseconds a film: ours, theirs, and Pillow's decoding alone."""
    folder = DATA / "nih" / "images_1024"
    known = set(pd.read_csv(DATA / "nih" / "Data_Entry_2017_v2020.subset.csv")["Image Index"])
    paths = [path for path in sorted(folder.glob("*.png")) if path.name in known and is_grey(path)][:count]
    dataset = theirs(folder, [path.name for path in paths])
    times = []
    for i, path in enumerate(paths):
        # Both give the same film, theirs in [-1024, 1024], but for the blur before shrinking.
        assert np.abs(dataset[i]["img"][0] / 2048 + 0.5 - ours(path)).mean() < 0.005
        sides = (partial(ours, path), partial(dataset.__getitem__, i), partial(decoded, path))
        times.append([fastest(side) for side in sides])
    mine, other, decoding = np.mean(times, axis=0)
    return float(mine), float(other), float(decoding)


def decoded(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def is_grey(path: Path) -> bool:
    with Image.open(path) as image:
        return image.mode == "L"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"No real films at {DATA}; set PLAINFILM_DATA.")
def test_reading_takes_at_most_half_the_time_of_torchxrayvision() -> None:
    mine, other, decoding = compare()
    show(mine, other, decoding)
    assert other / mine >= GUARD


def show(mine: float, other: float, decoding: float) -> None:
    print(f"\nplainfilm        {mine:6.2f} ms a film, of which Pillow's decoding takes {decoding:.2f} ms")
    print(f"torchxrayvision  {other:6.2f} ms a film")
    print(f"ratio            {other / mine:6.2f}   (goal: {GOAL:g})")


if __name__ == "__main__":
    show(*compare())
