"""One training run: from a recipe to a checkpoint with its card."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import CSVLogger

from plainfilm.io.checkpoint import load_strictly
from plainfilm.losses.bce import balancing_weights
from plainfilm.metrics import Interval, multilabel_auroc, youden_point
from plainfilm.models.classifier import Classifier
from plainfilm.models.densenet import DenseNet, densenet121, densenet_slim
from plainfilm.models.lungs import LungSegmenter, load_lungs, save_lungs
from plainfilm.models.spec import InputSpec
from plainfilm.models.store import load_classifier, save_classifier
from plainfilm.models.unet import UNet
from plainfilm.models.zoo import load
from plainfilm.training.classification import Classification
from plainfilm.training.films import Films, Part, Parts, Progress, parts_of
from plainfilm.training.lungs import LungSegmentation, evaluate_lungs
from plainfilm.training.recipe import Recipe
from plainfilm.training.task import Task

MEASURES = {"classifier": "auroc", "lungs": "dice"}
"""Task to what its figures are."""

FEATURES = "features."
"""How the weights of a DenseNet begin, but for those of its head."""


def train(recipe: Recipe, out: Path, cache: Path, progress: Progress) -> dict[str, Interval]:
    """Trains what the recipe's task names; arguments as ``train_classifier``, figures as its task's."""
    tasks = {"classifier": train_classifier, "lungs": train_lungs}
    return tasks[recipe.task](recipe, out, cache, progress)


def train_classifier(recipe: Recipe, out: Path, cache: Path, progress: Progress) -> dict[str, Interval]:
    """Trains the classifier of a recipe into a run folder.

    The folder receives the best network by validation AUROC (``model.safetensors`` and
    its card), ``metrics.csv`` and, at the end, the AUROC on the test part in the card.

    Args:
        recipe: What to train.
        out: The run folder; made where it is missing.
        cache: Where decoded and rendered films are kept.
        progress: Told what the preparation of films is doing.

    Returns:
        Each finding's AUROC on the test part, with its interval; nothing in the processes that
        only help with the training.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    parts = parts_of(recipe.data, cache, progress)
    classifier = new_classifier(recipe, parts.targets)
    task = Classification(classifier.network, recipe, parts.targets, _weights(recipe, parts))
    best = BestNetwork(
        out, lambda epoch, score: save_classifier(classifier, out, _card(recipe, epoch, score))
    )
    leads = fit(task, recipe, parts, out, best)
    return _conclude(load_classifier(out), parts, out) if leads else {}


def _conclude(classifier: Classifier, parts: Parts, out: Path) -> dict[str, Interval]:
    """Writes operating points from the validation part and figures of the test part into the card."""
    figures = multilabel_auroc(probabilities(classifier, parts.test), parts.test.labels, classifier.targets)
    chances, truth = probabilities(classifier, parts.validation), parts.validation.labels.numpy()
    points = {name: youden_point(chances[:, k], truth[:, k]) for k, name in enumerate(classifier.targets)}
    classifier.operating_points.update({k: p if math.isfinite(p) else None for k, p in points.items()})
    card = {"test": as_json(figures), "test_films": len(parts.test)}
    if classifier.card["recipe"]["data"]["kind"] == "phantom":
        card["caution"] = CAUTION.format(name=classifier.card["name"])
    save_classifier(classifier, out, card)
    return figures


def train_lungs(recipe: Recipe, out: Path, cache: Path, progress: Progress) -> dict[str, Interval]:
    """Trains the lung segmenter of a recipe into a run folder, as ``train_classifier`` does.

    Returns:
        The mean Dice coefficient on the test part under "lungs".
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    parts = parts_of(recipe.data, cache, progress)
    segmenter = LungSegmenter(UNet(), recipe.data.size)
    task = LungSegmentation(segmenter.network, recipe)
    best = BestNetwork(
        out, lambda epoch, score: save_lungs(segmenter, out, _card(recipe, epoch, score, task.score))
    )
    if not fit(task, recipe, parts, out, best):
        return {}
    segmenter = load_lungs(out)
    figures = {"lungs": evaluate_lungs(segmenter, parts.test)}
    save_lungs(segmenter, out, {"test": as_json(figures, "dice"), "test_films": len(parts.test)})
    return figures


def fit(task: lightning.LightningModule, recipe: Recipe, parts: Parts, out: Path, best: BestNetwork) -> bool:
    """Runs Lightning's loop with our log and checkpoint.

    Returns:
        Whether this is the process that writes, among those that train together.
    """
    # Its tips and advertisements are not news of this run.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=recipe.devices,
        precision=recipe.precision,
        max_epochs=recipe.optimiser.epochs,
        logger=CSVLogger(out.parent, name=out.name, version=""),
        callbacks=[best, RichProgressBar(console_kwargs={"stderr": True})],
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=max(1, min(20, len(parts.train) // recipe.optimiser.batch_size)),
    )
    trainer.fit(task, Films(parts, recipe.optimiser.batch_size))
    return trainer.is_global_zero


class BestNetwork(lightning.Callback):
    """Keeps the network with the best validation score, written atomically."""

    def __init__(self, out: Path, save: Callable[[int, float], Any]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.save = save
        self.best: float | None = None

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Task)  # every task of ours names its score
        score = float(trainer.callback_metrics[pl_module.score])
        # An undefined score (a part without positives) beats nothing, but a run never ends without a network.
        if trainer.is_global_zero and (self.best is None or score > self.best):
            self.best = score if math.isfinite(score) else -math.inf
            self.save(trainer.current_epoch + 1, score)


def new_classifier(recipe: Recipe, targets: tuple[str, ...]) -> Classifier:
    """The untrained network of a recipe; its features taken over where the recipe names a start.

    Raises:
        ArtifactError: if the start is another network.
    """
    build = {"slim": densenet_slim, "densenet121": densenet121}[recipe.model.network]
    network: DenseNet = build(len(targets))
    if recipe.model.start:
        start = load(recipe.model.start).network.state_dict()
        kept = {name.removeprefix(FEATURES): start[name] for name in start if name.startswith(FEATURES)}
        load_strictly(network.features, kept, f"model.start {recipe.model.start}")
    return Classifier(
        network, targets, InputSpec(recipe.data.size, 0.0, 1.0, 1), "logit", {"name": recipe.name}
    )


def probabilities(classifier: Classifier, part: Part, batch_size: int = 64) -> np.ndarray:
    """What a classifier gives the films of a part, ``(N, K)``; its network moves to a GPU if there is one."""
    if torch.cuda.is_available():
        classifier.network.cuda()
    low, high = (torch.from_numpy(level).float() for level in classifier.spec.levels)
    found = []
    for start in range(0, len(part), batch_size):
        images, _, _ = part.__getitems__(range(start, min(start + batch_size, len(part))))
        with torch.no_grad():
            inputs = (images * (high - low) + low).to(classifier.device)
            found.append(classifier.probabilities(inputs).cpu().numpy())
    return np.concatenate(found)


def as_json(figures: dict[str, Interval], measure: str = "auroc") -> dict[str, dict[str, float | int | None]]:
    """Intervals as JSON values; an undefined figure becomes None."""

    def finite(value: float) -> float | None:
        return round(value, 4) if math.isfinite(value) else None

    return {
        name: {
            measure: finite(f.value),
            "low": finite(f.low),
            "high": finite(f.high),
            "positives": f.n_positive,
        }
        for name, f in figures.items()
    }


def _weights(recipe: Recipe, parts: Parts) -> torch.Tensor | None:
    return (
        balancing_weights(parts.train.labels, recipe.weight_limit) if recipe.loss == "weighted-bce" else None
    )


CAUTION = "{name} was trained on rendered films alone: on real films its probabilities mean little."


def _card(recipe: Recipe, epoch: int, score: float, measure: str = "validation_auroc") -> dict[str, Any]:
    return {
        "name": recipe.name,
        "recipe": recipe.model_dump(mode="json"),
        "epoch": epoch,
        measure: round(score, 4) if math.isfinite(score) else None,
        "licence": "Apache-2.0",
        "torch": torch.__version__,
    }
