"""Does an explanation expose a classifier that cheats? The shortcut experiment.

Run ``python benchmarks/shortcut.py [--runs FOLDER]``. Two classifiers start from the shipped one and learn a
faint pneumothorax from recipes/shortcut.yaml: in the one's training films a chest tube goes with it
(correlation 0.9), in the other's the two are independent. Both are then judged on films where they are
independent. Printed for each: the AUROC where the tie holds and where it does not, how well the score tells
the *tube*, and where its maps go on films that show both: the share of maxima inside the tube and inside the
pneumothorax, and the density of the evidence there (1 = spread evenly over the film).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from plainfilm.attribution import explain_films
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
METHODS = ("gradient", "guided-backprop", "integrated-gradients", "grad-cam")


def trained(runs: Path, correlation: float) -> Classifier:
    """The classifier of the recipe under this correlation, trained where the folder has none."""
    run = runs / f"shortcut-{correlation:g}"
    if not (run / "model.json").exists():
        recipe = read_recipe(RECIPE, [f"data.shortcut.correlation={correlation}"])
        train(recipe, run, runs / "films", lambda part, done, total: None)
    return load(run)


def films(correlation: float, count: int, seed: int = 77) -> list[Study]:
    """Held-out films with this correlation of tube and pneumothorax."""
    return list(Phantom(count, 224, seed, shortcut=Shortcut(correlation=correlation)))


def judge(model: Classifier, tied: list[Study], free: list[Study]) -> None:
    """Prints what the scores know."""
    scores = {
        name: np.array([p[FINDING] for p in model.predict_many([s.radiograph for s in studies])])
        for name, studies in (("tied", tied), ("free", free))
    }
    truth = {name: _column(studies, FINDING) for name, studies in (("tied", tied), ("free", free))}
    print(f"  AUROC where tube and finding go together   {auroc_interval(scores['tied'], truth['tied'])}")
    print(f"  AUROC where they are independent           {auroc_interval(scores['free'], truth['free'])}")
    print(
        f"  AUROC of the same score for the tube       "
        f"{auroc_interval(scores['free'], _column(free, SUPPORT_DEVICES))}"
    )


def trace(model: Classifier, both: list[Study]) -> None:
    """Prints where the maps go."""
    for method in METHODS:
        settings: Mapping[str, int] = {"steps": 20} if method == "integrated-gradients" else {}
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
        print(f"  {method:<21} tube: {cells[0]}; finding: {cells[1]}")


def _column(studies: list[Study], name: str) -> np.ndarray:
    return np.array([study.findings[name] for study in studies])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=Path, default=Path("runs"))
    arguments.add_argument("--films", type=int, default=300)
    given = arguments.parse_args()
    tied, free = films(0.9, given.films), films(0.0, given.films)
    both = [s for s in free if s.findings[FINDING] and s.findings[SUPPORT_DEVICES] and s.masks[FINDING].any()]
    for correlation, name in ((0.9, "trained on tied films"), (0.0, "trained on independent films")):
        model = trained(given.runs, correlation)
        print(f"{name} ({len(both)} films with both)")
        judge(model, tied, free)
        trace(model, both)


if __name__ == "__main__":
    main()
