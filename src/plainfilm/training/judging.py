"""What a finished network gives the films it has not seen."""

from __future__ import annotations

import math

import numpy as np
import torch

from plainfilm.metrics import Interval, auroc, bootstrap_interval
from plainfilm.models.classifier import Classifier
from plainfilm.training.parts import Part


def probabilities(classifier: Classifier, part: Part, batch_size: int = 64) -> np.ndarray:
    """What a classifier gives the films of a part, ``(N, K)``; its network moves to a GPU if there is one."""
    if torch.cuda.is_available():
        classifier.network.cuda()
    low, high = (torch.from_numpy(level).float() for level in classifier.spec.levels)
    found = []
    for start in range(0, len(part), batch_size):
        images = part.__getitems__(range(start, min(start + batch_size, len(part)))).images
        with torch.no_grad():
            inputs = (images * (high - low) + low).to(classifier.device)
            found.append(classifier.probabilities(inputs).cpu().numpy())
    return np.concatenate(found)


def areas(classifier: Classifier, part: Part) -> dict[str, Interval]:
    """AUROC by finding on the films of a part, with intervals over patients."""
    chances, truth, patients = probabilities(classifier, part), part.labels.numpy(), part.patients
    return {
        name: bootstrap_interval(auroc, chances[:, k], truth[:, k], patients=patients)
        for k, name in enumerate(classifier.targets)
    }


def as_json(figures: dict[str, Interval], measure: str = "auroc") -> dict[str, dict[str, float | int | None]]:
    """Intervals as JSON values; an undefined figure becomes None."""

    def finite(value: float) -> float | None:
        return round(value, 4) if math.isfinite(value) else None

    return {
        name: {
            measure: finite(f.value),
            "low": finite(f.low),
            "high": finite(f.high),
            "positives": f.n_positive,
        }
        for name, f in figures.items()
    }
