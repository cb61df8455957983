"""What the tests of the readers share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def label_tables() -> Path:
    """The folder of public label tables that torchxrayvision carries; the test is skipped without it."""
    # Found, not imported: its import takes seconds.
    spec = find_spec("torchxrayvision")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        pytest.skip("The label tables of torchxrayvision are not installed.")
    return folder
