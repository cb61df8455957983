"""Brixia's severity by patient-disjoint cross-validation on the scored public films.

Run ``python benchmarks/severity.py OUT`` with the real films in place (five trainings of a small
network: minutes each). Every film is scored once, by a network that saw no film of its patient. Printed:
correlation and error against the senior reader, with intervals over patients, beside the constant guess
and the junior reader on the same films.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from plainfilm.datasets.manifest import SCORE
from plainfilm.datasets.readers.brixia import read_brixia
from plainfilm.models.zoo import load
from plainfilm.training.judging import probabilities
from plainfilm.training.parts import parts_of
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import train
from plainfilm.training.severity import severity_figures

REPOSITORY = Path(__file__).parents[1]
DATA = Path(os.environ.get("PLAINFILM_DATA", REPOSITORY.parent / "shared" / "data"))
FOLDS = 5


def main(out: Path, changes: list[str]) -> None:
    films = read_brixia(DATA / "brixia", subset="public").here()
    films = films.select(films.films[SCORE + "Brixia"].notna().to_numpy())
    if not (out / "manifest").exists():
        films.save(out / "manifest")
    predicted, truth, constant, rows = [], [], [], []
    for fold in range(FOLDS):
        its = [f"data.folder={out / 'manifest'}", f"data.test_share={1 / FOLDS}", f"data.fold={fold}"]
        recipe = read_recipe(REPOSITORY / "recipes" / "severity.yaml", [*its, *changes])
        run = out / f"fold-{fold}"
        if "test" not in _card(run):
            train(recipe, run, out / "cache", lambda *_: None, resume=True)
        parts = parts_of(recipe, out / "cache", lambda *_: None)
        predicted.append(probabilities(load(run), parts.test)[:, 0])
        truth.append(parts.test.labels[:, 0].numpy() * recipe.greatest_score)
        constant.append(np.full(len(parts.test), parts.train.labels.mean().item() * recipe.greatest_score))
        rows.append(parts.test.rows)
        print(f"fold {fold}: {len(parts.train)} films to learn from, {len(parts.test)} to be scored")
    order = np.concatenate(rows)
    assert sorted(order) == list(range(len(films)))
    scored = films.select(order)
    show("network", np.concatenate(predicted), np.concatenate(truth), scored.patients)
    show("mean of the training films", np.concatenate(constant), np.concatenate(truth), scored.patients)
    junior = scored.films[SCORE + "Brixia@junior"].to_numpy(float)
    show("junior reader", junior, np.concatenate(truth), scored.patients)


def show(name: str, predicted: np.ndarray, truth: np.ndarray, patients: tuple[str, ...]) -> None:
    figures = severity_figures(predicted, truth, patients)
    print(f"{name:27} r {figures['r']}   mean absolute error {figures['mae']}   n {len(truth)}")


def _card(run: Path) -> dict[str, object]:
    return load(run).card if (run / "model.json").exists() else {}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
