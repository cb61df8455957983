"""The house: a file imports only from its own floor or a lower one, and never in a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "plainfilm"
FLOORS = (
    "lazy", "errors", "findings", "radiograph", "losses", "masks", "io", "datasets", "metrics", "models",
    "training", "attribution", "audit", "reports", "cli", "__main__",
)  # fmt: skip
"""From the ground up."""


def imports() -> dict[str, set[str]]:
    """Module to the modules of the package that it imports when it is imported."""
    names = {_name(path): path for path in PACKAGE.rglob("*.py")}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("plainfilm"):
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= {member if member in names else node.module for member in members}
        found[name] = targets
    return found


def _name(path: Path) -> str:
    parts = ("plainfilm", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(part for part in parts if part != "__init__")


def test_imports_go_down():
    for name, targets in imports().items():
        for target in targets:
            if name.count(".") and target.count("."):
                floor, below = (FLOORS.index(module.split(".")[1]) for module in (name, target))
                assert below <= floor, f"{name} imports {target}, which lives above it"


def test_no_circle():
    TopologicalSorter(imports()).prepare()


def test_every_folder_has_its_floor():
    assert {
        path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py") and path.stem[0] != "_"
    } <= {*FLOORS, "py"}
