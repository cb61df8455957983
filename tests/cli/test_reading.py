from __future__ import annotations

import pytest

from plainfilm.cli.reading import read_data_set
from plainfilm.errors import LabelError

TABLE = "file,who,No,words\na.png,7,1,Mass|Edema\nb.png,7,0,None\n"
NEEDED = ["id_column=file", "patient_column=who"]


@pytest.fixture
def folder(tmp_path, save_film):
    for name in ("a.png", "b.png"):
        save_film(tmp_path / name)
    (tmp_path / "labels.csv").write_text(TABLE)
    return tmp_path


@pytest.fixture
def read(folder):
    csv = f"csv={folder / 'labels.csv'}"
    return lambda options, labels=(): read_data_set("table", folder, [csv, *options], labels)


def test_a_table_is_read_by_options_and_labels(read):
    made = read(NEEDED, ["Hernia=No", "Mass=words:Mass"])
    assert made.ids == ("a", "b")
    assert made.patients == ("7", "7")
    assert made.labels(["Hernia", "Mass"]).tolist() == [[1, 1], [0, 0]]


def test_a_column_that_yaml_takes_for_something_else_stays_text(read):
    made = read(["id_column=file", "patient_column=No"], ["Hernia=No"])
    assert made.patients == ("1", "0")


def test_nothing_after_the_sign_means_there_is_none(read):
    assert read(["id_column=file", "patient_column="], ["Hernia=No"]).patients == ("a", "b")


@pytest.mark.parametrize(
    ("options", "labels", "message"),
    [
        (["id_colum=file"], (), "Did you mean 'id_column'"),
        (["colour=red"], (), "It has csv, id_column"),
        (["id_column"], (), "NAME=VALUE"),
        (["labels={"], (), "a value in YAML"),
        ([], (), "no id_column"),
        (["id_column=file"], (), "nothing after = where there is none"),
        (NEEDED, (), "Add --label FINDING=COLUMN"),
        (NEEDED, ["Hernia"], "FINDING=COLUMN or FINDING=COLUMN:WORD"),
        (NEEDED, ["=No"], "FINDING=COLUMN or FINDING=COLUMN:WORD"),
        (NEEDED, ["Hernia=Number:"], "FINDING=COLUMN or FINDING=COLUMN:WORD"),
        (NEEDED, ["Hernia=Number"], "Number"),
    ],
)
def test_what_is_wrong_or_missing_is_named_with_what_to_do(read, options, labels, message):
    with pytest.raises(LabelError, match=message):
        read(options, labels)


def test_an_unknown_reader_is_refused_with_its_neighbours(tmp_path):
    with pytest.raises(LabelError, match="nih"):
        read_data_set("nhi", tmp_path, [], [])
