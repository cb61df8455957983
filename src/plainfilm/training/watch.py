"""A loss that leaves the finite numbers ends the run before it reaches the weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import RichProgressBar
from torch import Tensor

from plainfilm.errors import NumericError
from plainfilm.io.atomic import write_text
from plainfilm.training.parts import Batch, Part

FOLDER = "not-finite"


class LossWatch(lightning.Callback):
    """Logs the loss, and stops where it is NaN or infinite.

    Args:
        run: The run folder.
        every: Steps between two rows of the log.
        part: What is trained on.
    """

    def __init__(self, run: Path, every: int, part: Part) -> None:
        self.folder, self.every, self.part = run / FOLDER, every, part
        self.films: Tensor
        self.loss = math.nan

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.films = batch.films

    def on_before_backward(self, trainer: lightning.Trainer, pl_module: Any, loss: Tensor) -> None:
        # Under "16-mixed" the loss comes scaled, by some power of two.
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        self.loss = loss.item() / (scaler.get_scale() if scaler else 1.0)
        if not math.isfinite(self.loss):
            self._stop(trainer)
        if trainer.global_step % self.every == 0:
            row = {"epoch": trainer.current_epoch, "loss": self.loss}
            for logger in trainer.loggers:
                logger.log_metrics(row, step=trainer.global_step)

    def _stop(self, trainer: lightning.Trainer) -> None:
        """Keeps the films of the batch, and the weights and optimiser before it; batch norms have seen it."""
        step, ids = trainer.global_step, [self.part.ids[row] for row in self.part.rows[self.films.tolist()]]
        if trainer.world_size == 1:  # the others would wait for ever
            trainer.save_checkpoint(self.folder / f"step-{step:09d}")
        report = {"step": step, "epoch": trainer.current_epoch, "loss": repr(self.loss), "films": ids}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / f"batch-{step:09d}-{trainer.global_rank}.json", json.dumps(report))
        raise NumericError(
            f"a loss of {self.loss} at step {step}", "a finite loss", str(self.folder),
            "The batch's films and the weights before the step are there: look at them, or learn slower.",
        )  # fmt: skip


class Bar(RichProgressBar):
    """Lightning's bar with our loss; drawn now and then, since drawing takes longer than a step."""

    def __init__(self, watch: LossWatch) -> None:
        super().__init__(refresh_rate=20, console_kwargs={"stderr": True})
        self.watch = watch

    def get_metrics(self, trainer: lightning.Trainer, pl_module: Any) -> dict[str, Any]:
        told = {
            name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"
        }
        return {**told, "loss": f"{self.watch.loss:.3f}"}
