"""From a classifier, films and a finding to explanations."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch

import plainfilm
from plainfilm.attribution.explanation import Explanation, Status
from plainfilm.attribution.method import Method
from plainfilm.attribution.registry import method_class
from plainfilm.errors import ModelError
from plainfilm.models.classifier import Classifier
from plainfilm.radiograph import Radiograph


def explain(
    model: Classifier, film: Radiograph, target: str | int, method: str = "grad-cam", **settings: Any
) -> Explanation:
    """Shows where a classifier's score for one finding comes from.

    Args:
        model: From ``plainfilm.load`` or ``plainfilm.wrap``. It is returned as found.
        film: From ``plainfilm.read``.
        target: A finding by name, or its index.
        method: A name that ``plainfilm list`` prints.
        **settings: Settings of the method, ``layer="features.denseblock3"`` for example.

    Returns:
        The raw map in the method's unit, with its placement on the film.

    Raises:
        ModelError: for an unknown target, method or setting, or a method that does not
            apply to the network.
        NumericError: where a score or a map is not finite.
    """
    return explain_films(model, [film], target, method, **settings)[0]


def explain_films(
    model: Classifier,
    films: Sequence[Radiograph],
    target: str | int | Sequence[str | int],
    method: str = "grad-cam",
    **settings: Any,
) -> list[Explanation]:
    """``explain`` for several films at once: one target for all, or one for each."""
    each = [target] * len(films) if isinstance(target, (str, int)) else list(target)
    if len(each) != len(films):
        raise ModelError(f"{len(each)} targets", f"one, or one for each of {len(films)} films", "explain")
    if not films:
        return []
    indices = [model.index(name) for name in each]
    how = _build(method, model, settings)
    images, placements = model.prepare_batch(films)
    start = time.perf_counter()
    raw = how.attribute(images, indices).squeeze(1).cpu().numpy()
    seconds = (time.perf_counter() - start) / len(films)
    with torch.no_grad():
        probabilities = model.probabilities(images).cpu().numpy()
    maps = [_without_constant_film(values, film) for values, film in zip(raw, films, strict=True)]
    return [
        Explanation(
            map=values,
            unit=how.unit,
            target=model.targets[index],
            method=method,
            settings=how.settings(),
            status=_status(values),
            placement=placement.at((values.shape[0], values.shape[1])),
            film=film,
            probability=float(row[index]),
            evidence=how.evidence,
            provenance=_provenance(model, film, seconds),
        )
        for values, index, placement, film, row in zip(
            maps, indices, placements, films, probabilities, strict=True
        )
    ]


def _build(name: str, model: Classifier, settings: dict[str, Any]) -> Method:
    method = method_class(name)
    known = [each.name for each in fields(method) if each.name != "network"]
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise ModelError(f"setting {unknown[0]!r}", f"one of {', '.join(known)}", name)
    return method(model.network, **settings)


def _without_constant_film(values: np.ndarray, film: Radiograph) -> np.ndarray:
    """All zeros where the film shows nothing: what a map has there comes from the network's own borders."""
    return np.zeros_like(values) if film.pixels.min() == film.pixels.max() else values


def _status(values: np.ndarray) -> Status:
    return Status.FLAT if values.size and values.min() == values.max() else Status.OK


def _provenance(model: Classifier, film: Radiograph, seconds: float) -> dict[str, Any]:
    return {
        "plainfilm": plainfilm.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "model": model.card.get("name", type(model.network).__name__),
        "weights_sha256": model.card.get("sha256", "not from a file"),
        "film_sha256": hashlib.sha256(film.pixels.tobytes()).hexdigest(),
        "seconds": round(seconds, 4),
    }
