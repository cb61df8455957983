"""What the header of a DICOM radiograph says, checked.

Text of an element is passed on only where it is a term of the standard: whatever
else it holds may be the name of a patient that someone typed into the wrong field.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, UID_dictionary

from plainfilm.errors import InputError
from plainfilm.io.codec import Encoding

ELEMENTS = (
    "SOPClassUID", "Modality", "ViewPosition", "PixelSpacing", "ImagerPixelSpacing", "BurnedInAnnotation",
    "PresentationIntentType", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "VOILUTFunction",
    "WindowCenter", "WindowWidth", "PresentationLUTShape", "PixelData",
)  # fmt: skip

MODALITIES = ("CR", "DX", "DR", "RG", "OT")
VIEWS = {"PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LATERAL": "LATERAL"}

_OTHER_MODALITIES = (
    "CT", "MR", "US", "NM", "PT", "MG", "XA", "RF", "PX", "IO", "SR", "SEG", "PR", "KO", "REG", "ECG",
    "RTIMAGE", "RTDOSE", "RTPLAN", "RTSTRUCT", "DOC", "SM", "OP", "OPT", "ES", "XC", "GM", "BMD",
)  # fmt: skip
_STANDARD = "1.2.840.10008."
# Computed and digital radiography, for presentation and processing, and secondary capture of one frame
# or, by the newer classes, of bits, bytes, words or colours, which may be one frame too.
_STORAGE = tuple(
    f"{_STANDARD}5.1.4.1.1.{end}" for end in ("1", "1.1", "1.1.1", "7", "7.1", "7.2", "7.3", "7.4")
)
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_TERMS = {
    "Modality": MODALITIES,
    "ViewPosition": tuple(VIEWS),
    "BurnedInAnnotation": ("YES", "NO"),
    "PresentationLUTShape": ("IDENTITY", "INVERSE"),
    "PresentationIntentType": ("FOR PRESENTATION", "FOR PROCESSING"),
}


def check_modality(dataset: Dataset, where: str) -> None:
    """Refuses what is no radiograph, by its modality and by its storage class where it has one.

    Raises:
        InputError: for CT, MR, reports, tables of contents and other kinds of object.
    """
    modality = dataset.get("Modality")
    storage = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or ""
    if modality and modality not in MODALITIES:
        found = f"modality {modality}" if modality in _OTHER_MODALITIES else "another modality"
        raise InputError(found, f"a radiograph ({', '.join(MODALITIES)})", where)
    judged = storage.startswith(_STANDARD) or not modality  # a vendor's own class may hold radiographs
    if storage and judged and storage not in _STORAGE:
        # The name is the standard's, for what the file says may be anything.
        kind = UID(storage).name if storage in UID_dictionary else "another kind of object"
        raise InputError(kind, "the storage class of a radiograph", where)


def encoding(dataset: Dataset, where: str) -> Encoding:
    """How the pixels are stored.

    Raises:
        InputError: for a header without pixels, with several frames, or with a kind of
            pixel that no radiograph has.
    """
    for keyword in ("Rows", "Columns", "PixelData"):
        if keyword not in dataset:
            found = f"a DICOM file without {keyword}"
            raise InputError(found, "an image", where, "It may be cut off; export it again.")
    frames = integer(dataset, "NumberOfFrames", 1)
    if frames > 1:
        raise InputError(f"{frames} frames", "a single one", where)
    described = Encoding(
        transfer_syntax=_transfer_syntax(dataset, where),
        rows=integer(dataset, "Rows"),
        columns=integer(dataset, "Columns"),
        samples_per_pixel=integer(dataset, "SamplesPerPixel", 1),
        bits_allocated=integer(dataset, "BitsAllocated"),
        bits_stored=integer(dataset, "BitsStored", integer(dataset, "BitsAllocated")),
        pixel_representation=integer(dataset, "PixelRepresentation", 0),
        photometric_interpretation=str(dataset.get("PhotometricInterpretation", "")),
        planar_configuration=integer(dataset, "PlanarConfiguration", 0),
        pixel_vr=dataset["PixelData"].VR,
    )
    _check_pixels(described, integer(dataset, "HighBit", described.bits_stored - 1), where)
    return described


def _check_pixels(described: Encoding, high_bit: int, where: str) -> None:
    samples, allocated, stored = described.samples_per_pixel, described.bits_allocated, described.bits_stored
    if described.photometric_interpretation not in (_GREY if samples == 1 else _COLOUR):
        raise InputError("pixels that are neither grey nor red, green, blue", " or ".join(_GREY), where)
    if samples not in (1, 3) or allocated not in (8, 16) or not 1 <= stored <= allocated:
        found = f"{samples} samples of {stored} bits in {allocated}"
        raise InputError(found, "1 or 3 samples of up to 16 bits", where)
    if high_bit != stored - 1:
        raise InputError(f"{stored} stored bits under bit {high_bit}", f"bit {stored - 1}", where)


def integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """The value of an integer element; without a default an absent one is a TypeError."""
    value = dataset.get(keyword)
    return int(default if value is None and default is not None else value)


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The values of a decimal element: none, one or several; none where one is not finite."""
    value = dataset.get(keyword)
    if value is None:
        return []
    found = [float(number) for number in (value if isinstance(value, Iterable) else (value,))]
    return found if all(map(math.isfinite, found)) else []


def _transfer_syntax(dataset: Dataset, where: str) -> str:
    """The transfer syntax; files without one are uncompressed, in the order of bytes that parsed."""
    _, little_endian = dataset.original_encoding
    plain = ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
    syntax = UID(dataset.file_meta.get("TransferSyntaxUID") or plain)
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise InputError("an unknown transfer syntax", "one of the standard", where)
    return str(syntax)


def terms(dataset: Dataset) -> dict[str, str]:
    """The coded elements whose value is a term of the standard."""
    return {key: dataset[key].value for key, known in _TERMS.items() if dataset.get(key) in known}


def spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, dict[str, str]]:
    """Millimetres (row, column) and the tag they are from: calibrated if there, else the detector's."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        found = numbers(dataset, keyword)
        if len(found) == 2 and min(found) > 0:
            return (found[0], found[1]), {keyword: f"{found[0]:g}\\{found[1]:g}"}
    return None, {}


def cautions(tags: dict[str, str]) -> tuple[str, ...]:
    """What a user should know from the coded elements (`terms`)."""
    found = []
    if tags.get("BurnedInAnnotation") != "NO":
        found.append(
            "The file does not say that it is free of burned-in text; look before you share its pixels."
        )
    if "Modality" not in tags:
        found.append("The file names no modality and was taken for a radiograph.")
    if tags.get("PresentationIntentType") == "FOR PROCESSING":
        found.append("The file holds raw values FOR PROCESSING, not a film as it is shown.")
    return tuple(found)
