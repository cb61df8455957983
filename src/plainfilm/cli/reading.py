"""Options of a reader of data sets, as people type them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers import reader
from plainfilm.errors import LabelError
from plainfilm.io.setting import setting_value


def read_data_set(name: str, root: Path, options: Sequence[str], labels: Sequence[str]) -> Manifest:
    """Calls a reader by its name.

    Args:
        name: Of ``plainfilm.datasets.readers.READERS``.
        root: The folder of the release.
        options: Arguments of the reader as "name=value"; the value is YAML where no text is asked for.
        labels: For the reader "table", "FINDING=COLUMN" or "FINDING=COLUMN:WORD".

    Raises:
        InputError: for a release that cannot be read.
        LabelError: for another name, an option that the reader does not have or needs, or a release that
            contradicts itself.
    """
    read = reader(name)
    _, *others = signature(read).parameters.items()
    known = dict(others)
    given = dict(_argument(pair, known, name) for pair in options)
    if labels:
        given["labels"] = [_label(text) for text in labels]
    _check_complete(given, known, name)
    return read(root, **given)


def _check_complete(given: Mapping[str, Any], known: Mapping[str, Parameter], name: str) -> None:
    needed = [option for option, asked in known.items() if asked.default is Parameter.empty]
    missing = [option for option in needed if option not in given]
    if not missing:
        return
    advice = "--label FINDING=COLUMN" if missing[0] == "labels" else f"--option {missing[0]}=..."
    if "None" in str(known[missing[0]].annotation):
        advice = f"--option {missing[0]}=..., or nothing after = where there is none"
    raise LabelError(f"no {missing[0]}", ", ".join(needed), f"reader {name}", f"Add {advice}.")


def _argument(pair: str, known: Mapping[str, Parameter], name: str) -> tuple[str, Any]:
    option, equals, text = pair.partition("=")
    if not equals or option not in known:
        close = get_close_matches(option, known, n=1)
        advice = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(known) or 'none'}."
        raise LabelError(
            f"--option {pair!r}", "NAME=VALUE of an option of the reader", f"reader {name}", advice
        )
    try:
        value = setting_value(text)
    except ValueError as error:
        raise LabelError(f"--option {pair!r}", "a value in YAML", f"reader {name}") from error
    # A column called "No" is text, and not the answer to a question.
    return option, text if value is not None and str(known[option].annotation).startswith("str") else value


def _label(text: str) -> tuple[str, Any]:
    from plainfilm.datasets.readers.table import Label

    finding, equals, rule = text.partition("=")
    column, colon, word = rule.partition(":")
    if not (equals and finding and column) or (colon and not word):
        raise LabelError(f"--label {text!r}", "FINDING=COLUMN or FINDING=COLUMN:WORD", "data build")
    return finding, Label(column, word or "1")
