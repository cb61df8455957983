"""Data sets of torchxrayvision as studies, and studies as its data sets."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.store import Studies
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import LUNGS
from plainfilm.masks.box import box_mask
from plainfilm.radiograph import Radiograph

BOUND = 1024.0
"""torchxrayvision's images lie in [-1024, 1024]."""

ROUNDING = 1e-3
"""So much beyond the bound, relative to it, is what resizing in float32 leaves."""

Transform = Callable[[np.ndarray], Any]


def from_torchxrayvision(dataset: Any) -> XrayVisionStudies:
    """A data set object of torchxrayvision as studies.

    Its transform stays in force: films are as it gives them. NaN labels stay unknown.

    Args:
        dataset: Gives dicts of ``img`` (1, H, W) in [-1024, 1024], and has ``pathologies``, ``labels`` and
            ``csv``; merged, filtered and relabelled ones too. Relabel before, not after.

    Raises:
        LabelError: for labels and names that do not match.
    """
    names, shape = list(dataset.pathologies), np.shape(dataset.labels)
    if shape != (len(dataset), len(names)) or len(set(names)) < len(names):
        raise LabelError(
            f"labels of shape {shape} for {len(dataset)} films and the findings {', '.join(names)}",
            "one row a film, one column a finding, each name once", "from_torchxrayvision",
        )  # fmt: skip
    return XrayVisionStudies(dataset)


def to_torchxrayvision(
    studies: Studies,
    findings: Sequence[str] | None = None,
    transform: Transform | None = None,
    masks: bool = True,
) -> XrayVisionDataset:
    """Studies as a data set that torchxrayvision can relabel, merge and filter.

    Args:
        studies: A manifest, a phantom or the like.
        findings: Names for ``pathologies``; those of the manifest or of the first study if None.
        transform: From float32 (1, H, W) in [-1024, 1024] to the like, such as
            ``xrv.datasets.XRayResizer(224)``; masks go through it with the same random numbers and are
            binary afterwards.
        masks: Whether samples hold masks. Films differ in what is drawn on them, so a DataLoader that
            should batch samples with its own rule needs False.

    Raises:
        LabelError: for a finding that the studies do not know.
    """
    if findings is None:
        findings = studies.findings if isinstance(studies, Manifest) else tuple(studies[0].findings)
    return XrayVisionDataset(studies, findings, transform, masks)


@dataclass(frozen=True, eq=False)
class XrayVisionStudies:
    """What ``from_torchxrayvision`` returns.

    Attributes:
        dataset: torchxrayvision's object.
    """

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Study:
        """The study of one film.

        Raises:
            InputError: for an image of another shape or range.
        """
        sample = self.dataset[index]
        masks = {self.findings[k]: _mask(mask) for k, mask in sample.get("pathology_masks", {}).items()}
        lungs = sample.get("semantic_masks", {}).get(LUNGS)
        row = self.dataset.csv.iloc[index]
        return Study(
            radiograph=Radiograph(_pixels(sample["img"], index), id=f"{index:06d}"),
            findings=dict(zip(self.findings, map(float, sample["lab"]), strict=True)),
            masks=masks,
            lungs=None if lungs is None else _mask(lungs),
            patient=self.patients[index],
            attributes=_attributes(row),
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the findings."""
        return tuple(self.dataset.pathologies)

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """The patient of each film; every film its own where the table does not tell."""
        if "patientid" in self.dataset.csv:
            return tuple(self.dataset.csv["patientid"].astype(str))
        return tuple(f"{index:06d}" for index in range(len(self)))

    def labels(self, findings: Sequence[str] | None = None) -> np.ndarray:
        """Findings of all films, float32 ``(N, K)``: 1, 0 or NaN.

        Raises:
            LabelError: for a finding that the data set does not know.
        """
        table = pd.DataFrame(self.dataset.labels, columns=list(self.findings))
        wanted = list(self.findings if findings is None else findings)
        missing = [name for name in wanted if name not in table]
        if missing:
            raise LabelError(f"finding {missing[0]!r}", f"one of {', '.join(table)}", "torchxrayvision")
        return table[wanted].to_numpy(np.float32)

    def film_keys(self, cache: Path | None = None) -> list[str]:
        """A hash of each film and of its lungs; every film is read for it, since no one path is known."""
        keys = []
        for index in range(len(self)):
            study = self[index]
            parts = (study.radiograph.pixels, study.lungs)
            content = b"".join(np.ascontiguousarray(part).tobytes() for part in parts if part is not None)
            keys.append(hashlib.sha256(repr(study.radiograph.size).encode() + content).hexdigest())
        return keys


class XrayVisionDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """What ``to_torchxrayvision`` returns; torchxrayvision sets ``labels`` and ``pathologies`` from outside.

    Attributes:
        pathologies: Names of the findings.
        labels: float32 ``(N, K)``: 1, 0 or NaN.
        csv: One row a film: patientid, view, age_years, sex_male, sex_female where they are known.
        transform: Applied to images and masks.
        masks: Whether masks are given.
    """

    def __init__(
        self, studies: Studies, findings: Sequence[str], transform: Transform | None, masks: bool
    ) -> None:
        self.studies, self.transform, self.masks = studies, transform, masks
        self.pathologies = list(findings)
        self.labels = studies.labels(findings)
        self.csv = _csv(studies)

    def __len__(self) -> int:
        return len(self.studies)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A dict of idx, lab ``(K,)``, img float32 ``(1, H, W)`` and, with masks, two dicts of masks.

        pathology_masks go by the index of their finding, boxes are drawn where one has no mask;
        semantic_masks holds the lungs where they are outlined. A mask is 0 or 1, float32 ``(1, H, W)``.
        """
        study = self.studies[index]
        masks = _drawn(study, self.pathologies) if self.masks else {}
        lungs = {LUNGS: study.lungs} if self.masks and study.lungs is not None else {}
        pixels = (study.radiograph.pixels * 2 - 1) * np.float32(BOUND)
        image, *shapes = self._transformed(pixels, *masks.values(), *lungs.values())
        sample = {"idx": index, "lab": self.labels[index], "img": image}
        if self.masks:
            binary = iter([(np.asarray(shape) > 0.5).astype(np.float32) for shape in shapes])
            sample["pathology_masks"] = dict(zip(masks, binary, strict=False))
            sample["semantic_masks"] = dict(zip(lungs, binary, strict=False))
        return sample

    def string(self) -> str:
        """How torchxrayvision prints it."""
        return f"{type(self).__name__} num_samples={len(self)} of {type(self.studies).__name__}"

    def _transformed(self, *arrays: np.ndarray) -> list[Any]:
        """Every ``(H, W)`` as the transform gives it, all with the same random numbers."""
        films = [np.asarray(array, np.float32)[None] for array in arrays]
        if self.transform is None:
            return films
        before = _generators()
        image = self.transform(films[0])
        after = _generators()
        masks = []
        for film in films[1:]:
            _set_generators(*before)
            masks.append(self.transform(film))
        _set_generators(*after)
        return [image, *masks]


def _generators() -> tuple[Any, Any, torch.Tensor]:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def _set_generators(python: Any, numpy: Any, torch_state: torch.Tensor) -> None:
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(torch_state)


def _pixels(image: Any, index: int) -> np.ndarray:
    values = np.asarray(image, np.float32)
    if values.ndim != 3 or values.shape[0] != 1:
        raise InputError(f"an image of shape {values.shape}", "(1, H, W)", f"film {index}")
    if not np.abs(values).max() <= BOUND * (1 + ROUNDING):
        raise InputError(
            f"values from {values.min():.4g} to {values.max():.4g}", "[-1024, 1024]", f"film {index}",
            "Leave normalisation to the model; transforms of torchxrayvision keep this range.",
        )  # fmt: skip
    return np.clip(values[0] / (2 * BOUND) + 0.5, 0, 1)


def _mask(values: Any) -> np.ndarray:
    return np.asarray(values)[0] > 0.5


def _attributes(row: pd.Series) -> dict[str, str | float]:
    """What the table of torchxrayvision says of a film in the columns that its data sets share."""
    sex = "M" if row.get("sex_male", False) else "F" if row.get("sex_female", False) else ""
    return {"view": str(row.get("view", "")), "sex": sex, "age": float(row.get("age_years", np.nan))}


def _drawn(study: Study, findings: Sequence[str]) -> dict[int, np.ndarray]:
    """Index of a finding to its mask, or to its boxes drawn."""
    boxes = {name: box_mask(study.radiograph.size, found) for name, found in study.boxes.items()}
    known = {**boxes, **study.masks}
    return {index: known[name] for index, name in enumerate(findings) if name in known}


def _csv(studies: Studies) -> pd.DataFrame:
    table = pd.DataFrame({"patientid": list(studies.patients)})
    if not isinstance(studies, Manifest):
        return table
    films = studies.films
    return table.assign(
        film=films["film"], view=films["view"], age_years=films["age"],
        sex_male=films["sex"] == "M", sex_female=films["sex"] == "F",
    )  # fmt: skip
