"""Python on README and pages is run as a reader would paste it; commands, recipes and names are checked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from PIL import Image

from plainfilm.attribution.registry import OURS
from plainfilm.cli.main import app
from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.readers import READERS
from plainfilm.training.recipe import Recipe

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")
SETTINGS = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


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


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each plainfilm command of a page."""
    for block in SHELL.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("plainfilm "):
                yield shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize("page", [p for p in PAGES if any(commands(p))], ids=lambda page: page.name)
def test_every_command_of_a_page_has_the_options_that_it_is_given(page):
    for words in commands(page):
        command, rest = typer.main.get_command(app), words
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        command.make_context(words[0], rest)  # raises for an option that is not there


def test_recipes_on_pages_are_recipes():
    found = [text for page in PAGES for text in SETTINGS.findall(page.read_text())]
    assert found
    for text in found:
        Recipe.model_validate(yaml.safe_load(text))


def test_links_lead_to_files():
    links = [(page, link) for page in PAGES for link in LINK.findall(page.read_text())]
    assert not [link for page, link in links if not (page.parent / link).is_file()]


def test_the_pages_name_every_reader_and_every_method():
    readers, methods = (REPOSITORY / "docs/data.md").read_text(), (REPOSITORY / "README.md").read_text()
    assert not [name for name in READERS if f"| `{name}` |" not in readers]
    assert not [name for name in OURS if f"`{name}`" not in methods]


def test_every_method_has_its_test_and_its_page():
    methods = {
        path.stem
        for path in (REPOSITORY / "src/plainfilm/attribution").glob("*.py")
        if re.search(
            r"^class (?!Method\()\w+\((Method|GradCAM|Attribution)\)", path.read_text(), re.MULTILINE
        )
    }
    assert methods == {path.stem for path in (REPOSITORY / "docs/methods").glob("*.md")}
    assert methods <= {
        path.stem.removeprefix("test_") for path in (REPOSITORY / "tests/attribution").glob("*.py")
    }
