"""plainfilm explain: where a score comes from, and whether it comes from the finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plainfilm.cli.console import command_line, print_json, print_table, say
from plainfilm.cli.films import Quarantine, film_ids, for_each_film, open_results, write_csv
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
from plainfilm.cli.predict import as_record, load_model, save_predictions, say_caution
from plainfilm.errors import InputError, ModelError

if TYPE_CHECKING:
    from plainfilm.attribution.explanation import Explanation
    from plainfilm.datasets.boxes import BoxTable
    from plainfilm.metrics.intervals import Interval
    from plainfilm.models.classifier import Classifier
    from plainfilm.radiograph import Radiograph
    from plainfilm.reports.collector import Collector
    from plainfilm.reports.localisation import Row, Score

METHODS = "grad-cam,gradient,guided-backprop,integrated-gradients"
TRUTH = "the boxes given"


def explain(
    films: Films,
    out: Annotated[Path, typer.Option(help="Folder for index.html, maps and tables.", show_default=False)],
    model: Model = "phantom",
    target: Annotated[
        str, typer.Option(help="Findings, with commas; 'top' (the likeliest), 'all', 'boxed' (with --boxes).")
    ] = "top",
    method: Annotated[str, typer.Option(help="Methods from 'plainfilm list', with commas.")] = METHODS,
    boxes: Annotated[Path | None, typer.Option(help="CSV of boxes to score the maps against.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the methods that know it, as name=value.")
    ] = None,
    calibration: Calibrated = None,
    device: OnDevice = Device.AUTO,
    as_json: AsJson = False,
    on_error: ErrorPolicy = OnError.STOP,
    max_excluded: MaxExcluded = 0.05,
) -> None:
    """Draw what the score of a finding rests on, and score the maps where boxes are known."""
    open_results(out)
    # Here, because help must not wait for torch.
    from plainfilm.datasets.boxes import BoxTable, film_key, read_boxes
    from plainfilm.io.scan import find_films
    from plainfilm.reports.collector import Collector, explanations_of

    paths = find_films(films)
    table = read_boxes(boxes) if boxes else BoxTable({})
    if boxes:
        _check_boxes(table, paths, boxes)
    methods = with_settings(method.split(","), settings or [])
    collector = Collector(load_model(model, device, calibration))
    wanted = checked_targets(target, collector.model, boxes is not None)
    quarantine = Quarantine(on_error, max_excluded)
    # A table of boxes names files, whereas an id may hold folders and a suffix.
    keys = {name: film_key(path) for name, path in zip(film_ids(paths), paths, strict=True)}

    def work(film: Radiograph) -> None:
        probabilities = collector.model.predict(film)
        boxed = table.masks(keys[film.id], film.size)
        masks = {name: mask for name, mask in boxed.items() if name in probabilities}
        targets = choose_targets(wanted, probabilities, list(masks))
        explanations = explanations_of(collector.model, film, targets, methods)
        save_maps(out / "maps", explanations)
        collector.add(film, probabilities, explanations, masks)

    for_each_film(paths, "Explaining", work, quarantine)
    _save(out, collector, quarantine)
    _show(collector, quarantine, as_json)
    say_caution(collector.model)
    say(f"Page: {out / 'index.html'}")
    raise typer.Exit(quarantine.exit_code)


def checked_targets(target: str, model: Classifier, has_boxes: bool) -> list[str]:
    """The names asked for, each known to the model.

    Raises:
        ModelError: for an unknown name, or "boxed" without boxes.
    """
    wanted = [name.strip() for name in target.split(",")]
    if "boxed" in wanted and not has_boxes:
        raise ModelError("target 'boxed' without boxes", "a CSV of boxes", "--target", "Add --boxes.")
    for name in wanted:
        if name not in ("top", "all", "boxed"):
            model.index(name)
    return wanted


def choose_targets(
    wanted: Sequence[str], probabilities: Mapping[str, float], boxed: Sequence[str]
) -> list[str]:
    """The findings to explain in one film."""
    top = max(probabilities, key=probabilities.__getitem__)
    words = {"all": list(probabilities), "boxed": list(boxed), "top": [top]}
    return list(dict.fromkeys(name for word in wanted for name in words.get(word, [word])))


def with_settings(names: Sequence[str], pairs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each method with those of the settings that it knows.

    Raises:
        ModelError: for an unknown method, a pair without "=", a setting that no method knows,
            or a value that is not YAML.
    """
    from plainfilm.attribution.registry import method_class

    classes = {name.strip(): method_class(name.strip()) for name in names}
    known = {name: set(found.setting_names()) for name, found in classes.items()}
    methods: dict[str, dict[str, Any]] = {name: {} for name in known}
    for pair in pairs:
        setting, equals, value = pair.partition("=")
        takers = [name for name, its in known.items() if setting in its]
        if not equals or not takers:
            everything = sorted(set().union(*known.values()))
            close = get_close_matches(setting, everything)
            advice = f"Did you mean {close[0]!r}?" if close else f"They know {', '.join(everything)}."
            raise ModelError(f"{pair!r}", "name=value of a setting that a method knows", "--set", advice)
        for name in takers:
            methods[name][setting] = _value(pair, value)
    return methods


def _value(pair: str, text: str) -> Any:
    from plainfilm.io.setting import setting_value

    try:
        return setting_value(text)
    except ValueError as error:
        raise ModelError(f"{pair!r}", "a number, a word or another value of YAML", "--set") from error


def save_maps(folder: Path, explanations: Sequence[Explanation]) -> None:
    """Writes a picture and the raw map of each explanation, ``<film>/<finding>.<method>``."""
    from plainfilm.io.filenames import safe_stem

    for explanation in explanations:
        place = folder / safe_stem(explanation.film.id)
        place.mkdir(parents=True, exist_ok=True)
        stem = f"{safe_stem(explanation.target)}.{explanation.method}"
        explanation.save(place / f"{stem}.npz")
        explanation.save(place / f"{stem}.png")


def save_scores(out: Path, scores: Sequence[Score]) -> None:
    """Writes ``localisation.csv``: one row a map, the baselines among them."""
    rows = [(s.film, s.finding, s.method, s.iou, s.hit, s.mass) for s in scores]
    columns = ("id", "finding", "method", "best_case_iou", "hit", "mass_inside")
    write_csv(out / "localisation.csv", columns, rows)


def show_scores(rows: Sequence[Row]) -> None:
    """Prints the localisation of every method beside the maps that know nothing."""
    from plainfilm.reports.wording import interval, number

    def cell(value: Interval) -> str:
        return f"{number(value.value)} ({interval(value)})"

    cells = [(row.method, cell(row.iou), cell(row.hit), cell(row.mass)) for row in rows]
    title = f"Localisation, n = {rows[0].iou.n} (95 %)"
    print_table(("method", "best-case IoU", "peak inside", "mass inside"), cells, title)


def _check_boxes(table: BoxTable, paths: Sequence[Path], boxes: Path) -> None:
    from plainfilm.datasets.boxes import film_key

    if not any(film_key(path) in table.films for path in paths):
        raise InputError(
            f"no box for any of {len(paths)} films", "file names as in the table", boxes.name,
            f"The table names {', '.join(list(table.films)[:3])}, for example.",
        )  # fmt: skip


def _save(out: Path, collector: Collector, quarantine: Quarantine) -> None:
    from plainfilm.reports.page import write_page

    save_predictions(out, collector.predictions, collector.model.findings)
    if collector.scores:
        save_scores(out, collector.scores)
    quarantine.save(out)
    report = collector.report("What the model looks at", command_line(), TRUTH, quarantine.reasons)
    write_page(out / "index.html", report)


def _show(collector: Collector, quarantine: Quarantine, as_json: bool) -> None:
    from plainfilm.reports.localisation import rows

    if as_json:
        scores = [{k: None if v != v else v for k, v in vars(score).items()} for score in collector.scores]
        maps = {"maps": collector.maps, "flat": collector.flat, "scores": scores}
        print_json(as_record(collector, quarantine) | maps)
    elif collector.scores:
        show_scores(rows(collector.scores))
