"""A DICOM radiograph to change and to break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

Writer = Callable[..., Path]
Builder = Callable[..., Dataset]


def _build(stored: np.ndarray, bits: int | None = None, **elements: Any) -> Dataset:
    """A CR data set with these stored values ``(H, W)`` or ``(H, W, 3)``."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    dataset.Modality = "CR"
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * stored.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    data = stored.tobytes()
    dataset.add_new("PixelData", "OB" if stored.dtype.itemsize == 1 else "OW", data + b"\0" * (len(data) % 2))
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


@pytest.fixture
def build() -> Builder:
    """Makes a data set of stored values; see `_build`."""
    return _build


@pytest.fixture
def write_dicom(tmp_path: Path) -> Writer:
    """Writes a data set made by `build`, optionally compressed, and returns its path."""

    def write(
        stored: np.ndarray, bits: int | None = None, syntax: str | None = None, **elements: Any
    ) -> Path:
        dataset = _build(stored, bits, **elements)
        if syntax:
            dataset.compress(syntax, generate_instance_uid=False)
        path = tmp_path / "film.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def ramp() -> np.ndarray:
    """uint16 ``(64, 64)``: every value of 12 bits once, in order."""
    return np.arange(4096, dtype=np.uint16).reshape(64, 64)
