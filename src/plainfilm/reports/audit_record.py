"""An audit for machines: every table of its page as plain numbers, and where they come from."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

import torch

import plainfilm
from plainfilm.audit.curves import Curve
from plainfilm.audit.measures import DEVICES, FIDELITY, PLAUSIBILITY
from plainfilm.audit.performance import Performance
from plainfilm.audit.plan import Plan
from plainfilm.audit.run import Results
from plainfilm.audit.summary import MethodRow, MethodTable, Summary
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.subgroups import Subgroup
from plainfilm.reports.audit_remarks import audit_remarks

HEADINGS = {"plausibility": PLAUSIBILITY, "fidelity": FIDELITY, "devices": (DEVICES,)}
"""What is never mixed on the page is not mixed here."""


def audit_record(plan: Plan, results: Results, summary: Summary) -> dict[str, Any]:
    """Tables, remarks and exclusions as JSON holds them; a number that is not finite is None."""
    remarks = audit_remarks(summary, results, plan.truth, plan.model.card.get("caution", ""))
    return {
        **plan.identity(),
        "truth": plan.truth,
        "films": len(results.predictions),
        "patients": results.predictions["patient"].nunique(),
        "remarks": [asdict(remark) for remark in remarks],
        "performance": [_performance(each) for each in summary.performance],
        "explanations": _table(summary.overall) if summary.overall else None,
        "by_finding": {name: _table(table) for name, table in summary.by_finding.items()},
        "strata": {name: _table(table) for name, table in summary.strata.items()},
        "performance_groups": {
            name: [_group(row) for row in table] for name, table in summary.performance_groups.items()
        },
        "curves": {name: [_curve(each) for each in curves] for name, curves in summary.curves.items()},
        "fidelity_agreement": [
            {"measures": list(pair), "kendall_tau": _interval(tau)} for pair, tau in summary.agreement.items()
        ],
        "explanation_groups": [_group(row) for row in summary.explanation_groups],
        "excluded": [{"id": film, "reason": reason} for film, reason in results.excluded.items()],
    }


def audit_facts(plan: Plan, command: str, seconds: float) -> dict[str, str]:
    """Label to value: what was audited, with what, and how long this run took."""
    found, network = plan.identity(), type(plan.model.network).__name__
    spec = plan.model.spec
    return {
        "Command": command,
        "Model": f"{found['model']} ({network}, {len(plan.model.findings)} findings)",
        "Weights SHA-256": str(plan.model.card.get("sha256", "not from a file")),
        "Tensors SHA-256": found["weights_sha256"],
        "Model input": f"{spec.size} × {spec.size} × {spec.channels}, {spec.fit.replace('_', ' ')}",
        "Data": f"{found['data']}, {found['films']} films",
        "Data fingerprint": found["data_fingerprint"],
        **{f"Settings of {name}": _in_words(method.settings()) for name, method in plan.built.items()},
        "Software": f"plainfilm {plainfilm.__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}",
        "Device": str(plan.model.device),
        "Threads": str(torch.get_num_threads()),
        "Seconds": f"{seconds:.1f} in the last run",
    }


def _performance(row: Performance) -> dict[str, Any]:
    bins = [
        {"predicted": each.predicted, "observed": _interval(each.observed), "films": each.observed.n}
        for each in row.bins
    ]
    return {
        "finding": row.finding,
        "auroc": _interval(row.auroc),
        "average_precision": _interval(row.average_precision),
        "prevalence": _finite(row.prevalence),
        "calibration_error": _finite(row.calibration_error),
        "calibration_p": _finite(row.calibration_p),
        "calibration_p_is_upper_bound": row.is_least_p,
        "patients_of_the_rarer_class": row.patients,
        "reliability": bins,
    }


def _table(table: MethodTable) -> dict[str, Any]:
    return {
        "maps": table.maps,
        "patients": table.patients,
        "methods": {row.method: _method(row) for row in table.rows},
    }


def _method(row: MethodRow) -> dict[str, Any]:
    headings = {
        heading: {name: _measured(row, name) for name in names if name in row.values}
        for heading, names in HEADINGS.items()
    }
    filled = {heading: values for heading, values in headings.items() if values}
    return {"knows_nothing": row.is_baseline, "flat": row.flat, **filled}


def _measured(row: MethodRow, measure: str) -> dict[str, Any]:
    return _interval(row.values[measure]) | {"p_value": _finite(row.p_values[measure])}


def _curve(curve: Curve) -> dict[str, Any]:
    points = zip(curve.shares, curve.values, strict=True)
    return {
        "method": curve.method,
        "knows_nothing": curve.is_baseline,
        "points": [{"share": share, **_interval(value)} for share, value in points],
    }


def _group(row: Subgroup) -> dict[str, Any]:
    return {
        "attribute": row.attribute,
        "group": row.group,
        "films": row.films,
        "patients": row.patients,
        "value": _interval(row.interval),
        "difference": row.difference and _interval(row.difference),
        "p_value": _finite(row.p_value),
        "p_holm": _finite(row.p_holm),
    }


def _interval(interval: Interval) -> dict[str, Any]:
    values = asdict(interval)
    return {name: _finite(value) if isinstance(value, float) else value for name, value in values.items()}


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def _in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "none"
