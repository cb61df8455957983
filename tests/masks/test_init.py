from __future__ import annotations

import subprocess
import sys

import pytest

from plainfilm import masks


def test_every_name_that_is_promised_is_there():
    for name in masks.__all__:
        assert callable(getattr(masks, name))


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="decode_png"):
        masks.decode_png  # noqa: B018


def test_masks_are_imported_without_torch():
    names = ", ".join(masks.__all__)
    code = f"import sys; from plainfilm.masks import {names}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
