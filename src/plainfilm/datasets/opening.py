"""A data set by what a command line calls it."""

from __future__ import annotations

import re
from pathlib import Path

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError

PHANTOM = re.compile(r"phantom(?::(\d+))?(?::(\d+))?")

FILMS, SEED = 200, 90_000
"""Of a phantom data set without numbers; no recipe trains on this seed."""


def open_data(name: str) -> Manifest | Phantom:
    """Opens a manifest's folder, or renders phantoms: "phantom", "phantom:500", "phantom:500:7".

    The numbers are films and seed.

    Raises:
        InputError: for anything else.
        ArtifactError: for a folder that is no manifest, or a damaged one.
    """
    phantom = PHANTOM.fullmatch(name)
    if phantom:
        films, seed = phantom.groups()
        return Phantom(int(films or FILMS), seed=int(seed or SEED))
    if not Path(name).is_dir():
        raise InputError(
            f"{name!r}", "a folder that 'plainfilm data build' wrote, or phantom[:films[:seed]]", "data"
        )
    return Manifest.load(name)
