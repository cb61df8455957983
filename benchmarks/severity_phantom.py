"""Do the three regression losses of bottleneck attribution show where severity lies? Rendered films know.

    python benchmarks/severity_phantom.py [--runs FOLDER] [--train N] [--films N]

A regressor of the six zones' total learns from rendered films with many findings, starting from the shipped
classifier. Its maps of held-out films are set beside the exact severity map, and beside the opacities that
raised the score, which are known to the pixel.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from plainfilm.datasets.columns import SCORE, ZONES
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.phantom.findings import RECIPES
from plainfilm.datasets.study import Study
from plainfilm.models.store import load_classifier
from plainfilm.training.parts import parts_of
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import train
from plainfilm.training.severity import severity_figures
from severity_maps import Subject, judged, maps_of, methods, print_tables, statistics_of

RECIPE = Path(__file__).parents[1] / "recipes" / "severity.yaml"
SIZE, PREVALENCE, SEED = 224, 0.5, 404
VALIDATION = 100
CHANGES = ("optimiser.epochs=4", "optimiser.batch_size=32", "precision=bf16-mixed", "optimiser.patience=null")


def written(folder: Path, train_films: int, test_films: int) -> Path:
    """Rendered films with their zone scores as a manifest."""
    if (folder / "manifest").exists():
        return folder / "manifest"
    (folder / "images").mkdir(parents=True)
    rows = []
    for split, count in (("train", train_films), ("validation", VALIDATION), ("test", test_films)):
        for study in phantoms(split, count):
            name = study.radiograph.id
            pixels = np.rint(study.radiograph.pixels * 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
            scores = {SCORE + zone: score for zone, score in zip(ZONES, study.zones, strict=True)}
            row = {"film": name, "path": f"images/{name}.png", "patient": name, "split": split}
            rows.append(row | scores | {SCORE + "Brixia": study.zones.sum()})
    return Manifest("phantom severity", folder, pd.DataFrame(rows)).save(folder / "manifest")


def phantoms(split: str, count: int) -> Phantom:
    """Films of one part; each part has a seed of its own."""
    seed = SEED + ("train", "validation", "test").index(split)
    return Phantom(count, SIZE, seed, PREVALENCE)


def opacity(study: Study) -> np.ndarray:
    """What raised the score: the union of the opacities, bool ``(H, W)``."""
    drawn = [study.masks[name] for name in study.present if name in RECIPES and RECIPES[name].is_opacity]
    return np.any(drawn, axis=0) if drawn else np.zeros(study.radiograph.size, bool)


def subject(study: Study, number: int) -> Subject:
    """A study as the maps are judged on it."""
    exact, regions = {"exact": study.zones}, {"opacities": opacity(study)}
    return Subject(study.radiograph, study.lungs, exact, study.patient, number, regions)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=Path, default=Path("runs/severity-phantom"))
    arguments.add_argument("--train", type=int, default=700)
    arguments.add_argument("--films", type=int, default=350)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    manifest = written(given.runs, given.train, given.films)
    recipe = read_recipe(RECIPE, [f"data.folder={manifest}", "data.split=column", *CHANGES])
    run, cache = given.runs / "run", given.runs / "films"
    if not (run / "model.json").exists():
        train(recipe, run, cache, lambda part, done, total: None)
    parts, model = parts_of(recipe, cache, lambda part, done, total: None), load_classifier(run)
    print(f"{given.train} training films; learnt in {time.process_time() - began:.0f} s", flush=True)
    ways, tables, predicted = methods(model, statistics_of(model, (parts.train,))), [], []
    studies = phantoms("test", given.films)
    prior = Manifest.load(manifest).films.query("split == 'train'")[[SCORE + zone for zone in ZONES]].mean()
    began = time.process_time()
    for number, study in enumerate(studies):
        seen = subject(study, number)
        tables.append(judged(seen, maps_of(model, ways, seen), prior.to_numpy()))
        predicted.append((model.predict(study.radiograph)["Brixia"], study.zones.sum()))
    print(f"maps in {time.process_time() - began:.0f} s")
    said, truth = np.array(predicted).T
    figures = severity_figures(said, truth, studies.patients)
    print(f"{given.films} held-out films, mean score {truth.mean():.2f}, {np.mean(truth == 0):.0%} with none")
    print(f"score: r {figures['r']}, MAE {figures['mae']}")
    table = pd.concat(tables)
    table.to_csv(given.runs / "measures.csv", index=False)
    print_tables(table)


if __name__ == "__main__":
    main()
