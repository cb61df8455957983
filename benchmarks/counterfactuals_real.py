"""Counterfactual films of real radiographs, from an autoencoder and a classifier that were trained on them.

    python benchmarks/counterfactuals_real.py FOLDER [--out runs/real] [--phantoms 500]

FOLDER holds NIH ChestX-ray14 (``Data_Entry_2017_v2020*.csv``, ``BBox_List_2017.csv``, and films below it).
Patients are split once for both. The classifier starts from the shipped one and learns the fourteen
findings; the autoencoder starts from the shipped one and learns the real films and as many phantoms. Both
are then asked about the films of the other patients. Printed: what the classifier knows, what the
reconstructions keep, and where the counterfactuals of boxed findings lie beside other methods' maps and a
centre prior. ``OUT/films`` gets animations of these and of other true positives, and one sheet to look at:
film, reconstruction, finding less, finding more, map.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from plainfilm.attribution import LatentShift, explain_films
from plainfilm.attribution.counterfactual import Counterfactual
from plainfilm.audit.reconstruction import Reconstructing, discriminations, errors
from plainfilm.datasets.columns import FINDING
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.readers.nih import read_nih
from plainfilm.datasets.splits import split_by_patient
from plainfilm.datasets.study import Study
from plainfilm.metrics import best_case_iou, centre_prior, mass_inside, mean_interval
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.autoencoder_store import load_autoencoder
from plainfilm.models.classifier import Classifier
from plainfilm.models.zoo import load
from plainfilm.training.recipe import read_recipe
from plainfilm.training.run import train

RECIPES = Path(__file__).parents[1] / "recipes"
SHARES = {"validation": 0.15, "test": 0.3}
METHODS: Mapping[str, Mapping[str, Any]] = {
    "gradient": {}, "guided-backprop": {}, "integrated-gradients": {"steps": 20}, "iterative-delete": {},
    "grad-cam": {},
}  # fmt: skip
FEWEST = 5
"""Positive films of a finding whose AUROC is printed."""
CALLED, EACH, SHOWN = 0.6, 4, 16
"""Probability of a film that is shown, how many of each finding, and how many in all."""


def quiet(part: str, done: int, total: int) -> None:
    """Preparation takes a minute."""


def real_films(folder: Path) -> Manifest:
    """The films that are here, each patient in one part."""
    table = next(folder.glob("Data_Entry_2017_v2020*.csv"))
    small = folder / "images_384"  # where copies of this size lie beside the originals, each film once
    films = small if small.is_dir() else folder
    manifest = read_nih(films, table=table, boxes=folder / "BBox_List_2017.csv").here()
    return split_by_patient(manifest, SHARES, official=False)


def with_phantoms(real: Manifest, count: int, folder: Path) -> Manifest:
    """The same parts, and phantoms as files in the one to learn from."""
    folder.mkdir(parents=True, exist_ok=True)
    data = Phantom(count, 224, seed=61)
    rows = []
    for index, name in enumerate(data.ids):
        path = folder / f"{name}.png"
        if not path.exists():
            pixels = data[index].radiograph.pixels
            Image.fromarray((pixels * 255).round().astype(np.uint8)).save(path)
        labels = dict.fromkeys((FINDING + finding for finding in real.findings), 0.0)
        rows.append({"film": name, "path": str(path.resolve()), "split": "train", **labels})
    given = real.films.assign(path=[str(real.path(k).resolve()) for k in range(len(real))])
    return replace(real, films=pd.concat([given, pd.DataFrame(rows)], ignore_index=True), root=Path("/"))


def learnt(out: Path, recipe: str, manifest: Manifest, changes: Sequence[str]) -> Path:
    """Trains a recipe of the house on a manifest, where that was not done before."""
    run = out / recipe
    if not (run / "model.json").exists():
        manifest.save(out / f"{recipe}-manifest")
        place = f"data={{kind: manifest, folder: {out / f'{recipe}-manifest'}, split: column, size: 224}}"
        train(read_recipe(RECIPES / f"{recipe}.yaml", [place, *changes]), run, out / "films-224", quiet)
    return run


def print_known(model: Classifier, studies: Sequence[Study], autoencoder: Autoencoder) -> None:
    """AUROC of every finding on films and on their reconstructions."""
    found = Reconstructing(model, autoencoder)
    for study in studies:
        found.add(study)
    table = found.table
    error = errors(table)["absolute_error"]
    print(f"{len(studies)} films of patients not learnt from; mean absolute error {error}")
    for row in discriminations(table, model.targets):
        positive = int((table[f"truth:{row.finding}"] == 1).sum())
        if positive >= FEWEST:
            areas = f"AUROC {row.before}, of reconstructions {row.after}"
            print(f"  {row.finding:20} {positive:3} positive, {areas}")


def print_located(model: Classifier, cases: Sequence[tuple[Study, str]], shift: LatentShift) -> None:
    """Where maps lie against the boxes, each method over the same films."""
    areas = [float(region(study, finding).mean()) for study, finding in cases]
    print(f"\n{len(cases)} boxed findings, {mean_interval(areas)} of the film")
    for name in ("latent-shift", *METHODS, "centre prior"):
        maps = [map_of(model, name, study, finding, shift) for study, finding in cases]
        masks = [region(study, finding) for study, finding in cases]
        overlap = mean_interval(best_case_iou(m, mask) for m, mask in zip(maps, masks, strict=True))
        share = mean_interval(mass_inside(m, mask) for m, mask in zip(maps, masks, strict=True))
        print(f"  {name:22} best-case IoU {overlap}; share inside {share}", flush=True)


def map_of(model: Classifier, name: str, study: Study, finding: str, shift: LatentShift) -> np.ndarray:
    """Evidence of a method on the film."""
    if name == "centre prior":
        return centre_prior(study.radiograph.size)
    settings = (
        {"autoencoder": shift.autoencoder, "grid": shift.grid} if name == "latent-shift" else METHODS[name]
    )
    (found,) = explain_films(model, [study.radiograph], finding, name, **settings)
    return found.evidence_on_film()


def region(study: Study, finding: str) -> np.ndarray:
    """The box of a finding, bool ``(H, W)``."""
    found = study.region(finding)
    assert found is not None
    return found


def called(model: Classifier, studies: Sequence[Study]) -> list[tuple[Study, str]]:
    """Films with a finding that they are labelled with and that the classifier sees, the surest first."""
    found = []
    for study in studies:
        said = model.predict(study.radiograph)
        found += [(said[name], study, name) for name in study.present if said.get(name, 0) >= CALLED]
    found.sort(key=lambda each: -each[0])
    taken: dict[str, int] = {}
    cases = []
    for _, study, name in found:
        taken[name] = taken.get(name, 0) + 1
        if taken[name] <= EACH:
            cases.append((study, name))
    return cases


def strip(shown: Counterfactual, mask: np.ndarray) -> np.ndarray:
    """Film with its box, reconstruction, finding less, finding more, map: grey levels side by side."""
    low, high = shown.window
    film = ((shown.image[0].numpy() - low) / (high - low)).copy()
    edge = mask & ~(np.roll(mask, 2, 0) & np.roll(mask, -2, 0) & np.roll(mask, 2, 1) & np.roll(mask, -2, 1))
    film[edge] = 1
    films = [(each.numpy() - low) / (high - low) for each in
             (shown.reconstruction[0], shown.frames[0, 0], shown.frames[-1, 0])]  # fmt: skip
    map = shown.map() / max(float(shown.map().max()), 1e-9)
    row = np.hstack([film, *films, map])
    return (row.clip(0, 1) * 255).astype(np.uint8)


def show(model: Classifier, cases: Sequence[tuple[Study, str]], shift: LatentShift, out: Path) -> None:
    """Writes animations and a sheet, and prints what became of each."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (study, finding) in enumerate(cases[:SHOWN]):
        image, placement = model.prepare(study.radiograph)
        shown = shift.counterfactual(image, finding)
        shown.save(out / f"{number:02}-{finding.replace(' ', '-')}.gif")
        box = region(study, finding) if finding in study.boxes else np.zeros(study.radiograph.size, bool)
        rows.append(strip(shown, placement.sample_mask(box)))
        ends = ", ".join(f"{p:.2f}" for p in shown.predictions[[0, -1]])
        print(
            f"  {number:02} {finding:16} {study.radiograph.id}: film {shown.original:.2f}, reconstruction "
            f"{shown.prediction:.2f}, ends {ends}, bounds {shown.bounds}, {shown.stop[0]}, {shown.stop[1]}"
        )
    Image.fromarray(np.vstack(rows)).save(out / "sheet.png")


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("folder", type=Path)
    given.add_argument("--out", type=Path, default=Path("runs/real"))
    given.add_argument("--phantoms", type=int, default=500)
    given.add_argument("--epochs", type=int, default=8)
    asked = given.parse_args()
    torch.set_num_threads(1)
    out = asked.out.resolve()
    real = real_films(asked.folder)
    taught = [
        "model={network: slim, start: phantom}", "optimiser.batch_size=16", "optimiser.epochs=6",
        "optimiser.learning_rate=1.0e-3",
    ]  # fmt: skip
    model = load(learnt(out, "nih", real, taught))
    drawing = [
        "model.start=phantom", "optimiser.learning_rate=2.0e-3", f"optimiser.epochs={asked.epochs}",
    ]  # fmt: skip
    mixed = with_phantoms(real, asked.phantoms, out / "phantoms")
    autoencoder = load_autoencoder(learnt(out, "autoencoder_phantom", mixed, drawing))
    held = real.select(real.films["split"] == "test")
    studies = list(held)
    print_known(model, studies, autoencoder)
    print("the shipped autoencoder:")
    print_known(model, studies, load_autoencoder("phantom"))
    shift = LatentShift(model, autoencoder, grid="linear")
    cases = [(study, finding) for study in studies for finding in study.boxes if finding in model.targets]
    print_located(model, cases, shift)
    boxed = {(study.radiograph.id, finding) for study, finding in cases}
    others = [(s, name) for s, name in called(model, studies) if (s.radiograph.id, name) not in boxed]
    show(model, [*cases, *others], shift, out / "films")


if __name__ == "__main__":
    main()
