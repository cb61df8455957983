from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import plainfilm as pf
from plainfilm.datasets.manifest import Manifest
from plainfilm.models.calibration import CalibratedClassifier, Calibration


@pytest.fixture
def data(tmp_path: Path, save_film, model: Path) -> Path:
    """Sixty films of thirty patients; a mass where the model sees one rather than not, three hernias."""
    root = tmp_path / "films"
    root.mkdir()
    names = [f"{k:03}.png" for k in range(60)]
    for k, name in enumerate(names):
        save_film(root / name, k)
    seen = np.array([p["Mass"] for p in pf.load(model).predict_many(pf.read(root / name) for name in names)])
    noise = np.random.default_rng(0).normal(0, seen.std(), 60)
    films = pd.DataFrame({
        "film": names, "path": names, "patient": [str(k // 2) for k in range(60)],
        "split": ["validation"] * 58 + ["test"] * 2,
        "finding:Mass": (seen + noise > np.median(seen)).astype(float),
        "finding:Hernia": [float(k < 3) for k in range(60)],
        "finding:Tuberculosis": np.nan,
    })  # fmt: skip
    return Manifest("ours", root, films).save(tmp_path / "data")


def test_a_calibration_is_written_and_its_table_is_printed(run, data, model, tmp_path):
    out = tmp_path / "calibration.json"
    outcome = run("calibrate", "--model", model, "--data", data, "--out", out, "--split", "validation")
    assert outcome.code == 0, outcome.err
    (mass,) = (line for line in outcome.out.splitlines() if line.strip().startswith("Mass"))
    assert mass.split()[2:4] == ["of", "58"]
    assert "Tuberculosis" not in outcome.out
    assert "Not calibrated: Hernia, 3 films with the finding" in outcome.err
    calibration = Calibration.load(out)
    assert set(calibration.curves) == {"Mass"}
    assert 0 < calibration.operating_points["Mass"] < 1
    assert calibration.facts["films"] == 58
    assert calibration.facts["sha256"] == pf.load(model).card["sha256"]


def test_what_was_written_calibrates_the_model(run, data, model, tmp_path):
    out = tmp_path / "calibration.json"
    assert run("calibrate", "--model", model, "--data", data, "--out", out).code == 0
    raw = pf.load(model)
    calibrated = CalibratedClassifier(raw, Calibration.load(out))
    manifest = Manifest.load(data)
    films = [pf.read(manifest.path(k)) for k in range(60)]
    truth = manifest.labels(["Mass"])[:, 0]
    before, after = (np.array([p["Mass"] for p in each.predict_many(films)]) for each in (raw, calibrated))
    assert abs(after.mean() - truth.mean()) < 0.02 < abs(before.mean() - truth.mean())
    assert (np.argsort(before) == np.argsort(after)).all()


def test_json_is_all_of_stdout(run, data, model, tmp_path):
    arguments = ("--model", model, "--data", data, "--out", tmp_path / "c.json", "--rule", "sensitivity=0.9")
    said = json.loads(run("calibrate", *arguments, "--json").out)
    by_name = {each["target"]: each for each in said["targets"]}
    assert by_name["Mass"]["judged"] == by_name["Mass"]["films"] == 60
    assert by_name["Mass"]["judged_positive"] == by_name["Mass"]["positive"]
    assert by_name["Mass"]["unjudged"] is None
    assert by_name["Mass"]["sensitivity"] > 0.7
    assert by_name["Hernia"]["judged"] == 0
    assert "films with the finding, and 10 are needed" in by_name["Hernia"]["unjudged"]
    assert by_name["Hernia"]["error_after"] is None
    assert by_name["Hernia"]["operating_point"] is None
    assert said["facts"]["rule"] == "sensitivity=0.9"


def test_a_finding_that_a_fold_cannot_fit_is_calibrated_and_told_to_be_unjudged(run, data, model, tmp_path):
    whole = Manifest.load(data)
    wanted = np.flatnonzero(whole.labels(["Mass"])[:, 0] == 1)[:11].tolist()
    rows = wanted + np.flatnonzero(whole.labels(["Mass"])[:, 0] == 0).tolist()
    few = whole.select(np.array(rows)).save(tmp_path / "few")
    outcome = run("calibrate", "--model", model, "--data", few, "--out", tmp_path / "c.json")
    assert outcome.code == 0, outcome.err
    (mass,) = (line for line in outcome.out.splitlines() if line.strip().startswith("Mass"))
    assert "–" in mass
    assert "Calibrated, but not judged: Mass, without one of 5 folds" in outcome.err


def test_too_few_films_leave_no_file(run, data, model, tmp_path):
    out = tmp_path / "calibration.json"
    outcome = run("calibrate", "--model", model, "--data", data, "--out", out, "--kind", "isotonic")
    assert outcome.code == 3
    assert "50 are needed" in outcome.err
    assert not out.exists()


def test_a_film_that_cannot_be_read_is_left_out_and_counted(run, data, model, tmp_path):
    (tmp_path / "films" / "007.png").write_bytes(b"<html>")
    arguments = ("--model", model, "--data", data, "--out", tmp_path / "c.json")
    assert run("calibrate", *arguments).code == 3
    assert run("calibrate", *arguments, "--on-error", "quarantine").code == 6
    assert Calibration.load(tmp_path / "c.json").facts["films"] == 59


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--rule", "best"), "specificity=0.9"), (("--split", "train"), "one of the data's: test, validation")],
)
def test_what_cannot_be_is_refused_before_any_film_is_read(run, data, model, tmp_path, arguments, words):
    outcome = run("calibrate", "--model", model, "--data", data, "--out", tmp_path / "c.json", *arguments)
    assert outcome.code == 3
    assert words in outcome.err


def test_a_folder_that_is_missing_fails_at_once(run, data, model, tmp_path):
    outcome = run("calibrate", "--model", model, "--data", data, "--out", tmp_path / "no" / "c.json")
    assert outcome.code == 5


def test_a_folder_that_is_no_manifest_is_refused(run, model, tmp_path):
    assert run("calibrate", "--model", model, "--data", tmp_path, "--out", tmp_path / "c.json").code == 4
