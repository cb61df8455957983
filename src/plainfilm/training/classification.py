"""Training a multi-label classifier from image labels."""

from __future__ import annotations

from torch import Tensor, nn

from plainfilm.losses.bce import masked_bce
from plainfilm.metrics import MultilabelAUROC
from plainfilm.training.augmentation import apply_changes, draw_changes
from plainfilm.training.films import Batch
from plainfilm.training.recipe import Recipe
from plainfilm.training.task import Task


class Classification(Task):
    """Binary cross-entropy over findings, judged by the mean AUROC of the validation part."""

    score = "validation_auroc"

    def __init__(
        self, network: nn.Module, recipe: Recipe, targets: tuple[str, ...], positive_weight: Tensor | None
    ) -> None:
        super().__init__(network, recipe)
        self.positive_weight: Tensor | None
        self.register_buffer("positive_weight", positive_weight, persistent=False)
        self.auroc = MultilabelAUROC(targets)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        images, labels, _ = batch
        images = apply_changes(images, draw_changes(len(images), self.generator(batch_index)))
        loss = masked_bce(self.scores(images), labels, self.positive_weight)
        self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        images, labels, _ = batch
        logits = self.scores(images)
        self.log("validation_loss", masked_bce(logits, labels), sync_dist=True, batch_size=len(images))
        self.auroc.update(logits.sigmoid(), labels)

    def on_validation_epoch_end(self) -> None:
        self.log(self.score, float(self.auroc.mean()), prog_bar=True)
        self.auroc.reset()
