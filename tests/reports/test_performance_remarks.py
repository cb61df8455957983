from __future__ import annotations

from math import nan

import pytest

from plainfilm.audit.performance import Performance
from plainfilm.metrics.intervals import Interval
from plainfilm.reports.performance_remarks import performance_remarks


def row(
    finding: str, low: float = 0.7, error: float = 0.02, p: float = 1, value: float = 0.8, patients: int = 20
) -> Performance:
    area = Interval(value, low, 0.9, 100, n_positive=patients)
    return Performance(finding, area, area, 0.1, error, p, (), patients, False)


def told(*rows: Performance, kind: str) -> list[str]:
    return [remark.text for remark in performance_remarks(rows) if remark.kind == kind]


def test_findings_predicted_well_have_no_remark() -> None:
    assert performance_remarks([row("Mass"), row("Edema", 0.51)]) == []


def test_findings_predicted_at_chance_are_a_worry() -> None:
    (found,) = told(row("Mass", 0.5), row("Edema", 0.51), row("Hernia", 0.3), kind="worry")
    assert found.endswith("not shown to be better than chance for Mass and Hernia.")


def test_a_model_at_chance_for_all_findings_is_at_chance_for_any() -> None:
    (found,) = told(row("Mass", 0.5), row("Edema", 0.4), kind="worry")
    assert found.endswith("better than chance for any finding.")


def test_below_ten_patients_of_a_class_a_finding_is_not_judged_but_named_with_its_numbers() -> None:
    rows = row("Hernia", nan, value=0.35, patients=1), row("Mass", 0.6, patients=9), row("Edema", patients=10)
    (found,) = told(*rows, kind="worry")
    assert found == (
        "Too few patients to judge whether the model is better than chance, fewer than 10 of the rarer class "
        "(in brackets AUROC and their number): Hernia (0.35, 1) and Mass (0.80, 9)."
    )


def test_each_missing_interval_has_its_own_reason() -> None:
    rows = (
        row("Hernia", nan, value=1, patients=1),
        row("Pleural_Thickening", nan, value=1, patients=12),
        row("Edema", nan, value=0.5, patients=30),
    )
    alone, perfect, alike = told(*rows, kind="note")
    assert alone == ("The AUROC of Hernia has no interval: the rarer class is one patient.")
    assert "Pleural Thickening (12) has no interval: every one of the positives" in perfect
    assert perfect.endswith("other patients may not.")
    assert "Edema has no interval: it is the same" in alike


@pytest.mark.parametrize(("value", "is_worry"), [(1, False), (0.99, True), (0.5, True), (0, True)])
def test_without_an_interval_only_a_perfect_auroc_is_above_chance(value: float, is_worry: bool) -> None:
    found = told(row("Mass", nan, value=value, patients=12), kind="worry")
    assert any("not shown to be better than chance" in text for text in found) == is_worry


def test_an_auroc_without_value_is_neither_at_chance_nor_of_too_few_patients() -> None:
    unknown = row("Mass", nan, value=nan, patients=0)
    assert told(unknown, kind="worry") == []
    (found,) = told(unknown, kind="note")
    assert "AUROC of Mass has no value" in found


@pytest.mark.parametrize(
    ("error", "p", "is_told"),
    [(0.2, 0.01, True), (0.2, 0.06, False), (0.09, 0.01, False), (nan, nan, False)],
)
def test_probabilities_are_wrong_where_their_error_is_large_and_no_chance(
    error: float, p: float, is_told: bool
) -> None:
    found = told(row("Mass", error=error, p=p), kind="worry")
    assert any("plainfilm calibrate" in text for text in found) == is_told


@pytest.mark.parametrize(
    "changes",
    [
        {"low": 0.3},
        {"low": nan, "value": 0.35, "patients": 1},
        {"low": nan, "value": nan, "patients": 0},
        {"low": nan, "value": 1, "patients": 12},
    ],
    ids=["at chance", "one patient", "nobody", "perfect"],
)
def test_wrong_probabilities_are_told_whatever_the_auroc(changes: dict[str, float]) -> None:
    found = told(row("Hernia", error=0.35, p=0.01, **changes), kind="worry")
    assert any("do not mean what they say for Hernia" in text for text in found)
