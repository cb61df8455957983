"""Does weighting rare findings help a classifier, or what its maps show? Weighted against plain BCE.

    python benchmarks/weighted_bce.py [--runs FOLDER] [--films N] [--seeds N] [SETTING ...]

Both losses train the recipe ``weighted_bce`` on one split, from the same start and with the same batches;
each seed is another pair. On the test films AUROC and average precision are compared film by film, and on
the findings that they show the best-case IoU of Inverse IBA and Grad-CAM, as in table 3 of Khakzar et al.
2021, whose mean counts every outline alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from plainfilm.attribution import Bottleneck, FeatureStatistics, GradCAM, Method
from plainfilm.datasets.phantom import Phantom
from plainfilm.findings import NIH
from plainfilm.metrics import (
    Interval,
    auroc,
    average_precision,
    best_case_iou,
    bootstrap_interval,
    centre_prior,
    mean,
    permutation_test,
    random_map,
)
from plainfilm.metrics.baselines import CENTRE, RANDOM
from plainfilm.models.classifier import Classifier
from plainfilm.models.store import load_classifier
from plainfilm.training.judging import probabilities
from plainfilm.training.parts import Parts, parts_of
from plainfilm.training.recipe import PhantomRecipe, Recipe, read_recipe
from plainfilm.training.run import train

RECIPE = Path(__file__).parents[1] / "recipes" / "weighted_bce.yaml"
WEIGHTED, PLAIN = "weighted-bce", "bce"
ESTIMATED_ON = 400
"""Training films that the statistics of the bottleneck are taken from."""


def quiet(part: str, done: int, total: int) -> None:
    """Preparation takes a minute."""


def trained(runs: Path, loss: str, seed: int, changes: list[str]) -> tuple[Classifier, Recipe, Parts]:
    """The classifier of this loss and seed, trained where the folder has none."""
    recipe = read_recipe(RECIPE, [f"loss={loss}", f"seed={seed}", *changes])
    run = runs / f"{loss}-{seed}"
    if not (run / "model.json").exists():
        train(recipe, run, runs / "films", quiet)
    return load_classifier(run), recipe, parts_of(recipe, runs / "films", quiet)


def macro(statistic: Callable[..., float], scores: np.ndarray, truth: np.ndarray) -> float:
    """The mean over findings; those of one class in these films are left out."""
    return mean([statistic(scores[:, k], truth[:, k]) for k in range(truth.shape[1])])


def compared(statistic: Callable[..., float], scores: Mapping[str, np.ndarray], parts: Parts) -> Interval:
    """Weighted less plain, macro, with its interval over patients."""
    truth, rows = parts.test.labels.numpy(), np.arange(len(parts.test))

    def gain(drawn: np.ndarray) -> float:
        films = drawn.astype(int)
        return macro(statistic, scores[WEIGHTED][films], truth[films]) - macro(
            statistic, scores[PLAIN][films], truth[films]
        )

    return bootstrap_interval(gain, rows, patients=parts.test.patients, n=300)


def methods(model: Classifier, parts: Parts) -> dict[str, Method]:
    images = parts.train.__getitems__(range(ESTIMATED_ON)).images
    statistics = FeatureStatistics.estimate(model.network, ["features.denseblock3"], images)
    return {
        "inverse-iba": Bottleneck(model.network, None, statistics, variant="inverse"),
        "grad-cam": GradCAM(model.network),
    }


def test_films(recipe: Recipe, films: int) -> Phantom:
    """The first films of the test part, with their masks."""
    assert isinstance(recipe.data, PhantomRecipe)
    return Phantom(films, recipe.data.size, recipe.data.seed + 2000, recipe.data.prevalence)


def located(models: Mapping[str, Classifier], parts: Parts, films: Phantom) -> pd.DataFrame:
    """Best-case IoU of each finding that a film shows; columns loss, method, finding, film, iou."""
    ways, rows = {loss: methods(model, parts) for loss, model in models.items()}, []
    for number, study in enumerate(films):
        shown = [name for name in study.present if name in NIH and study.masks[name].any()]
        name, size = study.radiograph.id, study.radiograph.size
        for loss, model in models.items():
            image, (placement,) = model.prepare_batch([study.radiograph])
            for method, way in ways[loss].items():
                for finding in shown:
                    raw = way.attribute(image, model.index(finding))[0, 0].cpu().numpy()
                    map = placement.at(raw.shape).restore(np.maximum(raw, 0))
                    rows.append((loss, method, finding, name, best_case_iou(map, study.masks[finding])))
        for method, map in ((CENTRE, centre_prior(size)), (RANDOM, random_map(size, number))):
            for finding in shown:
                iou = best_case_iou(map, study.masks[finding])
                rows += [(loss, method, finding, name, iou) for loss in models]
    return pd.DataFrame(rows, columns=["loss", "method", "finding", "film", "iou"])


def print_performance(scores: Mapping[str, np.ndarray], parts: Parts) -> None:
    truth = parts.test.labels.numpy()
    for name, statistic in (("AUROC", auroc), ("average precision", average_precision)):
        means = {loss: macro(statistic, scores[loss], truth) for loss in scores}
        gain = compared(statistic, scores, parts)
        print(f"  {name:18} weighted {means[WEIGHTED]:.3f}, plain {means[PLAIN]:.3f}, difference {gain}")


def print_localisation(table: pd.DataFrame) -> None:
    """Means over outlines and over findings, then each finding."""
    wide = table.pivot_table(index=["method", "finding", "film"], columns="loss", values="iou").reset_index()
    for method, part in wide.groupby("method"):
        films, even = part["film"].tolist(), part.groupby("finding")[[WEIGHTED, PLAIN]].mean().mean()
        means = {loss: bootstrap_interval(mean, part[loss], patients=films) for loss in (WEIGHTED, PLAIN)}
        if method in (CENTRE, RANDOM):
            print(f"  {method}, {len(part)} outlines: {means[PLAIN]}")
            continue
        test = permutation_test(part[WEIGHTED], part[PLAIN], films)
        print(f"  {method}, {len(part)} outlines: weighted {means[WEIGHTED]}, plain {means[PLAIN]}")
        print(f"    difference {test.difference}, p {test.p_value:.4f}")
        print(f"    mean over findings: weighted {even[WEIGHTED]:.3f}, plain {even[PLAIN]:.3f}")
        for finding, rows in part.groupby("finding"):
            print(f"    {finding:20} {len(rows):4}  {rows[WEIGHTED].mean():.3f}  {rows[PLAIN].mean():.3f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=Path, default=Path("runs/weighted-bce"))
    arguments.add_argument("--films", type=int, default=300)
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument("settings", nargs="*", help="of the recipe, key.key=value")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    tables = []
    for seed in range(given.seeds):
        models = {}
        for loss in (WEIGHTED, PLAIN):
            models[loss], recipe, parts = trained(given.runs, loss, seed, given.settings)
        scores = {loss: probabilities(model, parts.test) for loss, model in models.items()}
        print(f"seed {seed}: {len(parts.train)} training films, {len(parts.test)} test films", flush=True)
        print_performance(scores, parts)
        tables.append(located(models, parts, test_films(recipe, given.films)))
        print_localisation(tables[-1])
    print("all seeds, a film's IoU averaged over them")
    print_localisation(pd.concat(tables))


if __name__ == "__main__":
    main()
