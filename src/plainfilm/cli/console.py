"""What the command line says: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from plainfilm.errors import PlainfilmError

Item = TypeVar("Item")


def show_error(error: PlainfilmError) -> None:
    """One red line on stderr: what was got, what was expected, where, what to do."""
    line = f"error: {printable(str(error))}"
    console(stderr=True).print(line, style="red", markup=False, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """One line for people, on stderr."""
    console(stderr=True).print(printable(text), markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Machine output, on stdout; refuses numbers that are not finite."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table for people, on stdout; columns after the first that hold numbers align right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    rows = [[printable(cell) for cell in row] for row in rows]
    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD)
    for k, name in enumerate(columns):
        numeric = k > 0 and all(row[k][:1] in "-0123456789−–" for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Passes items on while a bar on stderr shows how far it is."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with _bars() as bars:
        yield from bars.track(items, total=total, description=label)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A function that is told (stage, done, total), and draws a bar on stderr for each stage."""
    with _bars() as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield show


def _bars() -> Progress:
    from rich import progress as parts

    return parts.Progress(
        parts.TextColumn("{task.description:<12}"), parts.BarColumn(), parts.MofNCompleteColumn(),
        parts.TimeElapsedColumn(), parts.TextColumn("left"), parts.TimeRemainingColumn(),
        console=console(stderr=True),
    )  # fmt: skip


def console(stderr: bool = False) -> Console:
    """A console on the stream as it is now; what is piped into a file gets room for a table."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else 120)


def printable(text: str) -> str:
    """Text that cannot steer the terminal: control and unpaired characters as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def command_line() -> str:
    """The command as it was typed."""
    import shlex

    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
