"""Training an autoencoder to give films back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from plainfilm.losses.elastic import elastic_loss
from plainfilm.losses.perceptual import perceptual_loss
from plainfilm.metrics import Interval, bootstrap_interval, mean
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.classifier import evaluating
from plainfilm.models.densenet import DenseNet
from plainfilm.training.augmentation import apply_changes, draw_changes
from plainfilm.training.parts import Batch, Part
from plainfilm.training.recipe import Recipe
from plainfilm.training.task import Task

LAST_BLOCK = "denseblock3"

TURN, SHIFT, SCALE = 45.0, 0.15, (0.85, 1.15)
"""Greatest rotation in degrees, greatest shift in shares of the side, and enlargement (Cohen et al. 2021)."""


class Reconstruction(Task):
    """The elastic loss, and a perceptual one where the recipe asks, judged by the variance explained.

    That is the share of the pixels' variance about each film's mean: on given films it falls as the summed
    squared error, the measure of the paper, grows.
    """

    score = "validation_explained"
    network: Autoencoder
    sums: Tensor

    def __init__(
        self, network: Autoencoder, recipe: Recipe, steps: int, judge: DenseNet | None = None
    ) -> None:
        super().__init__(network, recipe, steps)
        # In a tuple it is no part of the task, whose state is kept and resumed.
        self.judges = () if judge is None else (judge.eval().requires_grad_(False),)

    def loss(self, batch: Batch) -> Tensor:
        films = self._changed(batch)
        images = self._inputs(films)
        found = self.scores(images)
        loss = elastic_loss(found, images)
        for judge in self.judges:
            assert self.recipe.perceptual is not None
            judge.to(self.device)
            seen = block_features(judge, self._as_films(found))
            with torch.no_grad():
                wanted = block_features(judge, films)
            loss = loss + self.recipe.perceptual.weight * perceptual_loss(seen, wanted)
        return loss / len(images)

    def on_validation_epoch_start(self) -> None:
        # No buffer: in each step the first process would write its own over those of the others.
        self.sums = torch.zeros(4, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images = self._inputs(batch.images)
        error = self.scores(images) - images
        spread = images - images.mean((1, 2, 3), keepdim=True)
        pixels = images.new_tensor(images[0].numel())
        squares = torch.stack([error.square().sum(), spread.square().sum()])
        self.sums += torch.stack([images.new_tensor(len(images)), *squares, error.abs().sum() / pixels])

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        gathered = self.all_gather(self.sums)  # sums, for processes may judge other numbers of films
        assert isinstance(gathered, Tensor)
        films, squared, spread, absolute = gathered.view(-1, 4).sum(0)
        self.log("validation_squared_error", squared / films)
        self.log("validation_absolute_error", absolute / films)
        self.log(self.score, 1 - squared / spread, prog_bar=True)

    def _changed(self, batch: Batch) -> Tensor:
        seeds = self.seeds(batch.films)
        if self.recipe.augmentation == "wide":
            return move_widely(batch.images, seeds)
        change = draw_changes(seeds)
        # Noise cannot be foretold; a network asked to give it back learns nothing by it.
        return apply_changes(batch.images, replace(change, noise=torch.zeros_like(change.noise)))

    def _inputs(self, images: Tensor) -> Tensor:
        """Films in [0, 1] in the range of the network."""
        low, high = self.network.arguments["low"], self.network.arguments["high"]
        return images * (high - low) + low

    def _as_films(self, images: Tensor) -> Tensor:
        """Images in the range of the network as films in [0, 1]."""
        low, high = self.network.arguments["low"], self.network.arguments["high"]
        return (images - low) / (high - low)


def block_features(network: DenseNet, images: Tensor) -> list[Tensor]:
    """What each dense block of a network returns up to the third, for images ``(B, 1, S, S)``.

    The fourth sees the whole film in every cell, so that it could be pleased by anything anywhere.
    """
    found, features = [], images.contiguous(memory_format=torch.channels_last)
    for name, layer in network.features.named_children():
        features = layer(features)
        if name.startswith("denseblock"):
            found.append(features)
        if name == LAST_BLOCK:
            break
    return found


def move_widely(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Films turned, shifted and scaled as in the paper, black beyond their border; one seed a film.

    Args:
        images: ``(B, 1, S, S)`` in [0, 1].
        seeds: B of them.
    """
    draws = torch.stack([torch.rand(4, generator=torch.Generator().manual_seed(seed)) for seed in seeds], 1)
    angle, across, down = torch.deg2rad(TURN * (2 * draws[0] - 1)), *(2 * SHIFT * (2 * draws[1:3] - 1))
    low, high = SCALE
    reach = 1 / (low + (high - low) * draws[3])  # the grid says where each pixel comes from
    cosine, sine = angle.cos() * reach, angle.sin() * reach
    rows = (torch.stack([cosine, -sine, across], 1), torch.stack([sine, cosine, down], 1))
    affine = torch.stack(rows, 1).to(images.device)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def reconstruction_figures(autoencoder: Autoencoder, part: Part, batch_size: int = 32) -> dict[str, Interval]:
    """Errors on films that were not seen, means over films with intervals over patients.

    Returns:
        "absolute error" per pixel and "squared error" summed over a film's pixels, both in units of the
        network's input, and "explained", the share of a film's variance.
    """
    rows = []
    for start in range(0, len(part), batch_size):
        films = part.__getitems__(range(start, min(start + batch_size, len(part)))).images
        low, high = autoencoder.arguments["low"], autoencoder.arguments["high"]
        images = films * (high - low) + low
        with torch.no_grad(), evaluating(autoencoder):
            error = autoencoder(images.to(autoencoder.device)).cpu() - images
        spread = (images - images.mean((1, 2, 3), keepdim=True)).square().sum((1, 2, 3))
        squared = error.square().sum((1, 2, 3))
        rows.append(torch.stack([error.abs().mean((1, 2, 3)), squared, 1 - squared / spread], 1))
    columns = torch.cat(rows).numpy().T
    names = ("absolute error", "squared error", "explained")
    return {
        name: bootstrap_interval(mean, column, patients=part.patients)
        for name, column in zip(names, columns, strict=True)
    }
