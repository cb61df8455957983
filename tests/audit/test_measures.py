from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plainfilm.attribution.registry import build_method
from plainfilm.audit.measures import DEVICES, Block, outline_facts, plausibility, shown_of
from plainfilm.datasets.study import Study
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics.baselines import BASELINES, CENTRE, RANDOM
from plainfilm.models.classifier import Classifier
from plainfilm.radiograph import Radiograph

Films = Callable[..., Any]


@pytest.fixture
def block(model: Classifier, films: Films) -> Block:
    data = films(4)
    return Block.of(model, [(data[1], "Mass"), (data[2], "Nodule"), (data[3], "Effusion")], 5)


def test_a_random_map_is_of_its_row_wherever_a_block_begins(model: Classifier, block: Block) -> None:
    later = Block.of(model, block.subjects[1:], 6)
    np.testing.assert_array_equal(block.baselines()[RANDOM][1:], later.baselines()[RANDOM])


def test_random_maps_differ_and_centre_priors_do_not(block: Block) -> None:
    found = block.baselines()
    assert tuple(found) == BASELINES
    assert not np.array_equal(found[RANDOM][0], found[RANDOM][1])
    np.testing.assert_array_equal(found[CENTRE][0], found[CENTRE][1])


def test_negative_evidence_counts_by_magnitude_or_not_at_all(block: Block) -> None:
    maps = np.full((3, 8, 8), -1, np.float32)
    maps[:, 2, 2] = 0
    positive, magnitude = (block.judge(shown_of(maps, kind)) for kind in ("positive", "magnitude"))
    assert [row["mass_inside"] for row in positive] == [0, 0, 0]
    assert all(row["mass_inside"] > 0 for row in magnitude)


def test_the_images_own_scores_are_computed_once(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    logits = Classifier.logits
    monkeypatch.setattr(Classifier, "logits", lambda self, images: asked.append(1) or logits(self, images))
    maps = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    for _ in range(3):
        block.judge(maps)
    assert len(asked) == 4


def test_a_constant_film_has_a_map_of_zeros(model: Classifier, films: Films) -> None:
    data = films(4, constant=(1,))
    block = Block.of(model, [(data[1], "Mass"), (data[2], "Nodule")], 0)
    maps = block.explain(build_method("gradient", model, {}))
    assert not maps[0].any()
    assert maps[1].any()


def test_evidence_on_devices_is_a_share_where_devices_are_outlined() -> None:
    device, mass = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    device[:2], mass[6:] = True, True
    study = Study(Radiograph(np.zeros((8, 8), np.float32)), masks={SUPPORT_DEVICES: device, "Mass": mass})
    evidence = np.ones((8, 8))
    assert plausibility(evidence, study, "Mass")[DEVICES] == pytest.approx(2 / 8)
    assert np.isnan(plausibility(evidence, study, SUPPORT_DEVICES)[DEVICES])
    without = replace(study, masks={"Mass": mass})
    assert np.isnan(plausibility(evidence, without, "Mass")[DEVICES])


def test_an_empty_outline_is_undefined() -> None:
    study = Study(Radiograph(np.zeros((8, 8), np.float32)), masks={"Mass": np.zeros((8, 8), bool)})
    found = plausibility(np.ones((8, 8)), study, "Mass")
    assert all(np.isnan(value) for value in found.values())
    assert plausibility(np.ones((8, 8)), study, "Hernia").keys() == found.keys()


def test_facts_of_an_outline_are_its_share_and_its_parts() -> None:
    mask = np.zeros((10, 10), bool)
    mask[0, :2] = mask[5, 5] = mask[6, 6] = True  # the last two touch by a corner
    film = Radiograph(np.zeros((10, 10), np.float32))
    boxes = {"Nodule": ((0.0, 0.0, 2.0, 2.0), (1.0, 1.0, 2.0, 2.0))}
    study = Study(film, masks={"Mass": mask, "Hernia": mask & False}, boxes=boxes)
    assert outline_facts(study, "Mass") == {"area": 0.04, "lesions": 2}
    # Boxes are counted as they were drawn, though these overlap.
    assert outline_facts(study, "Nodule") == {"area": 0.07, "lesions": 2}
    assert outline_facts(study, "Hernia")["lesions"] == outline_facts(study, "Edema")["lesions"] == 0
