from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import plainfilm.metrics


def test_every_public_name_is_there():
    for name in plainfilm.metrics.__all__:
        assert getattr(plainfilm.metrics, name) is not None


def test_no_file_bears_the_name_of_what_it_holds():
    """Or the module would stand in the function's place as soon as anyone imports it."""
    files = {path.stem for path in Path(plainfilm.metrics.__file__).parent.glob("*.py")}
    assert not files & set(plainfilm.metrics.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'jaccard'"):
        _ = plainfilm.metrics.jaccard


def test_the_functions_load_no_torch():
    code = "import sys, plainfilm.metrics as m; m.iou([[1]], [[1]]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
