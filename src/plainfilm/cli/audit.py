"""plainfilm audit: a model, films, methods and measures on one page that says what to worry about."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plainfilm.cli.console import command_line, print_json, print_table, say, stages
from plainfilm.cli.explain import METHODS, with_settings
from plainfilm.cli.films import FINISHED_WITH_EXCLUSIONS, Quarantine, open_output, write_csv
from plainfilm.cli.options import (
    AsJson,
    Calibrated,
    Device,
    ErrorPolicy,
    MaxExcluded,
    Model,
    OnDevice,
    OnError,
)
from plainfilm.cli.predict import load_model
from plainfilm.io.atomic import write_text

if TYPE_CHECKING:
    import pandas as pd

    from plainfilm.audit.plan import Plan
    from plainfilm.audit.run import Results
    from plainfilm.audit.summary import MethodTable, Summary
    from plainfilm.datasets.manifest import Manifest
    from plainfilm.datasets.phantom import Phantom


class Fidelity(StrEnum):
    """How deeply fidelity is measured."""

    QUICK = "quick"
    FULL = "full"


def audit(
    out: Annotated[Path, typer.Option(help="Folder for the page, tables and raw maps.", show_default=False)],
    data: Annotated[
        str, typer.Option(help="A folder that 'plainfilm data build' wrote, or phantom[:films[:seed]].")
    ] = "phantom",
    model: Model = "phantom",
    methods: Annotated[str, typer.Option(help="Methods from 'plainfilm list', with commas.")] = METHODS,
    fidelity: Annotated[
        Fidelity, typer.Option(help="How deeply fidelity is measured: by six measures, or by one in seconds.")
    ] = Fidelity.FULL,
    findings: Annotated[
        str, typer.Option(help="Findings, with commas; by default all that model and data share.")
    ] = "",
    split: Annotated[str, typer.Option(help="Part of the data, such as test; by default all films.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the methods that know it, as name=value.")
    ] = None,
    calibration: Calibrated = None,
    device: OnDevice = Device.AUTO,
    as_json: AsJson = False,
    on_error: ErrorPolicy = OnError.STOP,
    max_excluded: MaxExcluded = 0.05,
) -> None:
    """Audit a model: how well it predicts, whether its explanations hold, and what to worry about.

    An audit that was interrupted goes on when the same command is given again.
    """
    # Here, because help must not wait for torch.
    from plainfilm.audit.plan import Plan
    from plainfilm.audit.run import run
    from plainfilm.audit.summary import summarise
    from plainfilm.reports.audit import write_audit
    from plainfilm.reports.audit_record import audit_facts, audit_record
    from plainfilm.training.lock import run_lock

    start = time.perf_counter()
    wanted = tuple(name.strip() for name in findings.split(",") if name.strip())
    plan = Plan(
        load_model(model, device, calibration),
        _open(data, split),
        with_settings(methods.split(","), settings or []),
        wanted,
        fidelity.value,
    )
    _tell_cost(plan)
    open_output(out)
    with run_lock(out), _resumable():
        with stages() as show:
            results = run(plan, out, show, Quarantine(on_error, max_excluded).exclude)
            summary = summarise(results, plan.findings)
        facts = audit_facts(plan, command_line(), time.perf_counter() - start)
        record = audit_record(plan, results, summary) | {"provenance": facts}
        page = write_audit(out / "index.html", plan, results, summary, facts)
        _save(out, results, record)
    if as_json:
        print_json(record | {"page": str(page)})
    else:
        _show(summary, plan.truth, record["remarks"])
    say(f"Page: {page}")
    raise typer.Exit(FINISHED_WITH_EXCLUSIONS if results.excluded else 0)


def _tell_cost(plan: Plan) -> None:
    """Says what the fidelity of every map takes, before it is waited for."""
    from plainfilm.audit.fidelity import passes
    from plainfilm.metrics.baselines import BASELINES

    pairs = len(plan.pairs)
    if plan.fidelity == "full" and pairs:
        each = passes(len(plan.methods) + len(BASELINES))
        text = (
            f"Fidelity by six measures takes {each} passes of the network for each of up to {pairs} findings"
        )
        say(f"{text}; --fidelity quick takes one measure and {len(plan.methods) + len(BASELINES)} passes.")


def _open(name: str, split: str) -> Manifest | Phantom:
    """Opens the data; a part of a table only where its parts share no patient."""
    from plainfilm.datasets.manifest import Manifest
    from plainfilm.datasets.opening import open_data, part_of
    from plainfilm.datasets.splits import check_disjoint

    whole = open_data(name)
    if split and isinstance(whole, Manifest):
        check_disjoint(whole)
        return part_of(whole, split)
    return open_data(name, split) if split else whole


@contextmanager
def _resumable() -> Iterator[None]:
    """Tells who stops the work, by Ctrl-C or SIGTERM, that nothing is lost."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        say("Stopped; the same command goes on.")
        raise


def _save(out: Path, results: Results, record: dict[str, Any]) -> None:
    """Writes the tables beside the page, for a spreadsheet and for a program."""
    _write_table(out / "predictions.csv", results.predictions)
    if len(results.scores):
        _write_table(out / "scores.csv", results.scores)
    if results.excluded:
        write_csv(out / "excluded.csv", ("id", "reason"), results.excluded.items())
    write_text(out / "summary.json", json.dumps(record, indent=2, allow_nan=False))


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_csv(path, list(table.columns), table.itertuples(index=False, name=None))


def _show(summary: Summary, truth: str, remarks: Sequence[dict[str, str]]) -> None:
    from plainfilm.audit.measures import PLAUSIBILITY
    from plainfilm.reports.wording import interval, number

    rows = [
        (row.finding, f"{row.auroc.n_positive} of {row.auroc.n}", *(
            f"{number(value.value)} ({interval(value)})" for value in (row.auroc, row.average_precision)
        ))
        for row in summary.performance
    ]  # fmt: skip
    print_table(("finding", "films", "AUROC", "average precision"), rows, "Performance (95 %)")
    if summary.overall:
        _show_methods(f"Plausibility: agreement with {truth}", summary.overall, PLAUSIBILITY)
        _show_methods("Fidelity: agreement with the model", summary.overall, summary.overall.fidelity)
    for remark in remarks:
        say(f"{ {'worry': '!', 'good': '+', 'note': '-'}[remark['kind']] } {remark['text']}")


def _show_methods(title: str, table: MethodTable, measures: Sequence[str]) -> None:
    """Means of the methods, with a star where they beat maps that know nothing."""
    from plainfilm.metrics.measures import MEASURES
    from plainfilm.reports.wording import interval, number

    rows = [
        (row.method, *(
            f"{number(row.values[name].value)} ({interval(row.values[name])})"
            f"{' *' if row.beats_baselines(name) else ''}"
            for name in measures
        ))
        for row in table.rows
    ]  # fmt: skip
    counted = f"{table.maps} maps of {table.patients} patients (95 %), * beyond chance"
    print_table(("method", *(MEASURES[name].title for name in measures)), rows, f"{title}; {counted}")
