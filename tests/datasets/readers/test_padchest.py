"""PadChest, by the counts of its public table and by small tables."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.manifest import FINDING, Manifest
from plainfilm.datasets.readers.padchest import BROKEN, LABELS, TABLE, read_padchest
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import NIH

A2 = ("Atelectasis", "Cardiomegaly", "Effusion", "Mass", "Pneumothorax")
ROW = {"BitsStored_DICOM": "12",
    "ImageID": "1_a.png", "ImageDir": "3", "StudyDate_DICOM": "20140915", "StudyID": "10", "PatientID": "100",
    "PatientBirth": "1930.0", "PatientSex_DICOM": "F", "Projection": "PA", "Manufacturer_DICOM": "Maker",
    "MethodLabel": "Physician", "Labels": "['normal']",
}  # fmt: skip


@pytest.fixture(scope="module")
def legacy(label_tables, tmp_path_factory) -> Manifest:
    """All rows, by torchxrayvision's words."""
    table = label_tables / f"{TABLE}.gz"
    return read_padchest(tmp_path_factory.mktemp("empty"), table, with_broken=True, legacy_substring=True)


@pytest.fixture(scope="module")
def exact(label_tables, tmp_path_factory) -> Manifest:
    """All rows but the broken files, by whole labels."""
    return read_padchest(tmp_path_factory.mktemp("empty"), label_tables / f"{TABLE}.gz")


@pytest.fixture(scope="module")
def raw(label_tables) -> pd.DataFrame:
    """The same table, read apart."""
    columns = ["ImageID", "Labels", "MethodLabel", "BitsStored_DICOM", "PhotometricInterpretation_DICOM"]
    return pd.read_csv(label_tables / f"{TABLE}.gz", usecols=columns)


def positives(manifest: Manifest, names: tuple[str, ...], view: str = "PA") -> list[int]:
    films = manifest.films[manifest.films["view"] == view]
    return [int((films[FINDING + name] == 1).sum()) for name in names]


def folder_of(folder: Path, *rows: dict[str, str]) -> Path:
    table = [{**ROW, "ImageID": f"{k}_a.png", **row} for k, row in enumerate(rows)]
    pd.DataFrame(table).to_csv(folder / TABLE)
    return folder


def labels_of(folder: Path, *cells: str, **options) -> pd.DataFrame:
    found = read_padchest(folder_of(folder, *({"Labels": cell} for cell in cells)), **options).films
    return found.filter(like=FINDING).rename(columns=lambda name: name.removeprefix(FINDING))


def test_table_a2_of_gifsplanation_is_reproduced_by_substrings(legacy):
    assert positives(legacy, A2) == [3981, 8420, 3342, 806, 223]
    assert "Lung Opacity" not in legacy.findings


def test_films_patients_and_views_are_as_many_as_in_the_public_table(legacy):
    assert len(legacy) == 160_861
    assert len(set(legacy.patients)) == 67_625
    views = {"PA": 91_728, "LATERAL": 49_579, "AP": 14_346 + 4_559, "": 630 + 11 + 8}
    assert legacy.films["view"].value_counts().to_dict() == views
    assert set(legacy.films["sex"]) == {"F", "M", ""}
    assert legacy.films["age"].between(0, 120).sum() > 160_800


def test_rows_without_labels_are_unknown(legacy):
    assert int(legacy.films[FINDING + "Nodule"].isna().sum()) == 103
    assert legacy.films.filter(like=FINDING).isna().all(axis=1).sum() == 103


def test_what_only_sounds_like_a_finding_is_none(legacy, exact):
    """Defect 8, by the counts of PA films."""
    namesakes = ("Pseudonodule", "Hiatal Hernia", "Subcutaneous Emphysema", "Mediastinal Mass")
    assert positives(exact, namesakes) == [1363, 1481, 52, 192]
    assert positives(legacy, ("Nodule", "Mass", "Emphysema")) == [3657, 806, 913]
    assert positives(exact, ("Nodule", "Mass", "Emphysema")) == [2337, 566, 861]
    assert "Hernia" in legacy.findings
    assert "Hernia" not in exact.findings


def test_columns_agree_with_rows_parsed_one_by_one(exact, raw):
    films = exact.films.set_index("film")
    whole = raw[raw["Labels"].notna() & ~raw["ImageID"].isin(BROKEN)]
    for row in whole.iloc[::997].itertuples():
        found = {label.strip() for label in ast.literal_eval(row.Labels)}
        silent = found <= {"", "exclude", "suboptimal study", "unchanged"}
        for name in ("Nodule", "Effusion", "Support Devices", "Infiltration"):
            value = films.loc[row.ImageID.removesuffix(".png"), FINDING + name]
            assert np.isnan(value) if silent else value == bool(found & set(LABELS[name]))


def test_every_label_that_is_looked_for_occurs(raw):
    known = {label.strip() for cell in raw["Labels"].dropna().unique() for label in ast.literal_eval(cell)}
    assert {label for labels in LABELS.values() for label in labels} <= known
    assert len(known - {""}) == 193


def test_broken_files_are_left_out_unless_asked_for(legacy, exact):
    stems = {name.removesuffix(".png") for name in BROKEN}
    assert len(stems) == 21
    assert stems <= set(legacy.ids)
    assert set(legacy.ids) - set(exact.ids) == stems


def test_labels_of_physicians_alone(tmp_path, raw):
    assert raw["MethodLabel"].value_counts().to_dict() == {"Physician": 39_053, "RNN_model": 121_808}
    folder_of(tmp_path, {}, {"MethodLabel": "RNN_model"}, {})
    assert read_padchest(tmp_path, physician_only=True).ids == ("0_a", "2_a")
    assert len(read_padchest(tmp_path)) == 3


def test_the_public_table_is_of_ten_and_twelve_bits(raw):
    """What 65535 would make nearly black (defect 8); no film has to be inverted."""
    assert set(raw["BitsStored_DICOM"]) == {10, 12}
    assert set(raw["PhotometricInterpretation_DICOM"]) == {"MONOCHROME2"}


def test_labels_with_stray_blanks_are_whole_labels(tmp_path):
    cells = ("[' nodule', 'pseudonodule']", "['pseudonodule ', '']", "['pericardial effusion']")
    found = labels_of(tmp_path, *cells)
    assert found["Nodule"].tolist() == [1, 0, 0]
    assert found["Pseudonodule"].tolist() == [1, 1, 0]
    assert found["Effusion"].tolist() == [0, 0, 0]
    assert found["Pericardial Effusion"].tolist() == [0, 0, 1]


def test_a_label_counts_for_those_above_it(tmp_path):
    found = labels_of(tmp_path, "['air bronchogram']", "['ground glass pattern']", "['hydropneumothorax']")
    assert found["Consolidation"].tolist() == [1, 0, 0]
    assert found["Infiltration"].tolist() == [1, 1, 0]
    assert found["Effusion"].tolist() == found["Pneumothorax"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("cell", ["", "nan", "['']", "['unchanged']", "['exclude', 'suboptimal study']"])
def test_a_report_that_says_nothing_leaves_findings_unknown(tmp_path, cell):
    assert labels_of(tmp_path, cell).isna().all(axis=None)
    assert (labels_of(tmp_path, "['normal']") == 0).all(axis=None)


@pytest.mark.parametrize("cell", ["nodule", "[nodule]", "['nodule'", "[1]", "__import__('os')"])
def test_a_cell_that_is_no_list_of_names_is_refused(tmp_path, cell):
    with pytest.raises(LabelError, match="a list of names"):
        labels_of(tmp_path, cell)


def test_films_are_found_in_numbered_folders(tmp_path):
    (tmp_path / "3").mkdir()
    Image.fromarray(np.full((4, 4), 4095, np.uint16)).save(tmp_path / "3" / "0_a.png")
    found = read_padchest(folder_of(tmp_path, {}, {"PatientSex_DICOM": "O", "PatientBirth": "nan"}))
    assert found.films["path"].tolist() == ["3/0_a.png", ""]
    assert found.films["sex"].tolist() == ["F", ""]
    np.testing.assert_array_equal(found.films["age"], [84, np.nan])
    study = found[0]
    assert study.patient == "100"
    assert (study.radiograph.pixels == 1).all(), "twelve of sixteen bits are used"


def test_names_of_findings_are_those_of_nih_where_both_mean_the_same():
    assert set(NIH) - set(LABELS) == {"Hernia"}


def test_a_missing_table_or_column_is_refused(tmp_path):
    with pytest.raises(InputError, match="PADCHEST"):
        read_padchest(tmp_path)
    folder_of(tmp_path, {})
    pd.read_csv(tmp_path / TABLE).drop(columns="Projection").to_csv(tmp_path / TABLE)
    with pytest.raises(LabelError, match="Projection"):
        read_padchest(tmp_path)
