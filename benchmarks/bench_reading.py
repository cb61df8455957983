"""A film of 1024 px read, placed and resized to 224 px, against torchxrayvision's NIH_Dataset[i].

Run ``python benchmarks/bench_reading.py`` for the ratio, or this file under pytest for the
same with its threshold. Both sides take the same PNG files of NIH ChestX-ray14, crop them to
the central square and shrink them to 224 x 224; theirs is ``NIH_Dataset[i]`` with
``XRayCenterCrop`` and ``XRayResizer(224)``, as its documentation shows. The two take turns,
file by file, and each side's time is the mean over files of its fastest turn. Files without
true grey (RGBA) are left out: NIH_Dataset reads them with a fourth channel.
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
LEAST_RATIO = 3.0


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


def fastest(*functions: Callable[[], object], turns: int = 7) -> tuple[float, ...]:
    """CPU milliseconds of each function's fastest turn; other work on the machine does not count."""
    times = []
    for _ in range(turns):
        marks = [time.process_time()]
        for function in functions:
            function()
            marks.append(time.process_time())
        times.append(np.diff(marks))
    return tuple(1000 * np.min(times, axis=0))


def compare(count: int = 12) -> tuple[float, float, float]:
    """Milliseconds a film of ours and of theirs, and how far the pixels differ on average."""
    folder = DATA / "nih" / "images_1024"
    known = set(pd.read_csv(DATA / "nih" / "Data_Entry_2017_v2020.subset.csv")["Image Index"])
    paths = [path for path in sorted(folder.glob("*.png")) if path.name in known and is_grey(path)][:count]
    dataset = theirs(folder, [path.name for path in paths])
    assert len(dataset) == len(paths)
    times, differences = [], []
    for i, path in enumerate(paths):
        times.append(fastest(partial(ours, path), partial(dataset.__getitem__, i)))
        unit = dataset[i]["img"][0] / 2048 + 0.5  # from [-1024, 1024]
        differences.append(np.abs(unit - ours(path)).mean())
    return *np.mean(times, axis=0), float(np.mean(differences))


def is_grey(path: Path) -> bool:
    with Image.open(path) as image:
        return image.mode == "L"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"No real films at {DATA}; set PLAINFILM_DATA.")
def test_reading_is_at_least_three_times_as_fast() -> None:
    mine, other, _ = compare()
    assert other / mine >= LEAST_RATIO


if __name__ == "__main__":
    mine, other, difference = compare()
    print(f"plainfilm      {mine:7.2f} ms a film")
    print(f"torchxrayvision{other:7.2f} ms a film")
    print(f"ratio          {other / mine:7.2f}")
    print(f"mean difference of pixels in [0, 1]: {difference:.4f}")
