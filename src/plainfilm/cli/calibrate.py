"""plainfilm calibrate: probabilities and operating points that hold on the user's own films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plainfilm.cli.console import print_json, print_table, progress, say
from plainfilm.cli.films import Quarantine
from plainfilm.cli.options import AsJson, Device, ErrorPolicy, MaxExcluded, Model, OnDevice, OnError
from plainfilm.cli.predict import load_model, say_caution
from plainfilm.errors import InputError, LabelError, ModelError, NumericError

if TYPE_CHECKING:
    import numpy as np

    from plainfilm.datasets.manifest import Manifest
    from plainfilm.models.calibrating import CalibrationReport
    from plainfilm.models.calibration import Calibration
    from plainfilm.models.classifier import Classifier

COLUMNS = (
    "finding", "positive", "AUROC", "ECE before", "ECE after", "point", "sensitivity", "specificity"
)  # fmt: skip


class Kind(StrEnum):
    """The curve from logits to probabilities."""

    PLATT = "platt"
    ISOTONIC = "isotonic"


def calibrate(
    data: Annotated[
        Path, typer.Option(help="A folder that 'plainfilm data build' wrote.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The JSON file to write.", show_default=False)],
    model: Model = "phantom",
    kind: Annotated[Kind, typer.Option(help="platt for few films, isotonic for thousands.")] = Kind.PLATT,
    rule: Annotated[
        str, typer.Option(help="Operating points: youden, sensitivity=0.95, specificity=0.9, ...")
    ] = "youden",
    root: Annotated[
        Path | None, typer.Option(help="Where the films lie now, if they moved.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="Part of the data; by default all films.")] = "",
    device: OnDevice = Device.AUTO,
    as_json: AsJson = False,
    on_error: ErrorPolicy = OnError.STOP,
    max_excluded: MaxExcluded = 0.05,
) -> None:
    """Fit probabilities and operating points to your own films; the model's logits stay as they are."""
    # Here, because help must not wait for torch.
    from plainfilm.datasets.manifest import Manifest
    from plainfilm.datasets.opening import part_of
    from plainfilm.io.atomic import check_output_folder
    from plainfilm.metrics.operating import check_rule
    from plainfilm.models.calibrating import calibrated

    check_rule(rule)
    check_output_folder(out.parent)
    whole = Manifest.load(data, root)
    manifest = (part_of(whole, split) if split else whole).here()
    classifier, quarantine = load_model(model, device), Quarantine(on_error, max_excluded)
    targets = shared_targets(classifier, manifest)
    rows, logits = logits_of(classifier, manifest, targets, quarantine)
    seen = manifest.select(rows)
    found, reports = calibrated(logits, seen.labels(targets), targets, seen.patients, kind.value, rule)
    if not found.curves:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.refused.items())
        raise LabelError(reasons, "a finding that can be calibrated", manifest.name, "Use more films.")
    facts = facts_of(classifier, manifest, len(seen), split=split, kind=kind.value, rule=rule)
    unknowing = [report.target for report in reports if report.knows_nothing]
    reports = [replace(report, point=None) if report.knows_nothing else report for report in reports]
    points = {name: None if name in unknowing else p for name, p in found.operating_points.items()}
    calibration = replace(found, operating_points=points, facts=facts)
    calibration.save(out)
    if as_json:
        print_json(as_record(calibration, reports))
    else:
        print_table(COLUMNS, map(_cells, reports))
    for name, reason in calibration.refused.items():
        say(f"Not calibrated: {name}, {reason}")
    for report in reports:
        if report.unjudged and report.target not in calibration.refused:
            say(f"Calibrated, but not judged: {report.target}, {report.unjudged}")
    if unknowing:
        say(f"At chance, which no calibration mends, and so never called: {', '.join(unknowing)}")
    say_caution(classifier)
    say(f"Calibration: {out}")
    raise typer.Exit(quarantine.exit_code)


def shared_targets(classifier: Classifier, manifest: Manifest) -> list[str]:
    """The findings that model and data both know, in the model's order.

    Raises:
        LabelError: where there is none.
        ModelError: for a model whose outputs are no probabilities.
    """
    if classifier.output == "value":
        raise ModelError("a model of values", "one of findings", "calibrate")
    shared = [name for name in classifier.findings if name in manifest.findings]
    if not shared:
        raise LabelError(
            f"a model of {', '.join(classifier.findings)}", f"a finding of {', '.join(manifest.findings)}",
            manifest.name, "Name the model's targets as the data names its findings.",
        )  # fmt: skip
    return shared


def logits_of(
    classifier: Classifier, manifest: Manifest, targets: Sequence[str], quarantine: Quarantine
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that could be read, and their logits ``(n, targets)``."""
    import numpy as np
    import torch

    columns = [classifier.index(name) for name in targets]
    rows, found = [], []
    for row in progress(range(len(manifest)), "Predicting"):
        try:
            images, _ = classifier.prepare(manifest[row].radiograph)
            with torch.no_grad():
                values = classifier.logits(images)[0, columns]
        except (InputError, NumericError) as error:
            quarantine.exclude(manifest.ids[row], error, len(manifest))
            continue
        rows.append(row)
        found.append(values.double().cpu().numpy())
    return np.array(rows, int), np.array(found).reshape(len(rows), len(targets))


def facts_of(classifier: Classifier, manifest: Manifest, films: int, **settings: str) -> dict[str, object]:
    """What a calibration is good for: this model, on data like these."""
    return {
        "model": classifier.card.get("name"),
        "sha256": classifier.card.get("sha256"),
        "data": manifest.name,
        "data_fingerprint": manifest.fingerprint(),
        "films": films,
        **settings,
    }


def as_record(calibration: Calibration, reports: Sequence[CalibrationReport]) -> dict[str, object]:
    """The reports for machines."""
    return {
        "targets": [
            {
                "target": report.target, "films": report.films, "positive": report.positive,
                "judged": 0 if report.unjudged else report.films,
                "judged_positive": 0 if report.unjudged else report.positive,
                "unjudged": report.unjudged or None,
                "auroc": [_finite(x) for x in (report.area.value, report.area.low, report.area.high)],
                "error_before": _finite(report.error_before), "error_after": _finite(report.error_after),
                "operating_point": calibration.operating_points[report.target],
                "sensitivity": report.point and _finite(report.point.sensitivity.value),
                "specificity": report.point and _finite(report.point.specificity.value),
            }
            for report in reports
        ],
        "refused": dict(calibration.refused),
        "facts": dict(calibration.facts),
    }  # fmt: skip


def _cells(report: CalibrationReport) -> tuple[str, ...]:
    point = report.point
    found = (point.point, point.sensitivity.value, point.specificity.value) if point else (nan, nan, nan)
    numbers = (report.error_before, report.error_after, *found)
    area = report.area
    limits = f" ({area.low:.2f} to {area.high:.2f})" if area.status == "ok" else ""
    auroc = f"{area.value:.2f}{limits}" if isfinite(area.value) else "–"
    return (report.target, f"{report.positive} of {report.films}", auroc, *map(_number, numbers))


def _number(value: float) -> str:
    return f"{value:.3f}" if isfinite(value) else "–"


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
