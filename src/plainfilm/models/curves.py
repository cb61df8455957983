"""Curves from logits to probabilities, and how each is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite, log
from typing import Any

import numpy as np
import torch
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit
from torch import Tensor


@dataclass(frozen=True)
class Platt:
    """A sigmoid of a line, ``1 / (1 + exp(-(slope x + intercept)))`` (Platt 1999)."""

    slope: float
    intercept: float

    @property
    def rises(self) -> bool:
        """Whether a higher logit means a higher probability."""
        return self.slope > 0 and isfinite(self.slope) and isfinite(self.intercept)

    def __call__(self, logits: Tensor) -> Tensor:
        """Probabilities of logits, of any shape."""
        return torch.sigmoid(self.slope * logits + self.intercept)


@dataclass(frozen=True)
class Isotonic:
    """Straight lines between rising knots, level beyond them (Zadrozny & Elkan 2002)."""

    logits: tuple[float, ...]
    probabilities: tuple[float, ...]

    @property
    def rises(self) -> bool:
        """Whether a higher logit ever means a higher probability, and none a lower."""
        x, y = np.array(self.logits), np.array(self.probabilities)
        if x.size != y.size or x.size < 2 or not np.isfinite(x).all():
            return False
        return bool((np.diff(x) > 0).all() and (np.diff(y) >= 0).all() and 0 <= y[0] < y[-1] <= 1)

    def __call__(self, logits: Tensor) -> Tensor:
        """Probabilities of logits, of any shape."""
        x, y = (torch.tensor(knots, dtype=torch.float64) for knots in (self.logits, self.probabilities))
        x, y, at = x.to(logits.device), y.to(logits.device), logits.double()
        right = torch.searchsorted(x, at.detach().contiguous()).clamp(1, len(x) - 1)
        share = ((at - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
        return (y[right - 1] + share * (y[right] - y[right - 1])).to(logits.dtype)


Curve = Platt | Isotonic


def as_record(curve: Curve) -> dict[str, Any]:
    """A curve as JSON values."""
    return {"kind": "platt" if isinstance(curve, Platt) else "isotonic", **asdict(curve)}


def from_record(record: Mapping[str, Any]) -> Curve:
    """The curve that ``as_record`` described.

    Raises:
        KeyError, TypeError, ValueError: for other values, or a curve that does not rise.
    """
    curve: Curve
    if record["kind"] == "platt":
        curve = Platt(float(record["slope"]), float(record["intercept"]))
    elif record["kind"] == "isotonic":
        x, y = (tuple(map(float, record[name])) for name in ("logits", "probabilities"))
        curve = Isotonic(x, y)
    else:
        raise ValueError(f"a curve of the kind {record['kind']!r}")
    if not curve.rises:
        raise ValueError("a curve that does not rise")
    return curve


def op_norm(probability: float, point: float) -> float:
    """What torchxrayvision makes of a probability: its operating point comes to lie at 0.5.

    ``p / (2 t)`` below the point t, ``1 - (1 - p) / (2 (1 - t))`` from it on. It moves a threshold; it does
    not calibrate.
    """
    return probability / (2 * point) if probability < point else 1 - (1 - probability) / (2 * (1 - point))


def undo_op_norm(value: float, point: float) -> float:
    """The probability of which ``op_norm`` made a value."""
    return 2 * point * value if value < 0.5 else 1 - 2 * (1 - point) * (1 - value)


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> Platt:
    """The line that fits smoothed labels best (Platt 1999; Lin, Lin & Weng 2007), by Newton's method.

    Args:
        scores: ``(n,)``, finite.
        labels: 1 or 0, ``(n,)``.
    """
    positive, negative = labels.sum(), (1 - labels).sum()
    wanted = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    design = np.stack([scores, np.ones_like(scores)])

    def loss(line: np.ndarray) -> float:
        values = line @ design
        return float(np.mean(np.logaddexp(0, values) - wanted * values))

    def gradient(line: np.ndarray) -> np.ndarray:
        return design @ (expit(line @ design) - wanted) / len(scores)

    def curvature(line: np.ndarray) -> np.ndarray:
        share = expit(line @ design)
        return (design * (share * (1 - share))) @ design.T / len(scores)

    start = np.array([0.0, log((positive + 1) / (negative + 1))])
    found = minimize(loss, start, jac=gradient, hess=curvature, method="trust-exact", options={"gtol": 1e-10})
    return Platt(float(found.x[0]), float(found.x[1]))


def fit_isotonic(scores: np.ndarray, labels: np.ndarray) -> Isotonic:
    """The rising steps that fit labels best, by pooling adjacent violators; arguments as ``fit_platt``."""
    x, place, films = np.unique(scores, return_inverse=True, return_counts=True)
    fitted = isotonic_regression(np.bincount(place, labels) / films, weights=films).x
    step = np.diff(fitted) != 0
    corner = np.append(step, True) | np.insert(step, 0, True)  # first and last of each level
    return Isotonic(tuple(x[corner].tolist()), tuple(fitted[corner].tolist()))
