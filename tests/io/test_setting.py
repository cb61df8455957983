from __future__ import annotations

import pytest

from plainfilm.io.setting import setting_value


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("0.5", 0.5), ("black", "black"), ("[a, 1]", ["a", 1]), ("", None)]
)
def test_values_are_read_as_yaml(text, value):
    assert setting_value(text) == value


@pytest.mark.parametrize("text", ["[", "{a", "2026-13-45"])
def test_what_is_no_value_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\S"):
        setting_value(text)
