from __future__ import annotations

import csv

from plainfilm.training.journal import Journal


def test_a_log_is_a_table_with_all_columns(tmp_path):
    journal = Journal(tmp_path / "metrics.csv")
    journal.log_metrics({"loss": 0.5}, step=0)
    journal.log_metrics({"auroc": 0.7}, step=1)
    journal.save()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert rows == [{"step": "0", "loss": "0.5", "auroc": ""}, {"step": "1", "loss": "", "auroc": "0.7"}]


def test_a_resumed_log_has_each_step_once(tmp_path):
    first = Journal(tmp_path / "metrics.csv")
    for step in range(6):
        first.log_metrics({"loss": 1 / (step + 1)}, step=step)
    first.finalize("killed")
    before = (tmp_path / "metrics.csv").read_text()
    second = Journal(tmp_path / "metrics.csv", resumed_at=4)
    for step in (4, 5):
        second.log_metrics({"loss": 1 / (step + 1)}, step=step)
    second.save()
    assert (tmp_path / "metrics.csv").read_text() == before


def test_a_new_run_begins_a_new_log(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,loss\n0,1\n")
    assert Journal(tmp_path / "metrics.csv").rows == []
    assert Journal(tmp_path / "absent.csv", resumed_at=3).rows == []
