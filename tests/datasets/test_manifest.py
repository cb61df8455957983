from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.errors import ArtifactError, InputError, LabelError, ResourceError
from plainfilm.findings import LUNGS


def write_film(path: Path, size: tuple[int, int] = (12, 16), seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, size, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    """Three films, the last of which is not on the disk."""
    for k, name in enumerate(("00123.png", "NA.png")):
        write_film(tmp_path / name, seed=k)
    films = pd.DataFrame({
        "film": ["00123", "NA", "gone"],
        "path": ["00123.png", "NA.png", ""],
        "patient": ["7", "7", None],
        "view": ["PA", "", "AP"],
        "age": [60, None, 33],
        "split": ["train", "train", "test"],
        "finding:Mass": [1, -1, np.nan],
        "finding:Edema": [0, -1, 1],
        **{f"score:{zone}": [1, 0, np.nan] for zone in "ABCDEF"},
    })  # fmt: skip
    drawn = annotation_table([
        Annotation("00123", "Mass", "box", [2, 4, 6, 8], (24, 32)),
        Annotation("00123", "Mass", "polygon", [[[0, 0], [3, 0], [3, 3], [0, 3]]]),
        Annotation("NA", LUNGS, "rle", [0, 192], (12, 16)),
    ])  # fmt: skip
    return Manifest("ours", tmp_path, films, drawn, {"Edema": "one"})


def test_ids_are_text_and_a_film_without_a_patient_is_one_of_its_own(manifest):
    assert manifest.ids == ("00123", "NA", "gone")
    assert manifest.patients == ("7", "7", "gone")


def test_a_policy_decides_uncertain_findings_and_the_rest_stays_unknown(manifest):
    assert manifest.findings == ("Mass", "Edema")
    expected = np.array([[1, 0], [np.nan, 1], [np.nan, 1]])
    assert np.array_equal(manifest.labels(), expected, equal_nan=True)
    assert np.array_equal(manifest.labels(["Edema"]), expected[:, 1:], equal_nan=True)
    assert manifest.labels([]).shape == (3, 0)


@pytest.mark.parametrize(("policy", "value"), [("ignore", np.nan), ("zero", 0), ("one", 1), ("soft", 0.5)])
def test_each_policy_says_what_doubt_becomes(manifest, policy, value):
    decided = Manifest("ours", manifest.root, manifest.films, uncertain={"Mass": policy})
    assert decided.labels(["Mass"])[1, 0] == pytest.approx(value, nan_ok=True)


def test_an_unknown_finding_is_refused_with_its_neighbours(manifest):
    with pytest.raises(LabelError, match="Did you mean 'Edema'"):
        manifest.labels(["Edema "])


def test_a_study_is_read_from_its_file(manifest):
    study = manifest[0]
    assert study.radiograph.id == "00123"
    assert study.radiograph.size == (12, 16)
    assert study.radiograph.view == "PA"
    assert study.findings == {"Mass": 1, "Edema": 0}
    assert study.patient == "7"
    assert study.scores == dict.fromkeys("ABCDEF", 1.0)
    assert study.zones.tolist() == [1] * 6
    assert study.attributes["split"] == "train"
    assert study.boxes == {"Mass": ((1, 2, 3, 4),)}
    assert study.masks["Mass"].sum() == 16
    assert manifest[1].lungs.all()
    assert manifest[1].masks == {}


def test_a_resize_of_what_was_drawn_is_recorded(manifest):
    (warning,) = (text for text in manifest[0].radiograph.warnings if "resized" in text)
    assert "32 x 24" in warning
    assert not any("resized" in text for text in manifest[1].radiograph.warnings)


def test_a_film_that_is_not_here_is_named(manifest):
    with pytest.raises(InputError, match=f"gone: got no such file.*{manifest.root.name}.*root= or --root"):
        manifest[2]
    manifest.path(0).rename(manifest.root / "elsewhere.png")
    with pytest.raises(InputError, match=rf"00123\.png: got no such file.*'{manifest.root.name}'.*--root"):
        manifest[0]
    (manifest.root / "elsewhere.png").rename(manifest.root / "00123.png")
    assert manifest.here().ids == ("00123", "NA")
    with pytest.raises(InputError, match="none of the films"):
        manifest.select([2]).here()


def test_a_selection_takes_annotations_along(manifest):
    by_position, by_truth = manifest.select([1]), manifest.select(np.array([False, True, False]))
    assert by_position.ids == by_truth.ids == ("NA",)
    assert by_position.annotations["finding"].tolist() == [LUNGS]
    assert manifest.outlined() == [("Mass",), (), ()]


def test_a_saved_manifest_is_the_same_when_opened(manifest, tmp_path):
    opened = Manifest.load(manifest.save(tmp_path / "made"))
    pd.testing.assert_frame_equal(opened.films, manifest.films, check_dtype=False)
    pd.testing.assert_frame_equal(opened.annotations, manifest.annotations, check_dtype=False)
    assert opened.fingerprint() == manifest.fingerprint()
    assert opened.uncertain == {"Edema": "one"}
    assert opened[0].radiograph.size == (12, 16)
    assert Manifest.load(tmp_path / "made", root="/elsewhere").root == Path("/elsewhere")


def test_films_on_another_drive_are_found_again(manifest, tmp_path, monkeypatch):
    def no_way(root, folder):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", no_way)
    assert Manifest.load(manifest.save(tmp_path / "made")).root == manifest.root


def test_a_folder_that_exists_is_not_written_over(manifest, tmp_path):
    manifest.save(tmp_path / "made")
    with pytest.raises(ResourceError, match="a folder that exists"):
        manifest.save(tmp_path / "made")


def test_a_changed_or_incomplete_folder_is_refused(manifest, tmp_path):
    folder = manifest.save(tmp_path / "made")
    facts = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(facts | {"version": 99}))
    with pytest.raises(ArtifactError, match="version 99"):
        Manifest.load(folder)
    (folder / "manifest.json").write_text(json.dumps(facts))
    changed = manifest.films.assign(**{"finding:Mass": [0, 0, 0]})
    changed.to_parquet(folder / "films.parquet", index=False)
    with pytest.raises(ArtifactError, match="changed"):
        Manifest.load(folder)
    (folder / "films.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="manifest"):
        Manifest.load(folder)
    with pytest.raises(ArtifactError, match="manifest"):
        Manifest.load(tmp_path / "nowhere")


def test_the_fingerprint_follows_tables_and_policy(manifest):
    others = [
        manifest.select([0, 1]),
        replace(manifest, uncertain={}),
        replace(manifest, annotations=annotation_table()),
        replace(manifest, films=manifest.films.assign(split="")),
    ]
    prints = {each.fingerprint() for each in others}
    assert len(prints) == 4
    assert manifest.fingerprint() not in prints


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"film": ["a", "a", "b"]}, "occur twice"),
        ({"film": ["a", "", "b"]}, "without an id"),
        ({"finding:Mass": [2, 2, 0.5]}, r"2 \(2 times\), 0.5 \(1 times\)"),
        ({"finding:Mass": ["yes", "1", "0"]}, r"'yes' \(1 times\)"),
        ({"finding:Mass": [np.inf, 1, 0]}, r"inf \(1 times\)"),
        ({"score:A": ["high", 1, 2]}, "'high'"),
        ({"age": ["old", 1, 2]}, "'old'"),
        ({"split": ["holdout", "train", ""]}, "'holdout'"),
        ({"colour": [1, 2, 3]}, "column 'colour'"),
    ],
)
def test_values_that_a_column_may_not_hold_are_refused(manifest, change, message):
    with pytest.raises(LabelError, match=message):
        Manifest("ours", manifest.root, manifest.films.assign(**change))


def test_columns_that_are_missing_or_there_twice_are_refused(manifest):
    with pytest.raises(LabelError, match="a column 'film'"):
        Manifest("ours", manifest.root, manifest.films.drop(columns="film"))
    twice = pd.concat([manifest.films, manifest.films[["age"]]], axis=1)
    with pytest.raises(LabelError, match="'age' more than once"):
        Manifest("ours", manifest.root, twice)
    with pytest.raises(LabelError, match="no column 'kind'"):
        Manifest("ours", manifest.root, manifest.films, manifest.annotations.drop(columns="kind"))


def test_a_kind_of_annotation_must_be_known(manifest):
    with pytest.raises(LabelError, match="the kind 'circle'"):
        replace(manifest, annotations=manifest.annotations.assign(kind="circle"))


def test_annotations_of_films_that_are_numbers_are_refused(manifest):
    with pytest.raises(LabelError, match="numbers for ids"):
        replace(manifest, annotations=manifest.annotations.assign(film=123))


@pytest.mark.parametrize("policies", [{"Mass": "maybe"}, {"Nodule": "one"}])
def test_a_policy_must_be_known_and_of_a_finding(manifest, policies):
    with pytest.raises(LabelError, match="policy"):
        Manifest("ours", manifest.root, manifest.films, uncertain=policies)


def test_numbers_written_as_text_are_numbers(manifest):
    made = Manifest("ours", manifest.root, manifest.films.assign(**{"finding:Mass": ["1", "0.0", None]}))
    assert np.array_equal(made.labels(["Mass"])[:, 0], [1, 0, np.nan], equal_nan=True)


def test_keys_change_with_a_film_and_with_what_outlines_its_lungs(manifest):
    here = manifest.here()
    before = here.film_keys()
    write_film(manifest.path(0), seed=9)
    after = here.film_keys()
    assert before[0] != after[0]
    assert before[1] == after[1]
    without = Manifest("ours", here.root, here.films)
    assert without.film_keys()[0] == after[0]
    assert without.film_keys()[1] != after[1]


def test_keys_follow_a_mask_file_however_its_path_is_written(manifest, tmp_path):
    pixels = np.full((12, 16), 255, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    plain, said = (
        replace(manifest, annotations=annotation_table([Annotation("NA", LUNGS, "file", shape)])).here()
        for shape in ("mask.png", {"path": "mask.png", "values": [255]})
    )
    before = plain.film_keys(), said.film_keys()
    Image.fromarray(pixels // 2 * 2 + 1).save(tmp_path / "mask.png", optimize=True, dpi=(9, 9))
    after = plain.film_keys(), said.film_keys()
    assert all(old[0] == new[0] and old[1] != new[1] for old, new in zip(before, after, strict=True))
