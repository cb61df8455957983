"""Maps of a severity regressor, judged by six scores: what severity.py and severity_phantom.py share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import torch

from plainfilm.attribution import (
    Bottleneck,
    FeatureStatistics,
    GradCAM,
    Gradient,
    IntegratedGradients,
    Method,
)
from plainfilm.datasets.readers.brixia import DETECTORS
from plainfilm.masks import box_mask, severity_map, zone_boxes, zones_with
from plainfilm.metrics import (
    best_case_iou,
    bootstrap_interval,
    centre_prior,
    film_iou,
    kendall_tau,
    mean,
    peak_at_one,
    permutation_test,
    random_map,
    severity_correlation,
    tuned_threshold,
    zone_means,
)
from plainfilm.metrics.baselines import CENTRE, RANDOM
from plainfilm.metrics.severity import PAPER_THRESHOLDS
from plainfilm.models.classifier import Classifier
from plainfilm.radiograph import Placement, Radiograph
from plainfilm.training.parts import Part

VARIANTS = ("mse", "regression-max", "deviation")
IG_STEPS = 10
FLAT_LUNGS, FLAT_ZONES, PRIOR, OTHER = "lungs, flat", "zones, flat", "mean training scores", "other reader"
EVERY = 2
"""Thresholds are tried on every second pixel."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A film whose shorter side is that of the network's input, its lungs, and its six scores by reader.

    ``regions`` are masks that its maps are scored against beside the zones of the detectors.
    """

    film: Radiograph
    lungs: np.ndarray
    scores: Mapping[str, np.ndarray]
    patient: str
    number: int
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, film: Radiograph, lungs: np.ndarray, side: int, **rest: object) -> Subject:
        """The film made smaller, so that a map on the network's grid meets it pixel by pixel."""
        height, width = (round(n * side / min(film.size)) for n in film.size)
        small = Placement.resize(film.size, (height, width))
        pixels = np.clip(small.sample(film.pixels), 0, 1)
        return cls(replace(film, pixels=pixels, spacing=None), small.sample_mask(lungs), **rest)


def methods(model: Classifier, statistics: FeatureStatistics) -> dict[str, Method]:
    """The three losses, and what needs no statistics."""
    network = model.network
    losses = {name: Bottleneck(network, None, statistics, variant=name) for name in VARIANTS}
    return losses | {
        "gradient": Gradient(network),
        "grad-cam": GradCAM(network),
        "integrated-gradients": IntegratedGradients(network, steps=IG_STEPS),
    }


def statistics_of(model: Classifier, parts: Sequence[Part]) -> FeatureStatistics:
    """Of dense block 3, over films that the regressor was trained or chosen on."""
    images = torch.cat([part.__getitems__(range(len(part))).images for part in parts])
    return FeatureStatistics.estimate(model.network, ["features.denseblock3"], images)


def maps_of(model: Classifier, ways: Mapping[str, Method], subject: Subject) -> dict[str, np.ndarray]:
    """Evidence on the film by name: magnitudes where the sign has no meaning, else what is positive."""
    image, (placement,) = model.prepare_batch([subject.film])
    truth = float(next(iter(subject.scores.values())).sum())
    found = {}
    for name, way in ways.items():
        raw = way.attribute(image, 0, truth) if name == "mse" else way.attribute(image, 0)
        values = raw[0, 0].cpu().numpy()
        values = np.abs(values) if way.evidence == "magnitude" else np.maximum(values, 0)
        found[name] = placement.at(values.shape).restore(values)
    size = subject.film.size
    return found | {CENTRE: centre_prior(size), RANDOM: random_map(size, subject.number)}


def drawn_maps(subject: Subject, prior: np.ndarray, reader: str) -> dict[str, np.ndarray]:
    """Maps that never saw the pixels: the lungs, their zones, usual severities there, the other reader's."""
    size, zones = subject.film.size, zone_boxes(subject.lungs, subject.film.id)
    drawn = {
        FLAT_LUNGS: subject.lungs,
        FLAT_ZONES: box_mask(size, zones),
        PRIOR: severity_map(size, zones, prior),
    }
    for other in subject.scores.keys() - {reader}:
        drawn[OTHER] = severity_map(size, zones, subject.scores[other])
    return drawn


def judged(subject: Subject, maps: Mapping[str, np.ndarray], prior: np.ndarray) -> pd.DataFrame:
    """Every measure of every map by every reader: columns map, reader, measure, value, film, patient."""
    size, zones = subject.film.size, zone_boxes(subject.lungs, subject.film.id)
    inside, rows = box_mask(size, zones), []
    for reader, scores in subject.scores.items():
        truth = severity_map(size, zones, scores)
        masks = {name: zones_with(size, zones, scores, levels) for name, levels in DETECTORS.items()}
        for name, map in {**maps, **drawn_maps(subject, prior, reader)}.items():
            values = {
                "PCC": severity_correlation(map, truth),
                "PCC inside zones": severity_correlation(map, truth, inside),
                "tau of zone means": kendall_tau(zone_means(map, zones), scores),
            }
            if name in maps:  # drawn maps are full of ties, which no threshold by area parts
                known = {**masks, **subject.regions}
                values |= {f"best-case IoU, {d}": best_case_iou(map, mask) for d, mask in known.items()}
            rows += [(name, reader, measure, value) for measure, value in values.items()]
    table = pd.DataFrame(rows, columns=["map", "reader", "measure", "value"])
    return table.assign(film=subject.film.id, patient=subject.patient)


@dataclass(frozen=True, eq=False)
class Peaked:
    """Maps of a film with their peak at 1, and the zones of each reader and detector."""

    film: str
    patient: str
    maps: Mapping[str, np.ndarray]
    zones: Mapping[tuple[str, str], np.ndarray]

    @classmethod
    def of(cls, subject: Subject, maps: Mapping[str, np.ndarray]) -> Peaked:
        size, boxes = subject.film.size, zone_boxes(subject.lungs, subject.film.id)
        zones = {
            (reader, name): zones_with(size, boxes, scores, levels)[::EVERY, ::EVERY]
            for (reader, scores), (name, levels) in product(subject.scores.items(), DETECTORS.items())
        }
        flat = {FLAT_LUNGS: subject.lungs, FLAT_ZONES: box_mask(size, boxes)}
        peaked = {
            name: peak_at_one(map)[::EVERY, ::EVERY].astype(np.float32)
            for name, map in {**maps, **flat}.items()
        }
        return cls(subject.film.id, subject.patient, peaked, zones)


def at_chosen_thresholds(chosen_on: Sequence[Peaked], judged_on: Sequence[Peaked]) -> pd.DataFrame:
    """IoU at one threshold per map, reader and detector, chosen on other films; columns as ``judged``.

    Beside them stands the IoU of the zones that the other reader gave such a score.
    """
    rows = []
    for reader, detector in judged_on[0].zones:
        measure, key = f"IoU at t, {detector}", (reader, detector)
        for name in judged_on[0].maps:
            pairs = [(each.maps[name], each.zones[key]) for each in chosen_on]
            best = tuned_threshold(*zip(*pairs, strict=True), candidates=PAPER_THRESHOLDS)
            if not best.films:  # nobody gave such a score
                continue
            values = [film_iou(each.maps[name], each.zones[key], best.threshold) for each in judged_on]
            rows += [(name, reader, measure, value) for value in values]
        for other in {name for name, _ in judged_on[0].zones} - {reader}:
            values = [film_iou(each.zones[other, detector], each.zones[key]) for each in judged_on]
            rows += [(OTHER, reader, measure, value) for value in values]
    table = pd.DataFrame(rows, columns=["map", "reader", "measure", "value"])
    times = len(table) // len(judged_on)
    return table.assign(
        film=[each.film for each in judged_on] * times, patient=[each.patient for each in judged_on] * times
    )


def print_tables(table: pd.DataFrame) -> None:
    """Means with intervals over patients, then the losses against what they must beat, paired."""
    for measure, part in table.groupby("measure", sort=False):
        print(f"\n{measure}")
        for name, rows in part.groupby("map", sort=False):
            cells = []
            for reader, values in rows.groupby("reader", sort=False):
                found = bootstrap_interval(mean, values["value"], patients=values["patient"].tolist())
                cells.append(f"{reader} {found}, n {found.n}, undefined {found.n_excluded}")
            print(f"  {name:22} {' | '.join(cells)}")
    first = table["reader"].iloc[0]
    rivals = ("grad-cam", "gradient", "integrated-gradients", CENTRE, RANDOM, FLAT_LUNGS, FLAT_ZONES)
    for measure in ("PCC", "PCC inside zones", "tau of zone means"):
        print(f"\nDifference of {measure}, {first}, paired over patients")
        wide = table[(table["measure"] == measure) & (table["reader"] == first)].pivot(
            index=["film", "patient"], columns="map", values="value"
        )
        patients = wide.index.get_level_values("patient").tolist()
        for one, two in (*combinations(VARIANTS, 2), *product(VARIANTS, rivals)):
            test = permutation_test(wide[one], wide[two], patients)
            print(f"  {one:16} - {two:20} {test.difference}, p {test.p_value:.4f}")
