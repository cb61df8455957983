"""Does an explanation expose a classifier that cheats? The shortcut experiment, over devices and strengths.

    python benchmarks/shortcut.py [SETTING ...] [--runs FOLDER] [--devices ...] [--correlations ...]

Classifiers start from the shipped one and learn a faint pneumothorax from recipes/shortcut.yaml, while a
device goes with it in training at a chosen correlation; at 0 the two are independent. All are judged on
films where they are independent. Printed for each: the AUROC where the tie holds and where it does not,
how well the score tells the *device*, and where its maps go on films that show both: the share of maxima
inside the device and inside the pneumothorax, and the density of the evidence there (1 = spread evenly
over the film). At the end, on the same films, the rise of the density in the device from the least
correlation to the greatest, paired, with its interval and its p-value (sign flips, Holm over the methods): a
method exposes the cheat where it rises, and the finding's density tells whether it left it for that.
``RUNS/maps.csv`` has every film.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from plainfilm.attribution import FeatureStatistics, explain_films
from plainfilm.attribution.bottleneck import dense_blocks
from plainfilm.datasets.phantom import Phantom, Shortcut
from plainfilm.datasets.study import Study
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics import (
    auroc_interval,
    hit,
    holm,
    mass_inside,
    mean_interval,
    permutation_test,
    proportion_interval,
)
from plainfilm.models.classifier import Classifier
from plainfilm.models.zoo import load
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import train

RECIPE = Path(__file__).parents[1] / "recipes" / "shortcut.yaml"
FINDING = "Pneumothorax"
DEVICES = ("chest tube", "pacemaker", "ECG leads")
CORRELATIONS = (0.0, 0.3, 0.6, 0.8, 0.95)
METHODS = (
    "gradient", "guided-backprop", "integrated-gradients", "grad-cam", "iba", "latent-shift",
)  # fmt: skip
TIED = 0.95


def trained(runs: Path, device: str, correlation: float, changes: list[str]) -> Classifier:
    """The classifier of the recipe under this tie, trained where the folder has none."""
    run = runs / f"{device.replace(' ', '-')}-{correlation:g}"
    if not (run / "model.json").exists():
        tie = [f"data.shortcut.device={device}", f"data.shortcut.correlation={correlation}"]
        recipe = read_recipe(RECIPE, [*tie, *changes])
        train(recipe, run, runs / "films", lambda part, done, total: None)
    return load(run)


def films(device: str, correlation: float, count: int, seed: int = 77) -> list[Study]:
    """Held-out films with this correlation of device and pneumothorax."""
    return list(Phantom(count, 224, seed, shortcut=Shortcut(device, FINDING, correlation)))


def judge(model: Classifier, tied: list[Study], free: list[Study]) -> None:
    """Prints what the scores know."""
    scores = {
        name: np.array([p[FINDING] for p in model.predict_many([s.radiograph for s in studies])])
        for name, studies in (("tied", tied), ("free", free))
    }
    truth = {name: _column(studies, FINDING) for name, studies in (("tied", tied), ("free", free))}
    print(f"  AUROC where device and finding go together {auroc_interval(scores['tied'], truth['tied'])}")
    print(f"  AUROC where they are independent           {auroc_interval(scores['free'], truth['free'])}")
    device = auroc_interval(scores["free"], _column(free, SUPPORT_DEVICES))
    print(f"  AUROC of the same score for the device     {device}")


def settings_of(model: Classifier, method: str, seen: list[Study]) -> dict[str, Any]:
    """What a method needs beside the model, and what keeps it short."""
    if method == "integrated-gradients":
        return {"steps": 12}
    if method == "latent-shift":
        return {"autoencoder": "phantom", "search": "fast"}
    if method != "iba":
        return {}
    layer = dense_blocks(model.network)[2]
    images, _ = model.prepare_batch([study.radiograph for study in seen])
    return {"layer": layer, "statistics": FeatureStatistics.estimate(model.network, [layer], images)}


def traced(model: Classifier, method: str, both: list[Study], seen: list[Study]) -> list[dict[str, Any]]:
    """Where the maps of a method go, a row a film."""
    settings, rows = settings_of(model, method, seen), []
    for study in both:
        (found,) = explain_films(model, [study.radiograph], FINDING, method, **settings)
        map, row = found.evidence_on_film(), {"film": study.radiograph.id, "method": method}
        for name, region in (("device", SUPPORT_DEVICES), ("finding", FINDING)):
            mask = study.masks[region]
            row |= {f"{name} hit": hit(map, mask), f"{name} density": mass_inside(map, mask) / mask.mean()}
        rows.append(row)
    return rows


def print_traced(rows: pd.DataFrame) -> None:
    """The means over films, a line a method."""
    for method, own in rows.groupby("method", sort=False):
        cells = [
            f"{name}: hit {proportion_interval(int(own[f'{name} hit'].sum()), len(own))}, density "
            f"{mean_interval(own[f'{name} density'])}"
            for name in ("device", "finding")
        ]
        print(f"  {method:<21} {'; '.join(cells)}", flush=True)


def print_exposed(rows: pd.DataFrame, device: str) -> None:
    """The change of each method's density from the least correlation to the greatest, film by film."""
    ends = rows["correlation"].min(), rows["correlation"].max()
    if ends[0] == ends[1]:
        return
    print(f"\n{device}: change of the density from a correlation of {ends[0]:g} to {ends[1]:g}")
    for name in ("device", "finding"):
        tests = {}
        for method, own in rows.groupby("method", sort=False):
            table = own.pivot(index="film", columns="correlation", values=f"{name} density")
            tests[method] = permutation_test(table[ends[1]], table[ends[0]])
        corrected = holm({method: test.p_value for method, test in tests.items()})
        for method, test in tests.items():
            print(f"  {name:8} {method:<21} {test.difference}, p {corrected[method]:.4f}")


def _column(studies: list[Study], name: str) -> np.ndarray:
    return np.array([study.findings[name] for study in studies])


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--runs", type=Path, default=Path("runs/shortcut"))
    given.add_argument("--films", type=int, default=300)
    given.add_argument("--maps", type=int, default=40, help="films with both that are explained, at most")
    given.add_argument("--devices", nargs="+", default=DEVICES)
    given.add_argument("--correlations", nargs="+", type=float, default=CORRELATIONS)
    given.add_argument("--methods", nargs="+", default=METHODS)
    given.add_argument("changes", nargs="*", help="settings of the recipe, as optimiser.epochs=4")
    asked = given.parse_args()
    torch.set_num_threads(1)
    tables = []
    for device in asked.devices:
        tied, free = films(device, TIED, asked.films), films(device, 0.0, asked.films)
        both = [s for s in free if s.findings[FINDING] and s.findings[SUPPORT_DEVICES]]
        both = [s for s in both if s.masks[FINDING].any() and s.masks[SUPPORT_DEVICES].any()][: asked.maps]
        for correlation in asked.correlations:
            model = trained(asked.runs, device, correlation, asked.changes)
            print(f"\n{device}, trained at a correlation of {correlation:g} ({len(both)} films with both)")
            judge(model, tied, free)
            rows = [row for method in asked.methods for row in traced(model, method, both, free[:64])]
            table = pd.DataFrame(rows).assign(device=device, correlation=correlation)
            print_traced(table)
            tables.append(table)
            pd.concat(tables).to_csv(asked.runs / "maps.csv", index=False)
        print_exposed(pd.concat(tables).query("device == @device"), device)


if __name__ == "__main__":
    main()
