from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from plainfilm.datasets.readers.google import FINDINGS, MERGED, read_google
from plainfilm.datasets.readers.nih import patient_of
from plainfilm.errors import InputError, LabelError

HEADER = "Image Index,Fracture,Pneumothorax,Airspace opacity,Nodule or mass,Set Id\n"


@pytest.fixture(scope="module")
def release(label_tables):
    return read_google(label_tables)


def test_the_release_has_its_films_parts_and_positives(release):
    assert len(release) == 4376
    assert release.films["split"].value_counts().to_dict() == {"validation": 2414, "test": 1962}
    assert release.findings == ("Fracture", "Pneumothorax", "Lung Opacity", "Nodule or Mass")
    assert release.labels().sum(0).tolist() == [186, 238, 2166, 605]
    assert release.labels().min() == 0


def test_table_a2_of_gifsplanation_is_reproduced_with_the_first_pa_film_of_each_patient(release):
    pa = release.select(release.films["view"] == "PA")
    assert pa.labels(("Lung Opacity", "Pneumothorax")).sum(0).tolist() == [364, 105]
    first = pa.select(~pa.films["patient"].duplicated())
    assert first.labels(("Lung Opacity", "Pneumothorax")).sum(0).tolist() == [221, 46]


def test_patients_are_those_of_nih(release, label_tables):
    with gzip.open(label_tables / f"{MERGED}.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(release.patients) == [row["Patient ID"] for row in rows]
    assert list(release.patients) == [patient_of(film) for film in release.films["film"]]
    slow = [[float(row[column] == "YES") for column in FINDINGS.values()] for row in rows]
    assert np.array_equal(release.labels(), slow)


def test_validation_films_are_training_films_of_nih_and_test_films_are_not(release, real_data):
    with (real_data / "nih" / "files.csv").open(newline="") as file:
        official = {patient_of(row["Image Index"]): row["official_split"] for row in csv.DictReader(file)}
    parts = release.films.groupby("split")["patient"].agg(set)
    assert {official[patient] for patient in parts["validation"] & official.keys()} == {"train_val"}
    assert {official[patient] for patient in parts["test"] & official.keys()} == {"test"}


def test_two_tables_are_one_and_columns_of_nih_may_be_absent(tmp_path):
    (tmp_path / "validation_labels.csv").write_text(f"{HEADER}00000013_008.png,YES,NO,NO,yes,val\n")
    (tmp_path / "test_labels.csv").write_text(f"{HEADER}00000014_000.png,NO,NO,YES,NO,test\n")
    data = read_google(tmp_path)
    assert data.films["split"].tolist() == ["validation", "test"]
    assert data.films["view"].tolist() == ["", ""]
    assert data.patients == ("13", "14")
    assert data.labels().tolist() == [[1, 0, 0, 1], [0, 0, 1, 0]]


def test_answers_other_than_yes_and_no_are_counted(tmp_path):
    (tmp_path / "mine.csv").write_text(f"{HEADER}00000013_008.png,MAYBE,NO,NO,NO,val\n")
    with pytest.raises(LabelError, match=r"google, Fracture: got the values 'MAYBE' \(1 times\)"):
        read_google(tmp_path, table=tmp_path / "mine.csv")


def test_labels_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match=r"google2019.*or validation_labels\.csv or test_labels\.csv"):
        read_google(tmp_path)


def test_real_films_are_found(real_data):
    folder = real_data / "nih"
    here = read_google(folder / "images_1024", table=folder / "google2019.subset.csv").here()
    assert len(here) >= 5
    assert here[0].findings.keys() == set(FINDINGS)
