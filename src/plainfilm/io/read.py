"""Reading one film from a file of any supported format."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from plainfilm.errors import InputError, ResourceError
from plainfilm.io import raster
from plainfilm.io.kinds import HEAD, Kind, beginning, kind_of
from plainfilm.io.rules import MAX_PIXELS, Colour
from plainfilm.radiograph import Radiograph


def read(
    path: str | os.PathLike[str],
    colour: Colour = None,
    max_pixels: int = MAX_PIXELS,
    bits: int | None = None,
    inverted: bool = False,
) -> Radiograph:
    """Reads a film: PNG, JPEG, TIFF, NPY or DICOM, told apart by content.

    Integers are divided by the largest value their format can hold; floats must
    already lie in [0, 1]; DICOM passes through its modality and VOI transformations
    (`plainfilm.io.greyscale`). The id is the file name without its suffix, and no
    tag that could name a patient is read.

    Args:
        path: The file.
        colour: What to do with three unequal channels: None refuses, "luma" weighs
            them by ITU-R BT.601.
        max_pixels: Larger films are refused by their header, before decoding.
        bits: How many bits of an integer film are used, where the data set's table knows of
            fewer than the file declares: PadChest's PNGs of 16 bits hold 10, 12 or 14 (BitsStored).
        inverted: Whether black is dense in the file, and nothing in the file says so; such a film
            is inverted once more than the file asks.

    Returns:
        A radiograph, pixels float32 ``(H, W)`` in [0, 1], white = dense.

    Raises:
        InputError: for a file that is missing, damaged, too large, or no radiograph; for pixels
            above ``2 ** bits - 1``, and for ``bits`` of a DICOM file or of floats.
        ResourceError: for a file that may not be read.
    """
    if colour not in (None, "luma"):
        raise InputError(f"colour={colour!r}", 'None or "luma"', "read")
    film = _as_stored(Path(path), colour, max_pixels, bits)
    if not inverted:
        return film
    return replace(film, pixels=1 - film.pixels, tags={**film.tags, "Inverted": "YES"})


def _as_stored(path: Path, colour: Colour, max_pixels: int, bits: int | None) -> Radiograph:
    kind = _kind(path)
    if kind == "dicom":
        if bits is not None:
            raise InputError(f"bits={bits} of a DICOM file", "None, for the file tells them", str(path))
        # Here and not above: a reader of PNG files need not wait for pydicom.
        from plainfilm.io.dicom import read_dicom

        return read_dicom(path, colour, max_pixels)
    if kind == "npy":
        return raster.read_array(path, colour, max_pixels, bits)
    return raster.read_image(path, kind, colour, max_pixels, bits)


def _kind(path: Path) -> Kind:
    head = _head(path)
    kind = kind_of(head)
    if kind:
        return kind
    found = (
        f"not an image ({beginning(head)}) of {path.stat().st_size} bytes" if head else "a file of 0 bytes"
    )
    raise InputError(found, "PNG, JPEG, TIFF, NPY or DICOM", str(path), "Export or download it again.")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except PermissionError as error:
        raise ResourceError("a file that may not be read", "read permission", str(path)) from error
    except IsADirectoryError as error:
        raise InputError("a folder", "a file", str(path), "List its films with find_films.") from error
    except FileNotFoundError as error:
        raise InputError("no such file", "an existing file", str(path)) from error
    except (OSError, ValueError) as error:
        raise InputError("a path that cannot be opened", "an existing file", repr(str(path))) from error
