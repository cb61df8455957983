"""plainfilm audit: a model, films, methods and measures on one page that says what to worry about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plainfilm.cli.console import command_line, say, stages
from plainfilm.cli.explain import METHODS, with_settings
from plainfilm.cli.films import Quarantine
from plainfilm.cli.options import AsJson, Device, ErrorPolicy, MaxExcluded, Model, OnDevice, OnError
from plainfilm.cli.predict import load_model


def audit(
    out: Annotated[Path, typer.Option(help="Folder for the page, tables and raw maps.", show_default=False)],
    data: Annotated[
        str, typer.Option(help="A folder that 'plainfilm data build' wrote, or phantom[:films[:seed]].")
    ] = "phantom",
    model: Model = "phantom",
    methods: Annotated[str, typer.Option(help="Methods from 'plainfilm list', with commas.")] = METHODS,
    findings: Annotated[
        str, typer.Option(help="Findings, with commas; by default all that model and data share.")
    ] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the methods that know it, as name=value.")
    ] = None,
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
    from plainfilm.datasets.opening import open_data
    from plainfilm.reports.audit import write_audit

    wanted = tuple(name.strip() for name in findings.split(",") if name.strip())
    plan = Plan(
        load_model(model, device), open_data(data), with_settings(methods.split(","), settings or []), wanted
    )
    quarantine = Quarantine(on_error, max_excluded)
    with stages() as show:
        results = run(plan, out, show, quarantine.exclude)
        summary = summarise(results, plan.findings)
    write_audit(out / "index.html", plan, results, summary, {"Command": command_line()})
    say(f"Page: {out / 'index.html'}")
    raise typer.Exit(quarantine.exit_code)
