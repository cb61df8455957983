"""What an audit's page says first: what to worry about, in sentences.

No method is called plausible, faithful or at chance by one measure: most measures under a heading must say
so, or each of those that a smaller table has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plainfilm.audit.measures import DEVICES, PLAUSIBILITY
from plainfilm.audit.run import Results
from plainfilm.audit.summary import PLACE, SIGNIFICANT, MethodTable, Summary
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics.baselines import CENTRE, RANDOM
from plainfilm.metrics.bootstrap import FEWEST_PATIENTS
from plainfilm.metrics.measures import MEASURES
from plainfilm.metrics.subgroups import Subgroup
from plainfilm.reports.performance_remarks import performance_remarks
from plainfilm.reports.wording import Remark, counted, interval, listed, number, some

OVERLAP, FALL = "best_case_iou", "removal_drop"


def audit_remarks(summary: Summary, results: Results, truth: str, caution: str = "") -> list[Remark]:
    """The sentences, worries before comfort; ``truth`` says what the maps are compared with."""
    found = [Remark("worry", caution)] if caution else []
    found += performance_remarks(summary.performance)
    found += [*_maps(summary, truth), *_groups(summary), *_films(results)]
    return sorted(found, key=lambda remark: ("worry", "good", "note").index(remark.kind))


def _maps(summary: Summary, truth: str) -> Iterator[Remark]:
    if summary.overall is None:
        text = "No finding is outlined in these films: whether the maps mark the findings is untested."
        yield Remark("worry", text)
        return
    yield _plausible(summary.overall, truth)
    yield from _faithful(summary, summary.overall)
    yield from _centred(summary)
    yield from _at_chance(summary)
    yield from _devices(summary.overall)
    flat = sum(row.flat for row in summary.overall.methods)
    if flat:
        total = len(summary.overall.methods) * summary.overall.maps
        text = f"{flat} of {total} maps are flat: they point at nothing, which counts as a miss."
        yield Remark("worry", text)


def _plausible(table: MethodTable, truth: str) -> Remark:
    by = _tally(table, PLAUSIBILITY)
    beating = [row for row in table.methods if 2 * by[row.method] > len(PLAUSIBILITY)]
    best = max(beating or table.methods, key=lambda row: (by[row.method], row.values[OVERLAP].value))
    measures = f"{by[best.method]} of {len(PLAUSIBILITY)} measures"
    numbers = (
        f"{best.method} has a mean best-case IoU of {number(best.values[OVERLAP].value)} "
        f"({interval(best.values[OVERLAP])}), the centre prior "
        f"{number(table.row(CENTRE).values[OVERLAP].value)}, a random map "
        f"{number(table.row(RANDOM).values[OVERLAP].value)}, over {_basis(table)}"
    )
    if not beating:
        text = (
            f"Not shown to be plausible: no method agrees with {truth} better than maps that know nothing by "
            f"most measures, {best.method} by {measures}"
        )
        return Remark("worry", f"{text}; {numbers}.")
    which = f"the best of {len(table.methods)} methods agrees" if len(table.methods) > 1 else "the maps agree"
    text = f"Plausible: {which} with {truth} better than maps that know nothing by {measures}"
    return Remark("good", f"{text}; {numbers}.")


def _tally(table: MethodTable, measures: Sequence[str]) -> dict[str, int]:
    """Method to the number of measures by which it beats both baselines."""
    return {row.method: sum(map(row.beats_baselines, measures)) for row in table.methods}


def _faithful(summary: Summary, table: MethodTable) -> Iterator[Remark]:
    """What several measures say together; where only one was taken, that it is one."""
    measures = table.fidelity
    if len(measures) < 2:
        yield _by_removal(table)
        return
    by = _tally(table, measures)
    shown = [name for name, n in by.items() if 2 * n > len(measures)]
    unshown = [name for name in by if name not in shown]
    if unshown:
        text = (
            f"Fidelity is not shown for {_tallied(unshown, by)} of {len(measures)} measures better than maps "
            f"that know nothing, over {_basis(table)}."
        )
        yield Remark("worry", text)
    if shown:
        text = (
            f"Faithful by most measures: {_tallied(shown, by)} of {len(measures)} measures better than maps "
            f"that know nothing, over {_basis(table)}."
        )
        yield Remark("good", text)
    yield from _ranking(summary, table)


def _tallied(methods: Sequence[str], by: dict[str, int]) -> str:
    """ "a by 5 and b by 4"."""
    return listed([f"{name} by {by[name]}" for name in methods])


def _ranking(summary: Summary, table: MethodTable) -> Iterator[Remark]:
    """Whether the measures of fidelity name one best method, and whether any two contradict each other."""
    if len(table.methods) < 2:
        return
    best: dict[str, list[str]] = {}
    for name in table.fidelity:
        best.setdefault(table.best(name).method, []).append(MEASURES[name].title)
    if len(best) > 1:
        names = "; ".join(f"{method} by {listed(titles)}" for method, titles in best.items())
        yield Remark("note", f"The measures of fidelity do not put one method first: {names}.")
    else:
        yield Remark(
            "note",
            f"{next(iter(best))} has the best mean by each of {len(table.fidelity)} measures of fidelity.",
        )
    reverse = [pair for pair, tau in summary.agreement.items() if tau.high < 0]
    for one, other in reverse:
        tau = summary.agreement[one, other]
        text = (
            f"{MEASURES[one].title} and {MEASURES[other].title} rank the methods in opposite orders "
            f"(Kendall's tau {number(tau.value)}, {interval(tau)}): do not rank them by either alone."
        )
        yield Remark("worry", text)


def _by_removal(table: MethodTable) -> Remark:
    unshown = [row.method for row in table.methods if not row.beats_baselines(FALL)]
    if unshown:
        which = "any method" if len(unshown) == len(table.methods) else listed(unshown)
        text = (
            f"Fidelity is not shown for {which}: blurring what the map marks is not shown to take the score "
            "down more than blurring what a map that knows nothing marks."
        )
        return Remark("worry", text)
    text = (
        "Blurring what the maps mark takes the score down more than blurring what maps that know nothing mark"
    )
    every = ", for every method" if len(table.methods) > 1 else ""
    return Remark("good", f"{text}{every}: one measure of fidelity, over {_basis(table)}.")


def _basis(table: MethodTable) -> str:
    return f"{counted(table.maps, 'map')} of {counted(table.patients, 'patient')}"


def _centred(summary: Summary) -> Iterator[Remark]:
    """Sizes and numbers of outlines for which the middle of the film is ahead of every method."""
    ahead = []
    for name, table in summary.strata.items():
        centre, best = table.row(CENTRE).values, table.best(OVERLAP)
        if all(centre[measure].value > table.best(measure).values[measure].value for measure in PLACE):
            ahead.append(
                f"{name} ({number(centre[OVERLAP].value)} against {number(best.values[OVERLAP].value)} of "
                f"{best.method}, {counted(table.patients, 'patient')})"
            )
    if ahead:
        text = "The centre prior overlaps and hits more than every method where what is outlined is"
        yield Remark("worry", f"{text} {listed(ahead)}.")


def _at_chance(summary: Summary) -> Iterator[Remark]:
    """Findings for which no method beats chance, neither by overlap nor by pointing."""
    unbeaten = {
        finding: table
        for finding, table in summary.by_finding.items()
        if not any(_tally(table, PLACE).values())
    }
    enough = [finding for finding, table in unbeaten.items() if table.patients >= FEWEST_PATIENTS]
    few = [f"{finding} ({table.patients})" for finding, table in unbeaten.items() if finding not in enough]
    if enough:
        text = (
            f"Every method is at chance for {some(enough)}, by overlap and in the pointing game: a map of "
            "it is no location."
        )
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
