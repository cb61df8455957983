from __future__ import annotations

import os
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets import store
from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.store import store_of
from plainfilm.errors import ArtifactError, InputError
from plainfilm.findings import LUNGS
from plainfilm.radiograph import Placement

TARGETS = ("Effusion", "Mass", "Unheard of")


def test_rows_are_the_studies(tmp_path):
    phantom = Phantom(6, 64, seed=3)
    seen: list[int] = []
    films = store_of(phantom, TARGETS, 64, tmp_path, progress=seen.append)
    assert seen == [0, 1, 2, 3, 4, 5, 6]
    assert len(films) == 6
    assert films.size == 64
    images, lungs = films.take(range(6)), films.lung_masks(range(6))
    for index in range(6):
        study = phantom[index]
        assert np.abs(images[index] / 255 - study.radiograph.pixels).max() <= 0.5 / 255 + 1e-6
        np.testing.assert_array_equal(lungs[index], study.lungs)
        expected = [study.findings["Effusion"], study.findings["Mass"], np.nan]
        np.testing.assert_array_equal(films.labels[index], np.array(expected, np.float32))
        assert films.patients[index] == study.patient


def test_a_film_is_rendered_once(tmp_path):
    first = store_of(Phantom(2, 32, seed=3), TARGETS, 32, tmp_path, workers=1)
    seen: list[int] = []
    again = store_of(Phantom(3, 32, seed=3), TARGETS, 32, tmp_path, workers=1, progress=seen.append)
    assert seen == [2, 3], "the third film alone is new"
    np.testing.assert_array_equal(first.take([0, 1]), again.take([0, 1]))
    other = store_of(Phantom(2, 32, seed=4), TARGETS, 32, tmp_path, workers=1)
    assert not np.array_equal(first.take([0]), other.take([0]))


def test_any_order_of_rows_can_be_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHARD", 2)
    phantom = Phantom(5, 32, seed=3)
    films = store_of(phantom, TARGETS, 32, tmp_path, workers=1)
    assert len(films.shards) == 3
    rows = [4, 0, 0, 3]
    np.testing.assert_array_equal(films.take(rows), np.stack([films.take([row])[0] for row in rows]))
    np.testing.assert_array_equal(films.lung_masks(rows)[3], phantom[3].lungs)


def test_what_was_done_before_a_failure_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHARD", 2)

    def stop(done: int) -> None:
        if done == 3:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store_of(Phantom(4, 32, seed=3), TARGETS, 32, tmp_path, workers=1, progress=stop)
    seen: list[int] = []
    store_of(Phantom(4, 32, seed=3), TARGETS, 32, tmp_path, workers=1, progress=seen.append)
    assert seen == [2, 3, 4]


def test_a_damaged_shard_is_refused(tmp_path):
    store_of(Phantom(2, 32, seed=3), TARGETS, 32, tmp_path, workers=1)
    (images,) = tmp_path.glob("*/*/images.npy")
    images.write_bytes(images.read_bytes()[:50])
    with pytest.raises(ArtifactError, match="made again"):
        store_of(Phantom(2, 32, seed=3), TARGETS, 32, tmp_path, workers=1)


@pytest.fixture
def films(tmp_path):
    """Three films of 8 x 8 and a function that opens their store."""
    for name in "abc":
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / f"{name}.png")

    def opened(mass=(1, 0, 1), lungs=(0, 0, 4, 8)) -> store.FilmStore:
        table = pd.DataFrame({"film": list("abc"), "path": ["a.png", "b.png", "c.png"], "finding:Mass": mass})
        left, top, width, height = lungs
        ring = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
        drawn = annotation_table([Annotation("a", LUNGS, "polygon", [ring])])
        return store_of(
            Manifest("films", tmp_path, table, drawn), ("Mass",), 8, tmp_path / "cache", workers=1
        )

    return opened


def test_labels_are_those_of_the_table_today(films):
    assert films().labels[:, 0].tolist() == [1, 0, 1]
    assert films(mass=(1, 1, 1)).labels[:, 0].tolist() == [1, 1, 1]


def test_a_film_that_is_replaced_is_read_again(films, tmp_path):
    before = films().take([0, 1, 2])
    status = (tmp_path / "b.png").stat()
    Image.fromarray(np.full((8, 8), 91, np.uint8)).save(tmp_path / "b.png")
    os.utime(tmp_path / "b.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = films().take([0, 1, 2])
    np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
    assert (after[1] == 91).all()


def test_lungs_that_are_redrawn_are_drawn_again(films):
    assert films().lung_masks([0])[0, :, 7].sum() == 0
    assert films(lungs=(0, 0, 8, 8)).lung_masks([0])[0, :, 7].sum() > 0


def test_the_cache_changes_no_number(films, tmp_path):
    cold, warm = films(), films()
    np.testing.assert_array_equal(cold.take([0, 1, 2]), warm.take([0, 1, 2]))
    study = Manifest("one", tmp_path, pd.DataFrame({"film": ["b"], "path": ["b.png"]}))[0]
    fresh = Placement.centre_crop((8, 8), (8, 8)).sample(study.radiograph.pixels)
    np.testing.assert_array_equal(cold.take([1])[0], (fresh * 255 + 0.5).astype(np.uint8))


def test_equal_films_share_a_row(films):
    assert len(films().shards[0][0]) == 2, "b and c are the same film; a has lungs"


def test_a_film_that_is_gone_is_named(films, tmp_path):
    films()
    (tmp_path / "b.png").unlink()
    with pytest.raises(InputError, match=r"b\.png"):
        films()


def test_processes_share_a_cache(tmp_path):
    processes = [get_context("spawn").Process(target=_open, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert not list(tmp_path.glob("*/.*part"))


def _open(cache):
    films = store_of(Phantom(5, 32, seed=3), TARGETS, 32, cache, workers=1)
    assert films.take(range(5)).any()


def test_a_data_set_is_sent_to_each_process_once(tmp_path, monkeypatch):
    sent = []

    def counted(phantom):
        sent.append(phantom)
        return phantom.__dict__

    monkeypatch.setattr(Phantom, "__getstate__", counted)
    films = store_of(Phantom(6 * 16, 32, seed=3), TARGETS, 32, tmp_path, workers=2)
    assert 1 <= len(sent) <= 2
    assert films.patients[-1] == "phantom-3-00095"
