"""How near rendered normal films come to real ones: spectrum, grey levels, central crop.

Run ``python benchmarks/phantom_realism.py DATA`` (or set ``PLAINFILM_DATA``), where DATA holds
NIH ChestX-ray14 in ``nih/``: ``Data_Entry_2017_v2020.subset.csv`` (or the full table) and
``images_384/``. The films are the normal adults: labelled "No Finding", 18 years or older.

Definitions, all on films of 224 x 224 pixels with grey levels in [0, 1]:

- *radial spectrum*: log10 of the power of the film, less its mean and under a Hann window,
  averaged over rings one cycle per side wide, from 1 to 111; then over films. The RMSE is
  between two such mean spectra.
- *slope*: of a straight line through that mean spectrum over log10 frequency, from 4 to 90 cycles.
- *grey EMD*: mean distance of the sorted grey levels of all films of a set, pooled (the
  one-dimensional earth mover's distance).
- *crop EMD*: the same over the central half of each side.

Each figure is printed for phantoms against real films, and, as the floor, for random halves
of the real films against each other (mean of 20 splits).
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

from plainfilm.datasets.phantom.anatomy import base_attenuation, build_anatomy
from plainfilm.datasets.phantom.canvas import Canvas
from plainfilm.datasets.phantom.film import expose
from plainfilm.datasets.phantom.patient import draw_patient

DATA = Path(os.environ.get("PLAINFILM_DATA", Path(__file__).parents[2] / "shared" / "data"))
SIZE = 224


def normal_film(seed: int, index: int, size: int = SIZE) -> np.ndarray:
    """Render one film without findings, float32 ``(size, size)`` in [0, 1]."""
    patient = draw_patient(seed, index)
    canvas = Canvas.of(patient, size)
    anatomy = build_anatomy(patient, canvas)
    attenuation, _, _ = base_attenuation(patient, canvas, anatomy)
    return expose(patient, canvas, attenuation, anatomy.body)


def real_films(data: Path, count: int | None = None) -> np.ndarray:
    """Read the normal adult films, float32 ``(n, 224, 224)`` in [0, 1]."""
    tables = sorted((data / "nih").glob("Data_Entry_2017*.csv"))
    with tables[0].open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["Finding Labels"] == "No Finding"]
    paths = [
        data / "nih" / "images_384" / row["Image Index"] for row in rows if int(row["Patient Age"]) >= 18
    ]
    paths = [path for path in paths if path.exists()][:count]
    return np.stack([_read(path) for path in paths])


def _read(path: Path) -> np.ndarray:
    image = Image.open(path).convert("L").resize((SIZE, SIZE), Image.Resampling.BOX)
    return np.asarray(image, np.float32) / 255


def spectrum(films: np.ndarray) -> np.ndarray:
    """Return the mean log10 radial power spectrum, ``(111,)`` for 1 to 111 cycles per side."""
    size = films.shape[-1]
    window = np.hanning(size)[:, None] * np.hanning(size)
    cycles = np.fft.fftfreq(size, 1 / size)
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(int)
    counts = np.bincount(ring.ravel())
    curves = []
    for film in films:
        power = np.abs(np.fft.fft2((film - film.mean()) * window)) ** 2
        radial = np.bincount(ring.ravel(), power.ravel()) / counts
        curves.append(np.log10(radial[1 : size // 2] + 1e-12))
    return np.mean(curves, axis=0)


def slope(curve: np.ndarray) -> float:
    """Return the slope of a mean spectrum between 4 and 90 cycles per side."""
    cycles = np.arange(4, 91)
    return float(np.polyfit(np.log10(cycles), curve[3:90], 1)[0])


def earth_movers_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean distance between the quantiles of two sets of grey levels."""
    at = np.linspace(0, 1, 2001)
    return float(np.abs(np.quantile(first, at) - np.quantile(second, at)).mean())


def compare(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return all distances between two sets of films."""
    quarter = slice(SIZE // 4, -SIZE // 4)
    return {
        "spectrum RMSE": float(np.sqrt(np.mean((spectrum(first) - spectrum(second)) ** 2))),
        "grey EMD": earth_movers_distance(first, second),
        "crop EMD": earth_movers_distance(first[:, quarter, quarter], second[:, quarter, quarter]),
    }


def floor(films: np.ndarray, splits: int = 20) -> dict[str, float]:
    """Return the mean distances between random halves of one set."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(splits):
        order = rng.permutation(len(films))
        found.append(compare(films[order[: len(films) // 2]], films[order[len(films) // 2 :]]))
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def milliseconds(films: int = 40) -> float:
    """Return the processor time of one normal film at 224 px."""
    normal_film(1, 0)
    start = time.process_time()
    for index in range(films):
        normal_film(1, index)
    return (time.process_time() - start) / films * 1e3


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="folder with nih/")
    parser.add_argument("--films", type=int, default=200, help="phantoms to render")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"No real films at {arguments.data}; set PLAINFILM_DATA to a copy of them.")
        return
    real = real_films(arguments.data)
    ours = np.stack([normal_film(arguments.seed, index) for index in range(arguments.films)])
    print(f"{len(ours)} phantoms, {len(real)} real films")
    halves = floor(real)
    for name, value in compare(ours, real).items():
        print(f"{name}: {value:.3f} (real halves {halves[name]:.3f})")
    print(f"slope: {slope(spectrum(ours)):.2f} (real {slope(spectrum(real)):.2f})")
    print(f"one normal film, {SIZE} px: {milliseconds():.1f} ms")


if __name__ == "__main__":
    main()
