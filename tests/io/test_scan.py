"""What is a film among files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid

from plainfilm.errors import InputError
from plainfilm.io.read import read
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


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
def test_a_table_of_contents_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "secret.dcm").write_bytes(b"\0" * 128 + b"DICM")
    record, table = Dataset(), Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", ["..", "secret.dcm"]
    table.DirectoryRecordSequence = [record]
    table.file_meta = FileMetaDataset()
    table.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    table.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    table.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    table.save_as(tmp_path / "disk" / "DICOMDIR", enforce_file_format=True)
    with pytest.raises(InputError, match="a folder without films"):
        find_films(tmp_path / "disk")
    with pytest.raises(InputError, match="Media Storage Directory"):  # and not that the secret is broken
        read(tmp_path / "disk" / "DICOMDIR")
