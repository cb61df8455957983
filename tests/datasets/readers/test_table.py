from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.readers.table import Label, read_table
from plainfilm.errors import InputError, LabelError

RULES = (("Effusion", Label("Finding Labels", "Effusion")), ("Female", Label("Sex", "F")))
TEXT = (
    "Image,Patient,Finding Labels,Sex,Age,View,Part\n"
    "00123.png,007,Effusion|Mass,F,41,PA,train\nNA.png,NA,No Finding,M,,AP,\nmissing.png,9,,M,200,x,test\n"
)


@pytest.fixture
def table(tmp_path):
    for name in ("00123.png", "NA.png"):
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / name)

    def read(text=TEXT, labels=RULES, patient="Patient", **columns):
        (tmp_path / "labels.csv").write_text(text)
        return read_table(tmp_path, tmp_path / "labels.csv", "Image", patient, labels, **columns)

    return read


def findings(data, name):
    return data.labels((name,))[:, 0]


def test_rows_become_films_and_ids_stay_text(table):
    data = table()
    assert data.name == "labels"
    assert data.films["film"].tolist() == ["00123", "NA", "missing"]
    assert data.films["path"].tolist() == ["00123.png", "NA.png", ""]
    assert data.patients == ("007", "NA", "9")
    assert np.array_equal(data.labels(), [[1, 1], [0, 0], [np.nan, 0]], equal_nan=True)
    here = data.here()
    assert len(here) == 2
    assert here[1].radiograph.id == "NA"


def test_subgroups_are_read_where_their_columns_are_named(table):
    text = TEXT.replace("200", "")
    films = table(text, view_column="View", sex_column="Sex", age_column="Age", split_column="Part").films
    assert films["view"].tolist() == ["PA", "AP", ""]
    assert films["sex"].tolist() == ["F", "M", "M"]
    assert np.array_equal(films["age"], [41, np.nan, np.nan], equal_nan=True)
    assert films["split"].tolist() == ["train", "", "test"]


@pytest.mark.parametrize("age", ["abc", "-3", "200", "nan"])
def test_an_age_that_is_none_is_counted_and_refused(table, age):
    with pytest.raises(LabelError, match=rf"labels\.csv, Age: got the values '{age}' \(1 times\)"):
        table(TEXT.replace("200", age), age_column="Age")


def test_a_sex_that_is_none_is_counted_and_refused(table):
    with pytest.raises(LabelError, match=r"labels\.csv, Sex: got the values 'X' \(2 times\)"):
        table(TEXT.replace(",M,", ",X,"), sex_column="Sex")


def test_films_without_a_patient_column_are_patients(table):
    assert table(patient=None).patients == ("00123", "NA", "missing")


def test_a_finding_is_matched_whole(table):
    assert findings(table(labels=(("Mass", Label("Finding Labels", "Mas")),)), "Mass")[0] == 0


@pytest.mark.parametrize("one", ["1", "1.0"])
def test_numbers_are_read_however_they_are_written(table, one):
    text = "Image,Patient,Mass\na,1,1\nb,2,1.0\nc,3,0\nd,4,0.0\ne,5,-1\nf,6,\n"
    data = table(text, (("Mass", Label("Mass", one)),))
    assert np.array_equal(data.films["finding:Mass"], [1, 1, 0, 0, -1, np.nan], equal_nan=True)


def test_a_cell_says_nothing_where_the_rule_says_so_and_a_blank_is_else_absent(table):
    text = "Image,Patient,Mass\na,1,-1.0\nb,2,\nc,3,1.0\n"
    nothing = table(text, (("Mass", Label("Mass", "1.0", ("", "-1.0"))),))
    assert np.array_equal(nothing.films["finding:Mass"], [np.nan, np.nan, 1], equal_nan=True)
    all_said = table(text, (("Mass", Label("Mass", "1.0", ())),))
    assert all_said.films["finding:Mass"].tolist() == [-1, 0, 1]


@pytest.mark.parametrize("value", ["2", "0.5", "yes", "nan"])
def test_values_outside_the_declared_set_are_counted(table, value):
    text = f"Image,Patient,Mass\na,1,{value}\nb,2,1\nc,3,{value}\n"
    with pytest.raises(LabelError, match=rf"labels\.csv, Mass: got the values '?{value}'? \(2 times\)"):
        table(text, (("Mass", Label("Mass", "1")),))


def test_the_first_film_of_a_patient_is_not_filled_from_the_second(table):
    rules = tuple((name, Label(name, "1")) for name in ("Mass", "Edema"))
    data = table("Image,Patient,Mass,Edema\na,1,,0\nb,1,1,1\n", rules)
    first = data.select(~data.films["patient"].duplicated())
    assert np.array_equal(first.labels(), [[np.nan, 0]], equal_nan=True)


def test_ids_may_be_paths_with_the_same_file_names(table, tmp_path):
    for part in ("p1", "p2"):
        (tmp_path / part).mkdir()
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / part / "view.png")
    data = table("Image,Patient\np1/view.png,1\np2/view.png,2\n", ())
    assert data.films["film"].tolist() == ["p1/view", "p2/view"]
    assert data.films["path"].tolist() == ["p1/view.png", "p2/view.png"]


def test_a_table_without_rows_is_a_data_set_without_films(table):
    assert len(table(TEXT.splitlines()[0] + "\n", view_column="View", age_column="Age")) == 0


def test_what_is_missing_is_answered_with_close_names(table, tmp_path):
    with pytest.raises(LabelError, match=r"'Sexx'.*Close: Sex"):
        table(labels=(("F", Label("Sexx", "F")),))
    with pytest.raises(LabelError, match=r"'view'.*Close: View"):
        table(view_column="view")
    with pytest.raises(InputError, match=r"absent\.csv"):
        read_table(tmp_path, tmp_path / "absent.csv", "Image", None, RULES)


def test_an_id_twice_is_refused(table):
    with pytest.raises(LabelError, match="such as '00123'"):
        table(TEXT + "00123.png,1,,F,1,PA,\n")
