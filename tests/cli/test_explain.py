from __future__ import annotations

import json

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

import plainfilm as pf
from plainfilm.attribution.explanation import load_map

FAST = ("--method", "grad-cam,gradient")
BOXES = "id,finding,x,y,width,height\nfilm-0,Mass,5,5,20,20\nfilm-0,Unheard Of,0,0,2,2\n"


@pytest.fixture
def boxes(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(BOXES)
    return path


def test_maps_pictures_and_page_are_written(run, films, model, tmp_path):
    out = tmp_path / "out"
    outcome = run("explain", films, "--model", model, "--target", "Mass", "--out", out, *FAST)
    assert outcome.code == 0, outcome.err
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    maps = [
        f"maps/film-{k}/Mass.{m}.{kind}"
        for k in (0, 1)
        for m in ("grad-cam", "gradient")
        for kind in ("npz", "png")
    ]
    assert names == sorted(["index.html", "predictions.csv", *maps])
    assert "untested" in (out / "index.html").read_text()
    values, record = load_map(out / "maps" / "film-1" / "Mass.grad-cam.npz")
    again = pf.explain(pf.load(model), pf.read(films / "film-1.png"), "Mass", method="grad-cam")
    assert np.array_equal(values, again.map)
    assert record["film"] == "film-1"


def test_all_four_methods_are_the_default(run, films, model, tmp_path):
    run("explain", films / "film-0.png", "--model", model, "--out", tmp_path / "out", "--set", "steps=2")
    methods = {path.stem.split(".")[1] for path in (tmp_path / "out" / "maps").rglob("*.png")}
    assert methods == {"grad-cam", "gradient", "guided-backprop", "integrated-gradients"}


def test_boxes_score_the_maps_beside_maps_that_know_nothing(run, films, model, boxes, tmp_path):
    out = tmp_path / "out"
    arguments = ("--model", model, "--target", "boxed,top", "--boxes", boxes, "--out", out, *FAST)
    outcome = run("explain", films, *arguments, "--json")
    assert outcome.code == 0, outcome.err
    scores = {score["method"]: score for score in json.loads(outcome.out)["scores"]}
    assert list(scores) == ["grad-cam", "gradient", "centre prior", "random map"]
    explanation = pf.explain(pf.load(model), pf.read(films / "film-0.png"), "Mass", method="gradient")
    mask = np.zeros((48, 40), bool)
    mask[5:25, 5:25] = True
    from plainfilm.metrics import best_case_iou

    assert scores["gradient"]["iou"] == best_case_iou(explanation.evidence_on_film(), mask)
    assert (out / "localisation.csv").read_text().count("\n") == 5
    assert "centre prior" in (out / "index.html").read_text()
    assert "centre prior" in run("explain", films, *arguments).out


def test_dots_in_the_id_of_a_film_are_no_suffix(run, model, save_film, tmp_path):
    save_film(tmp_path / "1.2.840.png")
    (tmp_path / "boxes.csv").write_text("id,finding,x,y,width,height\n1.2.840,Mass,5,5,20,20\n")
    arguments = ("--target", "Mass", "--boxes", tmp_path / "boxes.csv", "--method", "gradient", "--json")
    outcome = run(
        "explain", tmp_path / "1.2.840.png", "--model", model, "--out", tmp_path / "out", *arguments
    )
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["scores"]


def test_films_that_differ_in_the_suffix_alone_keep_their_boxes(
    run, films, model, boxes, save_film, tmp_path
):
    save_film(films / "film-0.jpg", seed=0)
    arguments = ("--model", model, "--target", "Mass", "--boxes", boxes, "--method", "gradient", "--json")
    outcome = run("explain", films, "--out", tmp_path / "out", *arguments)
    assert outcome.code == 0, outcome.err
    scored = {score["film"] for score in json.loads(outcome.out)["scores"]}
    assert scored == {"film-0.jpg", "film-0.png"}


@pytest.mark.parametrize(("arguments", "said"), [
    (("--target", "Mas"), "Mass"),
    (("--target", "boxed"), "--boxes"),
    (("--method", "grad-cm"), "grad-cam"),
    (("--set", "stepps=3"), "steps"),
    (("--set", "unit=volt"), "--set"),
    (("--set", "steps"), "name=value"),
    (("--set", "steps=["), "'steps=['"),
    (("--set", "steps=2026-13-45"), "--set"),
    (("--method", "grad-cam", "--set", "layer=features.nothing"), "layer"),
])  # fmt: skip
def test_what_does_not_fit_the_model_exits_with_2(run, films, model, tmp_path, arguments, said):
    outcome = run("explain", films, "--model", model, "--out", tmp_path / "out", *arguments)
    assert outcome.code == 2, outcome.err
    assert said in outcome.err
    assert not (tmp_path / "out" / "index.html").exists()


def test_boxes_of_other_films_exit_with_3(run, films, model, tmp_path):
    (tmp_path / "boxes.csv").write_text("id,finding,x,y,width,height\nother,Mass,1,1,2,2\n")
    arguments = ("--model", model, "--out", tmp_path / "out", "--boxes", tmp_path / "boxes.csv")
    assert run("explain", films, *arguments).code == 3


@pytest.mark.parametrize(
    "name", [r"$\frac{1$", "<script>alert(1)</script>".replace("/", "∕"), "x" * 240, "🫁مريض‮"]
)
def test_a_strange_file_name_becomes_a_safe_folder_and_is_shown_escaped(
    run, model, tmp_path, save_film, name
):
    save_film(tmp_path / f"{name}.png")
    out = tmp_path / "out"
    outcome = run("explain", tmp_path / f"{name}.png", "--model", model, "--out", out, "--method", "gradient")
    assert outcome.code == 0, outcome.err
    (folder,) = (out / "maps").iterdir()
    assert folder.name.isascii()
    assert len(folder.name) <= 80
    page = (out / "index.html").read_text()
    assert "<script>alert" not in page


def test_no_patient_data_leaves_a_dicom_file(run, model, tmp_path):
    save_dicom(tmp_path / "film.dcm")
    out = tmp_path / "out"
    for verb in (("predict",), ("explain", "--method", "gradient")):
        outcome = run(*verb, tmp_path / "film.dcm", "--model", model, "--out", out, "--json")
        assert outcome.code == 0, outcome.err
        assert "CANARY" not in outcome.out + outcome.err
    for path in out.rglob("*.*"):
        assert b"CANARY" not in path.read_bytes(), path.name
    assert "burned-in text" in (out / "index.html").read_text()


def save_dicom(path):
    """A film whose every field of text names the patient."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID, film.SOPInstanceUID, film.Modality = ComputedRadiographyImageStorage, "1.2.3", "CR"
    for keyword in (
        "PatientName", "PatientID", "PatientAddress", "InstitutionName", "ReferringPhysicianName",
        "AccessionNumber", "StudyDescription", "SeriesDescription", "ImageComments", "StationName",
        "ProtocolName", "OperatorsName",
    ):  # fmt: skip
        setattr(film, keyword, "CANARY")
    film.Rows, film.Columns, film.SamplesPerPixel, film.PhotometricInterpretation = 48, 40, 1, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 8, 8, 7, 0
    film.PixelData = np.random.default_rng(0).integers(0, 255, (48, 40), dtype=np.uint8).tobytes()
    film.save_as(path, enforce_file_format=True)
