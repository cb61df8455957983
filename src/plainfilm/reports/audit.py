"""The page of an audit: what to worry about first, then the tables that say so, then films."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import plainfilm
from plainfilm.attribution.explanation import Explanation, Status
from plainfilm.audit.measures import DEVICES, PLAUSIBILITY
from plainfilm.audit.plan import Plan
from plainfilm.audit.run import Results
from plainfilm.audit.summary import MethodTable, Summary
from plainfilm.datasets.study import Study
from plainfilm.io.atomic import write_text
from plainfilm.metrics.baselines import BASELINES
from plainfilm.metrics.measures import MEASURES
from plainfilm.reports import charts
from plainfilm.reports.audit_remarks import audit_remarks
from plainfilm.reports.figures import Span
from plainfilm.reports.page import Case, Report, as_html, environment
from plainfilm.reports.wording import counted

MOST_EXAMPLES = 12
"""Films on the page."""

CHOSEN = "For each finding the film is shown whose overlap, by the method that is best for it, is the median."

MEANINGS = {
    "insertion_auc": "the mean probability while a blurred film gets half of its pixels back, the highest "
    "of the map first.",
    "deletion_auc": "the mean probability while half of the film is blurred, the highest of the map first; "
    "lower is better.",
    "road": "removed pixels are filled in from their neighbours: how much lower the probability is with the "
    "highest removed than with the lowest.",
    "sensitivity_n": "whether the map's sum over random blocks follows the fall of the probability when they "
    "are blurred: the mean correlation over sizes.",
    "removal_drop": "the fall of the logit when the tenth of the input is blurred that the map marks "
    "highest.",
    "counterfactual_recovery": "as many of the highest pixels as the finding has are exchanged for those of "
    "the same patient without it: the share of the finding's effect on the logit that goes. Films whose "
    "logit does not fall without it are left out.",
}
"""What each measure of fidelity asks, for readers of the page."""

CHANGED = "pixels changed, % of the film"

DRAWN = {
    "insertion": ("Insertion: high early is good", CHANGED, "mean probability", False),
    "deletion": ("Deletion: low early is good", CHANGED, "mean probability", False),
    "sensitivity_n": ("Sensitivity-N: high is good", "pixels blurred, % of the film", "correlation", True),
}
"""Curve to its title, its axes and whether the horizontal one is logarithmic."""

FRAME = {
    "width": charts.WIDTH, "height": charts.HEIGHT, "left": charts.LEFT, "right": charts.RIGHT,
    "top": charts.TOP, "bottom": charts.BOTTOM,
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """The top of the page and what its sections count."""

    title: str
    lead: str
    films: int
    patients: int


def write_audit(path: Path, plan: Plan, results: Results, summary: Summary, facts: Mapping[str, str]) -> Path:
    """Writes the page as one HTML file, atomically.

    Args:
        path: The file.
        plan: What was asked.
        results: The rows of the audit.
        summary: Their tables.
        facts: Label to value, printed at the end of the page.

    Raises:
        ResourceError: where the folder cannot be written.
    """
    report = _films(plan, results, summary, facts)
    page = environment().get_template("audit.html.j2").render(
        page=_head(plan, results), summary=summary, report=report, scales=report.scales,
        remarks=audit_remarks(summary, results, plan.truth, plan.model.card.get("caution", "")),
        truth=plan.truth, known=MEASURES, plausibility=PLAUSIBILITY, devices=DEVICES,
        baselines=BASELINES, meanings=MEANINGS, frame=FRAME,
        charts=[charts.chart(curves, *DRAWN[name]) for name, curves in summary.curves.items()],
        styles=_styles(summary),
        has_devices=summary.overall is not None and summary.overall.rows[0].values[DEVICES].n > 0,
        undefined=summary.overall.rows[0].values["best_case_iou"].n_excluded if summary.overall else 0,
        span_of=_span_of, version=plainfilm.__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )  # fmt: skip
    write_text(path, as_html(page))
    return path


def _styles(summary: Summary) -> dict[str, charts.Style]:
    methods = [row.method for row in summary.overall.methods] if summary.overall else []
    return charts.styles(methods, BASELINES)


def _head(plan: Plan, results: Results) -> Head:
    name = plan.model.card.get("name", type(plan.model.network).__name__)
    films, scores = len(results.predictions), results.scores
    maps = int((scores["row"] >= 0).sum()) if len(scores) else 0
    lead = (
        f"{counted(films, 'film')} of {plan.data.name}, {counted(len(plan.findings), 'finding')}, "
        f"{counted(maps, 'map')} by {counted(len(plan.methods), 'method')}. "
        "What to worry about comes first; the tables that say so follow."
    )
    return Head(f"Audit of {name}", lead, films, results.predictions["patient"].nunique())


def _films(plan: Plan, results: Results, summary: Summary, facts: Mapping[str, str]) -> Report:
    """A few films with all their maps: of each finding the one whose overlap is the median."""
    cases = [_case(plan, results, pair) for pair in _median_pairs(results, summary)[:MOST_EXAMPLES]]
    return Report(
        title="", model="", provenance=facts, cases=cases, films=len(results.predictions),
        operating_points=plan.model.operating_points, excluded=results.excluded,
        truth=plan.truth, chosen=CHOSEN,
    )  # fmt: skip


def _median_pairs(results: Results, summary: Summary) -> list[tuple[str, str]]:
    """Film and finding: no example is chosen for its beauty."""
    chosen = []
    for finding, table in summary.by_finding.items():
        rows = results.scores[
            (results.scores["finding"] == finding)
            & (results.scores["method"] == table.best("best_case_iou").method)
        ].sort_values("best_case_iou")
        chosen.append((rows["film"].iloc[(len(rows) - 1) // 2], finding))
    return chosen


def _case(plan: Plan, results: Results, pair: tuple[str, str]) -> Case:
    film, finding = pair
    study = plan.data[list(plan.data.ids).index(film)]
    rows = results.scores[(results.scores["film"] == film) & (results.scores["finding"] == finding)]
    predicted = results.predictions.set_index("film").loc[film]
    chances = {name: float(predicted[f"probability:{name}"]) for name in plan.findings}
    explanations = [
        _explanation(plan, study, finding, method, results.maps.read(method, int(row)), chances[finding])
        for method, row in zip(rows["method"], rows["row"], strict=True)
        if row >= 0
    ]
    region = study.region(finding)
    masks = {} if region is None else {finding: region}
    return Case.of(study.radiograph, chances, explanations, masks, study.present)


def _explanation(
    plan: Plan, study: Study, finding: str, method: str, values: np.ndarray, probability: float
) -> Explanation:
    """A stored map as an explanation."""
    how, film = plan.built[method], study.radiograph
    return Explanation(
        map=values,
        unit=how.unit.replace("logit", plan.model.output),
        target=finding,
        method=method,
        settings=how.settings(),
        status=Status.FLAT if np.ptp(values) == 0 else Status.OK,
        placement=plan.model.spec.placement(film.size).at((values.shape[0], values.shape[1])),
        film=film,
        probability=probability,
        evidence=how.evidence,
    )


def _span_of(table: MethodTable, measure: str) -> Span:
    """The range of a column that has no natural one: from the lowest limit or zero to the highest."""
    values = [row.values[measure] for row in table.rows]
    ends = [end for v in values for end in (v.value, v.low, v.high) if np.isfinite(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return low, high if high > low else low + 1
