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
