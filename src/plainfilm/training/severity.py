"""Training a network that gives a severity score, such as Brixia's from 0 to 18."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from plainfilm.losses.score import score_loss
from plainfilm.metrics import Interval, bootstrap_interval, mean, pearson
from plainfilm.models.densenet import DenseNet
from plainfilm.training.augmentation import apply_changes, draw_changes
from plainfilm.training.parts import Batch
from plainfilm.training.task import Task


class Severity(Task):
    """Regression of a score, judged by the share of its variance that is explained.

    The network learns shares of the greatest score; ``in_score_units`` turns it into the score's unit.
    """

    score = "validation_r2"
    sums: Tensor

    def loss(self, batch: Batch) -> Tensor:
        images = apply_changes(batch.images, draw_changes(self.seeds(batch.films)))
        assert self.recipe.loss in ("mse", "smooth-l1")  # as the recipe checked
        return score_loss(self.scores(images), batch.truth, self.recipe.loss)

    def on_validation_epoch_start(self) -> None:
        # No buffer: in each step the first process would write its own over those of the others.
        self.sums = torch.zeros(5, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        truth = batch.truth
        error = self.scores(batch.images) - truth
        self.sums += torch.stack([torch.ones_like(truth), truth, truth**2, error.abs(), error**2]).sum((1, 2))

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        gathered = self.all_gather(self.sums)  # sums, for processes may judge other numbers of films
        assert isinstance(gathered, Tensor)
        films, total, squares, absolute, squared = gathered.view(-1, 5).sum(0)
        variance = (squares / films - (total / films) ** 2).clamp(min=0)
        self.log("validation_mae", absolute / films * self.recipe.greatest_score)
        self.log(self.score, 1 - squared / films / variance, prog_bar=True)


def in_score_units(network: DenseNet, greatest: float) -> DenseNet:
    """The same network with its answer multiplied by the greatest score."""
    whole = deepcopy(network)
    with torch.no_grad():
        whole.classifier.weight.mul_(greatest)
        whole.classifier.bias.mul_(greatest)
    return whole


def severity_figures(
    predicted: np.ndarray, truth: np.ndarray, patients: Sequence[str]
) -> dict[str, Interval]:
    """Pearson's r and the mean absolute error in units of the score, with intervals over patients.

    Args:
        predicted: ``(N,)``.
        truth: ``(N,)``.
        patients: The patient of each film.
    """
    return {
        "r": bootstrap_interval(pearson, predicted, truth, patients=patients),
        "mae": bootstrap_interval(mean, np.abs(predicted - truth), patients=patients),
    }
