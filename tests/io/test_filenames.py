"""Safe file stems for any id (fault 65)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.io.filenames import MAX_LENGTH, safe_stem

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@pytest.mark.parametrize("name", ["00000013_005", "1.2.840.113619", "patient-7", "A"])
def test_a_harmless_name_stays(name: str) -> None:
    assert safe_stem(name) == name


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        (r"$\frac{1$", "frac-1"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\0b", "a-b"),
        ("Müller", "Muller"),
        ("🫁", "film"),
        ("אבג", "film"),
        ("..", "film"),
        ("", "film"),
        ("CON", "CON"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("ends.", "ends"),
    ],
)
def test_any_other_keeps_what_is_readable_and_a_hash(name: str, readable: str) -> None:
    assert re.fullmatch(re.escape(readable) + "-[0-9a-f]{10}", safe_stem(name))


@given(st.text(max_size=400))
def test_every_stem_is_ascii_short_and_no_path(name: str) -> None:
    stem = safe_stem(name)
    assert SAFE.fullmatch(stem)
    assert len(stem) <= MAX_LENGTH
    assert ".." not in stem
    assert safe_stem(name) == stem


@given(st.lists(st.text(alphabet="aA/$-0é", max_size=4), unique=True, max_size=30))
def test_different_names_have_different_stems(names: list[str]) -> None:
    assert len({safe_stem(name) for name in names}) == len(names)


def test_a_name_cannot_pose_as_the_stem_of_another() -> None:
    assert safe_stem(safe_stem("a/b")) != safe_stem("a/b")
