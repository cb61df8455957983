from __future__ import annotations

import math

import numpy as np
import pytest

from plainfilm.errors import InputError
from plainfilm.metrics.measures import KINDS, MEASURES, of_kind


def test_every_measure_stands_under_one_heading_and_is_named_by_its_function_or_part():
    assert {name for kind in KINDS for name in of_kind(kind)} == set(MEASURES)
    assert sum(len(of_kind(kind)) for kind in KINDS) == len(MEASURES)
    for name, measure in MEASURES.items():
        assert name in (measure.function.__name__, measure.part)
        assert measure.title
        assert measure.empty


@pytest.mark.parametrize("name", of_kind("plausibility"))
def test_a_measure_of_plausibility_judges_a_map_against_a_mask(name):
    mask = np.zeros((10, 10), bool)
    mask[2, 3:8] = True
    settings = {"threshold": 0.5} if name in ("iou", "dice") else {}
    assert MEASURES[name].function(mask.astype(float), mask, **settings) == 1
    assert math.isnan(MEASURES[name].function(mask.astype(float), np.zeros_like(mask), **settings))


@pytest.mark.parametrize("name", of_kind("performance"))
def test_a_measure_of_performance_ranks_a_good_classifier_where_it_says(name):
    truth = np.array([0, 0, 1, 1.0])
    good, bad = (MEASURES[name].function(scores, truth) for scores in (truth * 0.8 + 0.1, 0.9 - truth * 0.8))
    assert good > bad if MEASURES[name].higher_is_better else good < bad
    assert math.isnan(MEASURES[name].function([0.1], [np.nan]))


def test_another_heading_is_refused():
    with pytest.raises(InputError, match="performance, plausibility, fidelity"):
        of_kind("quality")
