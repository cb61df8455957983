from __future__ import annotations

import json

from plainfilm.attribution.registry import names
from plainfilm.findings import ALL


def test_everything_that_can_be_named_is_listed(run):
    said = json.loads(run("list", "--json").out)
    assert tuple(said["methods"]) == names()
    assert all(said["methods"].values())
    assert "phantom" in said["models"]
    assert tuple(said["findings"]) == ALL


def test_people_get_tables(run):
    out = run("list").out
    assert "integrated-gradients" in out
    assert "Pleural_Thickening" in out
