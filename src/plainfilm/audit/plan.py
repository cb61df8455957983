"""What an audit asks: which model, which films, which findings, which methods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, get_args

import numpy as np
import torch

import plainfilm
from plainfilm.attribution.method import Attribution
from plainfilm.attribution.registry import build_method
from plainfilm.audit.fidelity import Depth
from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError, LabelError, ModelError
from plainfilm.models.classifier import Classifier
from plainfilm.radiograph import Radiograph


class AuditedData(Protocol):
    """What an audit needs of a data set; a ``Manifest`` and a ``Phantom`` have it."""

    @property
    def name(self) -> str:
        """What reports call the data set."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Study: ...

    @property
    def ids(self) -> Sequence[str]:
        """The id of each film."""
        ...

    @property
    def patients(self) -> Sequence[str]:
        """The patient of each film."""
        ...

    @property
    def findings(self) -> Sequence[str]:
        """The findings that the data set knows."""
        ...

    def labels(self, findings: Sequence[str]) -> np.ndarray:
        """Float32 ``(N, K)``; 1, 0 or NaN."""
        ...

    def outlined(self) -> Sequence[Sequence[str]]:
        """For each film the findings that an annotation outlines."""
        ...

    def fingerprint(self) -> str:
        """A text that changes with what is known of the films."""
        ...


@dataclass(frozen=True, eq=False)
class Plan:
    """An audit before it is run.

    Attributes:
        model: The classifier.
        data: The films with what is known of them.
        methods: Method to its settings.
        findings: What is audited; by default all that model and data share.
        fidelity: "full" for every measure, "quick" for removal alone, which takes a small part of the time.

    Raises:
        InputError: for a data set without films, or an unknown depth of fidelity.
        LabelError: where model and data share no finding, or for a finding that the data does not know.
        ModelError: for a finding that the model does not know, a model of values, no method, or an unknown
            method or setting.
    """

    model: Classifier
    data: AuditedData
    methods: Mapping[str, Mapping[str, Any]]
    findings: tuple[str, ...] = field(default=())
    fidelity: Depth = "full"

    def __post_init__(self) -> None:
        if self.fidelity not in get_args(Depth):
            raise InputError(f"fidelity {self.fidelity!r}", " or ".join(get_args(Depth)), "audit")
        if not self.methods:
            raise ModelError("no method", "at least one", "audit", "See 'plainfilm list'.")
        if not len(self.data):
            raise InputError("no films", "at least one", self.data.name)
        if self.model.output == "value":
            raise ModelError("a model of values", "one of findings", "audit")
        object.__setattr__(self, "findings", tuple(dict.fromkeys(self.findings)) or self._shared())
        for name in self.findings:
            self.model.index(name)
            if name not in self.data.findings:
                raise LabelError(f"{name!r}", f"one of {', '.join(self.data.findings)}", self.data.name)
        _ = self.built  # an unknown method or setting is told now, not after the predictions

    def _shared(self) -> tuple[str, ...]:
        shared = tuple(name for name in self.model.findings if name in self.data.findings)
        if not shared:
            raise LabelError(
                f"a model of {', '.join(self.model.findings)}",
                f"at least one of the findings of the data, {', '.join(self.data.findings)}", self.data.name,
                "Name the model's targets as the data names its findings.",
            )  # fmt: skip
        return shared

    @cached_property
    def built(self) -> dict[str, Attribution]:
        """The methods on the model, by name."""
        return {name: build_method(name, self.model, its) for name, its in self.methods.items()}

    @property
    def truth(self) -> str:
        """What the maps are compared with, in words."""
        return "the exact masks" if isinstance(self.data, Phantom) else "the annotations of the data"

    @property
    def pairs(self) -> list[tuple[int, str]]:
        """Film and finding of every map: those that are outlined, film by film."""
        outlined = self.data.outlined()
        return [(film, f) for film, names in enumerate(outlined) for f in self.findings if f in names]

    def without(self, film: int, finding: str) -> Radiograph | None:
        """The same patient without a finding, where the data can render that."""
        return self.data.without(film, finding).radiograph if isinstance(self.data, Phantom) else None

    def identity(self) -> dict[str, Any]:
        """What must be the same for an interrupted audit to go on."""
        return {
            "plainfilm": plainfilm.__version__,
            "model": self.model.card.get("name", type(self.model.network).__name__),
            "weights_sha256": _weights_hash(self.model),
            "calibration": self.model.card.get("calibration", {}),
            "data": self.data.name,
            "data_fingerprint": self.data.fingerprint(),
            "films": len(self.data),
            "fidelity": self.fidelity,
            "findings": list(self.findings),
            "methods": json.loads(json.dumps({k: dict(v) for k, v in self.methods.items()}, default=repr)),
        }


def _weights_hash(model: Classifier) -> str:
    found = hashlib.sha256()
    for name, tensor in model.network.state_dict().items():
        found.update(name.encode())
        # As bytes, since NumPy has no bfloat16.
        found.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
