"""What an audit's page says first of how well the findings are predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plainfilm.audit.performance import FEWEST_OF_A_CLASS, Performance
from plainfilm.audit.summary import SIGNIFICANT
from plainfilm.reports.wording import Remark, number, some

MISCALIBRATED = 0.1
"""Expected calibration error from which probabilities are not to be read as such."""


def performance_remarks(rows: Sequence[Performance]) -> list[Remark]:
    """Of every finding whether it is predicted better than chance, or why that is not known."""
    return [*_chance(rows), *_miscalibrated(rows), *_without_value(rows), *_without_interval(rows)]


def _chance(rows: Sequence[Performance]) -> Iterator[Remark]:
    chance = [row.finding for row in rows if _is_judged(row) and not row.beats_chance]
    if chance:
        which = some(chance) if len(chance) < len(rows) else "any finding"
        text = f"On these films the model is not shown to be better than chance for {which}."
        yield Remark("worry", text)
    few = [f"{row.finding} ({number(row.auroc.value)}, {row.patients})" for row in rows if row.has_few]
    if few:
        text = (
            "Too few patients to judge whether the model is better than chance, fewer than "
            f"{FEWEST_OF_A_CLASS} of the rarer class (in brackets AUROC and their number): {some(few)}."
        )
        yield Remark("worry", text)


def _is_judged(row: Performance) -> bool:
    return row.auroc.status != "undefined" and not row.has_few


def _miscalibrated(rows: Sequence[Performance]) -> Iterator[Remark]:
    # Comparisons with NaN are False.
    wrong = [
        row.finding
        for row in rows
        if row.calibration_error > MISCALIBRATED and row.calibration_p < SIGNIFICANT
    ]
    if wrong:
        text = (
            f"Probabilities do not mean what they say for {some(wrong)}: predicted and observed shares "
            f"differ by more than {number(MISCALIBRATED, 1)} on average. 'plainfilm calibrate' mends that "
            "where enough films of both kinds are known, but raises no AUROC."
        )
        yield Remark("worry", text)


def _without_value(rows: Sequence[Performance]) -> Iterator[Remark]:
    unknown = [row.finding for row in rows if row.auroc.status == "undefined"]
    if unknown:
        text = f"The AUROC of {some(unknown)} has no value: the films are not known to be of both kinds."
        yield Remark("note", text)


def _without_interval(rows: Sequence[Performance]) -> Iterator[Remark]:
    """Three reasons why drawing other patients gives no limits."""
    bare = [row for row in rows if row.auroc.status == "no interval"]
    alone = [row.finding for row in bare if row.patients < 2]
    perfect = [row for row in bare if row.patients >= 2 and row.is_perfect]
    alike = [row.finding for row in bare if row.patients >= 2 and not row.is_perfect]
    if alone:
        text = f"The AUROC of {some(alone)} has no interval: the rarer class is one patient."
        yield Remark("note", text)
    if perfect:
        names = [f"{row.finding} ({row.auroc.n_positive})" for row in perfect]
        text = (
            f"The AUROC of {some(names)} has no interval: every one of the positives, their number in "
            "brackets, scores above all others here; other patients may not."
        )
        yield Remark("note", text)
    if alike:
        text = (
            f"The AUROC of {some(alike)} has no interval: it is the same however these patients are drawn; "
            "of other patients it may differ."
        )
        yield Remark("note", text)
