"""What is a film among files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from plainfilm.errors import InputError
from plainfilm.io.scan import find_films


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.PNG", "a/z.dcm", "a/y.jpeg", "readme.txt", ".hidden.png", ".git/x.png", "labels.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "LICENSE").write_text("text")
    return tmp_path


def names(films: list[Path], root: Path) -> list[str]:
    return [film.relative_to(root).as_posix() for film in films]


def test_a_folder_is_searched_to_any_depth_in_sorted_order(folder: Path) -> None:
    assert names(find_films(folder), folder) == ["IM0001", "a/y.jpeg", "a/z.dcm", "b.PNG"]


def test_files_keep_the_order_given_and_appear_once(folder: Path) -> None:
    found = find_films([folder / "b.PNG", str(folder / "a"), folder / "b.PNG"])
    assert names(found, folder) == ["b.PNG", "a/y.jpeg", "a/z.dcm"]


def test_a_file_named_outright_is_kept_whatever_its_suffix(folder: Path) -> None:
    assert find_films(folder / "readme.txt") == [folder / "readme.txt"]


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder without films"):
        find_films(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        find_films(tmp_path / "absent")
    with pytest.raises(InputError, match="no path"):
        find_films([])
