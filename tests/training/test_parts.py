from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.manifest import Manifest
from plainfilm.errors import InputError, LabelError
from plainfilm.training.parts import parts_of
from plainfilm.training.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = ["data.train=32", "data.validation=16", "data.test=16", "data.size=32", "optimiser.epochs=1"]


def quiet(name: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def test_a_negative_seed_of_the_films_is_refused(tmp_path):
    recipe = read_recipe(RECIPES / "smoke.yaml", [*SMALL, "data.seed=-1"])
    with pytest.raises(InputError, match="seed -1"):
        parts_of(recipe, tmp_path, quiet)


def test_cells_that_say_nothing_become_unknown_labels(tmp_path):
    rows = ["Image Index,Patient ID,Mass"]
    for film in range(30):
        Image.fromarray(np.full((40, 40), film, np.uint8)).save(tmp_path / f"{film}.png")
        rows.append(f"{film}.png,{film},{('1.0', '0.0', '-1.0')[film % 3]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    path = tmp_path / "mass.yaml"
    path.write_text(
        f"name: mass\ndata: {{kind: table, folder: {tmp_path}, csv: {tmp_path}/labels.csv, size: 32, "
        "labels: {Mass: {column: Mass, equals: '1.0', unknown: ['', '-1.0']}}}\n"
    )
    parts = parts_of(read_recipe(path), tmp_path / "cache", quiet)
    assert parts.train.truth[:, 0].tolist().count(1) == parts.train.truth[:, 0].tolist().count(0) == 10


def test_a_table_is_split_by_patient(tmp_path):
    rows = ["Image Index,Patient ID,View Position"]
    for film in range(60):
        Image.fromarray(np.full((40, 40), film, np.uint8)).save(tmp_path / f"{film}.png")
        rows.append(f"{film}.png,{film // 3},{'AP' if film % 2 else 'PA'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    path = tmp_path / "view.yaml"
    path.write_text(
        f"name: view\ndata: {{kind: table, folder: {tmp_path}, csv: {tmp_path}/labels.csv, size: 32, "
        "labels: {AP: {column: View Position, equals: AP}}}\n"
    )
    parts = parts_of(read_recipe(path), tmp_path / "cache", quiet)
    patients = [
        {parts.train.store.patients[row] for row in part.rows}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert sum(map(len, patients)) == 20 == len(set.union(*patients))
    assert parts.train.labels.unique().tolist() == [0, 1]


@pytest.fixture
def manifest(tmp_path):
    """Sixty films of thirty patients; a manifest is saved by the test, after its changes."""
    for film in range(60):
        Image.fromarray(np.full((40, 40), film, np.uint8)).save(tmp_path / f"{film}.png")
    films = pd.DataFrame({"film": [f"f{film}" for film in range(60)]})
    films["path"] = [f"{film}.png" for film in range(60)]
    films["patient"] = [f"p{film // 2}" for film in range(60)]
    films["finding:Mass"] = [(1.0, 0.0, -1.0, np.nan)[film % 4] for film in range(60)]
    films["finding:Edema"] = 0.0
    films["score:grey"] = np.arange(60.0)
    return films


@pytest.fixture
def parts(tmp_path, manifest):
    def parts(*changes):
        Manifest("made", tmp_path, manifest).save(tmp_path / "manifest")
        path = tmp_path / "made.yaml"
        path.write_text(f"name: made\ndata: {{kind: manifest, folder: {tmp_path}/manifest, size: 32}}\n")
        return parts_of(read_recipe(path, changes), tmp_path / "cache", quiet)

    return parts


def patients_of(part):
    return {part.store.patients[row] for row in part.rows}


def ids_of(part):
    return [part.ids[row] for row in part.rows]


def test_the_parts_of_a_manifest_are_those_of_its_column(parts, manifest):
    manifest["split"] = ["train"] * 40 + ["validation"] * 8 + ["test"] * 12
    found = parts()
    assert [len(part) for part in found] == [40, 8, 12]
    assert ids_of(found.validation) == [f"f{k}" for k in range(40, 48)]
    assert found.targets == ("Mass", "Edema")


def test_a_missing_validation_part_is_cut_from_the_training_part_by_patient(parts, manifest):
    manifest["split"] = ["train"] * 48 + ["test"] * 12
    found = parts("data.validation_share=0.3")
    assert ids_of(found.test) == [f"f{k}" for k in range(48, 60)]
    assert len(found.train) + len(found.validation) == 48
    assert not patients_of(found.train) & patients_of(found.validation)


def test_a_patient_in_two_published_parts_is_a_leak(parts, manifest):
    manifest["split"] = ["train"] * 31 + ["validation"] * 9 + ["test"] * 20
    with pytest.raises(LabelError, match="1 patients in more than one split"):
        parts()


def test_other_films_of_test_patients_are_not_trained_on(parts, manifest):
    manifest["split"] = ["test" if film in (0, 2, 4) else "" for film in range(60)]
    found = parts()
    assert ids_of(found.test) == ["f0", "f2", "f4"]
    assert not (patients_of(found.train) | patients_of(found.validation)) & {"p0", "p1", "p2"}


@pytest.mark.parametrize(("policy", "value"), [("ignore", None), ("zero", 0.0), ("one", 1.0)])
def test_doubts_are_decided_by_the_recipe(parts, policy, value):
    found = parts("data.split=patients", f"data.uncertain={policy}")
    labels = dict(zip(found.train.ids, found.train.truth[:, 0].tolist(), strict=True))
    assert labels["f0"] == 1
    assert np.isnan(labels["f2"]) if value is None else labels["f2"] == value
    assert np.isnan(labels["f3"])


def test_half_a_label_is_refused_before_any_film_is_read(parts, manifest, tmp_path):
    Manifest("made", tmp_path, manifest, uncertain={"Mass": "soft"}).save(tmp_path / "soft")
    with pytest.raises(LabelError, match=r"'soft'.*data\.uncertain"):
        parts(f"data.folder={tmp_path}/soft")
    assert not (tmp_path / "cache").exists()


def test_a_finding_that_is_not_there_is_named(parts):
    with pytest.raises(LabelError, match=r"Mess.*Mass"):
        parts("data.split=patients", "data.findings=[Mess]")


def test_a_film_that_was_deleted_stops_the_run_before_it_begins(parts, tmp_path):
    (tmp_path / "7.png").unlink()
    with pytest.raises(InputError, match="7"):
        parts("data.split=patients")


def test_films_and_labels_and_division_have_a_fingerprint(parts, manifest, tmp_path):
    seen = [parts("data.split=patients").fingerprint]
    assert parts_of_again(tmp_path, parts, "data.split=patients") == seen[0]
    seen.append(parts_of_again(tmp_path, parts, "data.split=patients", "data.test_share=0.4"))
    Image.fromarray(np.full((40, 40), 99, np.uint8)).save(tmp_path / "5.png")
    seen.append(parts_of_again(tmp_path, parts, "data.split=patients"))
    manifest.loc[5, "finding:Edema"] = 1.0
    seen.append(parts_of_again(tmp_path, parts, "data.split=patients"))
    assert len(set(seen)) == 4


def parts_of_again(tmp_path, parts, *changes):
    (tmp_path / "manifest").rename(tmp_path / f"old-{len(list(tmp_path.glob('old-*')))}")
    return parts(*changes).fingerprint


def test_a_part_without_films_is_told(parts, manifest):
    manifest["patient"] = "one"
    with pytest.raises(LabelError, match="enough for three parts"):
        parts()


def test_weights_come_from_the_training_part_alone(parts, manifest):
    manifest["split"] = ["train"] * 40 + ["validation"] * 8 + ["test"] * 12
    manifest["finding:Mass"] = [float(film < 4) for film in range(40)] + [1.0] * 20
    labels = parts().train.labels
    assert labels[:, 0].sum() == 4
    assert len(labels) == 40
