"""A classifier whose evidence is known, and films with one bright finding each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plainfilm.audit.fidelity import Depth
from plainfilm.audit.plan import Plan
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError
from plainfilm.models.classifier import Classifier, wrap
from plainfilm.radiograph import Radiograph

FINDINGS = ("Mass", "Nodule", "Effusion")
SIDE = 32


class Bright(nn.Module):
    """One score a finding, all from what is brighter than 0.6; a strided layer makes the maps coarse."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(1, 4, 4, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, len(FINDINGS))
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            self.features.weight.copy_(1 + 0.1 * torch.randn(4, 1, 4, 4, generator=generator))
            self.features.bias.fill_(-9.6)
            self.head.weight.copy_(torch.rand(len(FINDINGS), 4, generator=generator))
            self.head.bias.fill_(-2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.features(images)).relu().mean((2, 3)))


@dataclass(frozen=True, eq=False)
class Films:
    """Films in memory; every second belongs to the patient of the one before.

    Attributes:
        n: How many.
        broken: Films that cannot be read.
        constant: Films of one grey.
        annotated: Whether anything is outlined.
        seen: Films that were read, in order.
    """

    n: int
    broken: tuple[int, ...] = ()
    constant: tuple[int, ...] = ()
    annotated: bool = True
    name: str = "toys"
    findings: tuple[str, ...] = (*FINDINGS, "Hernia")
    seen: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return self.n

    @property
    def ids(self) -> Sequence[str]:
        return [f"film-{k}" for k in range(self.n)]

    @property
    def patients(self) -> Sequence[str]:
        return [f"patient-{k // 2}" for k in range(self.n)]

    def labels(self, findings: Sequence[str]) -> np.ndarray:
        return np.array(
            [[float(name in self._shown(k)) for name in findings] for k in range(self.n)], np.float32
        )

    def outlined(self) -> Sequence[Sequence[str]]:
        return [self._shown(k) if self.annotated else () for k in range(self.n)]

    def fingerprint(self) -> str:
        return f"{self.name} {self.n} {self.broken} {self.constant} {self.annotated}"

    def __getitem__(self, index: int) -> Study:
        self.seen.append(index)
        if index in self.broken:
            raise InputError("a file cut off", "a whole one", f"film-{index}")
        rng = np.random.default_rng(index)
        pixels, masks = rng.random((40, 36)).astype(np.float32) * 0.5, {}
        for name in self._shown(index):
            mask = np.zeros((40, 36), bool)
            top, left = rng.integers(0, 28, 2)
            mask[top : top + 8, left : left + 8] = True
            pixels[mask] += 0.5
            masks[name] = mask
        if index in self.constant:
            pixels[:] = 0.3
        film = Radiograph(pixels, id=f"film-{index}", view="PA" if index % 3 else "AP")
        findings = {name: float(name in masks) for name in self.findings}
        return Study(
            film, findings, masks if self.annotated else {}, patient=f"patient-{index // 2}",
            attributes={"view": "", "sex": "FM"[index % 2], "age": 50.0 + index, "device": "", "split": ""},
        )  # fmt: skip

    def _shown(self, index: int) -> tuple[str, ...]:
        # Every fourth film shows nothing, every fourth two findings.
        return ((), ("Mass",), ("Nodule",), ("Mass", "Effusion"))[index % 4]


@pytest.fixture
def model() -> Classifier:
    network = Bright()
    network.norm.running_mean.fill_(0.1)
    return wrap(network.eval(), FINDINGS, SIDE)


@pytest.fixture
def films() -> Callable[..., Films]:
    return Films


@pytest.fixture
def plan_of(model: Classifier) -> Callable[..., Plan]:
    """A plan over toy films; settings of ``Films`` by name."""

    def plan(
        n: int = 12,
        methods: Sequence[str] = ("gradient", "grad-cam"),
        fidelity: Depth = "quick",
        **settings: Any,
    ) -> Plan:
        data = replace(Films(n), **settings)
        return Plan(model, data, {name: {} for name in methods}, fidelity=fidelity)

    return plan
