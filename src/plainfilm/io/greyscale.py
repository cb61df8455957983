"""From stored DICOM values to grey: modality, VOI, polarity (PS3.3 C.11.1, C.11.2, C.11.6).

Every step is a function of the stored value alone. So the whole is worked out once
for each value that the stored bits can hold, at most 65536, and then looked up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from plainfilm.errors import InputError
from plainfilm.io.codec import Encoding
from plainfilm.io.header import numbers

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True)
class Curve:
    """Grey for every stored value.

    Attributes:
        grey: float32 ``(2 ** bits_stored,)`` in [0, 1], indexed by the stored bits
            read as an unsigned number.
        voi: "LUT", "window centre/width" or "full range".
        warnings: What had to be assumed.
    """

    grey: np.ndarray
    voi: str
    warnings: tuple[str, ...]

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """float32 grey of stored values; bits above those declared are ignored."""
        unsigned = np.dtype(f"u{stored.dtype.itemsize}")
        return self.grey[stored.astype(unsigned) & unsigned.type(len(self.grey) - 1)]


def curve(dataset: Dataset, encoding: Encoding, where: str) -> Curve:
    """The path from stored value to grey that a file declares.

    A VOI LUT goes before a window, the first of several before the others, and the
    full range of the stored bits stands in for neither. MONOCHROME1 and the
    PresentationLUTShape INVERSE both say that the lowest value is white; the standard
    asks for them together (C.8.11.3.1.2), so either or both mean one inversion.

    Raises:
        InputError: for a rescale slope of 0 or numbers that are not finite.
    """
    codes = np.arange(2**encoding.bits_stored)
    if encoding.pixel_representation:
        codes = np.where(codes < len(codes) // 2, codes, codes - len(codes))
    values, low, high = _modality(dataset, codes, where)
    if not np.isfinite(values).all() or values.min() == values.max():
        raise InputError("a rescaling that maps all values to one", "a usable slope or table", where)
    grey, voi, warnings = _voi(dataset, values, low, high, where)
    inverse = dataset.get("PresentationLUTShape") == "INVERSE"
    negative = encoding.photometric_interpretation == "MONOCHROME1"
    if inverse and not negative:
        warnings += ("MONOCHROME2 with PresentationLUTShape INVERSE contradict each other; inverted once.",)
    return Curve((1 - grey if negative or inverse else grey).astype(np.float32), voi, warnings)


def _modality(dataset: Dataset, codes: np.ndarray, where: str) -> tuple[np.ndarray, float, float]:
    """Values after table or slope, with the lowest and highest that these can give."""
    tables = dataset.get("ModalityLUTSequence")
    if tables:
        values, top = _looked_up(tables[0], codes, where)
        return values, 0.0, top
    slope, intercept = (
        numbers(dataset, "RescaleSlope") or [1.0],
        numbers(dataset, "RescaleIntercept") or [0.0],
    )
    values = codes * slope[0] + intercept[0]
    return values, float(values.min()), float(values.max())


def _looked_up(table: Dataset, values: np.ndarray, where: str) -> tuple[np.ndarray, float]:
    """Entries of a table (C.11.1.1.1, C.11.2.1.1), with the highest that its bits can hold.

    Values before the first mapped one take the first entry, those beyond the last the last.
    Not pydicom's function, whose index overflows where a table is shorter than the range of values.
    """
    count, first, bits = (int(number) for number in table.LUTDescriptor)
    count = count or 65536
    if first > 32767 and values.min() < 0:  # a negative number under an unsigned VR
        first -= 65536
    data = table.LUTData
    words = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data, "<u2").ravel()
    # Tables of 8 bits may hold two entries a word.
    entries = words if len(words) >= count else words.view(np.uint8)
    if len(entries) < count or not 1 <= bits <= 16:
        raise InputError(f"a table of {len(words)} words", f"{count} entries of 1 to 16 bits", where)
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, count - 1)
    return entries[index].astype(np.float64), 2.0**bits - 1


def _voi(
    dataset: Dataset, values: np.ndarray, low: float, high: float, where: str
) -> tuple[np.ndarray, str, tuple[str, ...]]:
    tables = dataset.get("VOILUTSequence")
    if tables:
        shown, top = _looked_up(tables[0], values, where)
        return _stretched(shown, 0.0, top), "LUT", _several(len(tables), "VOI tables")
    centres, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    function = dataset.get("VOILUTFunction") or "LINEAR"
    warnings: tuple[str, ...] = ()
    if function not in FUNCTIONS:
        function, warnings = "LINEAR", ("An unknown VOILUTFunction was taken as LINEAR.",)
    narrowest = 1.0 if function == "LINEAR" else np.finfo(float).tiny
    if centres and widths and widths[0] >= narrowest:
        grey = window(values, centres[0], widths[0], function)
        return grey, f"window {centres[0]:g}/{widths[0]:g}", warnings + _several(len(centres), "windows")
    found = "A window without width" if widths else "No window"
    warnings += (f"{found} in the file; the full range of its bits is shown.",)
    return _stretched(values, low, high), "full range", warnings


def window(values: np.ndarray, centre: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Window as in PS3.3 C.11.2.1.2 and C.11.2.1.3, with outputs in [0, 1].

    Args:
        values: After the modality transformation, any shape.
        centre: WindowCenter.
        width: WindowWidth, at least 1 for LINEAR, above 0 else.
        function: "LINEAR", "LINEAR_EXACT" or "SIGMOID".
    """
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if width == 1:
        return (values > centre - 0.5).astype(float)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1)


def _several(count: int, what: str) -> tuple[str, ...]:
    return (f"The first of {count} {what} is used.",) if count > 1 else ()
