"""A value as people write it after ``--set name=``."""

from __future__ import annotations

from typing import Any

import yaml


def setting_value(text: str) -> Any:
    """Reads a number, a word, a list or another value of YAML.

    Raises:
        ValueError: for text that is not YAML, and for an impossible date.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
