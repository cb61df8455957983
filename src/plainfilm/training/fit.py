"""Lightning's loop with our log, snapshots and manners."""

from __future__ import annotations

import hashlib
import logging
import platform
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import Logger, TensorBoardLogger

import plainfilm
from plainfilm.errors import ResourceError
from plainfilm.training.best import BestNetwork, Patience
from plainfilm.training.films import TIMEOUT, Films, plan_of
from plainfilm.training.journal import Journal
from plainfilm.training.parts import Parts
from plainfilm.training.recipe import Recipe
from plainfilm.training.snapshot import read_meta
from plainfilm.training.snapshots import SnapshotIO, Snapshots, Stop, latest_snapshot
from plainfilm.training.task import Task
from plainfilm.training.watch import Bar, LossWatch

SNAPSHOTS_IN_FLIGHT = 4
"""Snapshots that must fit on the disk: those kept, the one being written, and the best network."""


def fit(task: Task, recipe: Recipe, parts: Parts, out: Path, best: BestNetwork, resume: bool = False) -> bool:
    """Trains a task, from its last snapshot where it is to be resumed.

    Returns:
        Whether this is the process that writes, among those that train together.

    Raises:
        NumericError: for a loss that is not finite.
        ArtifactError: for a snapshot of another recipe, of other data or of another version.
        ResourceError: where memory or disk is used up, or a worker dies or hangs.
        SystemExit: after Ctrl-C (130) or SIGTERM (143), when a snapshot was written.
    """
    facts = facts_of(recipe, parts)
    start = latest_snapshot(out, facts) if resume else None
    done = read_meta(start)["step"] if start else 0
    _check_space(out, task)
    log_every = max(1, min(20, plan_of(recipe, parts).steps))
    watch, stop = LossWatch(out, log_every, parts.train), Stop()
    callbacks: list[lightning.Callback] = [watch, best, Bar(watch)]
    if recipe.optimiser.patience:
        callbacks.append(Patience(task.score, recipe.optimiser.patience))
    callbacks.append(Snapshots(out, recipe.snapshot_every, stop))
    with _quiet(), stop.listening(), _explained(recipe):
        trainer = lightning.Trainer(
            accelerator="auto",
            devices=recipe.devices,
            precision=recipe.precision,
            max_epochs=recipe.optimiser.epochs,
            logger=_loggers(recipe, out, done),
            callbacks=callbacks,
            plugins=[SnapshotIO(facts)],
            default_root_dir=out,
            enable_checkpointing=True,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=log_every,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
        )
        trainer.fit(task, Films(parts, recipe), ckpt_path=start)
    return trainer.is_global_zero


def facts_of(recipe: Recipe, parts: Parts) -> dict[str, Any]:
    """What a run's numbers depend on, as its snapshots tell."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
    return {
        "recipe": recipe.digest(),
        "data": parts.fingerprint,
        "plainfilm": plainfilm.__version__,
        "code": _code(),
        "seed": recipe.seed,
        "threads": torch.get_num_threads(),
        "device": f"{gpu}, {platform.machine()}",
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _code() -> str:
    """A hash of the code that a run's numbers come from."""
    found, package = hashlib.sha256(), Path(plainfilm.__file__).parent
    for folder in ("training", "losses", "metrics", "models"):
        for path in sorted((package / folder).glob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _loggers(recipe: Recipe, out: Path, done: int) -> list[Logger]:
    journal = Journal(out / "metrics.csv", done)
    if recipe.logger == "csv":
        return [journal]
    try:
        return [journal, TensorBoardLogger(out, name="tensorboard", version="", purge_step=done or None)]
    except ModuleNotFoundError as error:
        raise ResourceError(
            "no package tensorboard", "it installed", "logger", "Run: pip install 'plainfilm[tensorboard]'."
        ) from error


def _check_space(out: Path, task: Task) -> None:
    out.mkdir(parents=True, exist_ok=True)
    weights = sum(tensor.nbytes for tensor in task.state_dict().values())
    needed, free = SNAPSHOTS_IN_FLIGHT * 3 * weights, shutil.disk_usage(out).free  # AdamW keeps two moments
    if free < needed:
        raise ResourceError(
            f"{free / 2**20:.0f} MB of free space", f"{needed / 2**20:.0f} MB for snapshots", str(out)
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's tips and advertisements, which are not news of this run."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dataloader is not resumable.*")  # ours starts where it should
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated.*")  # Lightning's own call of torch
        yield


@contextmanager
def _explained(recipe: Recipe) -> Iterator[None]:
    """Turns what PyTorch says of memory and workers into what can be done about it."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            "no memory left on the accelerator", f"enough for batches of {recipe.optimiser.batch_size}",
            "optimiser.batch_size",
            "Halving the batch would change the result, so it is not done by itself: "
            "give a smaller one, and begin anew.",
        ) from error  # fmt: skip
    except RuntimeError as error:
        told = str(error)
        if "DataLoader timed out" in told:
            raise ResourceError(
                f"no batch within {TIMEOUT} seconds", "a worker that reads", "workers",
                "Is the disk that holds the cache there? Resume with workers=0.",
            ) from error  # fmt: skip
        if "DataLoader worker" in told and ("killed" in told or "exited" in told):
            raise ResourceError(
                "a worker that was killed, most likely for lack of memory", "memory for each", "workers",
                "Resume with fewer workers; the result stays the same.",
            ) from error  # fmt: skip
        raise
