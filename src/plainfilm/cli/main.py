"""The entry point: verbs, and errors turned into exit codes.

0  done                          4  an artefact that cannot be trusted
1  a bug                         5  no space, memory or permission
2  wrong usage                   6  finished, with films excluded
3  bad input                     130, 143  stopped by Ctrl-C, by SIGTERM
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from plainfilm import __version__
from plainfilm.cli.audit import audit
from plainfilm.cli.calibrate import calibrate
from plainfilm.cli.console import show_error
from plainfilm.cli.convert import convert
from plainfilm.cli.data import data
from plainfilm.cli.demo import demo
from plainfilm.cli.doctor import doctor
from plainfilm.cli.explain import explain
from plainfilm.cli.listing import list_known
from plainfilm.cli.predict import predict
from plainfilm.cli.reconstruct import reconstruct
from plainfilm.cli.train import train
from plainfilm.errors import PlainfilmError, ResourceError

app = typer.Typer(
    name="plainfilm",
    help="Trustworthy explanations for chest X-ray models. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Markup would load Rich, which doubles the time that help takes.
    rich_markup_mode=None,
)
app.command()(demo)
app.command()(predict)
app.command()(explain)
app.command()(audit)
app.command()(reconstruct)
app.command()(train)
app.command()(convert)
app.command()(calibrate)
app.add_typer(data, name="data")
app.command("list")(list_known)
app.command()(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plainfilm {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Trustworthy explanations for chest X-ray models. Research use only."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs ``plainfilm`` and exits with the code that the outcome has; a bug keeps its traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app(args=None if arguments is None else list(arguments), prog_name="plainfilm")
    except PlainfilmError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        show_error(
            ResourceError("no memory left", "enough for one film", advice="Use a smaller film or model.")
        )
        sys.exit(ResourceError.exit_code)
    sys.exit(0)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Torch's own error is known by its name, for help must not import torch."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    del frame
    sys.exit(128 + signum)
