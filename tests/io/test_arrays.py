"""NumPy's files: what was written comes back, bombs and pickles do not (fault 62)."""

from __future__ import annotations

import json
import pickle
import struct
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plainfilm.errors import ArtifactError
from plainfilm.io.arrays import map_npy, read_npz

ARRAYS = {
    "map": np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "record": np.array(json.dumps({"film": "naïve"})),
    "none": np.zeros((0, 3), np.uint8),
}


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.sentinel,)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_numpy_reads_them(tmp_path: Path, save: object) -> None:
    save(tmp_path / "a.npz", **ARRAYS)
    found, expected = read_npz(tmp_path / "a.npz"), np.load(tmp_path / "a.npz")
    assert found.keys() == set(expected)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])
        assert array.dtype == expected[name].dtype
        assert array.flags.writeable


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", map=np.zeros(300 << 20, np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    assert peak_of(tmp_path / "a.npz", "at most 256 MB") < 1 << 20


def test_a_bomb_whose_table_lies_is_never_unpacked_beyond_it(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", map=np.zeros(64 << 20, np.uint8))
    blob = bytearray((tmp_path / "a.npz").read_bytes())
    at = blob.index(b"PK\x01\x02")  # the entry of the table, whose size lies 24 bytes on
    blob[at + 24 : at + 28] = struct.pack("<I", 2000)
    (tmp_path / "a.npz").write_bytes(blob)
    assert peak_of(tmp_path / "a.npz", "cannot be read") < 4 << 20


@pytest.mark.parametrize("shape", ["(1099511627776,)", "(6, 6)", "(-1,)", "()"])
def test_a_header_that_promises_more_or_less_than_there_is_sets_no_memory_aside(
    tmp_path: Path, shape: str
) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("map.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(9))
    assert peak_of(tmp_path / "a.npz", "9 bytes for an array") < 1 << 20


def peak_of(path: Path, match: str) -> int:
    """Bytes that a refusal took at most."""
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactError, match=match):
            read_npz(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    sentinel, stream = tmp_path / "ran", BytesIO()
    objects = np.array([Malicious(sentinel)], dtype=object)
    np.save(stream, objects, allow_pickle=True)
    for content, match in [(stream.getvalue(), "Python objects"), (pickle.dumps(objects), "magic string")]:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("map.npy", content)
        with pytest.raises(ArtifactError, match=match):
            read_npz(tmp_path / "a.npz")
    assert not sentinel.exists()
    pickle.loads(pickle.dumps(objects))
    assert sentinel.exists(), "the pickle would have run"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>", None])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")


def test_an_array_is_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAYS["map"])
    found = map_npy(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, ARRAYS["map"])
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_a_pickle_is_not_mapped(tmp_path: Path) -> None:
    sentinel = tmp_path / "ran"
    np.save(tmp_path / "a.npy", np.array([Malicious(sentinel)], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match=r"a\.npy"):
        map_npy(tmp_path / "a.npy")
    assert not sentinel.exists()


def save_npy(path: Path, **arrays: np.ndarray) -> None:
    with path.open("wb") as file:  # by name, numpy would add a suffix
        np.save(file, arrays["map"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_raises_nothing_but_our_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.npz"
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed, save_npy]))
    save(path, map=ARRAYS["map"], record=ARRAYS["record"])
    blob = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        blob = blob[: data.draw(st.integers(0, len(blob) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if blob:
            blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(blob)
    try:
        map_npy(path) if save is save_npy else read_npz(path)
    except ArtifactError:
        return
