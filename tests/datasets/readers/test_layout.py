from __future__ import annotations

import gzip
import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from plainfilm.datasets.readers import ABOUT, READERS, reader
from plainfilm.datasets.readers.layout import (
    ages,
    coded,
    film_key,
    find_optional,
    find_table,
    locate,
    read_csv,
    sexes,
    views,
)
from plainfilm.errors import InputError, LabelError, ResourceError

TEXT = "\ufeffId, Mass ,,\n00123,1,,\nNA,,,\nnull,0.50,,\n"


@pytest.fixture
def films(tmp_path):
    def lay(*paths: str):
        for path in paths:
            place = tmp_path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        return tmp_path

    return lay


def write(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_cells_stay_text_and_names_lose_their_blanks(tmp_path):
    table = read_csv(write(tmp_path, TEXT), ("Id", "Mass"))
    assert table.columns.tolist() == ["Id", "Mass"]
    assert table.to_numpy().tolist() == [["00123", "1"], ["NA", ""], ["null", "0.50"]]


def test_packed_tables_are_read_the_same(tmp_path):
    plain = read_csv(write(tmp_path, TEXT))
    with gzip.open(tmp_path / "table.csv.gz", "wb") as file:
        file.write(TEXT.encode())
    with zipfile.ZipFile(tmp_path / "table.csv.zip", "w") as archive:
        archive.writestr("inside.csv", TEXT)
    for packing in (".gz", ".zip"):
        assert read_csv(tmp_path / f"table.csv{packing}").equals(plain)


def test_another_separator_and_short_rows(tmp_path):
    table = read_csv(write(tmp_path, "a;b;c\n1;2;3\n4\n"), sep=";")
    assert table.to_numpy().tolist() == [["1", "2", "3"], ["4", "", ""]]


@pytest.mark.parametrize(("asked", "close"), [("mass", "Mass"), ("Mass ", "Mass"), ("Massive", "Mass")])
def test_a_missing_column_is_answered_with_close_and_available_names(tmp_path, asked, close):
    with pytest.raises(LabelError, match=rf"table\.csv: got no column '{asked}'.*Id, Mass.*Close: {close}"):
        read_csv(write(tmp_path, TEXT), (asked,))


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(LabelError, match="such as 'Mass'"):
        read_csv(write(tmp_path, "Id,Mass,Mass \na,1,0\n"))


@pytest.mark.parametrize("text", ["", "a,b\n1,2,3\n"])
def test_a_table_with_no_columns_or_too_many_values_is_refused(tmp_path, text):
    with pytest.raises(LabelError, match=r"table\.csv"):
        read_csv(write(tmp_path, text))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv"):
        read_csv(tmp_path / "gone.csv")
    (tmp_path / "film.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match=r"film\.csv"):
        read_csv(tmp_path / "film.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(TEXT.encode() * 100)[:-12])
    with pytest.raises(InputError, match=r"cut\.csv\.gz"):
        read_csv(tmp_path / "cut.csv.gz")
    (tmp_path / "cut.csv.zip").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match=r"cut\.csv\.zip"):
        read_csv(tmp_path / "cut.csv.zip")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = write(tmp_path, TEXT)
    path.chmod(0)
    with pytest.raises(ResourceError, match="permission"):
        read_csv(path)


def test_tables_are_found_by_official_name_packed_or_one_folder_down(tmp_path):
    assert find_optional(tmp_path, "labels.csv") is None
    (tmp_path / "inner").mkdir()
    deep = write(tmp_path / "inner", TEXT, "labels.csv.gz")
    assert find_table(tmp_path, "other.csv", "labels.csv") == deep
    near = write(tmp_path, TEXT, "labels.csv")
    assert find_table(tmp_path, "labels.csv") == near
    assert find_table(tmp_path, "labels.csv", given=deep) == deep


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"labels\.csv or older\.csv"):
        find_table(tmp_path, "labels.csv", "older.csv")
    with pytest.raises(InputError, match=r"mine\.csv"):
        find_optional(tmp_path, "labels.csv", given=tmp_path / "mine.csv")
    with pytest.raises(InputError, match="no such folder"):
        find_optional(tmp_path / "gone", "labels.csv")


def test_films_are_found_flat_nested_and_under_another_suffix(films):
    root = films("a.png", "images_001/images/b.png", "study/series/1.2.840.5.dcm", "c.JPG", "notes.txt")
    names = ["a.png", "b.png", "1.2.840.5", "c.png", "notes", "gone.png"]
    assert locate(root, names) == ["a.png", "images_001/images/b.png", "study/series/1.2.840.5.dcm",
                                   "c.JPG", "", ""]  # fmt: skip


def test_films_may_be_named_by_the_end_of_their_path(films):
    root = films("x/p1/view1.jpg", "x/p2/view1.jpg", ".trash/p3/view1.jpg", "x/p4/.hidden.jpg")
    assert locate(root, ["p2/view1.jpg", "x/p1/view1", "p3/view1", "p4/.hidden"]) == [
        "x/p2/view1.jpg", "x/p1/view1.jpg", "", ""]  # fmt: skip
    with pytest.raises(LabelError, match=r"x/p1/view1\.jpg and x/p2/view1\.jpg"):
        locate(root, ["view1.jpg"])


def test_of_two_suffixes_the_one_that_was_asked_for_is_taken(films):
    root = films("a.png", "a.jpg")
    assert locate(root, ["a.png", "a.jpg"]) == ["a.png", "a.jpg"]
    with pytest.raises(LabelError, match="two files"):
        locate(root, ["a"])


def test_a_second_folder_is_walked_anew(films, tmp_path):
    root = films("one/a.png", "two/inner/a.png")
    assert [locate(root / part, ["a"]) for part in ("one", "two")] == [["a.png"], ["inner/a.png"]]
    with pytest.raises(InputError, match="no such folder"):
        locate(root / "three", ["a"])


def test_ids_lose_only_suffixes_of_films():
    assert [film_key(name) for name in ("x/00123.png", "NA.DCM", "1.2.840", "a.b.jpeg")] == [
        "00123", "NA", "1.2.840", "a.b"]  # fmt: skip


def test_words_become_the_house_spelling_or_nothing():
    assert sexes(pd.Series(["F", "male ", "Unknown", ""])).tolist() == ["F", "M", "", ""]
    assert views(pd.Series(["pa", "AP", "LL", "Lateral", "COSTAL", ""])).tolist() == [
        "PA", "AP", "LATERAL", "LATERAL", "", ""]  # fmt: skip
    assert np.array_equal(
        ages(pd.Series(["57", "058Y", "414", "", "x", "0"])), [57, 58, np.nan, np.nan, np.nan, 0], True
    )


def test_words_outside_the_declared_set_are_counted():
    answers = {"YES": 1.0, "NO": 0.0, "": np.nan}
    assert np.array_equal(coded(pd.Series(["YES", " NO", ""]), answers, "q"), [1, 0, np.nan], True)
    with pytest.raises(LabelError, match=r"q: got the values 'maybe' \(2 times\), '2' \(1 times\)"):
        coded(pd.Series(["maybe", "2", "maybe", "YES"]), answers, "q")


def test_every_reader_is_found_by_its_name():
    assert READERS.keys() == ABOUT.keys()
    assert {reader(name).__name__ for name in READERS} == {f"read_{name}" for name in READERS}


def test_a_near_miss_is_answered():
    with pytest.raises(LabelError, match=r"'nhi'.*Close: nih"):
        reader("nhi")
