"""An epoch read from the cache, against torchxrayvision's NIH_Dataset of the same films.

Run ``python benchmarks/bench_cache.py`` for the ratio. Ours: batches of 16 from a ``FilmStore`` of
224 px films as float tensors, as training takes them. Theirs: ``NIH_Dataset[i]`` with its centre
crop and its resizer to 224 px, from PNG files of 1024 and of 384 px. Both on one thread, in CPU
time, in one process; a side's time is that of its fastest epoch. The goal is a ratio of 10.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torchxrayvision
from PIL import Image
from torchvision.transforms import Compose

from plainfilm.datasets.readers.nih import read_nih
from plainfilm.datasets.store import store_of
from plainfilm.training.parts import Part

REPOSITORY = Path(__file__).parents[1]
DATA = Path(os.environ.get("PLAINFILM_DATA", REPOSITORY.parent / "shared" / "data"))
SIDE, BATCH, FILMS = 224, 16, 64
GOAL = 10.0


def ours(folder: Path, ids: list[str], cache: Path) -> Callable[[], float]:
    """An epoch from the cache, which is filled first; returns a sum, so that every pixel is touched."""
    manifest = read_nih(folder, table=DATA / "nih" / "Data_Entry_2017_v2020.subset.csv")
    films = manifest.select(manifest.films["film"].isin(ids).to_numpy())
    store = store_of(films, ("Effusion",), SIDE, cache, workers=1)
    part = Part(store, films.ids, np.arange(len(ids)), store.labels)

    def epoch() -> float:
        starts = range(0, len(ids), BATCH)
        batches = (part.__getitems__(range(s, min(s + BATCH, len(ids)))) for s in starts)
        return float(sum(batch[0].sum() for batch in batches))

    return epoch


def theirs(folder: Path, names: list[str]) -> Callable[[], float]:
    """An epoch over the same films with torchxrayvision."""
    table = pd.read_csv(DATA / "nih" / "Data_Entry_2017_v2020.subset.csv").set_index("Image Index")
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "listed.csv"
        table.loc[names].reset_index().to_csv(listed)
        steps = [torchxrayvision.datasets.XRayCenterCrop(), torchxrayvision.datasets.XRayResizer(SIDE)]
        dataset = torchxrayvision.datasets.NIH_Dataset(
            imgpath=str(folder), csvpath=str(listed), views=["PA", "AP"], unique_patients=False,
            transform=Compose(steps),
        )  # fmt: skip
    return lambda: float(sum(dataset[i]["img"].sum() for i in range(len(dataset))))


def fastest(epoch: Callable[[], object], turns: int) -> float:
    """CPU seconds of the fastest epoch; other work on the machine does not count."""
    times = []
    for _ in range(turns):
        start = time.process_time()
        epoch()
        times.append(time.process_time() - start)
    return min(times)


def compare(side: int, cache: Path) -> tuple[float, float]:
    """Milliseconds a film, ours and theirs."""
    folder = DATA / "nih" / f"images_{side}"
    known = set(pd.read_csv(DATA / "nih" / "Data_Entry_2017_v2020.subset.csv")["Image Index"])
    names = [p.name for p in sorted(folder.glob("*.png")) if p.name in known and _is_grey(p)][:FILMS]
    mine = fastest(ours(folder, [name.removesuffix(".png") for name in names], cache), turns=9)
    other = fastest(theirs(folder, names), turns=3)
    return 1000 * mine / len(names), 1000 * other / len(names)


def _is_grey(path: Path) -> bool:
    with Image.open(path) as image:
        return image.mode == "L"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"No real films at {DATA}; set PLAINFILM_DATA.")
@pytest.mark.parametrize("side", [1024, 384])
def test_an_epoch_from_the_cache_is_ten_times_as_fast(side: int, tmp_path: Path) -> None:
    mine, other = compare(side, tmp_path)
    show(side, mine, other)
    assert other / mine >= GOAL


def show(side: int, mine: float, other: float) -> None:
    print(f"\nfilms of {side} px: cache {mine:.3f} ms a film, torchxrayvision {other:.2f}")
    print(f"ratio {other / mine:.1f}   (goal: {GOAL:g})")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for side in (1024, 384):
            show(side, *compare(side, Path(folder)))
