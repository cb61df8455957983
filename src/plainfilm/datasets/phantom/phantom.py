"""Frontal chest radiographs with exact truth, rendered from (seed, index)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plainfilm.datasets.phantom.anatomy import base_attenuation, build_anatomy
from plainfilm.datasets.phantom.canvas import REPLACED_LUNG, Canvas
from plainfilm.datasets.phantom.content import Content, Shortcut, draw_content, draw_tied_content
from plainfilm.datasets.phantom.devices import DEVICES, FAINTEST_DEVICE
from plainfilm.datasets.phantom.film import expose
from plainfilm.datasets.phantom.findings import (
    RECIPES,
    draw_change,
    edit_geometry,
    expert_mask,
    finding_mask,
    finding_rng,
)
from plainfilm.datasets.phantom.patient import Patient, draw_patient
from plainfilm.datasets.phantom.scene import Scene, draw_side
from plainfilm.datasets.phantom.zones import severities
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError
from plainfilm.findings import ALL, NIH, SUPPORT_DEVICES
from plainfilm.radiograph import Radiograph

# Streams of random numbers of one study, beside those of the patient and of each finding.
# None is 0: numpy seeds [a, b, 0] as it seeds [a, b], which is the patient's.
CONTENT, FIRST_DEVICE = 50, 100


@dataclass(frozen=True)
class Phantom:
    """A data set of rendered chest radiographs.

    A study is a function of (seed, index) and of these settings alone, whatever the
    order or the process in which it is asked for.

    Attributes:
        n: Number of studies.
        size: Side of the films in pixels.
        seed: Seed of the data set.
        prevalence: Chance of each finding in the three quarters of studies that may
            show any; a study shows at most three, and never both Mass and Nodule.
        shortcut: A device tied to a finding, or None.

    Raises:
        InputError: for a size below 32, a prevalence outside [0, 1], a negative n or seed.
    """

    n: int
    size: int = 224
    seed: int = 0
    prevalence: float = 0.16
    shortcut: Shortcut | None = None

    def __post_init__(self) -> None:
        if min(self.n, self.seed) < 0 or self.size < 32 or not 0 <= self.prevalence <= 1:
            raise InputError(
                f"n {self.n}, size {self.size}, seed {self.seed}, prevalence {self.prevalence}",
                "n and seed from 0, size from 32, prevalence in [0, 1]", "Phantom",
            )  # fmt: skip

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Study:
        return self.study(index)

    def __iter__(self) -> Iterator[Study]:
        return map(self.study, range(self.n))

    @property
    def name(self) -> str:
        """What reports call the data set."""
        return f"phantom, seed {self.seed}"

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each film."""
        return tuple(self._name(index) for index in range(self.n))

    patients = ids
    """Every film is a patient."""

    @property
    def findings(self) -> tuple[str, ...]:
        """All that a phantom may show."""
        return ALL

    def outlined(self) -> list[tuple[str, ...]]:
        """For each film the findings that it shows, all of which have masks."""
        return [tuple(n for n, v in self.content(index).labels.items() if v == 1) for index in range(self.n)]

    def fingerprint(self) -> str:
        """A text that changes with the settings, and with how this version draws a film."""
        return f"{self.film_keys()[0] if self.n else 'phantom'}, n={self.n}"

    def film_keys(self, cache: Path | None = None) -> list[str]:
        """A text for each film that changes with the settings, and with how this version draws a film."""
        settings = (self.size, self.seed, self.prevalence, self.shortcut)
        found = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        for path in sorted(Path(__file__).parent.glob("*.py")):
            found.update(path.read_bytes())
        if self.n:  # libraries draw differently from version to version, too
            found.update(self.study(0).radiograph.pixels.tobytes())
        return [f"phantom-{found.hexdigest()}-{index}" for index in range(self.n)]

    def labels(self, findings: Sequence[str] = ALL) -> np.ndarray:
        """Findings of all films, float32 ``(n, len(findings))``, without rendering; NaN for other names."""
        drawn = (self.content(index).labels for index in range(self.n))
        rows = [[labels.get(name, np.nan) for name in findings] for labels in drawn]
        return np.array(rows, np.float32).reshape(self.n, len(findings))

    def content(self, index: int) -> Content:
        """The findings and devices of a study, without rendering."""
        if not 0 <= index < self.n:
            raise IndexError(f"study {index} of a phantom data set of {self.n}")
        rng = np.random.default_rng([self.seed, index, CONTENT])
        if self.shortcut:
            return draw_tied_content(rng, self.prevalence, self.shortcut)
        return draw_content(rng, self.prevalence, draw_patient(self.seed, index).is_ap)

    def study(
        self, index: int, findings: Iterable[str] | None = None, devices: Iterable[str] | None = None
    ) -> Study:
        """Render a study, or its counterfactual: the same patient with other findings.

        Every choice about the patient, the exposure, the noise and each other finding
        stays as it was.

        Args:
            index: From 0 to ``n`` - 1.
            findings: The findings to show in place of those drawn; empty for none.
            devices: The devices to show in place of those drawn.

        Raises:
            InputError: for an unknown name.
            IndexError: for an index outside the data set.
        """
        drawn = self.content(index)
        content = Content(
            drawn.findings if findings is None else tuple(findings),
            drawn.devices if devices is None else tuple(devices),
        )
        return self._render(index, content)

    def without(self, index: int, finding: str) -> Study:
        """The counterfactual of a study that lacks one finding alone; "Support Devices" are all devices.

        Raises:
            IndexError: for an index outside the data set.
        """
        drawn = self.content(index)
        devices = () if finding == SUPPORT_DEVICES else drawn.devices
        return self.study(index, [name for name in drawn.findings if name != finding], devices)

    def _render(self, index: int, content: Content) -> Study:
        patient = edit_geometry(draw_patient(self.seed, index), content.findings, self.seed, index)
        canvas = Canvas.of(patient, self.size)
        anatomy = build_anatomy(patient, canvas)
        normal, lung, aeration = base_attenuation(patient, canvas, anatomy)
        scene = Scene(patient, canvas, anatomy, lung, aeration)
        diseases = self._diseases(scene, index, content.findings)
        devices = self._devices(scene, index, content.devices)
        attenuation = sum([disease.change for disease in diseases] + devices, start=normal)
        pixels = expose(patient, canvas, np.maximum(attenuation, 0), anatomy.body)
        name = self._name(index)
        return Study(
            radiograph=self._radiograph(name, patient, pixels),
            findings=content.labels,
            masks={disease.name: disease.mask for disease in diseases} | _device_mask(devices),
            zones=severities(scene, _opacity(diseases, scene)),
            lungs=anatomy.lung_window > 0.5,
            causes={disease.name: disease.cause for disease in diseases if disease.cause is not None},
            patient=name,
        )

    def _diseases(self, scene: Scene, index: int, names: tuple[str, ...]) -> list[_Disease]:
        drawn = []
        # A large heart leaves less lung for the others to fill, so it comes first.
        for name in sorted(names, key=lambda name: (name != "Cardiomegaly", NIH.index(name))):
            subtle = self._is_subtle(name)
            disease = self._disease(replace(scene, subtle=subtle) if subtle else scene, index, name)
            if name == "Cardiomegaly":
                scene = replace(scene, lung=scene.lung - disease.change / REPLACED_LUNG)
            drawn.append(disease)
        return drawn

    def _disease(self, scene: Scene, index: int, name: str) -> _Disease:
        change = draw_change(scene, name, finding_rng(self.seed, index, name))
        changed = finding_mask(change, scene.canvas, name)
        mask = expert_mask(scene, name, changed, finding_rng(self.seed, index, name))
        return _Disease(name, change, mask, cause=None if mask is changed else changed)

    def _is_subtle(self, name: str) -> bool:
        return self.shortcut is not None and self.shortcut.subtle and name == self.shortcut.finding

    def _devices(self, scene: Scene, index: int, names: tuple[str, ...]) -> list[np.ndarray]:
        # A drain lies on the side where the patient has, or would have, a pneumothorax.
        side = draw_side(finding_rng(self.seed, index, "Pneumothorax"))
        keys = {name: FIRST_DEVICE + list(DEVICES).index(name) for name in names}
        return [
            DEVICES[name](scene.patient, scene.canvas, np.random.default_rng([self.seed, index, key]), side)
            for name, key in keys.items()
        ]

    def _name(self, index: int) -> str:
        return f"phantom-{self.seed}-{index:05d}"

    def _radiograph(self, name: str, patient: Patient, pixels: np.ndarray) -> Radiograph:
        millimetres = 10 * patient.field_cm / self.size
        view = "AP" if patient.is_ap else "PA"
        return Radiograph(pixels, id=name, view=view, spacing=(millimetres, millimetres))


@dataclass(frozen=True, eq=False)
class _Disease:
    """A finding as drawn: its change of log attenuation and its masks."""

    name: str
    change: np.ndarray
    mask: np.ndarray
    cause: np.ndarray | None = None


def _opacity(diseases: list[_Disease], scene: Scene) -> np.ndarray:
    changes = [disease.change for disease in diseases if RECIPES[disease.name].is_opacity]
    return sum(changes, start=np.zeros_like(scene.lung))


def _device_mask(changes: list[np.ndarray]) -> dict[str, np.ndarray]:
    if not changes:
        return {}
    return {SUPPORT_DEVICES: np.any([np.abs(change) > FAINTEST_DEVICE for change in changes], axis=0)}
