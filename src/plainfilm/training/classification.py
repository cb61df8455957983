"""Training a multi-label classifier from image labels."""

from __future__ import annotations

from torch import Tensor, nn

from plainfilm.losses.bce import masked_bce
from plainfilm.metrics import MultilabelAUROC
from plainfilm.training.augmentation import apply_changes, draw_changes
from plainfilm.training.parts import Batch
from plainfilm.training.recipe import Recipe
from plainfilm.training.task import Task


class Classification(Task):
    """Binary cross-entropy over findings, judged by the mean AUROC of the validation part."""

    score = "validation_auroc"

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        steps: int,
        targets: tuple[str, ...],
        positive_weight: Tensor | None = None,
    ) -> None:
        super().__init__(network, recipe, steps)
        self.positive_weight: Tensor | None
        self.register_buffer("positive_weight", positive_weight, persistent=False)
        self.auroc = MultilabelAUROC(targets)

    def loss(self, batch: Batch) -> Tensor:
        images = apply_changes(batch.images, draw_changes(self.seeds(batch.films)))
        return masked_bce(self.scores(images), batch.truth, self.positive_weight)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        logits = self.scores(batch.images)
        loss = masked_bce(logits, batch.truth)
        self.log("validation_loss", loss, sync_dist=True, batch_size=len(batch.images))
        self.auroc.update(logits.sigmoid(), batch.truth)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self.log(self.score, float(self.auroc.mean()), prog_bar=True)
        self.auroc.reset()
