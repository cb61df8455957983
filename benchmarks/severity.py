"""How well is Brixia's score learnt from the scored public films? Cross-validation over patients.

    python benchmarks/severity.py FOLDER [SETTING ...]

FOLDER holds ``public-annotations.csv``, ``index.csv`` and the films. Each of five folds trains the recipe
``severity`` from the shipped phantom classifier; what it says of the patients that it never saw is pooled,
and set beside the mean score of the training part and a second reader of the same films.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.brixia import read_brixia
from plainfilm.datasets.splits import cross_validation
from plainfilm.models.store import load_classifier
from plainfilm.training.judging import probabilities
from plainfilm.training.parts import parts_of
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import train
from plainfilm.training.severity import severity_figures

RECIPE = Path(__file__).parents[1] / "recipes" / "severity.yaml"
FOLDS = 5


def quiet(part: str, done: int, total: int) -> None:
    """Preparation takes seconds."""


def fold_figures(pair: tuple[Manifest, Manifest], folder: Path, changes: list[str]) -> pd.DataFrame:
    """What one fold says of its test films: columns predicted, mean and truth, patient, by film."""
    both = pd.concat([part.films for part in pair], ignore_index=True)
    Manifest("Brixia", pair[0].root, both).save(folder / "manifest")
    recipe = read_recipe(RECIPE, [f"data.folder={folder / 'manifest'}", "data.split=column", *changes])
    cache = folder.parent / "films"
    train(recipe, folder / "run", cache, quiet)
    parts = parts_of(recipe, cache, quiet)
    test, greatest = parts.test, recipe.greatest_score
    return pd.DataFrame(
        {
            "predicted": probabilities(load_classifier(folder / "run"), test)[:, 0],
            "mean": parts.train.labels.mean().item() * greatest,
            "truth": test.labels[:, 0].numpy() * greatest,
            "patient": [test.store.patients[row] for row in test.rows],
        },
        index=[test.ids[row] for row in test.rows],
    )


def main(data: str, *changes: str) -> None:
    torch.set_num_threads(1)
    manifest = read_brixia(data, "public").here()
    manifest = manifest.select(np.isfinite(manifest.films["score:Brixia"]))
    folder = Path(tempfile.mkdtemp(prefix="plainfilm-severity-"))
    pairs = cross_validation(manifest, FOLDS)
    pooled = pd.concat(
        fold_figures(pair, folder / f"fold-{k}", list(changes)) for k, pair in enumerate(pairs)
    )
    junior = manifest.films.set_index("film")["score:Brixia@junior"].loc[pooled.index]
    print(f"{len(pooled)} films of {pooled['patient'].nunique()} patients, each in one test fold of {FOLDS}")
    truth, patients = pooled["truth"].to_numpy(), pooled["patient"].tolist()
    rivals = {
        "network": pooled["predicted"],
        "mean of the training part": pooled["mean"],
        "second reader": junior,
    }
    for name, values in rivals.items():
        figures = severity_figures(values.to_numpy(float), truth, patients)
        print(f"{name:26} r {figures['r']}, MAE {figures['mae']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
