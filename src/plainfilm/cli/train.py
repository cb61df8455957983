"""plainfilm train: from a recipe to a checkpoint with its card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plainfilm.cli.console import console, print_json, print_table, say
from plainfilm.cli.options import AsJson
from plainfilm.errors import ResourceError

if TYPE_CHECKING:
    from plainfilm.training.parts import Progress


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; see recipes/.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/<name of the recipe> by default.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: --set optimiser.epochs=3. Repeatable."),
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder that keeps decoded and rendered films.")] = Path(
        "runs/films"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run folder's last snapshot, if it has one.")
    ] = False,
    for_machines: AsJson = False,
) -> None:
    """Train what a recipe describes, and measure it on films it has not seen."""
    from plainfilm.training.recipe import read_recipe

    settings = read_recipe(recipe, change or ())
    folder = out or Path("runs") / settings.name
    _check_writable(folder, cache)
    # After the checks, since Lightning takes seconds to import.
    from plainfilm.training.judging import as_json
    from plainfilm.training.run import MEASURES
    from plainfilm.training.run import train as run

    with _bars() as progress:
        figures = run(settings, folder, cache, progress, resume)
    if not figures:  # a process that only helped with the training
        return
    measure = MEASURES[settings.task]
    if for_machines:
        print_json({"checkpoint": str(folder), "test": as_json(figures, measure)})
        return
    rows = [
        (name, str(figure), str(figure.n), str(figure.n_positive or "")) for name, figure in figures.items()
    ]
    print_table(("on held-out films", measure, "films", "positives"), rows)
    say(f"Checkpoint: {folder}")


def _check_writable(*folders: Path) -> None:
    """Fails before the work begins, not after.

    Raises:
        ResourceError: where a folder cannot be made or written.
    """
    from plainfilm.cli.films import open_output

    for folder in folders:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ResourceError(reason, "a folder that can be made", str(folder)) from error
        open_output(folder)


@contextmanager
def _bars() -> Iterator[Progress]:
    """A bar for each part of the films that is being prepared."""
    from rich.progress import Progress as Bars

    with Bars(console=console(stderr=True), transient=True) as bars:
        tasks: dict[str, int] = {}

        def show(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(f"Preparing {part}", total=total)
            bars.update(tasks[part], completed=done)  # type: ignore[arg-type]

        yield show
