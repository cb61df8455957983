"""Does an explanation expose a classifier that cheats? The shortcut experiment, over devices and strengths.

    python benchmarks/shortcut.py [SETTING ...] [--runs FOLDER] [--devices ...] [--correlations ...]

Classifiers start from the shipped one and learn a faint pneumothorax from recipes/shortcut.yaml, while a
device goes with it in training at a chosen correlation; at 0 the two are independent. All are judged on
films where they are independent. Printed for each: the AUROC where the tie holds and where it does not,
how well the score tells the *device*, and where its maps go on films that show both: the share of maxima
inside the device and inside the pneumothorax, and the density of the evidence there (1 = spread evenly
over the film). A method exposes the cheat where the density in the device grows with the correlation.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plainfilm.attribution import FeatureStatistics, explain_films
from plainfilm.attribution.bottleneck import dense_blocks
from plainfilm.datasets.phantom import Phantom, Shortcut
from plainfilm.datasets.study import Study
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics import auroc_interval, hit, mass_inside, mean_interval, proportion_interval
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


def trace(model: Classifier, methods: list[str], both: list[Study], seen: list[Study]) -> None:
    """Prints where the maps go."""
    for method in methods:
        settings = settings_of(model, method, seen)
        maps = [
            e.evidence_on_film()
            for s in both
            for e in explain_films(model, [s.radiograph], FINDING, method, **settings)
        ]
        cells = []
        for name in (SUPPORT_DEVICES, FINDING):
            masks = [study.masks[name] for study in both]
            hits = proportion_interval(
                int(sum(hit(m, mask) for m, mask in zip(maps, masks, strict=True))), len(maps)
            )
            density = mean_interval(
                mass_inside(m, mask) / mask.mean() for m, mask in zip(maps, masks, strict=True)
            )
            cells.append(f"hit {hits}, density {density}")
        print(f"  {method:<21} device: {cells[0]}; finding: {cells[1]}", flush=True)


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
    for device in asked.devices:
        tied, free = films(device, TIED, asked.films), films(device, 0.0, asked.films)
        both = [s for s in free if s.findings[FINDING] and s.findings[SUPPORT_DEVICES]]
        both = [s for s in both if s.masks[FINDING].any() and s.masks[SUPPORT_DEVICES].any()][: asked.maps]
        for correlation in asked.correlations:
            model = trained(asked.runs, device, correlation, asked.changes)
            print(f"\n{device}, trained at a correlation of {correlation:g} ({len(both)} films with both)")
            judge(model, tied, free)
            trace(model, asked.methods, both, free[:64])


if __name__ == "__main__":
    main()
