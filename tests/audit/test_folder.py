from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from plainfilm.audit import run as module
from plainfilm.audit.folder import open_folder, read_block, write_block
from plainfilm.audit.plan import Plan
from plainfilm.audit.run import Progress, Results, run
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import ArtifactError, InputError, ResourceError
from plainfilm.findings import NIH
from plainfilm.models.classifier import wrap

Plans = Callable[..., Plan]


class StoppedError(Exception):
    """What stands for a kill."""


def quiet(stage: str, done: int, total: int) -> None:
    pass


def stop(film: str, error: Exception, total: int) -> None:
    raise error


def go_on(film: str, error: Exception, total: int) -> None:
    pass


def stopping_at(n: int) -> Progress:
    """Raises when it is told for the n-th time, counted from 1."""
    told: list[str] = []

    def progress(stage: str, done: int, total: int) -> None:
        told.append(stage)
        if len(told) == n:
            raise StoppedError

    return progress


def maps_of(results: Results) -> dict[tuple[str, int], np.ndarray]:
    rows = results.scores[results.scores["row"] >= 0]
    return {(m, r): results.maps.read(m, r) for m, r in zip(rows["method"], rows["row"], strict=True)}


def assert_same(one: Results, two: Results) -> None:
    pd.testing.assert_frame_equal(one.predictions, two.predictions, check_exact=True)
    pd.testing.assert_frame_equal(one.scores, two.scores, check_exact=True)
    pd.testing.assert_frame_equal(one.curves, two.curves, check_exact=True)
    assert one.excluded == two.excluded
    first, second = maps_of(one), maps_of(two)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILMS", 5)


def test_a_folder_keeps_the_identity_of_its_audit(tmp_path: Path) -> None:
    open_folder(tmp_path / "audit", {"model": "a", "films": 3})
    open_folder(tmp_path / "audit", {"model": "a", "films": 3})
    with pytest.raises(ArtifactError, match="another films"):
        open_folder(tmp_path / "audit", {"model": "a", "films": 4})


def test_a_block_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = pd.DataFrame({"film": ["a", "NA"], "hit": [0.1, np.nan], "flat": [True, False]})
    write_block(tmp_path / "block.parquet", rows)
    pd.testing.assert_frame_equal(read_block(tmp_path / "block.parquet"), rows)
    assert [path.name for path in tmp_path.iterdir()] == ["block.parquet"]


@pytest.mark.parametrize("n", [*range(1, 7), 12, 22, 24, 27])
def test_an_audit_that_stopped_at_any_block_ends_with_the_same_numbers(
    plan_of: Plans, tmp_path: Path, n: int
) -> None:
    def plan() -> Plan:
        return plan_of(24, ("gradient",), "full", broken=(7,))

    whole = run(plan(), tmp_path / "whole", quiet, go_on)
    with pytest.raises(StoppedError):
        run(plan(), tmp_path / "stopped", stopping_at(n), go_on)
    assert_same(run(plan(), tmp_path / "stopped", quiet, go_on), whole)


def test_a_finished_audit_reads_no_film_again(plan_of: Plans, tmp_path: Path) -> None:
    first = run(plan_of(), tmp_path, quiet, stop)
    plan = plan_of()
    again = run(plan, tmp_path, quiet, stop)
    assert plan.data.seen == []
    assert_same(again, first)


def test_films_left_out_before_are_told_again(plan_of: Plans, tmp_path: Path) -> None:
    run(plan_of(broken=(3,)), tmp_path, quiet, go_on)
    told: list[tuple[str, int]] = []
    run(plan_of(broken=(3,)), tmp_path, quiet, lambda film, _, total: told.append((film, total)))
    assert told == [("film-3", 12)]
    with pytest.raises(InputError, match="a file cut off"):
        run(plan_of(broken=(3,)), tmp_path, quiet, stop)


@pytest.mark.parametrize("changes", [{"n": 11}, {"methods": ("gradient",)}, {"fidelity": "full"}])
def test_another_audit_in_the_same_folder_is_refused(
    plan_of: Plans, tmp_path: Path, changes: dict[str, Any]
) -> None:
    run(plan_of(), tmp_path, quiet, stop)
    with pytest.raises(ArtifactError, match="empty folder"):
        run(plan_of(**changes), tmp_path, quiet, stop)


def test_another_model_in_the_same_folder_is_refused(plan_of: Plans, tmp_path: Path) -> None:
    run(plan_of(), tmp_path, quiet, stop)
    plan = plan_of()
    with torch.no_grad():
        plan.model.network.head.bias.add_(1)
    with pytest.raises(ArtifactError, match="weights_sha256"):
        run(plan, tmp_path, quiet, stop)


@pytest.mark.parametrize(
    "name", ["predictions-000001.parquet", "scores-000000.parquet", "curves-000000.parquet"]
)
def test_a_damaged_block_is_an_error_and_is_made_again_once_removed(
    plan_of: Plans, tmp_path: Path, name: str
) -> None:
    first = run(plan_of(fidelity="full"), tmp_path, quiet, stop)
    path = tmp_path / "blocks" / name
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ArtifactError, match=r"a damaged block.*Remove it"):
        run(plan_of(fidelity="full"), tmp_path, quiet, stop)
    path.unlink()
    assert_same(run(plan_of(fidelity="full"), tmp_path, quiet, stop), first)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_damaged_note_of_what_is_audited_is_an_error(plan_of: Plans, tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"audit\.json"):
        run(plan_of(), tmp_path, quiet, stop)


def test_scores_of_other_pairs_are_not_taken_for_these(plan_of: Plans, tmp_path: Path) -> None:
    run(plan_of(broken=(3,)), tmp_path, quiet, go_on)
    # As if the film had been mended, and its block removed by hand.
    for path in (tmp_path / "blocks").glob("predictions-*"):
        path.unlink()
    plan = plan_of(broken=(3,))
    object.__setattr__(plan.data, "broken", ())
    (tmp_path / "audit.json").write_text(json.dumps(plan.identity()))
    with pytest.raises(ArtifactError, match="other films and findings"):
        run(plan, tmp_path, quiet, go_on)


def test_a_folder_that_cannot_be_made_is_a_resource_error(plan_of: Plans, tmp_path: Path) -> None:
    with pytest.raises(ResourceError):
        run(plan_of(), tmp_path / "missing" / "audit", quiet, stop)


def phantoms(out: Path, progress: Progress) -> Results:
    """An audit that another process can run, too."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8)
    ).eval()
    model = wrap(network, NIH[:8], 32)
    return run(Plan(model, Phantom(24, 48, 5, 0.5), {"gradient": {}}), out, progress, stop)


def told(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout
    yield from process.stdout


CHILD = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("audited", sys.argv[1])
audited = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audited)
audited.module.FILMS = 5
audited.phantoms(Path(sys.argv[2]), lambda *what: print(*what, flush=True))
"""


@pytest.mark.skipif(os.name != "posix", reason="a kill that nothing can catch")
def test_an_audit_that_was_killed_ends_with_the_same_numbers(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, __file__, str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in told(process):
            if line.startswith("Explaining 16"):
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "killed" / "blocks" / "scores-000000.parquet").exists()
    whole = phantoms(tmp_path / "whole", quiet)
    assert len(list((tmp_path / "whole" / "blocks").glob("scores-*"))) > 1
    assert_same(phantoms(tmp_path / "killed", quiet), whole)
