"""What an audit's page says first: what to worry about, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plainfilm.audit.measures import DEVICES
from plainfilm.audit.run import Results
from plainfilm.audit.summary import SIGNIFICANT, MethodTable, Summary
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics.baselines import CENTRE, RANDOM
from plainfilm.metrics.bootstrap import FEWEST_PATIENTS
from plainfilm.metrics.subgroups import Subgroup
from plainfilm.reports.wording import Remark, interval, listed, number

OVERLAP, FALL = "best_case_iou", "removal_drop"

MISCALIBRATED = 0.1
"""Expected calibration error from which probabilities are not to be read as such."""

MOST_NAMES = 15
"""Findings that one sentence lists."""


def audit_remarks(summary: Summary, results: Results, caution: str = "") -> list[Remark]:
    """The sentences, worries before comfort."""
    found = [Remark("worry", caution)] if caution else []
    found += [*_performance(summary), *_maps(summary, results), *_groups(summary), *_films(results)]
    return sorted(found, key=lambda remark: ("worry", "good", "note").index(remark.kind))


def some(names: Sequence[str]) -> str:
    """``listed``, but of many names the first; the tables have all."""
    if len(names) <= MOST_NAMES:
        return listed(names)
    return listed([*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} others"])


def counted(n: int, noun: str) -> str:
    """ "1 film", "2 films"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _performance(summary: Summary) -> Iterator[Remark]:
    known = [each for each in summary.performance if each.auroc.status == "ok"]
    chance = [each.finding for each in known if each.auroc.low <= 0.5]
    if chance:
        which = some(chance) if len(chance) < len(summary.performance) else "any finding"
        text = f"On these films the model is not shown to be better than chance for {which}."
        yield Remark("worry", text)
    unknown = [each.finding for each in summary.performance if each.auroc.status == "undefined"]
    if unknown:
        text = f"The AUROC of {some(unknown)} has no value: the films are not known to be of both kinds."
        yield Remark("note", text)
    alike = [each.finding for each in summary.performance if each.auroc.status == "no interval"]
    if alike:
        text = f"The AUROC of {some(alike)} has no interval: drawing other patients does not change it."
        yield Remark("note", text)
    # Comparisons with NaN are False.
    wrong = [
        each.finding
        for each in known
        if each.calibration_error > MISCALIBRATED
        and each.calibration_p < SIGNIFICANT
        and each.finding not in chance  # which no calibration mends
    ]
    if wrong:
        text = (
            f"Probabilities do not mean what they say for {some(wrong)}: predicted and observed shares "
            f"differ by more than {number(MISCALIBRATED, 1)} on average. 'plainfilm calibrate' mends that."
        )
        yield Remark("worry", text)


def _maps(summary: Summary, results: Results) -> Iterator[Remark]:
    if summary.overall is None:
        text = "No finding is outlined in these films: whether the maps agree with experts is untested."
        yield Remark("worry", text)
        return
    yield from _overall(summary.overall)
    yield from _at_chance(summary)
    yield from _devices(summary.overall)
    flat = sum(row.flat for row in summary.overall.methods)
    if flat:
        total = len(summary.overall.methods) * summary.overall.maps
        text = f"{flat} of {total} maps are flat: they point at nothing, which counts as a miss."
        yield Remark("worry", text)


def _overall(table: MethodTable) -> Iterator[Remark]:
    beating = [row for row in table.methods if row.beats_baselines(OVERLAP)]
    best = max(beating or table.methods, key=lambda row: row.values[OVERLAP].value)
    numbers = (
        f"{best.method} has a mean best-case IoU of {number(best.values[OVERLAP].value)} "
        f"({interval(best.values[OVERLAP])}), the centre prior "
        f"{number(table.row(CENTRE).values[OVERLAP].value)}, a random map "
        f"{number(table.row(RANDOM).values[OVERLAP].value)}, over {table.maps} maps "
        f"of {table.patients} patients"
    )
    if beating:
        yield Remark(
            "good", f"Plausible: maps agree with experts better than maps that know nothing; {numbers}."
        )
    else:
        text = "Not shown to be plausible: no method agrees with experts better than maps that know nothing"
        yield Remark("worry", f"{text}; {numbers}.")
    unfaithful = [row.method for row in table.methods if not row.beats_baselines(FALL)]
    if unfaithful:
        which = "any method" if len(unfaithful) == len(table.methods) else listed(unfaithful)
        text = (
            f"Fidelity is not shown for {which}: blurring what the map marks is not shown to take the score "
            "down more than blurring what a map that knows nothing marks."
        )
        yield Remark("worry", text)
    else:
        text = (
            "Faithful: blurring what a map marks takes the score down more than a map that knows nothing does"
        )
        yield Remark("good", f"{text}, for every method.")


def _at_chance(summary: Summary) -> Iterator[Remark]:
    """Findings for which no method points at the finding."""
    unbeaten = {
        finding: table
        for finding, table in summary.by_finding.items()
        if not any(row.beats_baselines(OVERLAP) for row in table.methods)
    }
    enough = [finding for finding, table in unbeaten.items() if table.patients >= FEWEST_PATIENTS]
    few = [f"{finding} ({table.patients})" for finding, table in unbeaten.items() if finding not in enough]
    if enough:
        text = f"Every method is at chance for {some(enough)}: a map of it is no location."
        yield Remark("worry", text)
    if few:
        text = "Too few patients to tell whether a map points at the finding (their number in brackets): "
        yield Remark("note", f"{text}{some(few)}.")


def _devices(table: MethodTable) -> Iterator[Remark]:
    """Methods whose maps of other findings rest on devices more than a map that knows nothing."""
    suspects = [row for row in table.methods if row.beats_baselines(DEVICES)]
    if suspects:
        shares = [(row.method, row.values[DEVICES]) for row in suspects]
        words = [f"{name} {number(share.value)} ({interval(share)})" for name, share in shares]
        text = (
            f"More evidence for findings lies on {SUPPORT_DEVICES.lower()} than chance explains, as a share "
            f"of all evidence: {', '.join(words)}; the centre prior "
            f"{number(table.row(CENTRE).values[DEVICES].value)}. Look whether the model reads the tube."
        )
        yield Remark("worry", text)


def _groups(summary: Summary) -> Iterator[Remark]:
    for finding, table in summary.performance_groups.items():
        yield from _differences(table, f"AUROC for {listed([finding])}")
    yield from _differences(summary.explanation_groups, "Best-case IoU of the best method")


def _differences(table: Sequence[Subgroup], what: str) -> Iterator[Remark]:
    for row in table:
        if row.difference is not None and row.p_holm < SIGNIFICANT:
            reference = next(r for r in table if r.attribute == row.attribute and r.is_reference)
            text = (
                f"{what} differs by {row.attribute}: {number(row.interval.value)} in {row.group} "
                f"({row.films} films), {number(reference.interval.value)} in {reference.group} "
                f"({reference.films}), corrected p = {number(row.p_holm, 3)}."
            )
            yield Remark("worry", text)


def _films(results: Results) -> Iterator[Remark]:
    excluded, used = len(results.excluded), len(results.predictions)
    if excluded:
        text = f"{excluded} of {excluded + used} films could not be used and count nowhere"
        yield Remark("worry", f"{text}; the reasons are below.")
