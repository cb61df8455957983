"""Options that several verbs share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OnError(StrEnum):
    """What to do with a film that cannot be used."""

    STOP = "stop"
    QUARANTINE = "quarantine"


class Device(StrEnum):
    """Where a network runs; "auto" is the first CUDA device where there is one, else the processor."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Films = Annotated[
    list[Path], typer.Argument(help="Files or folders: PNG, JPEG, TIFF, NPY, DICOM.", show_default=False)
]
Model = Annotated[str, typer.Option(help="A name from 'plainfilm list', a run folder, or a checkpoint file.")]
OnDevice = Annotated[Device, typer.Option("--device", help="Where the model runs.")]
Calibrated = Annotated[
    Path | None, typer.Option("--calibration", help="A file of 'plainfilm calibrate', for probabilities.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines on stdout.")]
ErrorPolicy = Annotated[
    OnError, typer.Option(help="A film that cannot be used: stop, or go on without it and exit with 6.")
]
MaxExcluded = Annotated[
    float, typer.Option(min=0, max=1, help="Share of films that quarantine may leave out before it refuses.")
]
