"""plainfilm reconstruct: what an autoencoder loses of films, and what a classifier then misses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plainfilm.cli.console import command_line, print_json, print_table, progress, say
from plainfilm.cli.films import Quarantine, film_ids, open_results, write_csv
from plainfilm.cli.options import AsJson, Device, ErrorPolicy, MaxExcluded, Model, OnDevice, OnError
from plainfilm.cli.predict import load_model
from plainfilm.errors import InputError, LabelError, NumericError

if TYPE_CHECKING:
    from plainfilm.audit.reconstruction import Discrimination, Impact, Reconstructing
    from plainfilm.datasets.study import Study
    from plainfilm.metrics.intervals import Interval

Readers = Sequence[tuple[str, Callable[[], "Study"]]]
"""Film id, and what reads the film."""

COLUMNS = (
    "label", "present", "target", "n", *(
        f"{kind}{end}" for kind in ("before", "after", "difference") for end in ("", "_low", "_high")
    ),
)  # fmt: skip


def reconstruct(
    out: Annotated[Path, typer.Option(help="Folder for the page and tables.", show_default=False)],
    films: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders, instead of --data.", show_default=False)
    ] = None,
    data: Annotated[
        str, typer.Option(help="A folder that 'plainfilm data build' wrote, or phantom[:films[:seed]].")
    ] = "phantom",
    split: Annotated[str, typer.Option(help="Part of the data, such as test; by default all films.")] = "",
    autoencoder: Annotated[
        str, typer.Option(help="phantom, a run folder, a checkpoint, or torchxrayvision's .pt file.")
    ] = "phantom",
    model: Model = "phantom",
    device: OnDevice = Device.AUTO,
    as_json: AsJson = False,
    on_error: ErrorPolicy = OnError.STOP,
    max_excluded: MaxExcluded = 0.05,
) -> None:
    """Reconstruct films with an autoencoder: the error, the pairs, and the effect on predictions."""
    # Here, because help must not wait for torch.
    from plainfilm.audit.reconstruction import Reconstructing, discriminations, impacts
    from plainfilm.models.autoencoder_store import load_autoencoder
    from plainfilm.reports.reconstruction import write_reconstruction

    readers = _files(films) if films else _studies(data, split)
    classifier, network = load_model(model, device), load_autoencoder(autoencoder)
    found = Reconstructing(classifier, network.to(classifier.device))
    quarantine = Quarantine(on_error, max_excluded)
    open_results(out)
    for name, read in progress(readers, "Reconstructing"):
        try:
            found.add(read())
        except (InputError, LabelError, NumericError) as error:
            quarantine.exclude(name, error, len(readers))
    table = found.table
    rows, areas = impacts(table, classifier.findings), discriminations(table, classifier.findings)
    facts = _facts(found, "files" if films else data)
    page = write_reconstruction(out / "index.html", found, rows, areas, facts, quarantine.reasons)
    write_csv(out / "reconstructions.csv", list(table.columns), table.itertuples(index=False, name=None))
    write_csv(out / "impact.csv", COLUMNS, map(_cells, rows))
    quarantine.save(out)
    if as_json:
        print_json(_record(found, rows, areas))
    else:
        _show(found, areas)
    say(f"Page: {page}")
    raise typer.Exit(quarantine.exit_code)


def _files(paths: Sequence[Path]) -> Readers:
    from plainfilm.datasets.study import Study
    from plainfilm.io.read import read
    from plainfilm.io.scan import find_films

    found = find_films(paths)

    def reader(path: Path, name: str) -> Callable[[], Study]:
        return lambda: Study(replace(read(path), id=name))

    return [(name, reader(path, name)) for path, name in zip(found, film_ids(found), strict=True)]


def _studies(name: str, split: str) -> Readers:
    from plainfilm.datasets.manifest import Manifest
    from plainfilm.datasets.opening import open_data

    data = open_data(name, split)
    if isinstance(data, Manifest):
        data = data.here()
    opened = data

    def reader(row: int) -> Callable[[], Study]:
        return lambda: opened[row]

    return [(film, reader(row)) for row, film in enumerate(opened.ids)]


def _facts(found: Reconstructing, source: str) -> dict[str, str]:
    cards = {"Autoencoder": found.autoencoder.card, "Classifier": found.model.card}
    told = {
        label: f"{card.get('name', card.get('source', 'unnamed'))}, SHA-256 {card.get('sha256', 'unknown')}"
        for label, card in cards.items()
    }
    spec = found.autoencoder.spec
    return {
        "Command": command_line(), **told, "Data": source,
        "Input": f"{spec.size} × {spec.size}, from {spec.ends[0]:g} to {spec.ends[1]:g}",
    }  # fmt: skip


def _cells(row: Impact) -> tuple[object, ...]:
    numbers = [end for v in (row.before, row.after, row.difference) for end in (v.value, v.low, v.high)]
    return (row.label or "all films", int(row.present), row.target, row.before.n, *numbers)


def _record(
    found: Reconstructing, rows: Sequence[Impact], areas: Sequence[Discrimination]
) -> dict[str, object]:
    from plainfilm.audit.reconstruction import errors

    return {
        "films": len(found.rows),
        "errors": {name: _limits(value) for name, value in errors(found.table).items()},
        "auroc": [
            {"finding": a.finding, "before": _limits(a.before), "after": _limits(a.after),
             "difference": _limits(a.difference)} for a in areas
        ],
        "impact": [
            {"label": r.label or None, "present": r.present, "target": r.target, "n": r.before.n,
             "before": _limits(r.before), "after": _limits(r.after), "difference": _limits(r.difference)}
            for r in rows
        ],
    }  # fmt: skip


def _limits(value: Interval) -> list[float | None]:
    return [x if isfinite(x) else None for x in (value.value, value.low, value.high)]


def _show(found: Reconstructing, areas: Sequence[Discrimination]) -> None:
    from plainfilm.audit.reconstruction import errors

    rows = [(name.replace("_", " "), str(value)) for name, value in errors(found.table).items()]
    print_table(("mean over films", "(95 %)"), rows, f"{len(found.rows)} films")
    if areas:
        cells = [(a.finding, str(a.before), str(a.after), str(a.difference)) for a in areas]
        print_table(("finding", "AUROC on films", "on reconstructions", "difference"), cells)
