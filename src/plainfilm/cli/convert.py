"""plainfilm convert: the tensors of a whole pickled module as a plain state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plainfilm.cli.console import say


def convert(
    source: Annotated[Path, typer.Argument(help="A .pt or .pth file that holds a whole module.")],
    out: Annotated[Path, typer.Argument(help="The file to write: tensors alone, for plainfilm.load.")],
) -> None:
    """Take the tensors out of a pickled module; nothing in the file is run."""
    import torch

    from plainfilm.io.atomic import atomic_write
    from plainfilm.io.module_pickle import read_module_pickle

    tensors = read_module_pickle(source)
    with atomic_write(out) as file:
        torch.save(tensors, file)
    say(f"{len(tensors)} tensors: {out}")
