"""Header values: checked, and passed on only as terms of the standard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    MediaStorageDirectoryStorage,
    SecondaryCaptureImageStorage,
)

from plainfilm.errors import InputError
from plainfilm.io import header

Builder = Callable[..., Dataset]


@pytest.fixture
def dataset(build: Builder, ramp: np.ndarray) -> Dataset:
    return build(ramp, 12)


def test_without_a_modality_the_storage_class_decides(dataset: Dataset) -> None:
    dataset.Modality, dataset.SOPClassUID = "", SecondaryCaptureImageStorage
    header.check_modality(dataset, "film")
    dataset.SOPClassUID = "1.2.3.4"  # a vendor's own
    with pytest.raises(InputError, match="another kind of object"):
        header.check_modality(dataset, "film")


@pytest.mark.parametrize(
    ("storage", "name"),
    [
        (CTImageStorage, "CT Image Storage"),
        (EnhancedSRStorage, "Enhanced SR Storage"),
        (GrayscaleSoftcopyPresentationStateStorage, "Grayscale Softcopy Presentation State Storage"),
        (MediaStorageDirectoryStorage, "Media Storage Directory Storage"),
        ("1.2.840.10008.5.1.4.1.1.999", "another kind of object"),
    ],
)
@pytest.mark.parametrize("modality", ["CR", ""])
def test_another_storage_class_is_refused_whatever_the_modality(
    dataset: Dataset, modality: str, storage: str, name: str
) -> None:
    dataset.Modality, dataset.SOPClassUID = modality, storage
    with pytest.raises(InputError, match=f"film: got {name}, expected the storage class of a radiograph"):
        header.check_modality(dataset, "film")
    del dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPClassUID = storage
    with pytest.raises(InputError, match=name):
        header.check_modality(dataset, "film")


def test_a_vendors_own_storage_class_is_trusted_where_the_modality_is_a_radiographs(dataset: Dataset) -> None:
    dataset.SOPClassUID = "1.2.3.4"
    header.check_modality(dataset, "film")


def test_a_modality_that_is_no_term_is_not_repeated(dataset: Dataset) -> None:
    dataset.Modality = "MILLER"
    with pytest.raises(InputError) as refused:
        header.check_modality(dataset, "film")
    assert "MILLER" not in str(refused.value)


def test_an_unknown_transfer_syntax_is_refused(dataset: Dataset) -> None:
    dataset.set_original_encoding(False, True)
    dataset.file_meta.TransferSyntaxUID = "1.2.3.4"
    with pytest.raises(InputError, match="unknown transfer syntax"):
        header.encoding(dataset, "film")


def test_calibrated_spacing_precedes_that_of_the_detector(dataset: Dataset) -> None:
    assert header.spacing(dataset) == (None, {})
    dataset.ImagerPixelSpacing = [0.2, 0.2]
    dataset.PixelSpacing = [0.17, 0.16]
    assert header.spacing(dataset) == ((0.17, 0.16), {"PixelSpacing": "0.17\\0.16"})


@pytest.mark.parametrize("value", [[0, 1], [1], [-1, 1]])
def test_impossible_spacing_is_passed_over(dataset: Dataset, value: list[float]) -> None:
    dataset.PixelSpacing = value
    assert header.spacing(dataset)[0] is None


def test_terms_of_the_standard_are_kept_and_other_text_is_dropped(dataset: Dataset) -> None:
    dataset.ViewPosition, dataset.BurnedInAnnotation = "PA", "ASK MILLER"
    assert header.terms(dataset) == {"Modality": "CR", "ViewPosition": "PA"}


def test_raw_values_are_warned_of(dataset: Dataset) -> None:
    dataset.PresentationIntentType, dataset.BurnedInAnnotation = "FOR PROCESSING", "NO"
    assert len(header.cautions(header.terms(dataset))) == 1
