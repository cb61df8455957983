"""OpenI, by the counts of its reports and by reports made here."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.manifest import FINDING, Manifest
from plainfilm.datasets.readers.openi import read_openi
from plainfilm.errors import InputError, LabelError

A2 = ("Atelectasis", "Cardiomegaly", "Effusion", "Lung Opacity", "Mass", "Pneumothorax")


def release(label_tables: Path, root: Path, **options) -> Manifest:
    names = {"metadata": "nlmcxr_dicom_metadata.csv.gz", "tsne": "nlmcxr_tsne_pa.csv.gz"}
    tables = {name: label_tables / file for name, file in names.items()}
    return read_openi(root, label_tables / "NLMCXR_reports.tgz", **tables, **options)


@pytest.fixture(scope="module")
def legacy(label_tables, tmp_path_factory) -> Manifest:
    folder = tmp_path_factory.mktemp("empty")
    return release(label_tables, folder, view="tsne", legacy_substring=True)


@pytest.fixture(scope="module")
def exact(label_tables, tmp_path_factory) -> Manifest:
    return release(label_tables, tmp_path_factory.mktemp("empty"))


def positives(films, names: tuple[str, ...] = A2) -> list[int]:
    return [int((films[FINDING + name] == 1).sum()) for name in names]


def report(uid: str, films: list[str], automatic: list[str] = (), major: list[str] = ()) -> bytes:
    words = [
        *(f"<automatic>{term}</automatic>" for term in automatic),
        *(f"<major>{t}</major>" for t in major),
    ]
    images = "".join(f'<parentImage id="{film}"><caption/></parentImage>' for film in films)
    return f'<eCitation><uId id="{uid}"/><MeSH>{"".join(words)}</MeSH>{images}</eCitation>'.encode()


def folder_of(root: Path, *reports: bytes) -> Path:
    (root / "ecgen-radiology").mkdir(exist_ok=True)
    for k, blob in enumerate(reports):
        (root / "ecgen-radiology" / f"{k}.xml").write_bytes(blob)
    return root


def archive_of(root: Path, *reports: bytes) -> Path:
    with tarfile.open(root / "NLMCXR_reports.tgz", "w:gz") as archive:
        for k, blob in enumerate(reports):
            member = tarfile.TarInfo(f"ecgen-radiology/{k}.xml")
            member.size = len(blob)
            archive.addfile(member, io.BytesIO(blob))
    return root


def test_table_a2_of_gifsplanation_is_reproduced_by_substrings(legacy):
    pa = legacy.films[legacy.films["view"] == "PA"]
    assert len(pa) == 3267
    assert positives(pa) == [271, 185, 120, 327, 6, 14]


def test_the_views_of_the_metadata_give_their_known_counts(legacy, exact):
    """The same labels, other views."""
    pa = legacy.films[(exact.films["view"] == "PA").to_numpy()]
    assert len(pa) == 3591
    assert positives(pa) == [275, 197, 129, 367, 8, 19]
    assert legacy.ids == exact.ids


def test_films_and_patients_are_as_many_as_in_the_release(exact):
    assert len(exact) == 7470
    # 104 of the 3,955 reports have no film.
    assert len(set(exact.patients)) == 3851
    assert set(exact.films["path"]) == {""}


def test_namesakes_are_other_findings(legacy, exact):
    names = ("Effusion", "Emphysema", "Fibrosis", "Hernia", "Mass")
    with_namesakes, without = positives(legacy.films, names), positives(exact.films, names)
    assert all(fewer < more for fewer, more in zip(without, with_namesakes, strict=True))
    assert positives(exact.films, ("Hiatal Hernia",))[0] > 50


def test_each_report_is_read_once_and_none_when_the_manifest_was_saved(label_tables, tmp_path, monkeypatch):
    """Defect 9: torchxrayvision reads all of them whenever its data set is made."""
    calls = []
    parse = ElementTree.fromstring
    monkeypatch.setattr(ElementTree, "fromstring", lambda blob: calls.append(1) or parse(blob))
    saved = read_openi(tmp_path, label_tables / "NLMCXR_reports.tgz").save(tmp_path / "openi")
    assert len(calls) == 3955
    assert len(Manifest.load(saved)) == 7470
    assert len(calls) == 3955


@pytest.mark.parametrize("store", [folder_of, archive_of])
def test_reports_are_read_from_the_archive_or_a_folder(tmp_path, store):
    store(
        tmp_path, report("CXR2", ["CXR2_IM-1"], ["Pleural Effusion"]), report("CXR1", ["b", "a"], ["Masses"])
    )
    Image.new("L", (4, 4), 8).save(tmp_path / "a.png")
    found = read_openi(tmp_path)
    assert found.ids == ("CXR2_IM-1", "a", "b")
    assert found.patients == ("CXR2", "CXR1", "CXR1")
    assert found.films["path"].tolist() == ["", "a.png", ""]
    assert found.labels(["Effusion", "Mass"]).tolist() == [[1, 0], [0, 1], [0, 1]]
    assert set(found.films["view"]) == {""}


def test_a_term_is_not_its_namesake(tmp_path):
    terms = [
        "pericardial effusion",
        "subcutaneous emphysema",
        "cystic fibrosis",
        "hernia, hiatal",
        "thyroid mass",
    ]
    folder_of(tmp_path, report("1", ["a"], terms), report("2", ["b"], [*terms, "effusion"]))
    names = ["Effusion", "Emphysema", "Fibrosis", "Hernia", "Mass", "Hiatal Hernia"]
    assert read_openi(tmp_path).labels(names).tolist() == [[0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1]]
    legacy = read_openi(tmp_path, legacy_substring=True).labels(names)
    assert legacy.tolist() == [[1] * 6, [1] * 6]


def test_terms_that_a_person_chose(tmp_path):
    major = ["Thickening/pleura/apex", "Opacity/lung/base"]
    folder_of(
        tmp_path, report("1", ["a"], ["nodule"], major), report("2", ["b"], ["nodule"], ["no indexing"])
    )
    found = read_openi(tmp_path, terms="major").labels(["Pleural_Thickening", "Lung Opacity", "Nodule"])
    np.testing.assert_array_equal(found, [[1, 1, 0], [np.nan] * 3])


def test_views_of_both_tables(tmp_path):
    folder_of(tmp_path, report("1", ["a", "b", "c"]))
    (tmp_path / "nlmcxr_dicom_metadata.csv").write_text("imageid,View Position\na,LL\nb,LARGE LATERAL\n")
    (tmp_path / "nlmcxr_tsne_pa.csv").write_text("imageid,tsne-view\na,PA\nc,L\n")
    assert read_openi(tmp_path).films["view"].tolist() == ["LATERAL", "LATERAL", ""]
    assert read_openi(tmp_path, view="tsne").films["view"].tolist() == ["PA", "", "LATERAL"]


BILLION = b'<!DOCTYPE e [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><eCitation><uId id="1"/>&b;</eCitation>'


@pytest.mark.parametrize("blob", [BILLION, BILLION.decode().encode("utf-16")])
def test_a_report_that_declares_entities_is_refused(tmp_path, blob):
    with pytest.raises(InputError, match="declares entities"):
        read_openi(folder_of(tmp_path, blob))


@pytest.mark.parametrize("store", [folder_of, archive_of])
def test_a_huge_report_is_refused(tmp_path, store):
    with pytest.raises(InputError, match="1500000 bytes"):
        read_openi(store(tmp_path, b" " * 1_500_000))


@pytest.mark.parametrize("blob", [b"", b"<eCitation>", b"<eCitation/>", b"<eCitation><uId/></eCitation>"])
def test_a_report_of_another_form_is_refused(tmp_path, blob):
    with pytest.raises(LabelError, match="another form"):
        read_openi(folder_of(tmp_path, blob))


def test_a_missing_or_damaged_archive_is_refused(tmp_path):
    with pytest.raises(InputError, match="no reports"):
        read_openi(tmp_path)
    archive_of(tmp_path, *(report(str(k), [f"{k}"]) for k in range(50)))
    path = tmp_path / "NLMCXR_reports.tgz"
    whole = path.read_bytes()
    flipped = bytes([*whole[:200], whole[200] ^ 1, *whole[201:]])
    for blob in (whole[:-9], whole[: len(whole) // 2], flipped, b"no archive", gzip.compress(b"no tar")):
        path.write_bytes(blob)
        with pytest.raises(InputError, match="cannot be read"):
            read_openi(tmp_path)


@pytest.mark.parametrize("options", [{"view": "PA"}, {"terms": "minor"}])
def test_another_option_is_refused(tmp_path, options):
    with pytest.raises(LabelError, match="one of"):
        read_openi(tmp_path, **options)
