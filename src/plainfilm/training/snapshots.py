"""When snapshots of a run are written, kept and found again; and how a run stops at a signal."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO

from plainfilm.errors import ArtifactError
from plainfilm.training.snapshot import Facts, check_facts, read_meta, read_snapshot, write_snapshot

FOLDER = "snapshots"
KEPT = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_NAME = re.compile(r"step-\d{9}")

log = logging.getLogger(__name__)


class SnapshotIO(CheckpointIO):
    """Lightning's checkpoints in our format."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        write_snapshot(Path(path), checkpoint, self.facts)

    def load_checkpoint(self, path: Any, *arguments: Any, **settings: Any) -> dict[str, Any]:
        return read_snapshot(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        shutil.rmtree(path, ignore_errors=True)


class Stop:
    """A wish to stop, told by Ctrl-C or SIGTERM; at the second one the process ends at once."""

    def __init__(self) -> None:
        self.signal = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal:
            raise SystemExit(128 + number)
        self.signal = number

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the signals over, and gives them back; elsewhere than in the main thread there are none."""
        former = [signal.getsignal(number) for number in SIGNALS]
        self.take()
        try:
            yield
        finally:
            _set_handlers(former)

    def take(self) -> None:
        """Takes the signals over, also from Lightning, which would end a validation without a snapshot."""
        _set_handlers([self] * len(SIGNALS))


def _set_handlers(handlers: Sequence[Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in zip(SIGNALS, handlers, strict=True):
            signal.signal(number, handler)


class Snapshots(Checkpoint):
    """Writes a snapshot every so many steps, after each epoch, and where the run is told to stop."""

    def __init__(self, run: Path, every: int, stop: Stop) -> None:
        self.folder, self.every, self.stop = run / FOLDER, every, stop

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.stop.take()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # The last step of an epoch is followed by its validation, which belongs to the same snapshot.
        if batch_idx + 1 < trainer.num_training_batches:
            stopping = self._is_stopping(trainer)
            if stopping or trainer.global_step % self.every == 0:
                self._save(trainer, stopping)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._save(trainer, self._is_stopping(trainer))

    def _is_stopping(self, trainer: lightning.Trainer) -> bool:
        """Whether any of the processes that train together was told to stop."""
        return trainer.strategy.reduce_boolean_decision(bool(self.stop.signal), all=False)

    def _save(self, trainer: lightning.Trainer, stopping: bool) -> None:
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.folder / f"step-{trainer.global_step:09d}")
        if trainer.is_global_zero:
            for old in snapshots_in(self.folder.parent)[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        if stopping:
            raise SystemExit(128 + (self.stop.signal or signal.SIGTERM))


def snapshots_in(run: Path) -> list[Path]:
    """The snapshots of a run folder, oldest first."""
    return sorted(path for path in (run / FOLDER).glob("step-*") if _NAME.fullmatch(path.name))


def latest_snapshot(run: Path, facts: Facts) -> Path | None:
    """The last whole snapshot of a run, from which it can go on; None before the first.

    Raises:
        ArtifactError: where every snapshot is damaged, or the run was of other data or settings.
    """
    found = snapshots_in(run)
    for path in reversed(found):
        try:
            read_snapshot(path)
        except ArtifactError as error:
            log.warning("%s The one before is taken.", error)
            shutil.rmtree(path, ignore_errors=True)
            continue
        check_facts(read_meta(path), facts, path.name)
        return path
    if found:
        raise ArtifactError(
            "damaged snapshots alone", "a whole one", str(run), "Begin anew in another folder."
        )
    return None
