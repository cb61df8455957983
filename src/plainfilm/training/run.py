"""One training run: from a recipe to a checkpoint with its card."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only

from plainfilm.errors import ModelError, ResourceError
from plainfilm.io.atomic import sweep
from plainfilm.io.checkpoint import STEM, load_strictly
from plainfilm.losses.bce import balancing_weights
from plainfilm.metrics import Interval, youden_point
from plainfilm.models.autoencoder import (
    Autoencoder,
    autoencoder50,
    autoencoder101,
    autoencoder152,
    autoencoder_slim,
)
from plainfilm.models.autoencoder_store import load_autoencoder, save_autoencoder
from plainfilm.models.classifier import Classifier
from plainfilm.models.densenet import DenseNet, densenet121, densenet_slim
from plainfilm.models.lungs import LungSegmenter, load_lungs, save_lungs
from plainfilm.models.spec import InputSpec
from plainfilm.models.store import load_classifier, save_classifier
from plainfilm.models.unet import UNet
from plainfilm.models.zoo import load
from plainfilm.training.best import BestNetwork
from plainfilm.training.classification import Classification
from plainfilm.training.films import plan_of
from plainfilm.training.fit import fit
from plainfilm.training.judging import areas, as_json, probabilities
from plainfilm.training.lock import run_lock
from plainfilm.training.lungs import LungSegmentation, evaluate_lungs
from plainfilm.training.parts import Parts, Progress, parts_of
from plainfilm.training.recipe import Recipe
from plainfilm.training.reconstruction import Reconstruction, reconstruction_figures
from plainfilm.training.severity import Severity, in_score_units, severity_figures
from plainfilm.training.snapshots import FOLDER, snapshots_in

MEASURES = {"classifier": "auroc", "severity": "value", "lungs": "dice", "autoencoder": "value"}
"""Task to what its figures are."""

CLASSIFIERS = {"slim": densenet_slim, "densenet121": densenet121}

AUTOENCODERS = {
    "slim": autoencoder_slim,
    "autoencoder50": autoencoder50,
    "autoencoder101": autoencoder101,
    "autoencoder152": autoencoder152,
}

FEATURES = "features."
"""How the weights of a DenseNet begin, but for those of its head."""

CAUTION = "{name} was trained on rendered films alone: on real films its probabilities mean little."


def train(
    recipe: Recipe, out: Path, cache: Path, progress: Progress, resume: bool = False
) -> dict[str, Interval]:
    """Trains what the recipe's task names into a run folder.

    The folder receives the network with the best validation score (``model.safetensors`` and its card),
    ``metrics.csv``, snapshots of the whole state, and, at the end, figures of the test part on the card.

    Args:
        recipe: What to train.
        out: The run folder; made where it is missing.
        cache: Where decoded and rendered films are kept.
        progress: Told what the preparation of films is doing.
        resume: Go on from the last snapshot, where there is one. On a processor, with the same threads and
            versions, every number is then that of a run that never stopped.

    Returns:
        Figures of the test part with their intervals: AUROC by finding, "r" and "mae" of a score, or
        Dice of "lungs"; nothing in the processes that only help with the training.

    Raises:
        ResourceError: where another process holds the folder, or an unfinished run lies there and is not
            resumed; further errors as ``fit``.
    """
    tasks = {
        "classifier": _train_classifier,
        "severity": _train_severity,
        "lungs": _train_lungs,
        "autoencoder": _train_autoencoder,
    }
    with _held(out, resume):
        lightning.seed_everything(recipe.seed, verbose=False)
        return tasks[recipe.task](recipe, parts_of(recipe, cache, progress), out, resume)


@contextmanager
def _held(out: Path, resume: bool) -> Iterator[None]:
    """The run folder for this process alone, rid of what an earlier run left."""
    if getattr(rank_zero_only, "rank", 0):  # the first process holds it for all that train together
        yield
        return
    with run_lock(out):
        sweep(out)
        if not resume:
            _clear(out)
        yield


def _clear(out: Path) -> None:
    if snapshots_in(out) and not _is_finished(out):
        raise ResourceError(
            "an unfinished run", "a new folder", str(out),
            "Continue it with --resume, or choose another --out.",
        )  # fmt: skip
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def _is_finished(out: Path) -> bool:
    card = out / f"{STEM}.json"
    return card.is_file() and "test" in json.loads(card.read_text(encoding="utf-8"))


def _train_classifier(recipe: Recipe, parts: Parts, out: Path, resume: bool) -> dict[str, Interval]:
    classifier = new_classifier(recipe, parts.targets)
    weights = (
        balancing_weights(parts.train.labels, recipe.weight_limit) if recipe.loss == "weighted-bce" else None
    )
    task = Classification(classifier.network, recipe, _steps(recipe, parts), parts.targets, weights)
    best = BestNetwork(
        out, lambda epoch, score: save_classifier(classifier, out, _card(recipe, epoch, score, task.score))
    )
    leads = fit(task, recipe, parts, out, best, resume)
    return _conclude(load_classifier(out), parts, out) if leads else {}


def _conclude(classifier: Classifier, parts: Parts, out: Path) -> dict[str, Interval]:
    """Writes operating points from the validation part and figures of the test part into the card."""
    figures = areas(classifier, parts.test)
    chances, truth = probabilities(classifier, parts.validation), parts.validation.labels.numpy()
    points = {name: youden_point(chances[:, k], truth[:, k]) for k, name in enumerate(classifier.targets)}
    classifier.operating_points.update({k: p if math.isfinite(p) else None for k, p in points.items()})
    card = {"test": as_json(figures), "test_films": len(parts.test)}
    if classifier.card["recipe"]["data"]["kind"] == "phantom":
        card["caution"] = CAUTION.format(name=classifier.card["name"])
    save_classifier(classifier, out, card)
    return figures


def _train_severity(recipe: Recipe, parts: Parts, out: Path, resume: bool) -> dict[str, Interval]:
    new, greatest = new_classifier(recipe, parts.targets), recipe.greatest_score
    network = new.network
    assert isinstance(network, DenseNet)
    torch.nn.init.constant_(network.classifier.bias, parts.train.labels.mean().item())
    task = Severity(network, recipe, _steps(recipe, parts))

    def save(epoch: int, score: float) -> None:
        whole = Classifier(in_score_units(network, greatest), new.targets, new.spec, "value", new.card)
        save_classifier(whole, out, _card(recipe, epoch, score, task.score))

    if not fit(task, recipe, parts, out, BestNetwork(out, save), resume):
        return {}
    regressor = load_classifier(out)
    predicted, test = probabilities(regressor, parts.test)[:, 0], parts.test
    truth = test.labels[:, 0].numpy() * greatest
    figures = severity_figures(predicted, truth, test.patients)
    save_classifier(regressor, out, {"test": as_json(figures, "value"), "test_films": len(test)})
    return figures


def _train_lungs(recipe: Recipe, parts: Parts, out: Path, resume: bool) -> dict[str, Interval]:
    segmenter = LungSegmenter(UNet(), recipe.data.size)
    task = LungSegmentation(segmenter.network, recipe, _steps(recipe, parts))
    best = BestNetwork(
        out, lambda epoch, score: save_lungs(segmenter, out, _card(recipe, epoch, score, task.score))
    )
    if not fit(task, recipe, parts, out, best, resume):
        return {}
    segmenter = load_lungs(out)
    figures = {"lungs": evaluate_lungs(segmenter, parts.test)}
    save_lungs(segmenter, out, {"test": as_json(figures, "dice"), "test_films": len(parts.test)})
    return figures


def _train_autoencoder(recipe: Recipe, parts: Parts, out: Path, resume: bool) -> dict[str, Interval]:
    autoencoder = new_autoencoder(recipe)
    task = Reconstruction(autoencoder, recipe, _steps(recipe, parts), _judge_of(recipe))
    best = BestNetwork(
        out, lambda epoch, score: save_autoencoder(autoencoder, out, _card(recipe, epoch, score, task.score))
    )
    if not fit(task, recipe, parts, out, best, resume):
        return {}
    autoencoder = load_autoencoder(out)
    figures = reconstruction_figures(autoencoder, parts.test)
    save_autoencoder(autoencoder, out, {"test": as_json(figures, "value"), "test_films": len(parts.test)})
    return figures


def _judge_of(recipe: Recipe) -> DenseNet | None:
    if recipe.perceptual is None:
        return None
    model = load(recipe.perceptual.model)
    if not isinstance(model.network, DenseNet) or model.spec != InputSpec(recipe.data.size, 0.0, 1.0, 1):
        raise ModelError(
            f"{type(model.network).__name__} for {model.spec}",
            f"a DenseNet of ours for films of {recipe.data.size} px in [0, 1]", "perceptual.model",
        )  # fmt: skip
    return model.network


def new_autoencoder(recipe: Recipe) -> Autoencoder:
    """The untrained autoencoder of a recipe, or the one that the recipe starts from.

    Raises:
        ArtifactError: if the start is another network.
    """
    latent = recipe.model.latent
    autoencoder = AUTOENCODERS[recipe.model.network](recipe.data.size, latent)
    if recipe.model.start:
        start = load_autoencoder(recipe.model.start).state_dict()
        load_strictly(autoencoder, start, f"model.start {recipe.model.start}")
    return autoencoder


def new_classifier(recipe: Recipe, targets: tuple[str, ...]) -> Classifier:
    """The untrained network of a recipe; its features taken over where the recipe names a start.

    Raises:
        ArtifactError: if the start is another network.
    """
    build = CLASSIFIERS[recipe.model.network]
    network: DenseNet = build(len(targets))
    if recipe.model.start:
        start = load(recipe.model.start).network.state_dict()
        kept = {name.removeprefix(FEATURES): start[name] for name in start if name.startswith(FEATURES)}
        load_strictly(network.features, kept, f"model.start {recipe.model.start}")
    spec = InputSpec(recipe.data.size, 0.0, 1.0, 1)
    return Classifier(network, targets, spec, "logit", {"name": recipe.name})


def _steps(recipe: Recipe, parts: Parts) -> int:
    return plan_of(recipe, parts).steps * recipe.optimiser.epochs


def _card(recipe: Recipe, epoch: int, score: float, measure: str) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "recipe": recipe.model_dump(mode="json"),
        "epoch": epoch,
        measure: round(score, 4) if math.isfinite(score) else None,
        "licence": "Apache-2.0",
        "torch": torch.__version__,
    }
