"""From logits to probabilities that hold on the user's own data.

A calibration is kept apart from the network: its logits, and so every explanation of them, stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from plainfilm.errors import ArtifactError, InputError, ModelError
from plainfilm.io.atomic import write_text
from plainfilm.metrics.labels import known, numbers
from plainfilm.metrics.operating import point_by
from plainfilm.models.classifier import Classifier
from plainfilm.models.curves import Curve, as_record, fit_isotonic, fit_platt, from_record

Kind = Literal["platt", "isotonic"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FEWEST: Mapping[Kind, int] = {"platt": 10, "isotonic": 50}
"""Films of each class below which a target is refused; steps need more films than a line."""

Fit = Callable[[np.ndarray, np.ndarray], Curve]
FITS: Mapping[Kind, Fit] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}

VERSION = 1


@dataclass(frozen=True)
class Calibration:
    """A curve for each target, found on films of the user.

    Attributes:
        curves: Target to its curve.
        refused: Target to the reason why it has none; its probability stays the sigmoid of its logit.
        operating_points: Target to the calibrated probability from which on it is called present, or None.
        facts: JSON values about model and data.
    """

    curves: Mapping[str, Curve]
    refused: Mapping[str, str] = field(default_factory=dict)
    operating_points: Mapping[str, float | None] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(cls, logits: Any, truth: Any, targets: Sequence[str], kind: Kind = "platt") -> Calibration:
        """Fits each target on the films whose truth is known.

        "platt" needs few films; "isotonic" follows any rising curve, but gives 0 and 1 at its ends.

        Args:
            logits: ``(n, K)``, finite.
            truth: 1, 0 or NaN (unknown), ``(n, K)``.
            targets: Names of the columns.
            kind: "platt" or "isotonic".

        Returns:
            Curves, and reasons for targets with too few films of a class (``FEWEST``) or whose logits do
            not rise with the finding.

        Raises:
            InputError: for another kind, or unless both arrays are ``(n, K)``.
            LabelError: for other truth values.
            NumericError: for logits that are not finite.
        """
        if kind not in KINDS:
            raise InputError(f"kind {kind!r}", " or ".join(map(repr, KINDS)), "Calibration.fit")
        x, y = columns_of(logits, truth, targets)
        curves: dict[str, Curve] = {}
        refused: dict[str, str] = {}
        for k, name in enumerate(targets):
            scores, present, _ = known(x[:, k], y[:, k], name)
            reason = _too_few(present, FEWEST[kind])
            curve = None if reason else FITS[kind](scores, present.astype(float))
            if curve and curve.rises:
                curves[name] = curve
            else:
                refused[name] = reason or "scores that do not rise with the finding"
        return cls(curves, refused)

    def apply(self, logits: Tensor, targets: Sequence[str] | None = None) -> Tensor:
        """Probabilities of logits ``(n, K)``; gradients flow.

        Args:
            logits: ``(n, K)``.
            targets: Names of the columns; by default those that were fitted. A column without a curve gets
                the plain sigmoid.
        """
        names = tuple(self.curves) if targets is None else targets
        columns = [
            self.curves.get(name, torch.sigmoid)(column)
            for name, column in zip(names, logits.unbind(1), strict=True)
        ]
        return torch.stack(columns, 1)

    def save(self, path: str | Path) -> Path:
        """Writes a JSON file, whole or not at all.

        Raises:
            ResourceError: where it cannot be written.
        """
        curves = {name: as_record(curve) for name, curve in self.curves.items()}
        content = {"version": VERSION, **{**vars(self), "curves": curves}}
        write_text(path, json.dumps(content, indent=2, allow_nan=False))
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Opens a file that ``save`` wrote.

        Raises:
            ArtifactError: for any other file, also one with a curve that does not rise.
        """
        path = Path(path)
        if not path.is_file():
            raise ArtifactError("no such file", "a file that 'plainfilm calibrate' wrote", str(path))
        try:
            content = json.loads(path.read_text())
            if content.pop("version") != VERSION:
                raise ValueError("another version")
            content["curves"] = {name: from_record(record) for name, record in content["curves"].items()}
            found = cls(**content)
            _check_points(found.operating_points)
            return found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ArtifactError(f"{problem}", "a calibration", path.name, "Fit it again.") from problem


class CalibratedClassifier(Classifier):
    """A classifier whose probabilities are calibrated and whose logits are its network's own.

    Attributes:
        calibration: What makes probabilities of logits.

    Raises:
        ModelError: for a model whose outputs are values in a unit of their own, or a calibration of others.
    """

    def __init__(self, classifier: Classifier, calibration: Calibration) -> None:
        if classifier.output == "value":
            raise ModelError("a model of values", "one of findings", "CalibratedClassifier")
        fitted, given = (each.get("sha256") for each in (calibration.facts, classifier.card))
        if fitted and given and fitted != given:
            raise ModelError(
                f"a calibration of the weights {fitted[:12]}", f"one of {given[:12]}", "CalibratedClassifier",
                "Run 'plainfilm calibrate' for this model.",
            )  # fmt: skip
        points = {name: calibration.operating_points.get(name) for name in classifier.findings}
        card = {**classifier.card, "calibration": {"refused": dict(calibration.refused), **calibration.facts}}
        super().__init__(
            classifier.network, classifier.targets, classifier.spec, classifier.output, card, points
        )
        self.calibration = calibration

    @property
    def uncalibrated(self) -> tuple[str, ...]:
        """Findings without a curve, whose probability is the plain sigmoid."""
        return tuple(name for name in self.findings if name not in self.calibration.curves)

    def probabilities(self, images: Tensor, checked: bool = True) -> Tensor:
        """Calibrated probabilities ``(B, len(targets))`` of prepared images; errors as ``logits``."""
        return self.as_probabilities(self.logits(images, checked))

    def as_probabilities(self, logits: Tensor) -> Tensor:
        """The calibrated probabilities of logits, ``(B, len(targets))`` both."""
        return self.calibration.apply(logits, self.targets)


def operating_points(
    probabilities: Any, truth: Any, targets: Sequence[str], rule: str = "youden"
) -> dict[str, float | None]:
    """For each target the probability from which on to call it present (``point_by``).

    Args:
        probabilities: ``(n, K)``.
        truth: 1, 0 or NaN (unknown), ``(n, K)``.
        targets: Names of the columns.
        rule: "youden", "sensitivity=0.95" or "specificity=0.9".

    Returns:
        None where only one class is known, or no film may be called.

    Raises:
        InputError: for another rule, or unless both arrays are ``(n, K)``.
    """
    x, y = columns_of(probabilities, truth, targets)
    points = {name: point_by(rule, x[:, k], y[:, k]) for k, name in enumerate(targets)}
    return {name: point if isfinite(point) else None for name, point in points.items()}


def columns_of(values: Any, truth: Any, targets: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truth as float64.

    Raises:
        InputError: unless both are ``(n, K)`` with K the number of targets.
    """
    x, y = numbers(values), numbers(truth)
    if not x.shape == y.shape == (len(x), len(targets)):
        raise InputError(f"scores {x.shape} and truth {y.shape}", f"(n, {len(targets)}) both", "calibration")
    return x, y


def _check_points(points: Mapping[str, Any]) -> None:
    for name, point in points.items():
        if point is not None and not 0 <= float(point) <= 1:
            raise ValueError(f"the operating point {point} of {name}")


def _too_few(present: np.ndarray, fewest: int) -> str:
    """What is missing to calibrate a target; "" where nothing is."""
    for word, count in (("with", present.sum()), ("without", (~present).sum())):
        if count < fewest:
            return f"{count} films {word} the finding, and {fewest} are needed"
    return ""
