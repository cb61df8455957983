from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from plainfilm.cli.films import FINISHED_WITH_EXCLUSIONS
from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest

HELP = """
import sys
from plainfilm.cli.main import main
try:
    main(["data", sys.argv[1], "--help"])
except SystemExit as stop:
    assert not stop.code
heavy = {"torch", "numpy", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""

TABLE = "file,patient,view,Mass,part\n" + "".join(
    f"{k:03}.png,{k // 2},{'PA' if k % 2 else 'AP'},{k % 3 == 0:d},\n" for k in range(20)
)
OPTIONS = ("id_column=file", "patient_column=patient", "view_column=view", "split_column=part")


@pytest.fixture
def films(tmp_path, save_film):
    folder = tmp_path / "release"
    folder.mkdir()
    for k in range(20):
        save_film(folder / f"{k:03}.png", seed=k)
    return folder


@pytest.fixture
def build(run, films, tmp_path):
    def build(*arguments, table=TABLE):
        (films / "labels.csv").write_text(table)
        options = (f"--option={option}" for option in (f"csv={films / 'labels.csv'}", *OPTIONS))
        out = ("--out", tmp_path / "made")
        return run("data", "build", "table", films, *out, "--label=Mass=Mass", *options, *arguments)

    return build


@pytest.mark.parametrize("verb", ["build", "check", "split"])
def test_help_imports_nothing_heavy(verb):
    done = subprocess.run([sys.executable, "-c", HELP, verb], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_with_a_table_becomes_a_manifest(build, tmp_path):
    done = build()
    assert done.code == 0
    assert "20 films of 10 patients" in done.out
    assert "Views: AP 10, PA 10" in done.err
    manifest = Manifest.load(tmp_path / "made")
    assert manifest.ids[0] == "000"
    assert manifest[3].findings == {"Mass": 1}


def test_machines_get_the_counts(build, tmp_path):
    done = build("--json")
    facts = json.loads(done.out)
    assert facts["folder"] == str(tmp_path / "made")
    assert facts["findings"] == {"Mass": {"present": 7, "absent": 13, "uncertain": 0, "unknown": 0}}
    assert (facts["films"], facts["patients"], facts["on_disk"]) == (20, 10, 20)
    assert facts["splits"] == {"none": 20}
    assert facts["options"]["id_column"] == "file"


def test_films_that_are_not_here_are_counted_or_left_out(build, films, tmp_path):
    (films / "000.png").unlink()
    assert json.loads(build("--json").out)["on_disk"] == 19
    (tmp_path / "made").rename(tmp_path / "first")
    assert json.loads(build("--json", "--here").out)["films"] == 19


def test_a_folder_that_exists_is_refused_before_anything_is_read(build, tmp_path):
    (tmp_path / "made").mkdir()
    done = build(table="nothing of use")
    assert done.code == 5
    assert "a folder that exists" in done.err


def test_a_table_with_other_values_is_refused_with_counts(build, tmp_path):
    done = build(table=TABLE.replace(",1,", ",maybe,"))
    assert done.code == 3
    assert "'maybe' (7 times)" in done.err
    assert not (tmp_path / "made").exists()


def test_sound_films_are_checked_and_kept_with_their_hash(build, run, tmp_path):
    build()
    done = run("data", "check", tmp_path / "made", "--out", tmp_path / "checked")
    assert done.code == 0
    assert "sound" in done.out
    films = Manifest.load(tmp_path / "checked").films
    assert films["sha256"].str.len().eq(64).all()
    assert films["height"].eq(48).all()


def test_a_broken_film_stops_a_check_after_all_of_the_report(build, films, run, tmp_path):
    build()
    (films / "007.png").write_bytes(b"<html>")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(films / "008.png")
    done = run("data", "check", tmp_path / "made", "--out", tmp_path / "checked")
    assert done.code == 3
    assert "such as 007" in done.out
    assert "such as 008" in done.out
    assert "not an image" in done.err
    assert not (tmp_path / "checked").exists()


def test_a_broken_film_is_left_out_and_counted_under_quarantine(build, films, run, tmp_path):
    build()
    (films / "007.png").write_bytes(b"")
    quarantine = ("--on-error", "quarantine", "--out", tmp_path / "checked", "--json")
    done = run("data", "check", tmp_path / "made", *quarantine)
    assert done.code == FINISHED_WITH_EXCLUSIONS
    assert list(json.loads(done.out)["broken"]) == ["007"]
    assert len(Manifest.load(tmp_path / "checked")) == 19
    assert (tmp_path / "checked" / "excluded.csv").read_text().startswith("id,reason\n007,")


def test_too_many_broken_films_are_refused_even_under_quarantine(build, films, run, tmp_path):
    build()
    for k in range(3):
        (films / f"00{k}.png").write_bytes(b"")
    done = run("data", "check", tmp_path / "made", "--on-error", "quarantine")
    assert done.code == 3
    assert "2 of 20" in done.err


def test_films_that_moved_are_found_under_another_root(build, films, run, tmp_path):
    build()
    films.rename(tmp_path / "moved")
    done = run("data", "check", tmp_path / "made")
    assert done.code == 3
    assert "'release'" in done.err
    assert "--root" in done.err
    assert run("data", "check", tmp_path / "made", "--root", tmp_path / "moved").code == 0


def test_a_part_that_gets_no_film_is_refused(build, run, tmp_path):
    build()
    done = run("data", "split", tmp_path / "made", "--out", tmp_path / "parts", "--test", "0.001")
    assert done.code == 3
    assert "no film for test from a share 0.001 of 10 patients" in done.err
    assert not (tmp_path / "parts").exists()


def test_a_leak_is_refused(build, run, tmp_path):
    rows = TABLE.splitlines()
    build(table="\n".join([rows[0], *(f"{row}{'test' if k else 'train'}" for k, row in enumerate(rows[1:]))]))
    done = run("data", "check", tmp_path / "made")
    assert done.code == 3
    assert "000 (train) and 001 (test)" in done.err


def test_patients_are_split(build, run, tmp_path):
    build()
    shares = ("--validation", "0.2", "--test", "0.4", "--seed", "1")
    done = run("data", "split", tmp_path / "made", "--out", tmp_path / "parts", *shares)
    assert done.code == 0
    assert "validation" in done.out
    films = Manifest.load(tmp_path / "parts").films
    assert films.groupby("patient")["split"].nunique().eq(1).all()
    assert set(films["split"]) == {"train", "validation", "test"}
    again = run("data", "split", tmp_path / "made", "--out", tmp_path / "again", *shares, "--json")
    assert json.loads(again.out)["splits"] == films["split"].value_counts().to_dict()


def test_the_official_split_is_kept_unless_it_is_ignored(build, run, tmp_path):
    build(table=TABLE.replace(",\n", ",test\n", 2))
    split = ("data", "split", tmp_path / "made", "--out", tmp_path / "parts", "--test", "0.5")
    done = run(*split)
    assert done.code == 3
    assert "2 films there" in done.err
    assert run(*split, "--ignore-official").code == 0


def test_a_split_without_a_share_is_wrong_usage(build, run, tmp_path):
    build()
    done = run("data", "split", tmp_path / "made", "--out", tmp_path / "parts")
    assert done.code == 2
    assert "--validation" in done.err


def test_annotations_of_other_films_are_told(build, run, tmp_path):
    build()
    made = Manifest.load(tmp_path / "made")
    stray = annotation_table([Annotation("elsewhere", "Mass", "box", [0, 0, 9, 9])])
    replace(made, annotations=stray).save(tmp_path / "stray")
    assert "1 annotations are of films" in run("data", "check", tmp_path / "stray").err


def test_a_folder_that_is_no_manifest_is_refused(run, tmp_path):
    assert run("data", "check", tmp_path).code == 4
    done = run("data", "split", tmp_path / "gone", "--out", tmp_path / "parts", "--test", "0.5")
    assert done.code == 4
    assert "no manifest.json" in done.err
    assert "Errno" not in done.err
