"""Every block of Python in the README and the pages is run, as a reader would paste it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plainfilm.datasets.phantom import Phantom

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """A film called chest.png, as the pages expect."""
    path = tmp_path_factory.mktemp("docs") / "chest.png"
    pixels = Phantom(1, 224, seed=2).study(0, findings=["Cardiomegaly"]).radiograph.pixels
    Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    "page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=lambda page: page.name
)
def test_the_blocks_of_a_page_run_in_order(page, film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chest.png").write_bytes(film.read_bytes())
    names: dict[str, object] = {}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, page.name, "exec"), names)


def test_every_method_has_its_test_and_its_page():
    methods = {
        path.stem
        for path in (REPOSITORY / "src/plainfilm/attribution").glob("*.py")
        if re.search(r"^class \w+\(Method\)", path.read_text(), re.MULTILINE)
    }
    assert methods == {path.stem for path in (REPOSITORY / "docs/methods").glob("*.md")}
    assert methods <= {
        path.stem.removeprefix("test_") for path in (REPOSITORY / "tests/attribution").glob("*.py")
    }
