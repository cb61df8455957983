from __future__ import annotations

import pytest

from plainfilm.cli.console import print_json, print_table, printable, progress, say


def test_results_go_to_stdout_and_talk_to_stderr(capsys):
    print_json({"a": 1})
    say("talk")
    assert capsys.readouterr() == ('{\n  "a": 1\n}\n', "talk\n")


def test_json_has_no_numbers_that_are_not_finite(capsys):
    with pytest.raises(ValueError, match="JSON"):
        print_json({"a": float("nan")})
    assert capsys.readouterr().out == ""


def test_progress_passes_items_on_and_stays_off_stdout(capsys):
    assert list(progress(iter("abc"), "Reading", total=3)) == ["a", "b", "c"]
    assert list(progress([1, 2], "Reading")) == [1, 2]
    assert capsys.readouterr().out == ""


def test_a_table_shows_cells_as_they_are(capsys):
    print_table(("name", "value"), [("[red]x[/red]", "0.5"), ("a\x1b[2Jb", "–")], title="[b]t[/b]")
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert "[b]t[/b]" in out
    assert "\x1b" not in out


def test_control_and_unpaired_characters_are_shown_as_escapes():
    assert printable("é 🫁") == "é 🫁"
    assert printable("a\nb\udcff") == r"a\nb\udcff"
