"""plainfilm data: from the files of a release to a table of films that is checked and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plainfilm.cli.console import console, print_json, print_table, say, stages
from plainfilm.cli.films import Quarantine
from plainfilm.cli.options import AsJson, ErrorPolicy, MaxExcluded, OnError
from plainfilm.datasets.readers import READERS
from plainfilm.errors import ResourceError

if TYPE_CHECKING:
    import pandas as pd

    from plainfilm.datasets.checking import Checked
    from plainfilm.datasets.manifest import Manifest

SHOWN = 3
"""Films that a line names."""

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder that 'build' wrote.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="A new folder for the table.", show_default=False)]

Root = Annotated[
    Path | None, typer.Option(help="Where the films lie now, if they moved.", show_default=False)
]

data = typer.Typer(
    help="Build, check and split the table of a data set.",
    no_args_is_help=True,
    # Markup would load Rich, which doubles the time that help takes.
    rich_markup_mode=None,
)


@data.command()
def build(
    reader: Annotated[str, typer.Argument(help=f"One of {', '.join(READERS)}.", show_default=False)],
    root: Annotated[Path, typer.Argument(help="The folder of the release.", show_default=False)],
    out: Out,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="An option of the reader. Repeatable."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="FINDING=COLUMN[:WORD]",
            help="For 'table': the column of a finding, 1 and 0 or words joined by |. Repeatable.",
        ),
    ] = None,
    here: Annotated[bool, typer.Option("--here", help="Leave out films that are not on this disk.")] = False,
    for_machines: AsJson = False,
) -> None:
    """Write the table of a public data set, or of a folder of films with a CSV (reader 'table')."""
    from plainfilm.cli.reading import read_data_set

    _check_new(out)
    with console(stderr=True).status("Reading tables and looking for films"):
        manifest = read_data_set(reader, root, options or [], labels or [])
        manifest = manifest.here() if here else manifest
    manifest.save(out)
    chosen = _options_of(reader, options or [])
    if for_machines:
        print_json(_summary(manifest) | {"folder": str(out), "options": chosen})
        return
    _print_summary(manifest)
    if chosen:
        say(f"Read with: {', '.join(f'{name}={value}' for name, value in chosen.items())}")
    say(f"Table: {out}")


@data.command()
def check(
    folder: Folder,
    root: Root = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the table of the films that can be used.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Films read at once; by default one a core for many films.")
    ] = None,
    on_error: ErrorPolicy = OnError.STOP,
    max_excluded: MaxExcluded = 0.05,
    for_machines: AsJson = False,
) -> None:
    """Read every film and mask once: what is broken, missing, doubled, leaking, or to be looked at."""
    from plainfilm.datasets.checking import check as look
    from plainfilm.datasets.manifest import Manifest

    if out:
        _check_new(out)
    manifest = Manifest.load(folder, root)
    with stages() as progress:
        checked = look(manifest, processes, progress)
    if for_machines:
        print_json(_report(checked))
    else:
        print_table(("films that are", "", ""), _lines(checked), f"{manifest.name}: {len(manifest):,} films")
        if checked.stray:
            say(f"{checked.stray:,} annotations are of films that the table does not hold.")
    quarantine = Quarantine(on_error, max_excluded)
    for film, error in checked.errors.items():
        quarantine.exclude(film, error, len(manifest))
    if checked.leak:
        raise checked.leak
    if out:
        checked.manifest.save(out)
        quarantine.save(out)
        say(f"Table of {len(checked.manifest)} films: {out}")
    raise typer.Exit(quarantine.exit_code)


@data.command()
def split(
    folder: Folder,
    out: Out,
    validation: Annotated[float, typer.Option(min=0, max=1, help="Share of the patients.")] = 0.0,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of the patients.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    ignore_official: Annotated[
        bool, typer.Option("--ignore-official", help="Deal out the films of the release's own split too.")
    ] = False,
    for_machines: AsJson = False,
) -> None:
    """Split films into train, validation and test, all films of a patient into the same part."""
    from plainfilm.datasets.manifest import Manifest
    from plainfilm.datasets.splits import split_by_patient

    shares = {part: share for part, share in (("validation", validation), ("test", test)) if share}
    if not shares:
        raise typer.BadParameter("Give --validation, --test or both.")
    _check_new(out)
    made = split_by_patient(Manifest.load(folder), shares, seed, official=not ignore_official)
    made.save(out)
    if for_machines:
        print_json(_summary(made) | {"folder": str(out)})
        return
    _print_parts(made)
    say(f"Table: {out}")


def _check_new(out: Path) -> None:
    """Fails before the work begins, not after.

    Raises:
        ResourceError: for a folder that exists, or that cannot be made.
    """
    from plainfilm.cli.films import open_output

    if out.exists():
        raise ResourceError("a folder that exists", "a new one", str(out), "Remove it, or name another.")
    open_output(out.absolute().parent)


def _options_of(name: str, given: Sequence[str]) -> dict[str, str]:
    """What a reader went by: its own values of its options, and over them those given."""
    from inspect import Parameter, signature

    from plainfilm.datasets.readers import reader

    own = {
        option: f"{asked.default}"
        for option, asked in signature(reader(name)).parameters.items()
        if asked.default is not None and asked.default is not Parameter.empty
    }
    return own | {option: value for option, _, value in (pair.partition("=") for pair in given)}


def _summary(manifest: Manifest) -> dict[str, Any]:
    from plainfilm.datasets.checking import label_counts

    films = manifest.films
    return {
        "name": manifest.name,
        "films": len(manifest),
        "patients": films["patient"].nunique(),
        "on_disk": int((films["path"] != "").sum()),
        "annotations": len(manifest.annotations),
        "views": _counted(films["view"], "unknown"),
        "splits": _counted(films["split"], "none"),
        "findings": label_counts(manifest),
    }


def _counted(words: pd.Series, empty: str) -> dict[str, int]:
    return {word or empty: int(count) for word, count in words.value_counts().items()}


def _print_summary(manifest: Manifest) -> None:
    facts = _summary(manifest)
    rows = [(name, *(f"{n:,}" for n in counts.values())) for name, counts in facts["findings"].items()]
    title = f"{manifest.name}: {len(manifest):,} films of {facts['patients']:,} patients"
    print_table(("finding", "present", "absent", "uncertain", "unknown"), rows, title)
    if manifest.scores:
        say(f"Scores: {', '.join(manifest.scores)}")
    say(f"On this disk: {facts['on_disk']:,} films")
    say(f"Annotations: {facts['annotations']:,} on {manifest.annotations['film'].nunique():,} films")
    for name in ("views", "splits"):
        counts = ", ".join(f"{word} {count:,}" for word, count in facts[name].items())
        say(f"{name.capitalize()}: {counts}")


def _print_parts(manifest: Manifest) -> None:
    """Films, patients and positives of every part."""
    labels = manifest.labels()
    given = manifest.films["split"]
    parts = [part for part in ("train", "validation", "test", "") if (given == part).any()]
    rows = [
        ("films", *(f"{(given == part).sum():,}" for part in parts)),
        ("patients", *(f"{manifest.films['patient'][given == part].nunique():,}" for part in parts)),
    ]
    for k, name in enumerate(manifest.findings):
        rows.append((name, *(f"{(labels[given == part, k] == 1).sum():,}" for part in parts)))
    print_table(("", *(part or "left out" for part in parts)), rows, f"Split of {manifest.name} by patient")


def _lines(checked: Checked) -> list[tuple[str, str, str]]:
    """One line for each kind of film that was found."""
    kinds: Mapping[str, Sequence[str]] = {
        "not on this disk": checked.missing,
        "broken": tuple(checked.broken),
        "the same file as another film": tuple(film for group in checked.duplicates for film in group),
        "of one grey level": checked.constant,
        "perhaps inverted, look at them": checked.inverted,
        "turned by EXIF orientation": checked.turned,
        "annotated on another size": checked.resized,
    }
    lines = [("sound", f"{len(checked.manifest):,}", "")]
    for kind, films in kinds.items():
        lines.append((kind, f"{len(films):,}", f"such as {', '.join(films[:SHOWN])}" if films else ""))
    return lines


def _report(checked: Checked) -> dict[str, Any]:
    names = ("missing", "constant", "inverted", "turned", "resized", "duplicates", "stray")
    return _summary(checked.manifest) | {name: getattr(checked, name) for name in names} | {
        "broken": {film: str(error) for film, error in checked.broken.items()},
        "leak": str(checked.leak) if checked.leak else None,
    }  # fmt: skip
