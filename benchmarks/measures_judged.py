"""Which measure of fidelity can be trusted? Maps whose quality is known put every measure to the test.

    python benchmarks/measures_judged.py [FILMS]

On rendered films of findings that the shipped model calls (p >= 0.6), the cause is known to the pixel. From
it maps are made worse step by step: shifted, blurred, replaced by noise block by block. A measure is as good
as the order it puts them in: agreeing less disagreeing pairs, over pairs whose order is known (their overlap
with the cause differs by ``MARGIN``), with Student's interval over films. The measures of plausibility are
there for contrast; overlap itself decides what is known, and is right by definition.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter, shift
from scipy.special import expit
from torch import Tensor

import plainfilm as pf
from plainfilm.datasets.phantom import Phantom
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics import best_case_iou, centre_prior, hit, mass_inside, mean_interval, rank_inside
from plainfilm.metrics.agreement import known_order_tau, rank_agreement
from plainfilm.metrics.imputation import imputed, road
from plainfilm.metrics.insertion import insertion_deletion
from plainfilm.metrics.removal import blurred, counterfactual_recovery, removal_drop
from plainfilm.metrics.sensitivity import sensitivity_n
from plainfilm.models.classifier import Classifier

CALLED, MARGIN, SEED = 0.6, 0.05, 2026
ROWS, BLOCKS = 3136, 14
PIXELS, IN_BLOCKS = (300, 3000, 15_000), (10, 40)
SHIFTS, NOISES, SIGMA = (16, 32, 64), (0.33, 0.67, 1.0), 16
CHAINS = {
    "shift": ("cause", *(f"shifted {n}" for n in SHIFTS)),
    "noise": ("cause", *(f"noise {n:.0%}" for n in NOISES)),
    "blind": ("cause", f"blurred {SIGMA}", "centre prior"),
}
PLAUSIBILITY = {f.__name__: f for f in (best_case_iou, mass_inside, rank_inside, hit)}

COMPARED = ("insertion", "deletion", "ROAD gap", "Sensitivity-N, zeros", "counterfactual_recovery")


@dataclass(frozen=True)
class Subject:
    """A film whose finding the model calls, and the same patient without it."""

    index: int
    finding: str
    image: Tensor
    without: Tensor
    cause: np.ndarray
    logit: Tensor


def subjects(model: Classifier, films: int) -> Iterator[Subject]:
    """One finding a film, the one that was seen least so far of those that are called."""
    data, seen = Phantom(100 * films, seed=SEED), Counter[str]()
    for index in range(len(data)):
        study = data[index]
        said = model.predict(study.radiograph)
        called = [f for f in study.present if f != SUPPORT_DEVICES and said[f] >= CALLED]
        if not called:
            continue
        finding = min(called, key=lambda f: seen[f])
        rest = [f for f in study.present if f not in (finding, SUPPORT_DEVICES)]
        pair = [study.radiograph, data.study(index, rest).radiograph]
        image, without = model.prepare_batch(pair)[0].split(1)
        cause = study.causes.get(finding, study.masks[finding])
        seen[finding] += 1
        yield Subject(index, finding, image, without, cause, model.logits(image)[0, model.index(finding)])
        if seen.total() == films:
            return


def evidence(mask: np.ndarray) -> np.ndarray:
    """A mask as a map: 1 inside, and a faint halo that ranks the rest of the film by its distance."""
    return mask + 1e-3 * np.exp(-distance_transform_edt(~mask) / 20)


def made(subject: Subject) -> dict[str, np.ndarray]:
    """Maps by name, each chain from good to bad."""
    cause, rng = subject.cause, np.random.default_rng([SEED, subject.index])
    centre = np.argwhere(cause).mean(axis=0)
    inwards = np.where(centre < np.array(cause.shape) / 2, 1, -1) / np.sqrt(2)
    maps = {"cause": evidence(cause)}
    for n in SHIFTS:
        moved = shift(cause.astype(float), np.round(n * inwards), order=0) > 0.5
        maps[f"shifted {n}"] = evidence(moved) if moved.any() else rng.random(cause.shape)
    noise, when = (np.kron(rng.random((BLOCKS, BLOCKS)), np.ones((16, 16))) for _ in range(2))
    for share in NOISES:
        maps[f"noise {share:.0%}"] = np.where(when < share, noise, maps["cause"])
    return maps | {
        f"blurred {SIGMA}": gaussian_filter(maps["cause"], SIGMA),
        "centre prior": centre_prior(cause.shape),
    }


def block_masks(subject: Subject) -> np.ndarray:
    """Masks of whole blocks for Sensitivity-N, ``(sizes, 30, H, W)``: single pixels hardly move a score."""
    rng, side = np.random.default_rng(subject.index), subject.image.shape[-1] // BLOCKS
    masks = np.zeros((len(IN_BLOCKS), 30, BLOCKS, BLOCKS), bool)
    for n, of_size in zip(IN_BLOCKS, masks, strict=True):
        for mask in of_size:
            mask.flat[rng.choice(mask.size, n, replace=False)] = True
    return masks.repeat(side, axis=2).repeat(side, axis=3)


def judged(model: Classifier, subject: Subject, maps: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Every measure of every map, higher is better; by measure."""
    target = model.index(subject.finding)

    def logit(images: Tensor) -> Tensor:
        return model.logits(images)[:, target]

    def probability(images: Tensor) -> Tensor:
        return logit(images).sigmoid()

    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(float(value))

    for values in maps.values():
        curves = insertion_deletion(logit, subject.image, values, pixels_per_step=ROWS)
        for unit, read in (("", expit), (", logit", np.asarray)):
            note(f"insertion{unit}", read(curves.insertion).mean())
            note(f"deletion{unit}", -read(curves.deletion).mean())
        note("ROAD gap", road(probability, subject.image, values, (0.05, 0.2, 0.5)).gap)
        for name, share in (("10 %", 0.1), ("its size", subject.cause.mean())):
            note(f"removal_drop, {name}", removal_drop(logit, subject.image, values[None], share)[0])
        pair, area = (subject.image, subject.without), int(subject.cause.sum())
        note("counterfactual_recovery", counterfactual_recovery(logit, *pair, values[None], [area])[0])
        for name, measure in PLAUSIBILITY.items():
            note(name, measure(values, subject.cause))
    blur = blurred(subject.image)
    cells = (subject.image.shape[-1] // BLOCKS) ** 2
    for name, sizes, masks, baseline in (
        ("zeros", PIXELS, 30, 0.0),
        ("blur", PIXELS, 30, blur),
        ("blur, blocks", [cells * n for n in IN_BLOCKS], block_masks(subject), blur),
    ):
        found = sensitivity_n(probability, subject.image, maps, sizes, masks, baseline)
        rows[f"Sensitivity-N, {name}"] = found.correlations.mean(axis=1).tolist()
    return rows


def orders(subject: Subject, maps: dict[str, np.ndarray]) -> dict[str, list[tuple[int, int]]]:
    """The pairs of positions whose order is known, by chain."""
    names, overlap = list(maps), {name: best_case_iou(each, subject.cause) for name, each in maps.items()}
    known = {
        name: [
            (names.index(good), names.index(bad))
            for good, bad in combinations(links, 2)
            if overlap[good] - overlap[bad] > MARGIN
        ]
        for name, links in CHAINS.items()
    }
    return known | {"all": list(chain(*known.values()))}


def traces(model: Classifier, subject: Subject, maps: dict[str, np.ndarray]) -> dict[str, float]:
    """How far the logit moves when a region of the finding's size, away from it, is replaced in four ways."""
    away = (maps["shifted 64"] >= 1) & ~subject.cause
    if not away.any():
        return {}
    image, where = subject.image, torch.from_numpy(away)[None, None]
    others = {
        "zeros": torch.zeros_like(image),
        "blur": blurred(image),
        "imputed (ROAD)": imputed(image, away),
        "the film without the finding": subject.without,
    }
    changed = torch.cat([torch.where(where, other, image) for other in others.values()])
    moved = (model.logits(changed)[:, model.index(subject.finding)] - subject.logit).abs()
    return dict(zip(others, moved.tolist(), strict=True))


def table(title: str, rows: dict[str, list[float]]) -> None:
    """Means over films with their intervals, by name."""
    print(f"\n{title}")
    for name, row in rows.items():
        print(f"  {name:30} {mean_interval(row)}")


def main(films: int = 40) -> None:
    torch.set_num_threads(1)
    model, began = pf.load("phantom"), time.process_time()
    taus: dict[str, dict[str, list[float]]] = {}
    values: dict[str, list[list[float]]] = {}
    moved: dict[str, list[float]] = {}
    pairs, findings = Counter[str](), Counter[str]()
    for subject in subjects(model, films):
        maps = made(subject)
        known = orders(subject, maps)
        pairs.update({name: len(order) for name, order in known.items()})
        findings[subject.finding] += 1
        for name, row in judged(model, subject, maps).items():
            values.setdefault(name, []).append(row)
            for link, order in known.items():
                found = known_order_tau(row, order) if order else np.nan
                taus.setdefault(link, {}).setdefault(name, []).append(found)
        for name, far in traces(model, subject, maps).items():
            moved.setdefault(name, []).append(far)
    print(
        f"{films} films of {dict(findings)}, {time.process_time() - began:.0f} s; known pairs {dict(pairs)}"
    )
    for link, rows in taus.items():
        table(f"Order kept: {link}", dict(sorted(rows.items(), key=lambda item: -np.nanmean(item[1]))))
    table("Move of the logit when a region away from the finding is replaced", moved)
    print("\nMean of each map:", ", ".join(maps))
    for name, each in values.items():
        print(f"  {name:26}", *(f"{mean:8.3f}" for mean in np.nanmean(each, axis=0)))
    print("\nKendall's tau between rankings of these maps, bootstrap over films")
    for (one, two), tau in rank_agreement({name: values[name] for name in COMPARED}).items():
        print(f"  {one:26} {two:26} {tau}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
