from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.store import FilmStore, store_of
from plainfilm.datasets.table import Label, TableDataset
from plainfilm.errors import ArtifactError

TARGETS = ("Effusion", "Mass", "Unheard of")


def test_rows_are_the_studies(tmp_path):
    phantom = Phantom(6, 64, seed=3)
    seen: list[int] = []
    store = store_of(phantom, TARGETS, 64, tmp_path, progress=seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]
    for index in range(6):
        study = phantom[index]
        assert np.abs(store.images[index] / 255 - study.radiograph.pixels).max() <= 0.5 / 255 + 1e-6
        np.testing.assert_array_equal(store.lung_mask(index), study.lungs)
        expected = [study.findings["Effusion"], study.findings["Mass"], np.nan]
        np.testing.assert_array_equal(store.labels[index], np.array(expected, np.float32))
        assert store.patients[index] == study.patient


def test_a_store_is_made_once_and_again_for_other_films(tmp_path):
    first = store_of(Phantom(2, 32, seed=3), TARGETS, 32, tmp_path, workers=1)
    again = store_of(Phantom(2, 32, seed=3), TARGETS, 32, tmp_path, workers=1, progress=pytest.fail)
    other = store_of(Phantom(2, 32, seed=4), TARGETS, 32, tmp_path, workers=1)
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failing_study_leaves_no_store(tmp_path):
    with pytest.raises(RuntimeError, match="stop"):
        store_of(Phantom(2, 32, seed=3), TARGETS, 32, tmp_path, workers=1, progress=_stop)
    assert not list(tmp_path.iterdir())


def _stop(done: int) -> None:
    raise RuntimeError("stop")


def test_a_damaged_store_is_refused(tmp_path):
    store_of(Phantom(2, 32, seed=3), TARGETS, 32, tmp_path, workers=1)
    folder = next(tmp_path.iterdir())
    meta = json.loads((folder / "store.json").read_text())
    del meta["targets"]
    (folder / "store.json").write_text(json.dumps(meta))
    with pytest.raises(ArtifactError, match="made again"):
        FilmStore.open(folder)


@pytest.fixture
def table(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / name)
    (tmp_path / "labels.csv").write_text("Image,Finding\na.png,Mass\nb.png,None\nc.png,Mass\n")

    def opened() -> FilmStore:
        rules = (("Mass", Label("Finding", "Mass")),)
        data = TableDataset(tmp_path, tmp_path / "labels.csv", "Image", None, rules)
        return store_of(data, ("Mass",), 8, tmp_path / "cache", workers=1)

    return opened


def test_edited_labels_make_another_store(table, tmp_path):
    assert table().labels[:, 0].tolist() == [1, 0, 1]
    (tmp_path / "labels.csv").write_text("Image,Finding\na.png,Mass\nb.png,Mass\nc.png,Mass\n")
    assert table().labels[:, 0].tolist() == [1, 1, 1]


def test_a_film_replaced_in_the_middle_makes_another_store(table, tmp_path):
    before = table()
    np.testing.assert_array_equal(before.images, table().images)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    Image.fromarray(np.full((9, 9), 10, np.uint8)).save(tmp_path / "b.png")
    assert not np.array_equal(before.images[1], table().images[1])


def test_a_data_set_is_sent_to_each_process_once(tmp_path, monkeypatch):
    sent = []

    def counted(phantom):
        sent.append(phantom)
        return phantom.__dict__

    monkeypatch.setattr(Phantom, "__getstate__", counted)
    store = store_of(Phantom(6 * 16, 32, seed=3), TARGETS, 32, tmp_path, workers=2)
    assert 1 <= len(sent) <= 2
    assert store.patients[-1] == "phantom-3-00095"
