"""BrixIA: the counts of both tables, the detectors of the IBA paper, and real films with their masks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.brixia import read_brixia, with_detectors, zone_scores
from plainfilm.errors import InputError, LabelError
from plainfilm.masks.box import box_mask

ZONES = "ABCDEF"
HEADER = (
    "Filename;StudyDate;Modality;Columns;Rows;Manufacturer;PhotometricInterpretation;BrixiaScore;"
    "BrixiaScoreGlobal;ConsensusTestset;Subject;StudyId;Sex;AgeAtStudyDateFiveYear"
)
ROW = "1.2.840.dcm;20200403;CR;2802;2801;SIEMENS;MONOCHROME2;000123;6;1;P0001;A0000;M;11"


@pytest.fixture(scope="module")
def full(real_data):
    return read_brixia(real_data / "brixia")


@pytest.fixture(scope="module")
def public(real_data):
    return read_brixia(real_data / "brixia", "public")


@pytest.fixture(scope="module")
def metadata(real_data):
    return pd.read_csv(real_data / "brixia" / "metadata_global_v2.csv.gz", sep=";", dtype=str)


def zones_of(manifest, suffix=""):
    return manifest.films[[f"score:{zone}{suffix}" for zone in ZONES]].to_numpy()


def test_the_full_table_has_its_published_counts(full, metadata):
    assert len(full) == 4_695
    assert len(set(full.patients)) == 2_351
    assert Counter(full.films["device"].str[-2:]) == {"CR": 2_861, "DX": 1_834}
    assert Counter(metadata["PhotometricInterpretation"]) == {"MONOCHROME1": 2_275, "MONOCHROME2": 2_420}
    assert Counter(zones_of(full).ravel()) == {0: 7_698, 1: 7_396, 2: 7_650, 3: 5_426}
    assert Counter(zones_of(full).max(1)) == {0: 51, 1: 571, 2: 1_616, 3: 2_457}
    assert round(full.films["score:Brixia"].astype(float).mean(), 2) == 8.30


def test_zone_scores_keep_their_leading_zeros_and_sum_to_the_global_score(full, metadata):
    digits = np.array([[int(digit) for digit in score] for score in metadata["BrixiaScore"]])
    np.testing.assert_array_equal(zones_of(full), digits)
    np.testing.assert_array_equal(full.films["score:Brixia"], metadata["BrixiaScoreGlobal"].astype(int))
    np.testing.assert_array_equal(full.films["score:Brixia"], digits.sum(1))


def test_the_consensus_films_are_the_test_split_and_share_patients_with_the_rest(full):
    test = full.films["split"] == "test"
    assert test.sum() == 150
    assert set(full.films["split"]) == {"test", ""}
    patients = full.films["patient"]
    assert patients[test].nunique() == 136
    assert len(set(patients[test]) & set(patients[~test])) == 80


def test_detectors_have_the_positives_of_the_iba_paper(full):
    found = with_detectors(full)
    assert found.findings == ("Detector01", "Detector2", "Detector3")
    assert found.labels().sum(0).tolist() == [4_340, 3_656, 2_457]
    for zones, said in zip(zones_of(full)[:50], found.labels()[:50], strict=True):
        assert said.tolist() == [bool({0, 1} & set(zones)), 2 in zones, 3 in zones]


def test_detectors_know_nothing_of_films_that_nobody_scored(public, tmp_path):
    found = with_detectors(public)
    assert np.isfinite(found.labels(["Detector2"])).sum() == 192
    with pytest.raises(LabelError, match="no score 'A'"):
        with_detectors(Manifest("bare", tmp_path, pd.DataFrame({"film": ["a"]})))


def test_the_public_films_have_two_readers_who_agree_as_published(public):
    scored = public.select(public.films["score:Brixia"].notna())
    assert len(scored) == 192
    senior, junior = (scored.films[f"score:Brixia{suffix}"].to_numpy() for suffix in ("", "@junior"))
    assert round(float(np.corrcoef(senior, junior)[0, 1]), 3) == 0.868
    assert round(float(senior.mean()), 2) == 7.23
    np.testing.assert_array_equal(zones_of(scored).sum(1), senior)
    np.testing.assert_array_equal(zones_of(scored, "@junior").sum(1), junior)


def test_the_index_adds_films_patients_views_and_masks(public):
    assert len(public) == 192 + 29
    assert len(public.here()) == 178
    here = public.here().films
    assert Counter(here["view"]) == {"PA": 121, "AP": 48, "": 9}
    drawn = public.annotations
    lungs = drawn[drawn["finding"] == "Lungs"]
    assert Counter(zip(drawn["kind"], drawn["reader"], strict=True)) == {
        ("file", "V7 Labs"): 133,
        ("box", "GeneralBlockchain"): 81 + 31 + 2 + 1,
    }
    assert set(lungs["reader"]) == {"V7 Labs"}
    counts = dict(zip(public.findings, np.nansum(public.labels(), 0), strict=True))
    assert counts == {"Ground-Glass Opacity": 81, "Consolidation": 31, "Effusion": 2, "Pneumothorax": 1}
    assert np.isfinite(public.labels()).all(1).sum() == 86


def test_real_films_open_with_zones_lungs_and_boxes_that_meet_them(public):
    here = public.here()
    drawn = public.annotations
    films = [set(drawn["film"][drawn["finding"] == name]) for name in ("Consolidation", "Lungs")]
    wanted = here.films["score:Brixia"].notna() & here.films["film"].isin(set.intersection(*films))
    for study in map(here.select(wanted).__getitem__, range(3)):
        assert study.zones.sum() == study.scores["Brixia"]
        assert study.lungs.shape == study.radiograph.size
        assert 0.05 < study.lungs.mean() < 0.8
        (box,) = study.boxes["Consolidation"]
        assert (box_mask(study.radiograph.size, [box]) & study.lungs).any()


def test_a_region_that_is_a_rectangle_is_a_box_and_any_other_a_mask(tmp_path, real_data):
    path = (
        real_data / "brixia" / "region_masks_gb" / "31BA3780-2323-493F-8AED-62081B9C383B__consolidation.png"
    )
    rows, columns = np.nonzero(np.asarray(Image.open(path)))
    assert len(rows) == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
    folder = tmp_path / "region_masks_gb"
    folder.mkdir()
    outline = np.zeros((4, 5), bool)
    outline[1:3, 1:4] = True
    Image.fromarray(outline).save(folder / "a__effusion.png")
    outline[1, 1] = False
    Image.fromarray(outline).save(folder / "a__ggo.png")
    drawn = read_brixia(public_table(tmp_path, "a.jpg"), "public").annotations.set_index("finding")
    assert drawn.loc["Effusion", ["kind", "shape"]].tolist() == ["box", "[1.0, 1.0, 3.0, 2.0]"]
    assert drawn.loc["Ground-Glass Opacity", "kind"] == "file"


def test_what_was_drawn_on_a_film_is_not_lung(real_data, public):
    name = "lancet-case2a"
    values = np.asarray(Image.open(real_data / "brixia" / "lung_masks_v7labs" / f"{name}.png"))
    assert set(np.unique(values)) == {0, 127, 255}
    study = public[public.films["film"].tolist().index(name)]
    np.testing.assert_array_equal(study.lungs, values == 255)


def full_table(folder, row):
    (folder / "metadata_global_v2.csv").write_text(f"\ufeff{HEADER}\n{row}\n", encoding="utf-8")
    return folder


def test_a_full_row_becomes_a_row_of_the_manifest(tmp_path):
    (tmp_path / "dicom_clean").mkdir()
    (tmp_path / "dicom_clean" / "1.2.840.dcm").touch()
    found = read_brixia(full_table(tmp_path, ROW)).films.iloc[0]
    assert found["film"] == "1.2.840"
    assert found["path"] == "dicom_clean/1.2.840.dcm"
    assert [found["patient"], found["study"], found["sex"], found["age"]] == ["P0001", "A0000", "M", 55]
    assert [found["device"], found["split"]] == ["SIEMENS CR", "test"]
    assert [found[f"score:{zone}"] for zone in ZONES] == [0, 0, 0, 1, 2, 3]


def test_a_score_that_lost_its_zeros_or_its_sum_is_refused(tmp_path):
    with pytest.raises(LabelError, match=r"six digits from 0 to 3.*leading zeros"):
        read_brixia(full_table(tmp_path, ROW.replace("000123", "123")))
    with pytest.raises(LabelError, match="six digits"):
        read_brixia(full_table(tmp_path, ROW.replace("000123", "000124")))
    with pytest.raises(LabelError, match="total 7 for the zones"):
        read_brixia(full_table(tmp_path, ROW.replace(";6;1;", ";7;1;")))


def public_table(folder, film, scores="1,1,1,0,0,0,3"):
    names = [f"{who}-{what}" for who in "SJ" for what in (*ZONES, "Global")]
    rows = f"filename,{','.join(names)}\n{film},{scores},0,0,0,0,0,1,1\n"
    (folder / "public-annotations.csv").write_text(rows)
    return folder


def test_public_scores_are_read_without_an_index(tmp_path):
    found = read_brixia(public_table(tmp_path, "x one.jpeg"), "public")
    assert found.films.loc[0, ["film", "path"]].tolist() == ["x one", ""]
    assert found.films.loc[0, ["score:Brixia", "score:Brixia@junior"]].tolist() == [3, 1]
    for scores in ("4,0,0,0,0,0,4", "1,x,0,0,0,0,1", "1,1,0,0,0,0,"):
        with pytest.raises(LabelError, match="severities from 0 to 3"):
            read_brixia(public_table(tmp_path, "a.jpg", scores), "public")


def test_another_subset_and_a_folder_without_table_are_refused(tmp_path):
    with pytest.raises(LabelError, match="subset='all'"):
        read_brixia(tmp_path, "all")
    with pytest.raises(InputError, match="metadata_global_v2"):
        read_brixia(tmp_path)


def test_each_readers_zones_are_told_apart(tmp_path):
    table = read_brixia(public_table(tmp_path, "x.png", "3,0,1,2,0,1,7"), "public").films.iloc[0]
    scores = {name.removeprefix("score:"): table[name] for name in table.index if name.startswith("score:")}
    assert zone_scores(scores).tolist() == [3, 0, 1, 2, 0, 1]
    assert zone_scores(scores, "junior").tolist() == [0, 0, 0, 0, 0, 1]
    with pytest.raises(LabelError, match=r"the junior reader: got no score 'A@junior'"):
        zone_scores(dict.fromkeys(ZONES, 1.0), "junior")
    with pytest.raises(LabelError, match="senior or junior"):
        zone_scores(scores, "resident")
