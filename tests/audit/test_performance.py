from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from plainfilm.audit.performance import performance_groups, performances
from plainfilm.metrics.probability import expected_calibration_error

FINDING = ("Mass",)


def predictions_of(films: int = 60, findings: tuple[str, ...] = ("Mass",), seed: int = 0) -> pd.DataFrame:
    """Calibrated predictions: a film has the finding as often as is said."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "film": [f"film-{i:03}" for i in range(films)], "patient": [f"patient-{i}" for i in range(films)],
        "view": "PA", "sex": "F", "age": 50.0, "device": "",
    }  # fmt: skip
    for name in findings:
        chances = rng.random(films)
        columns[f"probability:{name}"] = chances
        columns[f"truth:{name}"] = (rng.random(films) < chances).astype(float)
    return pd.DataFrame(columns)


def test_performance_is_that_of_scikit_learn() -> None:
    predictions = predictions_of()
    predictions.loc[0, "truth:Mass"] = nan
    (row,) = performances(predictions, FINDING)
    truth, chances = predictions["truth:Mass"][1:], predictions["probability:Mass"][1:]
    assert row.auroc.value == pytest.approx(roc_auc_score(truth, chances))
    assert row.average_precision.value == pytest.approx(average_precision_score(truth, chances))
    assert row.prevalence == pytest.approx(truth.mean())
    assert row.calibration_error == pytest.approx(expected_calibration_error(chances, truth))
    assert row.auroc.n_excluded == 1
    assert row.patients == min(predictions["patient"][1:][truth == kind].nunique() for kind in (0, 1))


def test_a_finding_without_known_truth_has_no_numbers() -> None:
    predictions = predictions_of()
    predictions["truth:Mass"] = nan
    (row,) = performances(predictions, FINDING)
    assert row.auroc.status == "undefined"
    assert np.isnan([row.prevalence, row.calibration_error, row.calibration_p]).all()
    assert row.bins == ()


def test_probabilities_that_mean_what_they_say_have_no_small_p_value() -> None:
    """Under the null p-values are uniform: of 40 about 2 below 0.05, and the error itself is far from 0."""
    found = [performances(predictions_of(40, seed=seed), FINDING)[0] for seed in range(100, 140)]
    assert sum(row.calibration_p < 0.05 for row in found) <= 6
    assert np.mean([row.calibration_error for row in found]) > 0.1


def test_probabilities_that_are_too_high_have_a_small_p_value() -> None:
    predictions = predictions_of(200)
    predictions["probability:Mass"] **= 0.3
    (row,) = performances(predictions, FINDING)
    assert row.calibration_p < 0.01


def test_a_p_value_that_no_draw_reached_is_marked_as_a_bound() -> None:
    wrong = predictions_of(200)
    wrong["probability:Mass"] **= 0.1
    (row,) = performances(wrong, FINDING)
    assert (row.calibration_p, row.is_least_p) == (1 / 1000, True)
    (row,) = performances(predictions_of(200), FINDING)
    assert not row.is_least_p


def test_an_auroc_is_beyond_chance_with_its_whole_interval_or_where_it_is_perfect() -> None:
    predictions = predictions_of(40)
    predictions["probability:Mass"] = predictions["truth:Mass"] * 0.5 + 0.2
    (row,) = performances(predictions, FINDING)
    assert (row.auroc.status, row.is_perfect, row.beats_chance, row.has_few) == (
        "no interval", True, True, False,
    )  # fmt: skip
    predictions["probability:Mass"] = 0.2
    (row,) = performances(predictions, FINDING)
    assert (row.is_perfect, row.beats_chance) == (False, False)


def test_with_many_findings_wrong_probabilities_are_still_seen() -> None:
    findings = tuple(f"Finding {k}" for k in range(60))
    predictions = predictions_of(60, findings)
    predictions["probability:Finding 7"] = 0.99
    found = performances(predictions, findings)
    assert [row.finding for row in found if row.calibration_p < 0.05] == ["Finding 7"]


def test_performance_by_subgroup_needs_films_of_both_classes() -> None:
    predictions = predictions_of(120, ("Mass", "Rare"))
    predictions["sex"] = ["F", "M"] * 60
    predictions["truth:Rare"] = [1.0] * 5 + [0.0] * 115
    found = performance_groups(predictions, ("Mass", "Rare"))
    assert [(row.attribute, row.group) for row in found["Mass"]] == [("sex", "F"), ("sex", "M")]
    assert list(found) == ["Mass"]
