from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import pytest
import torch

from plainfilm.errors import NumericError
from plainfilm.training.snapshot import read_snapshot
from plainfilm.training.watch import LossWatch

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_loss_that_is_no_number_stops_before_the_weights_are_touched(run, at_step, tmp_path):
    at_step(3, lambda loss: loss * torch.nan)
    with pytest.raises(NumericError, match="a loss of nan at step 3"):
        run(tmp_path / "run")
    folder = tmp_path / "run" / "not-finite"
    told = json.loads((folder / "batch-000000003-0.json").read_text())
    assert told["step"] == 3
    assert len(told["films"]) == 4
    weights = read_snapshot(folder / "step-000000003")["state_dict"]
    assert all(torch.isfinite(tensor).all() for name, tensor in weights.items() if name.startswith("network"))


def test_the_loss_is_told_as_it_is_where_float16_scales_it(tmp_path):
    watch = LossWatch(tmp_path, 1, part=None)
    plugin = SimpleNamespace(scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))
    trainer = SimpleNamespace(precision_plugin=plugin, global_step=1, current_epoch=0, loggers=[])
    watch.on_before_backward(trainer, None, torch.tensor(512.0))
    assert watch.loss == 0.5


def test_the_log_tells_each_epoch_and_the_losses_between(run, tmp_path):
    run(tmp_path / "run")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == [0, 4, 5, 9, 10, 14]
    assert [int(row["epoch"]) for row in rows] == [0, 0, 1, 1, 2, 2]
    for row in rows[1::2]:
        assert all(float(row[name]) > 0 for name in ("training_loss", "validation_loss", "validation_auroc"))
