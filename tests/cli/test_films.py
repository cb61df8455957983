from __future__ import annotations

from pathlib import Path

import pytest

from plainfilm.cli.films import Quarantine, film_ids, open_output, open_results, write_csv
from plainfilm.cli.options import OnError
from plainfilm.errors import InputError, ResourceError
from plainfilm.io.atomic import part_of


def test_ids_are_stems_where_these_differ_and_short_paths_where_they_do_not():
    assert film_ids([Path("a/x.png"), Path("b/y.dcm")]) == ["x", "y"]
    assert film_ids([Path("a/x.png"), Path("b/x.png")]) == ["a/x", "b/x"]
    assert film_ids([Path("a/x.png"), Path("a/x.dcm"), Path("b/x.png")]) == ["a/x.png", "a/x.dcm", "b/x"]


def test_stopping_raises_the_films_own_error():
    error = InputError("half a file")
    with pytest.raises(InputError) as raised:
        Quarantine(OnError.STOP, 1.0).exclude("a", error, 10)
    assert raised.value is error


def test_exclusions_change_the_exit_code_and_are_written(tmp_path):
    quarantine = Quarantine(OnError.QUARANTINE, 0.5)
    assert quarantine.exit_code == 0
    quarantine.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    quarantine.exclude('a,"b"', InputError("half a file"), 2)
    quarantine.save(tmp_path)
    assert quarantine.exit_code == 6
    assert (tmp_path / "excluded.csv").read_text() == 'id,reason\n"a,""b""",got half a file.\n'


def test_more_than_the_allowed_share_is_refused_with_the_last_reason():
    quarantine = Quarantine(OnError.QUARANTINE, 0.05)
    quarantine.exclude("a", InputError("half a file"), 20)
    with pytest.raises(InputError, match=r"2 of 20 .* no file.*5\.0% .*--max-excluded"):
        quarantine.exclude("b", InputError("no file"), 20)


def test_an_output_folder_is_made_and_swept_of_what_a_killed_run_left(tmp_path):
    out = open_output(tmp_path / "out")
    part_of(out / "index.html").touch()
    (out / "index.html").write_text("whole")
    open_output(out)
    assert [path.name for path in out.iterdir()] == ["index.html"]


def test_no_folder_above_is_made_up(tmp_path):
    with pytest.raises(ResourceError, match="missing"):
        open_output(tmp_path / "missing" / "out")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_name_becomes_a_formula(tmp_path, name):
    write_csv(tmp_path / "t.csv", ("id", "x"), [(name, -0.5)])
    assert (tmp_path / "t.csv").read_text() == f"id,x\n'{name},-0.5\n"


def test_undefined_numbers_are_empty_cells(tmp_path):
    write_csv(tmp_path / "t.csv", ("id", "x", "n"), [("a", float("nan"), 3), ("b", 0.1234567, 4)])
    assert (tmp_path / "t.csv").read_text() == "id,x,n\na,,3\nb,0.123457,4\n"


def test_an_earlier_run_leaves_nothing_in_the_results_and_other_files_stay(tmp_path):
    (tmp_path / "maps" / "film").mkdir(parents=True)
    ours = [tmp_path / name for name in ("index.html", "excluded.csv", "maps/film/mass-gradient.npz")]
    theirs = [tmp_path / name for name in ("notes.csv", "maps/film/notes.txt")]
    for path in (*ours, *theirs):
        path.write_text("old")
    open_results(tmp_path)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in theirs)
