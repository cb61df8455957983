from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.table import Label, TableDataset
from plainfilm.errors import InputError, LabelError

RULES = (("Effusion", Label("Finding Labels", "Effusion")), ("Female", Label("Sex", "F")))


def table(folder, text, rules=RULES, patient="Patient"):
    for name in ("00123.png", "NA.png"):
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(folder / name)
    (folder / "labels.csv").write_text(text)
    return TableDataset(folder, folder / "labels.csv", "Image", patient, rules)


TEXT = (
    "Image,Patient,Finding Labels,Sex\n"
    "00123.png,007,Effusion|Mass,F\nNA.png,NA,No Finding,M\nmissing.png,9,,M\n"
)


def test_rows_become_studies_and_ids_stay_text(tmp_path):
    data = table(tmp_path, TEXT)
    assert len(data) == 2
    assert dict(data[0].findings) == {"Effusion": 1.0, "Female": 1.0}
    assert dict(data[1].findings) == {"Effusion": 0.0, "Female": 0.0}
    assert [study.patient for study in (data[0], data[1])] == ["007", "NA"]
    assert data[1].radiograph.id == "NA"


def test_a_finding_is_matched_whole(tmp_path):
    rules = (("Mass", Label("Finding Labels", "Mas")),)
    assert table(tmp_path, TEXT, rules)[0].findings["Mass"] == 0


def test_an_unknown_cell_is_nan_and_neither_present_nor_absent(tmp_path):
    text = "Image,Patient,Mass,Edema\n00123.png,1,,-1.0\nNA.png,2,1.0,-1.0\n"
    rules = (("Mass", Label("Mass", "1.0")), ("Edema", Label("Edema", "1.0", ("", "-1.0"))))
    first, second = table(tmp_path, text, rules)
    assert np.isnan(first.findings["Mass"])
    assert np.isnan(first.findings["Edema"])
    assert second.findings["Mass"] == 1


def test_a_cell_counts_as_unknown_only_where_the_rule_says_so(tmp_path):
    text = "Image,Patient,Mass\n00123.png,1,-1.0\nNA.png,2,\n"
    first, second = table(tmp_path, text, (("Mass", Label("Mass", "1.0", unknown=())),))
    assert first.findings["Mass"] == second.findings["Mass"] == 0


def test_a_missing_column_is_answered_with_close_names(tmp_path):
    with pytest.raises(LabelError, match=r"'Sexx'.*Close: Sex"):
        len(table(tmp_path, TEXT, (("F", Label("Sexx", "F")),)))


def test_an_id_twice_is_refused(tmp_path):
    with pytest.raises(LabelError, match=r"1 ids that occur twice, such as 00123\.png"):
        len(table(tmp_path, TEXT + "00123.png,1,,F\n"))


def test_a_table_without_its_films_is_refused(tmp_path):
    with pytest.raises(InputError, match="none of the films"):
        len(table(tmp_path, "Image,Patient,Finding Labels,Sex\nelse.png,1,,F\n"))
    with pytest.raises(InputError, match="no such file"):
        len(TableDataset(tmp_path, tmp_path / "absent.csv", "Image", None, RULES))
