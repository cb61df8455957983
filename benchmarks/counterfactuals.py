"""Does a counterfactual change the finding and little else? Latent Shift on films whose truth is known.

    python benchmarks/counterfactuals.py [--films 30] [--autoencoders phantom ...] [--findings ...]

On films of a finding that the shipped model calls (p >= 0.6) the cause is known to the pixel, and so is
the same patient without it. Printed for each finding and method: the share of the map inside the cause,
the density of the map inside over that outside, and the best-case IoU, with Student's interval over films,
each of another patient. For Latent Shift also how often the prediction fell as far as asked, how far the
film came to the true counterfactual (1: no nearer than the film as it was), how near the way back ends to
its start (0: there), and what share of the *true* change lies inside the cause, which is the ceiling.
Several autoencoders give the sweep over latent sizes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from plainfilm.attribution import LatentShift
from plainfilm.attribution.counterfactual import Counterfactual
from plainfilm.attribution.registry import build_method
from plainfilm.audit.measures import shown_of
from plainfilm.datasets.phantom import Phantom
from plainfilm.metrics import (
    best_case_iou,
    centre_prior,
    change_inside,
    change_ratio,
    distance_to_truth,
    mass_inside,
    mean_interval,
    random_map,
    reversibility,
)
from plainfilm.models.autoencoder_store import load_autoencoder
from plainfilm.models.classifier import Classifier
from plainfilm.models.zoo import load

CALLED, SEED, DRAWN = 0.6, 2028, 4000
FINDINGS = ("Cardiomegaly", "Effusion", "Mass", "Pneumothorax")
METHODS = (
    "gradient", "guided-backprop", "integrated-gradients", "iterative-delete", "grad-cam", "iba",
    "multilayer-iba",
)  # fmt: skip
SETTINGS = {"integrated-gradients": {"steps": 20}}


@dataclass(frozen=True, eq=False)
class Subject:
    """A film whose finding the model calls, and the same patient without it."""

    image: Tensor
    without: Tensor
    cause: np.ndarray


def subjects(model: Classifier, finding: str, films: int) -> Iterator[Subject]:
    """The first films of a finding that the model calls."""
    data, found = Phantom(DRAWN, seed=SEED), 0
    for index in np.flatnonzero(data.labels([finding])[:, 0] == 1):
        study = data[int(index)]
        if model.predict(study.radiograph)[finding] < CALLED:
            continue
        rest = [name for name in data.content(int(index)).findings if name != finding]
        cause = study.causes.get(finding, study.masks.get(finding))
        if cause is None or not cause.any():
            continue
        pair = [study.radiograph, data.study(int(index), rest).radiograph]
        image, without = model.prepare_batch(pair)[0].split(1)
        yield Subject(image, without, cause)
        found += 1
        if found == films:
            return


def maps_of(model: Classifier, method: str, them: Sequence[Subject], target: int) -> list[np.ndarray]:
    """The evidence of a method on the films' own grid."""
    how = build_method(method, model, SETTINGS.get(method, {}))
    found = []
    for each in them:
        raw = how.attribute(each.image, target)[0, 0].float().cpu().numpy()
        shown = shown_of(raw, how.evidence)
        placement = model.spec.placement((each.image.shape[2], each.image.shape[3]))
        found.append(placement.at((raw.shape[0], raw.shape[1])).restore(shown))
    return found


def judged(name: str, maps: Sequence[np.ndarray], them: Sequence[Subject]) -> None:
    """Prints where the maps lie."""
    still, causes = np.zeros((len(maps), *maps[0].shape)), [each.cause for each in them]
    with np.errstate(divide="ignore"):
        density = np.log(change_ratio(still, np.stack(maps), causes))
    share = mean_interval(mass_inside(map, cause) for map, cause in zip(maps, causes, strict=True))
    overlap = mean_interval(best_case_iou(map, cause) for map, cause in zip(maps, causes, strict=True))
    ratio = mean_interval(np.where(np.isfinite(density), density, np.nan))
    limits = ", ".join(f"{np.exp(end):.1f}" for end in (ratio.value, ratio.low, ratio.high))
    print(f"  {name:28} share inside {share}; density {limits}; IoU {overlap}")


def way_back(method: LatentShift, there: Counterfactual, target: int) -> float:
    """How far the way back from the removed finding ends from where the way there began, as a share of it.

    It ends where the prediction is what it was. The films on it went through the autoencoder twice, so the
    others are sent through it once more: what that does to a film is not the way's.
    """
    low, high = there.window  # a film that was made may be brighter than any real one, which is refused
    fell = max(1e-3, there.prediction - float(there.predictions[0]))
    back = LatentShift(method.classifier, method.autoencoder, drop=0.9, rise=fell)
    found = back.counterfactual(there.frames[0].clamp(low, high), target)
    with torch.no_grad():
        start = method.codec.decode(method.codec.encode(there.reconstruction[None].clamp(low, high)))
    return float(reversibility(start, found.reconstruction[None], found.frames[-1:])[0])


def shifted(model: Classifier, name: str, them: Sequence[Subject], target: int) -> None:
    """Prints what Latent Shift does with one autoencoder."""
    began, method = time.process_time(), LatentShift(model, load_autoencoder(name), grid="linear")
    shown = [method.counterfactual(each.image, target) for each in them]
    spent = (time.process_time() - began) / len(them)
    judged(f"latent-shift, {name.rsplit('/', 1)[-1]}", [each.map() for each in shown], them)
    judged("  first frame (as published)", [each.map(reference=True) for each in shown], them)
    films = torch.stack([each.reconstruction for each in shown])
    removed = torch.stack([each.frames[0] for each in shown])
    truth = torch.cat([each.without for each in them])
    originals = torch.cat([each.image for each in them])
    # The autoencoder's own error is in film and counterfactual; the truth goes through it as well.
    with torch.no_grad():
        goal = torch.cat([method.codec.decode(method.codec.encode(each)) for each in truth.split(1)])
    near = mean_interval(distance_to_truth(films, removed, goal))
    ceiling = mean_interval(change_inside(originals, truth, [each.cause for each in them]))
    back = mean_interval(way_back(method, each, target) for each in shown)
    fell = mean_interval(each.prediction - each.predictions[0] for each in shown)
    print(
        f"    reached {sum(each.reached for each in shown)} of {len(shown)}; prediction of the film "
        f"{np.mean([each.original for each in shown]):.2f}, reconstructed "
        f"{np.mean([each.prediction for each in shown]):.2f}, fell by {fell}; distance to the truth {near}; "
        f"way back {back}; true change inside {ceiling}; error {films.sub(originals).abs().mean():.4f}; "
        f"latent {method.codec.encode(them[0].image)[0].numel()}; {spent:.1f} s a film"
    )


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--films", type=int, default=30)
    given.add_argument("--model", default="phantom")
    given.add_argument("--autoencoders", nargs="+", default=["phantom"])
    given.add_argument("--findings", nargs="+", default=FINDINGS)
    given.add_argument("--methods", nargs="*", default=METHODS)
    asked = given.parse_args()
    torch.set_num_threads(1)
    model = load(asked.model)
    for finding in asked.findings:
        them, target = list(subjects(model, finding, asked.films)), model.index(finding)
        size = them[0].cause.shape
        areas = mean_interval(each.cause.mean() for each in them)
        print(f"\n{finding}: {len(them)} films, the cause covers {areas} of the film")
        for name in asked.autoencoders:
            shifted(model, name, them, target)
        for method in asked.methods:
            judged(method, maps_of(model, method, them, target), them)
        judged("centre prior", [centre_prior(size)] * len(them), them)
        judged("random map", [random_map(size, seed) for seed in range(len(them))], them)


if __name__ == "__main__":
    main()
