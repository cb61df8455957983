"""The names of findings, spelled as the NIH ChestX-ray14 release spells them."""

from __future__ import annotations

NIH = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
"""The fourteen findings in the order of the NIH paper (Wang et al. 2017)."""

SUPPORT_DEVICES = "Support Devices"
"""Tubes, leads and pacemakers, named as in CheXpert."""

ALL = (*NIH, SUPPORT_DEVICES)

CHEXPERT = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Effusion",
    "Pleural Other",
    "Fracture",
    SUPPORT_DEVICES,
)
"""The findings of CheXpert and MIMIC-CXR, without "No Finding"; Effusion spelled as by NIH."""

LUNGS = "Lungs"
"""Under this name an annotation outlines the lungs, which are no finding."""

_SPELLING = {
    "Airspace Opacity": "Lung Opacity",
    "Airspace opacity": "Lung Opacity",
    "Infiltrate": "Infiltration",
    "Pleural Effusion": "Effusion",
    "Pleural effusion": "Effusion",
    "Pleural Thickening": "Pleural_Thickening",
    "Pleural thickening": "Pleural_Thickening",
    "Pulmonary fibrosis": "Fibrosis",
}


def canonical(name: str) -> str:
    """One spelling for a finding that releases spell differently; other names stay as they are."""
    return _SPELLING.get(name.strip(), name.strip())
