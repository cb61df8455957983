"""Deflated DICOM: what is small stays readable, and no header hides a bomb (fault 21)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from plainfilm.errors import InputError
from plainfilm.io import deflated
from plainfilm.io.deflated import BoundedFile
from plainfilm.io.read import read


def deflate(data: bytes) -> bytes:
    """Without the header and the checksum of zlib, as DICOM wants it."""
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    monkeypatch.setattr(deflated, "LIMIT", 3 << 20)
    packed = deflate(bytes((3 << 20) + extra))
    (tmp_path / "a").write_bytes(packed)
    with BoundedFile(FileIO(tmp_path / "a")) as file:
        if extra:
            with pytest.raises(InputError, match="grows beyond 3 MB"):
                file.read()
        else:
            assert file.read() == packed


def test_a_part_of_the_file_is_handed_out_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflated, "LIMIT", 1)
    (tmp_path / "a").write_bytes(deflate(bytes(1000)))
    with BoundedFile(FileIO(tmp_path / "a")) as file:
        assert file.read(4) == deflate(bytes(1000))[:4]


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("disguise", ["none", "wrong length of the header", "no preamble"])
def test_a_deflated_bomb_is_refused(
    build: Callable[..., Dataset],
    tmp_path: Path,
    ramp: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    disguise: str,
) -> None:
    monkeypatch.setattr(deflated, "LIMIT", 4 << 20)
    dataset = build(ramp, 12, ImageComments="0" * (8 << 20))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = tmp_path / "film.dcm"
    dataset.save_as(path, enforce_file_format=True)
    whole = bytearray(path.read_bytes())
    assert len(whole) < 100_000
    if disguise == "wrong length of the header":
        whole[140:144] = len(whole).to_bytes(4, "little")  # the rest would seem to begin at the end
    path.write_bytes(whole[132:] if disguise == "no preamble" else whole)
    with pytest.raises(InputError, match="grows beyond 4 MB"):
        read(path)
