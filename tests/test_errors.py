from __future__ import annotations

import pickle

import pytest

from plainfilm import errors


def test_a_message_says_got_expected_where_and_what_to_do():
    error = errors.InputError("a PNG cut off", "a whole file", "films/7.png", "Copy it again.")
    assert str(error) == "films/7.png: got a PNG cut off, expected a whole file. Copy it again."
    assert str(errors.InputError("nothing")) == "got nothing."


@pytest.mark.parametrize("kind", errors.PlainfilmError.__subclasses__())
def test_errors_cross_processes_and_have_a_documented_exit_code(kind):
    copy = pickle.loads(pickle.dumps(kind("a", "b", "c", "d")))
    assert type(copy) is kind
    assert str(copy) == str(kind("a", "b", "c", "d"))
    assert f"{kind.__name__:<16}" in errors.__doc__
    line = next(line for line in errors.__doc__.splitlines() if kind.__name__ in line)
    assert line.endswith(f"exit {kind.exit_code}")
