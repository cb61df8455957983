"""The network with the best validation score, and the end of a run that finds no better one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import EarlyStopping

from plainfilm.training.task import Task


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
        if self.best is None or score > self.best:
            self.best = score if math.isfinite(score) else -math.inf
            if trainer.is_global_zero:
                self.save(trainer.current_epoch + 1, score)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class Patience(EarlyStopping):
    """Lightning's early stopping, which also remembers that it had stopped a run that is resumed."""

    def __init__(self, score: str, patience: int) -> None:
        super().__init__(monitor=score, patience=patience, mode="max", check_finite=False)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        trainer.should_stop = self.wait_count >= self.patience
