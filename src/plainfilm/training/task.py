"""What every training task shares: augmentation, optimiser and schedule."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from plainfilm.training.recipe import Recipe


class Task(lightning.LightningModule):
    """A network under AdamW with a warm-up and a cosine, fed with augmented films.

    Attributes:
        score: The validation figure by which the best network is kept; higher is better.
    """

    score: str

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.recipe = recipe

    def configure_optimizers(self) -> Any:
        settings = self.recipe.optimiser
        optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        total = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: _cycle(step / total, settings.warm_up)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def generator(self, batch_index: int) -> torch.Generator:
        """The randomness of one batch: a function of seed, epoch, batch and process alone."""
        place = (self.recipe.seed, self.current_epoch, batch_index, self.global_rank)
        return torch.Generator().manual_seed(hash(place) % 2**63)

    def scores(self, images: Tensor) -> Tensor:
        """The network's output, float32 also under mixed precision."""
        output: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return output.float()


def _cycle(done: float, warm_up: float) -> float:
    """The share of the peak learning rate after this share of all steps."""
    rising = min(1.0, done / warm_up + 0.05) if warm_up else 1.0
    return rising * max(0.01, 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
