"""What every training task shares: optimiser, schedule and randomness."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from plainfilm.training.parts import Batch
from plainfilm.training.randomness import seed_at
from plainfilm.training.recipe import Recipe


class Task(lightning.LightningModule):
    """A network under AdamW with a warm-up and a cosine, fed with augmented films.

    All randomness is a function of the step, so a run goes on anywhere as if it had never stopped.

    Attributes:
        score: The validation figure by which the best network is kept; higher is better.
        steps: Of the whole run.
        loss_sum: Of the epoch's losses so far.
    """

    score: str
    loss_sum: Tensor

    def __init__(self, network: nn.Module, recipe: Recipe, steps: int) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.recipe, self.steps = recipe, steps
        self.register_buffer("loss_sum", torch.zeros(()))

    def loss(self, batch: Batch) -> Tensor:
        """The loss of one augmented batch; a scalar."""
        raise NotImplementedError

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # What a network draws itself, as for dropout.
        torch.manual_seed(seed_at(self.recipe.seed, "network", self.global_step, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.loss_sum += loss.detach()
        return loss

    def on_validation_epoch_end(self) -> None:
        self.log("training_loss", self.loss_sum / self.trainer.num_training_batches)
        self.loss_sum.zero_()

    def configure_optimizers(self) -> Any:
        settings = self.recipe.optimiser
        optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: _cycle(step / self.steps, settings.warm_up)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def seeds(self, films: Tensor) -> list[int]:
        """One for each film and epoch, whatever the batch and the process."""
        return [
            seed_at(self.recipe.seed, "augmentation", self.current_epoch, film) for film in films.tolist()
        ]

    def scores(self, images: Tensor) -> Tensor:
        """The network's output, float32 also under mixed precision."""
        output: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return output.float()


def _cycle(done: float, warm_up: float) -> float:
    """The share of the peak learning rate after this share of all steps."""
    rising = min(1.0, done / warm_up + 0.05) if warm_up else 1.0
    return rising * max(0.01, 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
