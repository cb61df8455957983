"""A data set by what a command line calls it."""

from __future__ import annotations

import re
from pathlib import Path

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError, LabelError

PHANTOM = re.compile(r"phantom(?::(\d+))?(?::(\d+))?")

FILMS, SEED = 200, 90_000
"""Of a phantom data set without numbers; no recipe trains on this seed."""


def open_data(name: str, split: str = "") -> Manifest | Phantom:
    """Opens a manifest's folder, or renders phantoms: "phantom", "phantom:500", "phantom:500:7".

    The numbers are films and seed. ``split`` asks for one part of a manifest.

    Raises:
        InputError: for anything else, and for a part of phantoms.
        LabelError: for a part without films.
        ArtifactError: for a folder that is no manifest, or a damaged one.
    """
    phantom = PHANTOM.fullmatch(name)
    if phantom:
        if split:
            raise InputError(f"split {split!r}", "none, for phantoms have no parts", name)
        films, seed = phantom.groups()
        return Phantom(int(films or FILMS), seed=int(seed or SEED))
    if not Path(name).is_dir():
        raise InputError(
            f"{name!r}", "a folder that 'plainfilm data build' wrote, or phantom[:films[:seed]]", "data"
        )
    manifest = Manifest.load(name)
    return part_of(manifest, split) if split else manifest


def part_of(manifest: Manifest, split: str) -> Manifest:
    """The films of a part.

    Raises:
        LabelError: for a part without films.
    """
    inside = manifest.films["split"] == split
    if not inside.any():
        known = ", ".join(sorted(set(manifest.films["split"]) - {""})) or "none"
        raise LabelError(f"split {split!r} without films", f"one of the data's: {known}", manifest.name)
    return manifest.select(inside)
