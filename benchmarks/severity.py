"""How well is Brixia's score learnt from the scored public films, and do maps show where it comes from?

    python benchmarks/severity.py FOLDER [SETTING ...]

FOLDER holds ``public-annotations.csv``, ``index.csv`` and the films. Each of five folds trains the recipe
``severity`` from the shipped phantom classifier; what it says of the patients that it never saw is pooled,
and set beside the mean score of the training part and a second reader of the same films. Then its maps of
these films are set beside the severity maps of both readers, and beside maps that never saw the film.
Lungs are V7 Labs' where they were drawn, else those of the shipped segmenter. A threshold of IoU is chosen
on the test films of the next fold.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from plainfilm.datasets.columns import SCORE, ZONES
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.brixia import read_brixia, zone_scores
from plainfilm.datasets.splits import cross_validation
from plainfilm.models.lungs import LungSegmenter, load_lungs
from plainfilm.models.store import load_classifier
from plainfilm.training.judging import probabilities
from plainfilm.training.parts import Parts, parts_of
from plainfilm.training.recipe import Recipe, read_recipe
from plainfilm.training.run import train
from plainfilm.training.severity import severity_figures
from severity_maps import (
    Peaked,
    Subject,
    at_chosen_thresholds,
    judged,
    maps_of,
    methods,
    print_tables,
    statistics_of,
)

RECIPE = Path(__file__).parents[1] / "recipes" / "severity.yaml"
FOLDS = 5
READERS = ("senior", "junior")


def quiet(part: str, done: int, total: int) -> None:
    """Preparation takes seconds."""


def trained(pair: tuple[Manifest, Manifest], folder: Path, changes: list[str]) -> tuple[Recipe, Parts]:
    """Trains one fold into ``folder / "run"``."""
    both = pd.concat([part.films for part in pair], ignore_index=True)
    Manifest("Brixia", pair[0].root, both).save(folder / "manifest")
    recipe = read_recipe(RECIPE, [f"data.folder={folder / 'manifest'}", "data.split=column", *changes])
    cache = folder.parent / "films"
    train(recipe, folder / "run", cache, quiet)
    return recipe, parts_of(recipe, cache, quiet)


def fold_figures(recipe: Recipe, parts: Parts, run: Path) -> pd.DataFrame:
    """What one fold says of its test films: columns predicted, mean and truth, patient, by film."""
    test, greatest = parts.test, recipe.greatest_score
    return pd.DataFrame(
        {
            "predicted": probabilities(load_classifier(run), test)[:, 0],
            "mean": parts.train.labels.mean().item() * greatest,
            "truth": test.labels[:, 0].numpy() * greatest,
            "patient": test.patients,
        },
        index=[test.ids[row] for row in test.rows],
    )


def subjects(test: Manifest, segmenter: LungSegmenter, side: int) -> list[Subject]:
    """The films of a fold with their lungs and both readers' scores."""
    found = []
    for number, study in enumerate(test):
        lungs = segmenter.segment(study.radiograph).both if study.lungs is None else study.lungs
        scores = {reader: zone_scores(study.scores, reader) for reader in READERS}
        rest = {"scores": scores, "patient": study.patient, "number": number}
        found.append(Subject.of(study.radiograph, lungs, side, **rest))
    return found


def fold_maps(pair: tuple[Manifest, Manifest], parts: Parts, run: Path) -> tuple[pd.DataFrame, list[Peaked]]:
    """What one fold's maps of its test films are worth."""
    model = load_classifier(run)
    ways = methods(model, statistics_of(model, (parts.train, parts.validation)))
    prior = pair[0].films[[SCORE + zone for zone in ZONES]].mean().to_numpy()
    tables, peaked = [], []
    for subject in subjects(pair[1], load_lungs(), model.spec.size):
        maps = maps_of(model, ways, subject)
        tables.append(judged(subject, maps, prior))
        peaked.append(Peaked.of(subject, maps))
    return pd.concat(tables), peaked


def print_scores(pooled: pd.DataFrame, junior: pd.Series) -> None:
    """The correlation of predicted and given scores, beside that of rivals."""
    print(f"{len(pooled)} films of {pooled['patient'].nunique()} patients, each in one test fold of {FOLDS}")
    rivals = {
        "network": pooled["predicted"],
        "mean of the training part": pooled["mean"],
        "second reader": junior,
    }
    for name, values in rivals.items():
        figures = severity_figures(
            values.to_numpy(float), pooled["truth"].to_numpy(), pooled["patient"].tolist()
        )
        print(f"{name:26} r {figures['r']}, MAE {figures['mae']}")


def main(data: str, *changes: str) -> None:
    torch.set_num_threads(1)
    manifest = read_brixia(data, "public").here()
    manifest = manifest.select(np.isfinite(manifest.films["score:Brixia"]))
    folder = Path(tempfile.mkdtemp(prefix="plainfilm-severity-"))
    scores, tables, peaked = [], [], []
    for k, pair in enumerate(cross_validation(manifest, FOLDS)):
        began, run = time.process_time(), folder / f"fold-{k}" / "run"
        recipe, parts = trained(pair, folder / f"fold-{k}", list(changes))
        scores.append(fold_figures(recipe, parts, run))
        learnt = time.process_time()
        table, maps = fold_maps(pair, parts, run)
        tables.append(table)
        peaked.append(maps)
        done = time.process_time()
        print(f"fold {k}: trained in {learnt - began:.0f} s, maps in {done - learnt:.0f} s", flush=True)
    pooled = pd.concat(scores)
    print_scores(pooled, manifest.films.set_index("film")["score:Brixia@junior"].loc[pooled.index])
    tables += [at_chosen_thresholds(peaked[(k + 1) % FOLDS], peaked[k]) for k in range(FOLDS)]
    table = pd.concat(tables)
    table.to_csv(folder / "measures.csv", index=False)
    print(f"every value: {folder / 'measures.csv'}")
    print_tables(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
