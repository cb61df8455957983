from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from plainfilm.attribution import registry
from plainfilm.audit.plan import Plan
from plainfilm.audit.run import run
from plainfilm.audit.summary import summarise
from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import FINDING, Manifest
from plainfilm.datasets.study import Study
from plainfilm.models.classifier import wrap
from plainfilm.reports.audit import MOST_EXAMPLES, write_audit

HOSTILE = "<script>alert('film')</script>\"&amp;"

Write = Callable[..., str]


def films(folder: Path, n: int, findings: Sequence[str], outlined: int, prefix: str = "film-") -> Manifest:
    """Films of noise; the k-th shows the k-th finding, and the first of them are outlined."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for k in range(n):
        Image.fromarray(rng.integers(0, 256, (40, 36), np.uint8)).save(folder / f"{k}.png")
    shown = [findings[k % len(findings)] for k in range(n)]
    table = pd.DataFrame({
        "film": [f"{prefix}{k}" for k in range(n)], "path": [f"{k}.png" for k in range(n)],
        "patient": [f"{prefix}patient-{k}" for k in range(n)], "sex": ["F", "M"] * (n // 2) + ["F"] * (n % 2),
        **{FINDING + name: [float(name == each) for each in shown] for name in findings},
    })  # fmt: skip
    boxes = [Annotation(f"{prefix}{k}", shown[k], "box", (4.0, 4.0, 20.0, 12.0)) for k in range(outlined)]
    return Manifest("noise", folder, table, annotation_table(boxes))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Audits a small network of random weights and returns the page."""

    def write(
        n: int = 4, findings: Sequence[str] = ("Mass", "Nodule"), outlined: int | None = None,
        methods: Sequence[str] = ("gradient",), prefix: str = "film-", facts: Any = None, card: Any = None,
        broken: Sequence[int] = (),
    ) -> str:  # fmt: skip
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
            nn.Linear(16, len(findings)),
        ).eval()  # fmt: skip
        model = wrap(network, findings, 32)
        model.card.update(card or {})
        data = films(tmp_path / "films", n, findings, n if outlined is None else outlined, prefix)
        for k in broken:
            (tmp_path / "films" / f"{k}.png").write_bytes(b"no picture")
        plan = Plan(model, data, {name: {} for name in methods})
        results = run(plan, tmp_path / "audit", lambda *_: None, lambda *_: None)
        page = write_audit(
            tmp_path / "page.html", plan, results, summarise(results, plan.findings), facts or {}
        )
        return page.read_text()

    return write


def words(page: str) -> str:
    """The page without tags, styles and pictures."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))


def test_a_page_says_what_was_audited(write: Write) -> None:
    text = words(write(facts={"Command": "plainfilm audit --out here"}))
    assert "Audit of Sequential" in text
    assert "4 films of noise, 2 findings, 4 maps by 1 method." in text
    assert "plainfilm audit --out here" in text
    assert "Research use only" in text


def test_one_of_a_kind_is_not_several(write: Write) -> None:
    assert "1 film of noise, 1 finding, 1 map by 1 method." in words(write(1, ("Mass",)))


def test_a_page_is_one_file_that_asks_for_nothing(write: Write) -> None:
    page = write()
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    links = re.findall(r"(?:src|href)=\"([^\"]{0,12})", page)
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "<script" not in page


@pytest.mark.parametrize(
    "case",
    [
        {"outlined": 0},
        {"n": 1, "findings": ("Mass",)},
        {"n": 1, "findings": ("Mass",), "outlined": 0},
        {"n": 60, "findings": [f"Finding {k}" for k in range(60)]},
        {"n": 3, "findings": ("Mass", "Nodule", "Effusion", "Edema")},
    ],
    ids=["no outline", "one film", "one film without outline", "60 findings", "a finding nobody has"],
)
def test_a_page_opens_whatever_there_is_and_prints_no_number_that_is_none(
    write: Write, case: dict[str, Any]
) -> None:
    page = write(**case)
    assert not re.search(r"\b(nan|inf|none|undefined)\b", words(page), re.IGNORECASE)
    assert not re.search(r"[:\"MV ]-?(nan|inf)\b", page, re.IGNORECASE)


def test_outlines_that_are_empty_are_undefined_and_counted(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Study, "region", lambda self, _: np.zeros(self.radiograph.size, bool))
    text = words(write())
    assert "4 empty outlines are undefined and left out." in text
    assert not re.search(r"\bnan\b", text)


def test_films_left_out_are_named_with_the_reason(write: Write, tmp_path: Path) -> None:
    text = words(write(5, broken=(2,)))
    assert "1 of 5 films could not be used" in text
    assert "Excluded films 1" in text
    assert "2.png: got not an image (starts with &#34;no pi&#34;)" in text


def test_outlines_are_explained_where_there_are_any(write: Write) -> None:
    text = words(write())
    assert "marks the annotations of the data" in text
    assert "expert" not in text
    assert "the film is shown whose overlap" in text


def test_without_outlines_there_is_no_word_of_films_or_methods_compared(write: Write) -> None:
    text = words(write(outlined=0))
    assert "No finding is outlined in these films" in text
    assert "Plausibility" not in text
    assert "Bars are probabilities" not in text


def test_the_page_shows_a_few_films_only(write: Write) -> None:
    page = write(14, [f"Finding {k}" for k in range(14)])
    assert page.count('<article class="case"') == MOST_EXAMPLES


def test_names_from_outside_are_escaped(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    method = "<img src=x onerror=alert(1)>"
    monkeypatch.setitem(registry.OURS, method, registry.OURS["gradient"])
    page = write(
        4, (HOSTILE, "Mass"), methods=(method,), prefix=HOSTILE,
        facts={HOSTILE: HOSTILE}, card={"name": HOSTILE, "caution": HOSTILE},
    )  # fmt: skip
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(&#39;film&#39;)" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_film_name_that_is_not_utf_8_can_be_written(write: Write) -> None:
    assert "caution" in write(card={"caution": "caution \udcff\0"})


def test_the_example_of_a_finding_is_the_median(write: Write, tmp_path: Path) -> None:
    page = write(7, ("Mass",))
    scores = pd.read_parquet(tmp_path / "audit" / "blocks" / "scores-000000.parquet")
    rows = scores[scores["method"] == "gradient"].sort_values("best_case_iou", kind="stable")
    shown = re.findall(r'<bdi title="([^"]*)"', page)
    values = rows.set_index("film").loc[shown, "best_case_iou"]
    assert list(values) == [rows["best_case_iou"].iloc[3]]
