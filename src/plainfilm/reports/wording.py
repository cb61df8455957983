"""What a report says in words: numbers, facts, and the sentences at its top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from plainfilm.metrics.baselines import BASELINES, CENTRE, RANDOM
from plainfilm.metrics.intervals import Interval
from plainfilm.radiograph import Radiograph
from plainfilm.reports.localisation import FEWEST, Score, by_finding, gain_over_centre, rows

if TYPE_CHECKING:
    from plainfilm.reports.page import Report

MINUS, UNDEFINED = "\u2212", "\u2013"

MOST_NAMES = 15
"""Findings that one sentence lists."""


@dataclass(frozen=True)
class Remark:
    """A sentence at the top of a report; ``kind`` is "worry", "good" or "note"."""

    kind: str
    text: str


def number(value: float | None, digits: int = 2) -> str:
    """A number with a fixed count of decimals; a dash where there is none."""
    if value is None or not isfinite(value):
        return UNDEFINED
    return f"{value:z.{digits}f}".replace("-", MINUS)  # "z": no minus before zero


def interval(value: Interval) -> str:
    """The limits of an interval, a dash where there are none."""
    if value.status != "ok":
        return UNDEFINED if value.status == "undefined" else value.status
    return f"{number(value.low)} to {number(value.high)}"


def scale(value: float) -> str:
    """The end of a colour scale, two significant digits."""
    return f"{value:.2g}".replace("-", MINUS) if isfinite(value) else UNDEFINED


def amount(value: float) -> str:
    """A total that is not negative: whole from 10 on, two significant digits below."""
    return f"{value:.0f}" if value >= 10 else scale(value)


def plain(name: str) -> str:
    """A finding as people write it."""
    return name.replace("_", " ")


def facts(film: Radiograph) -> tuple[str, ...]:
    """View, size and pixel spacing of a film."""
    view = (film.view,) if film.view else ()
    spacing = (f"{film.spacing[0]:.3g} mm a pixel",) if film.spacing else ()
    return (*view, f"{film.size[1]} × {film.size[0]} px", *spacing)


def listed(names: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    words = [plain(name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def some(names: Sequence[str]) -> str:
    """``listed``, but of many names the first; the tables have all."""
    if len(names) <= MOST_NAMES:
        return listed(names)
    return listed([*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} others"])


def counted(n: int, noun: str) -> str:
    """ "1 film", "2 films"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def remarks(report: Report) -> list[Remark]:
    """The sentences a reader should see first, worries before comfort."""
    found = [*_localisation(report), *_classification(report), *_films(report)]
    return sorted(found, key=lambda remark: ("worry", "good", "note").index(remark.kind))


def _localisation(report: Report) -> list[Remark]:
    count, flat = report.maps
    found = []
    if flat:
        text = f"{flat} of {count} maps are flat: there the score does not depend on the image at all."
        found.append(Remark("worry", text))
    if count and not report.scores:
        text = "These maps are untested: no finding is outlined, so nothing here says whether they are true."
        found.append(Remark("worry", text))
    if report.scores:
        found += [_overall(report), *_per_finding(report)]
    return found


def _overall(report: Report) -> Remark:
    """Whether the best method beats the centre prior.

    It is chosen and tested on the same films, so its gain must be above 0 with an interval
    of the level that ``_level`` corrects for the number of methods.
    """
    table = {row.method: row.iou for row in rows(report.scores)}
    methods = [name for name in table if name not in BASELINES]
    best = max(methods, key=lambda name: table[name].value)
    gain = gain_over_centre(report.scores, best, _level(methods))
    numbers = (
        f"{best} reaches a mean best-case IoU of {number(table[best].value)} ({interval(table[best])}), "
        f"the centre prior {number(table[CENTRE].value)}, a random map {number(table[RANDOM].value)}"
    )
    if gain.n < FEWEST:
        return Remark("note", f"{gain.n} outlined finding(s) are too few to judge a method by: {numbers}.")
    if gain.low > 0:
        return Remark("good", f"Over {gain.n} outlined findings {numbers}.")
    return Remark("worry", f"No method beats the centre prior over {gain.n} outlined findings: {numbers}.")


def _per_finding(report: Report) -> list[Remark]:
    enough = [name for name, table in by_finding(report.scores).items() if table[0].iou.n >= FEWEST]
    unbeaten = [name for name in enough if not _beats_centre(report.scores, name)]
    few = [name for name in by_finding(report.scores) if name not in enough]
    found = []
    if unbeaten:
        text = (
            f"No method is shown to beat the centre prior for {listed(unbeaten)}: such a map is no location."
        )
        found.append(Remark("worry", text))
    if few and enough:
        text = f"Too few outlines to judge by, fewer than {FEWEST}: {listed(few)}."
        found.append(Remark("note", text))
    return found


def _beats_centre(scores: Sequence[Score], finding: str) -> bool:
    """Whether any method is above the centre prior with its whole interval, corrected as in ``_overall``."""
    own = [score for score in scores if score.finding == finding]
    methods = {score.method for score in own} - set(BASELINES)
    return any(gain_over_centre(own, method, _level(methods)).low > 0 for method in methods)


def _level(methods: Collection[str]) -> float:
    """The level of one interval of several, so that all hold together in 95 % of studies (Bonferroni)."""
    return 1 - 0.05 / len(methods)


def _classification(report: Report) -> list[Remark]:
    found = [Remark("worry", report.caution)] if report.caution else []
    chance = [name for name, area in report.areas.items() if area.low <= 0.5]
    unknown = [name for name, area in report.areas.items() if area.status != "ok"]
    if chance:
        which = listed(chance) if len(chance) < len(report.areas) else "any finding"
        text = f"On these films the model is not shown to be better than chance for {which}."
        found.append(Remark("worry", text))
    if unknown:
        text = f"The AUROC of {listed(unknown)} has no value or no interval: too few films with the finding."
        found.append(Remark("note", text))
    return found


def _films(report: Report) -> list[Remark]:
    total, excluded = report.films + len(report.excluded), len(report.excluded)
    found = []
    if excluded:
        text = f"{excluded} of {total} films could not be used and count nowhere; the reasons are below."
        found.append(Remark("worry", text))
    for warning, films in Counter(report.warnings).most_common():
        found.append(Remark("note", f"{films} of {report.films} films: {warning}"))
    if report.films > len(report.cases):
        text = f"{len(report.cases)} of {report.films} films are shown; the tables count all."
        found.append(Remark("note", text))
    return found
