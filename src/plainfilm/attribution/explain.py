"""From a classifier, films and a finding to explanations."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import plainfilm
from plainfilm.attribution.counterfactual import Counterfactual
from plainfilm.attribution.explanation import Explanation, Status
from plainfilm.attribution.gradcam import GradCAM
from plainfilm.attribution.latent_shift import LatentShift
from plainfilm.attribution.method import Attribution
from plainfilm.attribution.occlusion import Occlusion
from plainfilm.attribution.registry import build_method
from plainfilm.errors import ModelError
from plainfilm.models.classifier import Classifier, Film, as_radiograph
from plainfilm.radiograph import Placement, Radiograph


def explain(
    model: Classifier, film: Film, target: str | int, method: str = "grad-cam", **settings: Any
) -> Explanation:
    """Shows where a classifier's score for one finding comes from.

    Args:
        model: From ``plainfilm.load`` or ``plainfilm.wrap``. It is returned as found.
        film: From ``plainfilm.read``, or an array ``(H, W)`` in [0, 1].
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
    films: Sequence[Film],
    target: str | int | Sequence[str | int],
    method: str = "grad-cam",
    **settings: Any,
) -> list[Explanation]:
    """``explain`` for several films at once: one target for all, or one for each."""
    if isinstance(target, Sequence) and not isinstance(target, str):
        each = list(target)
    else:
        each = [target] * len(films)
    if len(each) != len(films):
        raise ModelError(f"{len(each)} targets", f"one, or one for each of {len(films)} films", "explain")
    if not films:
        return []
    radiographs = [as_radiograph(film) for film in films]
    indices = [model.index(name) for name in each]
    how = build_method(method, model, settings)
    images, placements = model.prepare_batch(radiographs)
    start = time.perf_counter()
    found = _found(how, images, indices)
    seconds = (time.perf_counter() - start) / len(films)
    rows = _probabilities(model, images)
    subjects = zip(radiographs, placements, indices, *found, rows, strict=True)
    return [_explanation(model, how, method, seconds, *subject) for subject in subjects]


def explain_targets(
    model: Classifier,
    film: Film,
    targets: Sequence[str | int],
    method: str = "grad-cam",
    **settings: Any,
) -> list[Explanation]:
    """``explain`` for several findings of one film, which is prepared and classified once.

    Grad-CAM takes a single forward pass for all of them, occlusion as many as for one, and Latent Shift
    encodes the film once.
    """
    indices = [model.index(name) for name in targets]
    if not indices:
        return []
    how = build_method(method, model, settings)
    radiograph = as_radiograph(film)
    image, placement = model.prepare(radiograph)
    start = time.perf_counter()
    if isinstance(how, GradCAM | Occlusion):
        found = _Found(how.all_targets(image)[0, indices], (None,) * len(indices))
    elif isinstance(how, LatentShift):
        found = _found(how, image, indices)
    else:
        found = _found(how, image.expand(len(indices), -1, -1, -1), indices)
    seconds = (time.perf_counter() - start) / len(indices)
    row = _probabilities(model, image)[0]
    return [
        _explanation(model, how, method, seconds, radiograph, placement, index, values, films, row)
        for index, values, films in zip(indices, *found, strict=True)
    ]


class _Found(NamedTuple):
    """The map of each target ``(B, h, w)``, and its films where the method makes films."""

    maps: Tensor
    counterfactuals: Sequence[Counterfactual | None]


def _found(how: Attribution, images: Tensor, indices: list[int]) -> _Found:
    if not isinstance(how, LatentShift):
        return _Found(how.attribute(images, indices).squeeze(1), (None,) * len(indices))
    counterfactuals = how.counterfactuals(images, indices)
    return _Found(how.maps_of(counterfactuals).squeeze(1), counterfactuals)


def _explanation(
    model: Classifier,
    how: Attribution,
    name: str,
    seconds: float,
    film: Radiograph,
    placement: Placement,
    index: int,
    raw: Tensor,
    counterfactual: Counterfactual | None,
    probabilities: np.ndarray,
) -> Explanation:
    values = raw.float().cpu().numpy()
    if film.pixels.min() == film.pixels.max():
        # What a map has there comes from the network's own borders.
        values = np.zeros_like(values)
    return Explanation(
        map=values,
        # A network of values may say on its card what they are: "Brixia point".
        unit=how.unit.replace("logit", model.card.get("unit", model.output)),
        target=model.targets[index],
        method=name,
        settings=how.settings(),
        status=_status(values, counterfactual),
        placement=placement.at((values.shape[0], values.shape[1])),
        film=film,
        probability=float(probabilities[index]),
        evidence=how.evidence,
        output=model.output,
        provenance=_provenance(model, film, seconds),
        counterfactual=counterfactual,
    )


def _status(values: np.ndarray, counterfactual: Counterfactual | None) -> Status:
    if values.min() == values.max():
        return Status.FLAT
    return Status.OK if counterfactual is None or counterfactual.reached else Status.NOT_REACHED


def _probabilities(model: Classifier, images: Tensor) -> np.ndarray:
    with torch.no_grad():
        return model.probabilities(images).float().cpu().numpy()


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
