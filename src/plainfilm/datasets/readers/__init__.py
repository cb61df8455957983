"""Readers of public data sets, by name; each returns a manifest and is imported when it is asked for.

Data set objects of torchxrayvision are no folders: see ``plainfilm.datasets.torchxrayvision``.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from plainfilm.errors import LabelError

if TYPE_CHECKING:
    from plainfilm.datasets.manifest import Manifest

_HERE = "plainfilm.datasets.readers"

READERS: dict[str, str] = {
    "nih": f"{_HERE}.nih:read_nih",
    "google": f"{_HERE}.google:read_google",
    "rsna": f"{_HERE}.rsna:read_rsna",
    "siim": f"{_HERE}.siim:read_siim",
    "chexpert": f"{_HERE}.chexpert:read_chexpert",
    "chexlocalize": f"{_HERE}.chexlocalize:read_chexlocalize",
    "mimic": f"{_HERE}.mimic:read_mimic",
    "padchest": f"{_HERE}.padchest:read_padchest",
    "openi": f"{_HERE}.openi:read_openi",
    "vindr": f"{_HERE}.vindr:read_vindr",
    "vinbig": f"{_HERE}.vindr:read_vinbig",
    "brixia": f"{_HERE}.brixia:read_brixia",
    "coco": f"{_HERE}.coco:read_coco",
    "table": f"{_HERE}.table:read_table",
}
"""Name to "module:function"."""

ABOUT: dict[str, str] = {
    "nih": "NIH ChestX-ray14: 112,120 films, 14 findings, official split, 984 boxes.",
    "google": "Google's adjudicated labels of 4,376 NIH films.",
    "rsna": "RSNA Pneumonia Challenge, stage 2: 26,684 NIH films, 9,555 boxes.",
    "siim": "SIIM-ACR Pneumothorax: 12,047 NIH films, masks of 2,669.",
    "chexpert": "CheXpert: 223,414 films with uncertain labels.",
    "chexlocalize": "CheXlocalize: outlines on CheXpert's validation and test films.",
    "mimic": "MIMIC-CXR-JPG: 377,110 films with uncertain labels, official split.",
    "padchest": "PadChest: 160,861 films.",
    "openi": "OpenI (Indiana University): 7,470 films with reports.",
    "vindr": "VinDr-CXR as PhysioNet releases it: 18,000 films, 22 findings with boxes.",
    "vinbig": "VinBigData, Kaggle's release of VinDr-CXR: 15,000 films, three readers each.",
    "brixia": "BrixIA: 4,695 films of COVID-19 with six zone scores.",
    "coco": "Any data set in COCO's JSON of boxes and masks.",
    "table": "Any folder of films with a CSV of labels.",
}
"""Name to what the data set holds."""


def reader(name: str) -> Callable[..., Manifest]:
    """The function that reads the data set called ``name``.

    Raises:
        LabelError: for a name that is not in ``READERS``.
    """
    if name not in READERS:
        close = get_close_matches(name, READERS, n=3)
        raise LabelError(
            f"the data set {name!r}", f"one of {', '.join(READERS)}", "reader",
            f"Close: {', '.join(close)}." if close else "",
        )  # fmt: skip
    module, function = READERS[name].split(":")
    found: Callable[..., Manifest] = getattr(import_module(module), function)
    return found
