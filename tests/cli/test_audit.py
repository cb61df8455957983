from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.training.lock import run_lock

Run = Callable[..., Any]
Audit = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path, save_film: Callable[..., None]) -> Path:
    """A manifest of six films, all outlined."""
    root = tmp_path / "films"
    root.mkdir()
    for k in range(6):
        save_film(root / f"{k}.png", seed=k)
    films = pd.DataFrame({
        "film": [f"=film-{k}" for k in range(6)], "path": [f"{k}.png" for k in range(6)],
        "patient": [f"patient-{k}" for k in range(6)], "sex": ["F", "M"] * 3,
        "finding:Mass": [1.0, 0.0] * 3, "finding:Nodule": [0.0, 1.0] * 3,
    })  # fmt: skip
    drawn = [
        Annotation(f"=film-{k}", ("Mass", "Nodule")[k % 2], "box", (4.0, 4.0, 20.0, 12.0)) for k in range(6)
    ]
    return Manifest("six", root, films, annotation_table(drawn)).save(tmp_path / "data")


@pytest.fixture
def audit(run: Run, model: Path, data: Path, tmp_path: Path) -> Audit:
    """Runs ``plainfilm audit`` with further arguments; later ones win."""

    def audit(*arguments: object) -> Any:
        given = ("--data", data, "--model", model, "--methods", "gradient", "--out", tmp_path / "out")
        return run("audit", *given, *arguments)

    return audit


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_audit_leaves_a_page_and_tables(audit: Audit, tmp_path: Path) -> None:
    outcome = audit("--methods", "gradient,grad-cam")
    assert outcome.code == 0
    out = tmp_path / "out"
    assert {"index.html", "predictions.csv", "scores.csv", "summary.json"} <= {p.name for p in out.iterdir()}
    assert len(table(out / "predictions.csv")) == 6
    rows = table(out / "scores.csv")
    assert len(rows) == 6 * 4
    assert {row["method"] for row in rows} == {"gradient", "grad-cam", "centre prior", "random map"}
    # A spreadsheet would compute what begins with "=".
    assert {row["film"] for row in rows} == {f"'=film-{k}" for k in range(6)}
    assert f"Page: {out / 'index.html'}" in outcome.err


def test_people_see_methods_by_measures_and_what_to_worry_about(audit: Audit) -> None:
    outcome = audit()
    for word in ("Performance", "Plausibility", "Fidelity", "gradient", "centre prior", "Pointing game"):
        assert word in outcome.out
    assert "nan" not in outcome.out
    assert "! Not shown to be plausible" in outcome.err


def test_machines_get_json_and_nothing_else_on_stdout(audit: Audit, tmp_path: Path) -> None:
    found = json.loads(audit("--json").out)
    assert found["page"] == str(tmp_path / "out" / "index.html")
    assert found["explanations"]["methods"]["gradient"]["plausibility"]["best_case_iou"]["low"] is not None
    assert "p_value" in found["explanations"]["methods"]["gradient"]["fidelity"]["removal_drop"]
    assert [row["finding"] for row in found["performance"]] == ["Mass", "Nodule"]
    assert {remark["kind"] for remark in found["remarks"]} <= {"worry", "good", "note"}
    saved = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert saved == {key: value for key, value in found.items() if key != "page"}


def test_the_page_says_where_its_numbers_come_from(audit: Audit, tmp_path: Path) -> None:
    audit()
    page = (tmp_path / "out" / "index.html").read_text()
    for label in (
        "Command",
        "Weights SHA-256",
        "Data fingerprint",
        "Settings of gradient",
        "Threads",
        "Seconds",
    ):
        assert f"<dt>{label}</dt>" in page


def test_the_same_command_again_gives_the_same_tables(audit: Audit, tmp_path: Path) -> None:
    names = ("predictions.csv", "scores.csv")
    audit()
    first = [(tmp_path / "out" / name).read_bytes() for name in names]
    (tmp_path / "out" / "blocks" / "scores-000000.parquet").unlink()
    audit()
    assert [(tmp_path / "out" / name).read_bytes() for name in names] == first


def test_findings_and_settings_can_be_chosen(audit: Audit, tmp_path: Path) -> None:
    assert audit("--findings", " Nodule, ", "--set", "memory=1.5").code == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["findings"] == ["Nodule"]
    assert found["methods"] == {"gradient": {"memory": 1.5}}


def test_a_film_that_cannot_be_read_stops_or_is_left_out(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "films" / "3.png").write_bytes(b"no picture")
    assert audit().code == 3
    quarantine = ("--on-error", "quarantine", "--max-excluded", "0.2", "--json")
    for _ in range(2):  # the second goes on with what the first left
        outcome = audit(*quarantine)
        assert outcome.code == 6
        assert [each["id"] for each in json.loads(outcome.out)["excluded"]] == ["=film-3"]
    assert len(table(tmp_path / "out" / "excluded.csv")) == 1
    assert audit("--on-error", "quarantine", "--max-excluded", "0.1").code == 3


def test_films_without_outlines_have_no_table_of_scores(
    run: Run, model: Path, data: Path, tmp_path: Path
) -> None:
    manifest = Manifest.load(data)
    bare = Manifest("bare", manifest.root, manifest.films).save(tmp_path / "bare")
    out = tmp_path / "out"
    assert run("audit", "--data", bare, "--model", model, "--methods", "gradient", "--out", out).code == 0
    assert (out / "index.html").exists()
    assert not (out / "scores.csv").exists()
    assert json.loads((out / "summary.json").read_text())["explanations"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--data", "nowhere"), 3, "plainfilm data build"),
        (("--methods", ""), 2, "a known method"),
        (("--methods", "grad-can"), 2, "grad-cam"),
        (("--findings", "Mas"), 2, "Did you mean 'Mass'"),
        (("--findings", "Edema"), 3, "Mass, Nodule"),
        (("--set", "stepz=1"), 2, "name=value"),
        (("--data", "phantom:0"), 3, "no films"),
    ],
)
def test_wrong_arguments_leave_no_folder(
    audit: Audit, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    outcome = audit(*arguments)
    assert outcome.code == code
    assert words in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_manifest_is_an_artefact_error(audit: Audit, tmp_path: Path) -> None:
    assert audit("--data", tmp_path / "films").code == 4


def test_data_without_a_finding_of_the_model_is_an_input_error(
    audit: Audit, data: Path, tmp_path: Path
) -> None:
    films = Manifest.load(data).films[["film", "path"]].assign(**{"finding:Gallstones": 1.0})
    other = Manifest("other", tmp_path / "films", films).save(tmp_path / "other")
    outcome = audit("--data", other)
    assert outcome.code == 3
    assert "Name the model's targets" in outcome.err


def test_a_folder_in_a_missing_one_is_a_resource_error(audit: Audit, tmp_path: Path) -> None:
    outcome = audit("--out", tmp_path / "missing" / "out")
    assert outcome.code == 5
    assert "traceback" not in outcome.err.lower()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_a_resource_error(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert audit("--out", tmp_path / "locked").code == 5


def test_a_file_in_the_place_of_the_folder_is_a_resource_error(audit: Audit, data: Path) -> None:
    assert audit("--out", data / "manifest.json").code == 5


def test_another_audit_in_the_folder_is_an_artefact_error(audit: Audit) -> None:
    assert audit().code == 0
    outcome = audit("--methods", "grad-cam")
    assert outcome.code == 4
    assert "another methods" in outcome.err


def test_one_part_is_audited_alone(audit: Audit, data: Path, tmp_path: Path) -> None:
    whole = Manifest.load(data)
    parts = whole.films.assign(split=["train"] * 4 + ["test"] * 2)
    folder = Manifest("parts", whole.root, parts, whole.annotations).save(tmp_path / "parts")
    assert audit("--data", folder, "--split", "test").code == 0
    predicted = table(tmp_path / "out" / "predictions.csv")
    assert [row["film"] for row in predicted] == ["'=film-4", "'=film-5"]


def test_probabilities_are_calibrated_and_logits_are_not(audit: Audit, tmp_path: Path) -> None:
    curve = {"kind": "platt", "slope": 0.5, "intercept": -1.0}
    content = {"version": 1, "curves": {"Mass": curve}, "refused": {}, "operating_points": {}, "facts": {}}
    (tmp_path / "calibration.json").write_text(json.dumps(content))
    audit("--out", tmp_path / "plain")
    assert audit("--calibration", tmp_path / "calibration.json").code == 0
    plain, fitted = (table(tmp_path / name / "predictions.csv") for name in ("plain", "out"))
    for before, after in zip(plain, fitted, strict=True):
        logit = float(before["logit:Mass"])
        assert float(after["logit:Mass"]) == logit
        assert float(after["probability:Mass"]) == pytest.approx(1 / (1 + np.exp(1 - logit / 2)), abs=1e-4)
        assert after["probability:Nodule"] == before["probability:Nodule"]
    assert audit("--out", tmp_path / "plain", "--calibration", tmp_path / "calibration.json").code == 4


def test_a_part_that_shares_a_patient_with_another_is_refused(
    audit: Audit, data: Path, tmp_path: Path
) -> None:
    whole = Manifest.load(data)
    films = whole.films.assign(split=["train"] * 4 + ["test"] * 2, patient=[*"abcd", "a", "e"])
    folder = Manifest("leaks", whole.root, films, whole.annotations).save(tmp_path / "leaks")
    outcome = audit("--data", folder, "--split", "test")
    assert outcome.code == 3
    assert "1 patients in more than one split" in outcome.err
    assert audit("--data", folder).code == 0


def test_phantoms_have_no_parts(audit: Audit) -> None:
    assert audit("--data", "phantom:2", "--split", "test").code == 3


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_stops_an_audit_is_told_that_it_goes_on(
    audit: Audit, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("plainfilm.audit.summary.summarise", lambda *_: signal.raise_signal(number))
        outcome = audit()
    assert outcome.code == code
    assert "Stopped; the same command goes on." in outcome.err
    assert audit().code == 0


@pytest.mark.skipif(os.name != "posix", reason="nothing is locked on Windows")
def test_a_second_audit_in_the_folder_is_refused_while_the_first_runs(audit: Audit, tmp_path: Path) -> None:
    with run_lock(tmp_path / "out"):
        outcome = audit()
    assert outcome.code == 5
    assert "in use by process" in outcome.err
    assert audit().code == 0


def test_an_audit_with_damaged_maps_is_mended_as_the_message_says(audit: Audit, tmp_path: Path) -> None:
    assert audit().code == 0
    out = tmp_path / "out"
    first = (out / "scores.csv").read_bytes()
    chunk = out / "maps" / "gradient" / "c" / "0"
    (chunk / "0" / "0").write_bytes(b"damaged")
    outcome = audit()
    assert outcome.code == 4
    assert "a damaged map" in outcome.err
    assert "Remove maps/gradient/c/0 and blocks/scores-000000.parquet" in outcome.err
    shutil.rmtree(chunk)
    (out / "blocks" / "scores-000000.parquet").unlink()
    assert audit().code == 0
    assert (out / "scores.csv").read_bytes() == first
    shutil.rmtree(out / "maps" / "gradient")
    assert "missing maps of gradient" in audit().err
