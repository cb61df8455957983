"""PNG, JPEG, TIFF and NPY.

What becomes of each kind of pixel:

    1, 8 or 16 bit grey      divided by its largest possible value (12-bit TIFF by 4095; see ``bits``)
    float                    as it is; a value outside [0, 1] is an error, for no range is declared
    palette, RGB, YCbCr      three equal channels collapse, else see ``colour``
    alpha                    dropped where wholly opaque, else an error
    CMYK, Lab, HSV           an error: inks and hues have no grey level
    16-bit colour            an error: Pillow would cut it to 8 bits
    signed or 32-bit         an error: no white level is declared
    several frames           an error: one would have to be chosen
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from plainfilm.errors import InputError
from plainfilm.io.rules import Colour, check_size, grey, notices
from plainfilm.radiograph import Radiograph

_PARSERS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "png": PngImageFile, "jpeg": jpeg_factory, "tiff": TiffImageFile,
}  # fmt: skip
# What Pillow's and NumPy's parsers raise on damaged files; a fuzz test keeps the list complete.
_DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
    ArithmeticError, EOFError, MemoryError, RecursionError, struct.error, zlib.error, TokenError,
    Image.DecompressionBombError,
)  # fmt: skip
_BITS_PER_SAMPLE, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274  # tags of TIFF 6.0, the last of EXIF too
_WHITE_IS_ZERO = 0
_ADVICE = "Export or download it again."


def read_image(path: Path, kind: str, colour: Colour, max_pixels: int, used: int | None = None) -> Radiograph:
    """Reads a PNG, JPEG or TIFF file; see `plainfilm.io.read.read`."""
    where = str(path)
    try:
        # Not Image.open, which has its own limit of size; and bytes, not a name, for by name
        # Pillow maps plain TIFF into memory and then scrambles those on their side.
        data = path.read_bytes()
        with _PARSERS[kind](BytesIO(data)) as image:
            check_size(image.height, image.width, max_pixels, where)
            bits = _bits(image, data, where)
            if kind == "png":
                _check_png(data)
            orientation = _load_upright(image)
            values = _values(image, where)
    except _DAMAGE as error:
        raise _damaged(path, kind, error) from error
    tags = {} if orientation == 1 else {"Orientation": orientation}
    return _film(path, kind, values, _used(used, bits, values, where), colour, tags)


def read_array(path: Path, colour: Colour, max_pixels: int, used: int | None = None) -> Radiograph:
    """Reads a NumPy file ``(H, W)`` or ``(H, W, 3)``; see `plainfilm.io.read.read`."""
    where = str(path)
    try:
        # Mapped, so that the header is judged before the pixels are loaded.
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise _damaged(path, "npy", error) from error
    if values.ndim not in (2, 3) or values.shape[2:] not in ((), (3,)):
        raise InputError(f"an array of shape {values.shape}", "(H, W) or (H, W, 3)", where)
    check_size(values.shape[0], values.shape[1], max_pixels, where)
    if values.dtype.kind not in "bf" and values.dtype not in (np.uint8, np.uint16):
        raise InputError(f"an array of {values.dtype}", "bool, uint8, uint16 or float", where)
    bits = 1 if values.dtype.kind == "b" else 8 * values.dtype.itemsize
    values = np.asarray(values)
    return _film(path, "npy", values, _used(used, bits, values, where), colour, {})


def _used(used: int | None, bits: int, values: np.ndarray, where: str) -> int:
    """Bits that decide what is white: those declared by the caller, else those of the file."""
    if used is None:
        return bits
    if values.dtype.kind == "f" or not 1 <= used <= bits:
        kind = "floats" if values.dtype.kind == "f" else f"{bits} bits"
        raise InputError(f"bits={used} of a file of {kind}", "as many bits as an integer film uses", where)
    if values.max() >= 2**used:
        raise InputError(
            f"a pixel of {values.max()} under bits={used}", f"at most {2**used - 1}", where,
            "The table that gives the bits contradicts the file: correct it, or leave them out.",
        )  # fmt: skip
    return used


def _film(
    path: Path, kind: str, values: np.ndarray, bits: int, colour: Colour, tags: dict[str, int]
) -> Radiograph:
    where = str(path)
    white = 1 if values.dtype.kind == "f" else 2**bits - 1
    if values.ndim == 3:
        values = grey(values, colour, where)
    pixels = np.divide(values, np.float32(white), dtype=np.float32)
    # NaN and infinite pixels are for Radiograph to refuse, which names the first of them.
    if values.dtype.kind == "f" and np.isfinite(pixels).all() and (pixels.min() < 0 or pixels.max() > 1):
        raise InputError(
            f"pixels from {pixels.min():.4g} to {pixels.max():.4g}", "floats in [0, 1]", where,
            "A file of floats declares no range: divide by its white level and save it again.",
        )  # fmt: skip
    facts = {"Format": kind.upper(), "Rows": pixels.shape[0], "Columns": pixels.shape[1], "BitsStored": bits}
    # Of 16 bits the highest is often unused; of 12 or 14 that a table declares it is not.
    noticed = notices(pixels, dim=1 / 2) if white == 2**16 - 1 else notices(pixels)
    return Radiograph(pixels, path.stem, tags=facts | tags, warnings=noticed)


def _bits(image: Image.Image, data: bytes, where: str) -> int:
    """Bits of a sample, by the header; refuses what Pillow would decode to less than the file holds."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise InputError(f"an image of {frames} frames", "a single one", where)
    if image.mode not in ("1", "L", "P", "LA", "PA", "RGB", "RGBA", "YCbCr", "F", "I;16", "I;16L", "I;16B"):
        raise InputError(f"an image of mode {image.mode}", "grey of 1, 8 or 16 bits, or floats", where)
    if isinstance(image, TiffImageFile):
        bits = max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,)))
    elif image.format == "PNG":
        bits = data[24]  # in the chunk IHDR, always the first
    else:
        bits = 8
    if bits > 8 and len(image.getbands()) > 1:
        raise InputError(f"colour of {bits} bits", "8 bits, or grey", where, "Save it as 16-bit grey.")
    # Pillow spreads 2 and 4 bits over the 256 levels of a byte.
    return bits if image.mode == "1" else max(8, bits)


def _load_upright(image: Image.Image) -> int:
    """Decodes and turns the image as its EXIF orientation says, and returns that."""
    orientation = int(image.getexif().get(_ORIENTATION, 1))
    image.load()
    # Pillow itself turns TIFF while loading, and then forgets the tag.
    if image.getexif().get(_ORIENTATION, 1) != 1:
        ImageOps.exif_transpose(image, in_place=True)
    return orientation


def _values(image: Image.Image, where: str) -> np.ndarray:
    if image.mode in ("P", "PA", "YCbCr", "LA") or "transparency" in image.info:
        image = image.convert("RGBA")
    values = np.asarray(image)
    if image.mode == "RGBA" and values[..., 3].min() < 255:
        raise InputError("transparent pixels", "opaque ones", where, "Flatten the image on black or white.")
    if isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        return _inverted(image, values)
    return values[..., :3] if values.ndim == 3 else values


def _inverted(image: TiffImageFile, values: np.ndarray) -> np.ndarray:
    """A TIFF whose lowest value is white; of 1 and 8 bits Pillow has inverted it already."""
    if image.mode in ("1", "L"):
        return values
    white = 1 if image.mode == "F" else 2 ** max(image.tag_v2[_BITS_PER_SAMPLE]) - 1
    return (white - values).astype(values.dtype)


def _check_png(data: bytes) -> None:
    """Verifies the checksum of every chunk; Pillow skips those of the pixels.

    Raises:
        ValueError: for a chunk that is cut off or altered, or a file without its end.
    """
    offset, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, offset)
        end = offset + 8 + length
        (expected,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(memoryview(data)[offset + 4 : end]) != expected:
            raise ValueError(f"the chunk at byte {offset} fails its checksum")
        offset = end + 4


def _damaged(path: Path, kind: str, error: Exception) -> InputError:
    why = (
        "it is cut off" if isinstance(error, struct.error | EOFError) else str(error) or type(error).__name__
    )
    found = f"a {kind.upper()} file of {path.stat().st_size} bytes that cannot be decoded: {why}"
    return InputError(found, "an intact file", str(path), _ADVICE)
