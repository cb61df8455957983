from __future__ import annotations

import csv
import json

import pytest
import torch

import plainfilm as pf
from plainfilm.findings import ALL
from plainfilm.models.calibration import Calibration
from plainfilm.models.curves import Platt


def test_json_is_all_of_stdout_and_agrees_with_the_library(run, films, model):
    outcome = run("predict", films, "--model", model, "--json")
    assert outcome.code == 0
    said = json.loads(outcome.out)
    classifier = pf.load(model)
    assert said["sha256"] == classifier.card["sha256"]
    assert [film["id"] for film in said["films"]] == ["film-0", "film-1"]
    for film in said["films"]:
        assert film["probabilities"] == classifier.predict(pf.read(films / f"{film['id']}.png"))


def test_one_film_is_a_table_with_operating_points(run, films, model):
    lines = run("predict", films / "film-0.png", "--model", model).out.splitlines()
    (mass,) = (line for line in lines if "Mass" in line)
    assert "0.100" in mass
    assert "present" in mass
    (nodule,) = (line for line in lines if "Nodule" in line)
    assert "present" not in nodule


def test_a_folder_gets_a_table_and_a_page(run, films, model, tmp_path):
    out = tmp_path / "out"
    assert run("predict", films, "--model", model, "--out", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "predictions.csv"]
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", *ALL]
    assert [row["id"] for row in rows] == ["film-0", "film-1"]
    assert "film-1" in (out / "index.html").read_text()


def test_a_bad_film_stops_the_run_and_leaves_no_result(run, films, model, tmp_path):
    (films / "broken.png").write_bytes((films / "film-0.png").read_bytes()[:200])
    outcome = run("predict", films, "--model", model, "--out", tmp_path / "out")
    assert outcome.code == 3
    assert "broken.png" in outcome.err
    assert list((tmp_path / "out").iterdir()) == []


def test_quarantine_goes_on_without_the_film_and_counts_it(run, films, model, tmp_path):
    (films / "broken.png").write_bytes((films / "film-0.png").read_bytes()[:200])
    out = tmp_path / "out"
    quarantine = ("--on-error", "quarantine", "--max-excluded", "0.5")
    outcome = run("predict", films, "--model", model, "--out", out, "--json", *quarantine)
    assert outcome.code == 6
    said = json.loads(outcome.out)
    assert [film["id"] for film in said["films"]] == ["film-0", "film-1"]
    assert [film["id"] for film in said["excluded"]] == ["broken"]
    with (out / "excluded.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["broken"]
    assert "1 of 3 films could not be used" in (out / "index.html").read_text()


@pytest.mark.parametrize(("bad", "good", "code"), [(1, 18, 3), (1, 19, 6)])
def test_quarantine_refuses_above_five_in_a_hundred(run, model, tmp_path, save_film, bad, good, code):
    for k in range(good):
        save_film(tmp_path / f"good-{k}.png", k)
    for k in range(bad):
        (tmp_path / f"bad-{k}.png").write_text("<html>")
    assert run("predict", tmp_path, "--model", model, "--on-error", "quarantine").code == code


def test_films_of_one_name_in_two_folders_stay_two(run, model, tmp_path, save_film):
    for patient in ("a", "b"):
        (tmp_path / patient).mkdir()
        save_film(tmp_path / patient / "IM0001.png")
    save_film(tmp_path / "b" / "IM0002.png")
    said = json.loads(run("predict", tmp_path, "--model", model, "--json").out)
    assert [film["id"] for film in said["films"]] == ["a/IM0001", "b/IM0001", "b/IM0002"]


def test_what_a_calibration_leaves_raw_is_marked(run, films, model, tmp_path):
    calibration = Calibration({"Mass": Platt(0.5, 0.1)}).save(tmp_path / "calibration.json")
    arguments = ("--model", model, "--calibration", calibration)
    one = run("predict", films / "film-0.png", *arguments)
    marked = {line.split()[0] for line in one.out.splitlines() if "not calibrated" in line}
    assert "Nodule" in marked
    assert "Mass" not in marked
    assert "Not calibrated" in one.err
    assert "?" in run("predict", films, *arguments).out
    said = json.loads(run("predict", films, *arguments, "--json").out)
    assert set(said["uncalibrated"]) == {*ALL} - {"Mass"}


@pytest.mark.parametrize("slope", ["NaN", "-1"])
def test_a_damaged_calibration_exits_with_4(run, films, model, tmp_path, slope):
    path = tmp_path / "calibration.json"
    line = f'{{"kind": "platt", "slope": {slope}, "intercept": 0}}'
    path.write_text(f'{{"version": 1, "curves": {{"Mass": {line}}}}}')
    assert run("predict", films, "--model", model, "--calibration", path).code == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="Here is a CUDA device.")
def test_a_device_that_is_not_there_exits_with_5(run, films, model):
    outcome = run("predict", films, "--model", model, "--device", "cuda")
    assert outcome.code == 5
    assert "--device auto" in outcome.err


def test_the_processor_can_be_asked_for(run, films, model):
    assert run("predict", films, "--model", model, "--device", "cpu").code == 0
