"""plainfilm predict: the probability of each finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import plainfilm as pf
from plainfilm.cli.console import command_line, print_json, print_table, say
from plainfilm.cli.films import Quarantine, for_each_film, open_results, write_csv
from plainfilm.cli.options import (
    AsJson,
    Calibrated,
    Device,
    ErrorPolicy,
    Films,
    MaxExcluded,
    Model,
    OnDevice,
    OnError,
)
from plainfilm.errors import ResourceError

if TYPE_CHECKING:
    from plainfilm.models.classifier import Classifier
    from plainfilm.radiograph import Radiograph
    from plainfilm.reports.collector import Collector, Prediction

LIKELIEST = 5
"""Findings of each film on the screen; the page and the CSV have all."""

ABOVE, UNCALIBRATED = "*", "?"
"""Marks of a probability."""


def predict(
    films: Films,
    model: Model = "phantom",
    out: Annotated[Path | None, typer.Option(help="Folder for predictions.csv and index.html.")] = None,
    calibration: Calibrated = None,
    device: OnDevice = Device.AUTO,
    as_json: AsJson = False,
    on_error: ErrorPolicy = OnError.STOP,
    max_excluded: MaxExcluded = 0.05,
) -> None:
    """Print the probability of each finding in each film."""
    if out:
        open_results(out)
    # Here, because help must not wait for torch.
    from plainfilm.io.scan import find_films
    from plainfilm.reports.collector import Collector

    paths = find_films(films)
    collector = Collector(load_model(model, device, calibration))
    quarantine = Quarantine(on_error, max_excluded)

    def work(film: Radiograph) -> None:
        collector.add(film, collector.model.predict(film))

    for_each_film(paths, "Predicting", work, quarantine)
    if out:
        _save(out, collector, quarantine)
    if as_json:
        print_json(as_record(collector, quarantine))
    else:
        _show(collector.predictions, collector.model)
    if unmarked := uncalibrated(collector.model):
        say(f"Not calibrated, for the calibration has no curve for them: {', '.join(unmarked)}")
    say_caution(collector.model)
    _say_where(out, quarantine)
    raise typer.Exit(quarantine.exit_code)


def load_model(name: str, device: Device, calibration: Path | None = None) -> Classifier:
    """``plainfilm.load``, with the network where it shall run and, where given, calibrated probabilities.

    Raises:
        ModelError, ArtifactError: as ``plainfilm.load``; for a calibration of another model.
        ResourceError: for "cuda" on a machine without.
    """
    import torch

    model, has_cuda = pf.load(name), torch.cuda.is_available()
    if device is Device.CUDA and not has_cuda:
        raise ResourceError("no CUDA device", "one that torch can use", "--device", "Use --device auto.")
    if device is not Device.CPU and has_cuda:
        model.network.to("cuda")
    if calibration is None:
        return model
    from plainfilm.models.calibration import CalibratedClassifier, Calibration

    return CalibratedClassifier(model, Calibration.load(calibration))


def uncalibrated(model: Classifier) -> tuple[str, ...]:
    """Findings for which a calibration was asked that has none for them."""
    from plainfilm.models.calibration import CalibratedClassifier

    return model.uncalibrated if isinstance(model, CalibratedClassifier) else ()


def say_caution(model: Classifier) -> None:
    """What the model's card says its users should know."""
    if model.card.get("caution"):
        say(f"Caution: {model.card['caution']}")


def save_predictions(out: Path, predictions: Sequence[Prediction], findings: Sequence[str]) -> None:
    """Writes ``predictions.csv``: one row a film, one column a finding."""
    rows = [(p.id, *(p.probabilities[name] for name in findings)) for p in predictions]
    write_csv(out / "predictions.csv", ("id", *findings), rows)


def as_record(collector: Collector, quarantine: Quarantine) -> dict[str, object]:
    """Predictions for machines."""
    return {
        "model": collector.model.card.get("name"),
        "sha256": collector.model.card.get("sha256"),
        "operating_points": collector.model.operating_points,
        "uncalibrated": list(uncalibrated(collector.model)),
        "films": [
            {"id": p.id, "probabilities": dict(p.probabilities), "warnings": list(p.warnings)}
            for p in collector.predictions
        ],
        "excluded": [{"id": film, "reason": reason} for film, reason in quarantine.reasons.items()],
    }


def _save(out: Path, collector: Collector, quarantine: Quarantine) -> None:
    from plainfilm.reports.page import write_page

    save_predictions(out, collector.predictions, collector.model.findings)
    quarantine.save(out)
    report = collector.report("Predictions", command_line(), excluded=quarantine.reasons)
    write_page(out / "index.html", report)


def _show(predictions: Sequence[Prediction], model: Classifier) -> None:
    points, answer = model.operating_points, "value" if model.output == "value" else "probability"
    raw = uncalibrated(model)
    if len(predictions) == 1:
        (only,) = predictions
        print_table(("finding", answer, "operating point", ""), _one_film(only, points, raw), only.id)
        return
    print_table(("film", "likeliest findings"), [(p.id, _likeliest(p, points, raw)) for p in predictions])
    if any(point is not None for point in points.values()):
        say(f"{ABOVE} above the model's operating point")
    if raw:
        say(f"{UNCALIBRATED} not calibrated")


def _one_film(
    prediction: Prediction, points: Mapping[str, float | None], raw: Sequence[str]
) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, p in _sorted(prediction):
        point = points.get(name)
        said = "present" if point is not None and p >= point else "not calibrated" if name in raw else ""
        rows.append((name, f"{p:.3f}", "–" if point is None else f"{point:.3f}", said))
    return rows


def _likeliest(prediction: Prediction, points: Mapping[str, float | None], raw: Sequence[str]) -> str:
    return ", ".join(
        f"{name} {p:.2f}{_mark(p, points.get(name))}{UNCALIBRATED if name in raw else ''}"
        for name, p in _sorted(prediction)[:LIKELIEST]
    )


def _mark(probability: float, point: float | None) -> str:
    return ABOVE if point is not None and probability >= point else ""


def _sorted(prediction: Prediction) -> list[tuple[str, float]]:
    return sorted(prediction.probabilities.items(), key=lambda item: -item[1])


def _say_where(out: Path | None, quarantine: Quarantine) -> None:
    if quarantine.reasons:
        say(f"{len(quarantine.reasons)} films excluded")
    if out:
        say(f"Page: {out / 'index.html'}")
