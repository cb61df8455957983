"""Do the claims of the IBA paper hold where the truth is known? Two hundred rendered films and more.

    python benchmarks/bottleneck_claims.py [--films 200] [--passes 40]

One finding a film that the shipped model calls (p >= 0.6), each finding about as often. Printed with
Student's interval over films: the areas of insertion and deletion (the games of the paper) and the best-case
IoU of every method, random maps and the centre prior; the IoU by size of the finding; and, for the paper's
claims, paired differences with the p-value of sign flips.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from plainfilm.attribution.registry import build_method
from plainfilm.datasets.phantom import Phantom
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics import (
    best_case_iou,
    centre_prior,
    insertion_deletion,
    mean_interval,
    permutation_test,
    random_map,
)
from plainfilm.metrics.strata import SIZES, size_stratum
from plainfilm.models.classifier import Classifier
from plainfilm.models.zoo import load

CALLED, SEED = 0.6, 2029
METHODS = ("iba", "inverse-iba", "multilayer-iba", "grad-cam")
COARSE = (14, 14)
"""Cells of the random map: noise in single pixels would hardly be changed by a blur."""
SMALL = SIZES[0]
CLAIMS = (
    ("deletion", "inverse-iba", "iba", ""),
    ("insertion", "inverse-iba", "iba", ""),
    ("deletion", "iba", "grad-cam", ""),
    ("deletion", "inverse-iba", "centre prior", ""),
    ("IoU", "multilayer-iba", "iba", SMALL),
    ("IoU", "multilayer-iba", "grad-cam", SMALL),
    ("IoU", "iba", "grad-cam", SMALL),
    ("IoU", "multilayer-iba", "iba", ""),
    ("IoU", "multilayer-iba", "grad-cam", ""),
    ("IoU", "iba", "grad-cam", ""),
    ("IoU", "inverse-iba", "iba", ""),
    ("IoU", "multilayer-iba", "centre prior", ""),
)
"""Measure, method, its rival, and the stratum of size; lower is better for deletion."""


def subjects(model: Classifier, films: int) -> Iterator[tuple[Tensor, int, np.ndarray]]:
    """Image, target and cause; of the findings that are called, the one seen least so far."""
    seen = Counter[str]()
    for study in Phantom(100 * films, seed=SEED):
        said = model.predict(study.radiograph)
        causes = {name: study.causes.get(name, study.masks.get(name)) for name in study.present}
        known = [
            n for n, cause in causes.items() if n != SUPPORT_DEVICES and cause is not None and cause.any()
        ]
        called = [name for name in known if said[name] >= CALLED]
        if not called:
            continue
        finding = min(called, key=lambda name: seen[name])
        seen[finding] += 1
        yield model.prepare(study.radiograph)[0], model.index(finding), np.asarray(causes[finding])
        if seen.total() == films:
            print(f"{films} films of {dict(seen)}")
            return


def maps(model: Classifier, image: Tensor, target: int, seed: int) -> dict[str, np.ndarray]:
    """The evidence of every method, and the maps that know nothing."""
    found = {}
    for name in METHODS:
        raw = build_method(name, model, {}).attribute(image, target)[0, 0]
        grid = (int(raw.shape[0]), int(raw.shape[1]))
        placement = model.spec.placement((image.shape[2], image.shape[3])).at(grid)
        found[name] = placement.restore(np.maximum(raw.float().numpy(), 0))
    size = (image.shape[2], image.shape[3])
    coarse = model.spec.placement(size).at(COARSE)
    return found | {
        "centre prior": centre_prior(size),
        "random map": coarse.restore(random_map(COARSE, seed)),
    }


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--films", type=int, default=200)
    given.add_argument("--passes", type=int, default=40)
    asked = given.parse_args()
    torch.set_num_threads(1)
    model, began = load("phantom"), time.process_time()
    rows: dict[str, dict[str, list[float]]] = {}
    strata: list[str] = []
    for number, (image, target, cause) in enumerate(subjects(model, asked.films)):
        strata.append(size_stratum(cause))

        def probability(images: Tensor, target: int = target) -> Tensor:
            return model.probabilities(images)[:, target]

        for name, map in maps(model, image, target, number).items():
            curves = insertion_deletion(probability, image, map, passes=asked.passes)
            values = {"insertion": curves.insertion_auc, "deletion": curves.deletion_auc}
            for measure, value in (values | {"IoU": best_case_iou(map, cause)}).items():
                rows.setdefault(measure, {}).setdefault(name, []).append(value)
        print(f"\r{number + 1} films, {time.process_time() - began:.0f} s", end="", file=sys.stderr)
    size = np.array(strata)
    for measure, by_method in rows.items():
        print(f"\n{measure}")
        for name, row in by_method.items():
            print(f"  {name:16} {mean_interval(row)}")
    for stratum in SIZES:
        print(f"\nIoU, {stratum}: {np.sum(size == stratum)} films")
        for name, row in rows["IoU"].items():
            print(f"  {name:16} {mean_interval(np.array(row)[size == stratum])}")
    print("\nClaims: difference, p of sign flips")
    for measure, one, two, stratum in CLAIMS:
        kept = size == stratum if stratum else np.ones(len(size), bool)
        first, second = (np.array(rows[measure][name])[kept] for name in (one, two))
        found = permutation_test(first, second)
        print(f"  {measure:9} {one:15} - {two:13} {stratum:8} {found.difference}, p {found.p_value:.4f}")


if __name__ == "__main__":
    main()
