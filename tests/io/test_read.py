"""Dispatch by content, and the real films."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plainfilm.errors import InputError, ResourceError
from plainfilm.io.read import read
from plainfilm.io.scan import find_films


def test_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 100).save(tmp_path / "a.png")
    disguised = (tmp_path / "a.png").rename(tmp_path / "a.dcm")
    assert read(disguised).tags["Format"] == "PNG"


def test_a_web_page_saved_as_png_is_named_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_text("<html><body>404</body></html>")
    with pytest.raises(InputError, match=r'film\.png: got not an image \(starts with "<html"\) of 29 bytes'):
        read(path)


def test_an_empty_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "film.png").touch()
    with pytest.raises(InputError, match=r"film\.png: got a file of 0 bytes"):
        read(tmp_path / "film.png")


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("absent.png", "no such file"),
        ("", "a folder"),
        ("nul\0.png", "cannot be opened"),
        ("x" * 300, "cannot"),
    ],
)
def test_paths_that_are_no_file_are_refused(tmp_path: Path, name: str, got: str) -> None:
    with pytest.raises(InputError, match=got):
        read(tmp_path / name)


def test_a_forbidden_file_is_a_matter_of_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ResourceError, match="read permission"):
        read(tmp_path / "film.png")


def test_an_unknown_colour_rule_is_refused() -> None:
    with pytest.raises(InputError, match="colour='mean'"):
        read("film.png", colour="mean")


def test_a_film_declared_inverted_is_turned_to_white_is_dense_and_says_so(tmp_path: Path) -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / "a.png")
    positive, negative = (read(tmp_path / "a.png", bits=12, inverted=given) for given in (False, True))
    np.testing.assert_array_equal(negative.pixels, 1 - positive.pixels)
    assert negative.tags == {**positive.tags, "Inverted": "YES"}
    assert (negative.id, negative.warnings) == (positive.id, positive.warnings)


def test_a_dicom_film_is_inverted_on_demand_but_tells_its_bits_itself(
    write_dicom: Callable[..., Path], ramp: np.ndarray
) -> None:
    path = write_dicom(ramp, 12)  # for a file whose PhotometricInterpretation is known to be wrong
    np.testing.assert_array_equal(read(path, inverted=True).pixels, 1 - read(path).pixels)
    with pytest.raises(InputError, match="bits=12 of a DICOM file"):
        read(path, bits=12)


def test_reading_a_png_imports_neither_torch_nor_pydicom(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 100).save(tmp_path / "a.png")
    code = (
        "import sys; from plainfilm.io.read import read; read(sys.argv[1]);"
        "print({'torch', 'pydicom'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    assert subprocess.check_output(command, env=environment, text=True).strip() == "set()"


@pytest.mark.parametrize("folder", ["nih/images_384", "nih/images_1024", "brixia/images", "tbx11k", "dicom"])
def test_real_films_are_read(real_data: Path, folder: str) -> None:
    for path in find_films(real_data / folder)[:40]:
        film = read(path)
        assert film.pixels.dtype == np.float32
        assert film.pixels.max() > 0.5
        assert film.pixels.std() > 0.05
        assert film.id == path.stem


def test_the_real_twins_are_each_other_inverted(real_data: Path) -> None:
    siim = read(real_data / "dicom" / "1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm")
    fake = read(real_data / "dicom" / "Fake_MONOHR1.dcm")  # the same stored values under the other tag
    np.testing.assert_allclose(fake.pixels, 1 - siim.pixels, atol=1e-6)
    assert (siim.view, siim.spacing) == ("PA", (0.168, 0.168))
