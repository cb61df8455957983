from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from plainfilm.audit.maps import BLOCK, MapStore
from plainfilm.errors import ArtifactError, ResourceError


@pytest.fixture
def maps() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(BLOCK + 3, 5, 4)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path, maps: np.ndarray) -> MapStore:
    """Two blocks of one method."""
    store = MapStore(tmp_path / "maps", len(maps))
    store.write("gradient", 0, maps[:BLOCK])
    store.write("gradient", 1, maps[BLOCK:])
    return store


def test_what_is_written_is_read(store: MapStore, maps: np.ndarray) -> None:
    for row, expected in enumerate(maps):
        np.testing.assert_array_equal(store.read("gradient", row), expected)


def test_a_store_that_is_opened_again_holds_the_same(store: MapStore, maps: np.ndarray) -> None:
    again = MapStore(store.folder, len(maps))
    np.testing.assert_array_equal(again.read("gradient", 17), maps[17])


def test_a_block_can_be_written_twice(store: MapStore, maps: np.ndarray) -> None:
    store.write("gradient", 1, maps[BLOCK:] + 1)
    np.testing.assert_array_equal(store.read("gradient", BLOCK), maps[BLOCK] + 1)
    np.testing.assert_array_equal(store.read("gradient", 0), maps[0])


def test_methods_have_maps_of_their_own_size(store: MapStore) -> None:
    store.write("grad-cam", 0, np.ones((BLOCK, 2, 2)))
    assert store.read("grad-cam", 3).shape == (2, 2)
    assert store.read("gradient", 3).shape == (5, 4)


def test_maps_that_are_not_there_are_missing_and_not_damaged(store: MapStore) -> None:
    with pytest.raises(ArtifactError, match=r"missing maps of occlusion.*blocks/scores-\*"):
        store.read("occlusion", 0)


def test_a_row_beyond_the_last_is_an_error(store: MapStore) -> None:
    with pytest.raises(ArtifactError, match="map 19 of gradient"):
        store.read("gradient", 19)


def test_a_map_that_was_never_written_is_an_error(tmp_path: Path, maps: np.ndarray) -> None:
    store = MapStore(tmp_path, len(maps))
    store.write("gradient", 0, maps[:BLOCK])
    with pytest.raises(ArtifactError, match="never written"):
        store.read("gradient", BLOCK)


@pytest.mark.parametrize(("rows", "size"), [(19, (4, 5)), (20, (5, 4))])
def test_maps_of_another_size_or_number_are_refused(
    store: MapStore, rows: int, size: tuple[int, int]
) -> None:
    with pytest.raises(ArtifactError, match="the same command makes them again"):
        MapStore(store.folder, rows).write("gradient", 0, np.zeros((BLOCK, *size)))


def test_a_damaged_chunk_is_named_with_its_block(store: MapStore) -> None:
    chunk = store.path("gradient") / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:40])
    with pytest.raises(
        ArtifactError, match=r"damaged map 17 .*Remove maps/gradient/c/1 and blocks/scores-000001"
    ) as caught:
        store.read("gradient", 17)
    assert caught.value.where == str(store.path("gradient") / "c" / "1")
    assert np.isfinite(store.read("gradient", 0)).all()


def test_a_damaged_chunk_can_be_written_again(store: MapStore, maps: np.ndarray) -> None:
    for block in (0, 1):
        chunk = store.path("gradient") / "c" / str(block)
        (chunk / "0" / "0").write_bytes(b"")
        shutil.rmtree(chunk)
        store.write("gradient", block, maps[block * BLOCK : (block + 1) * BLOCK])
    np.testing.assert_array_equal([store.read("gradient", row) for row in range(len(maps))], maps)


def test_damaged_metadata_are_an_error(store: MapStore) -> None:
    (store.path("gradient") / "zarr.json").write_text("{")
    with pytest.raises(ArtifactError, match="damaged maps of gradient"):
        store.read("gradient", 0)
    with pytest.raises(ArtifactError, match="damaged metadata"):
        store.write("gradient", 0, np.zeros((BLOCK, 5, 4)))


def test_a_folder_that_a_kill_left_without_metadata_is_begun_again(store: MapStore, maps: np.ndarray) -> None:
    (store.path("gradient") / "zarr.json").unlink()
    store.write("gradient", 0, maps[:BLOCK])
    np.testing.assert_array_equal(store.read("gradient", 2), maps[2])


def test_a_method_of_another_package_cannot_leave_the_folder(tmp_path: Path) -> None:
    store = MapStore(tmp_path / "maps", 1)
    store.write("../../outside", 0, np.zeros((1, 2, 2)))
    assert store.path("../../outside").parent == store.folder
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]


def test_a_place_that_cannot_be_written_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "maps").write_text("a file")
    with pytest.raises(ResourceError):
        MapStore(tmp_path / "maps", 1).write("gradient", 0, np.zeros((1, 2, 2)))
