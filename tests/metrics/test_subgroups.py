from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plainfilm.errors import InputError
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.paired import holm
from plainfilm.metrics.subgroups import UNKNOWN, age_bands, attributes_of, by_subgroup
from plainfilm.metrics.weighted import mean


@pytest.fixture
def films():
    """Scores that are worse for women; two films a patient; one view in ten unknown."""
    rng = np.random.default_rng(0)
    sex = np.repeat(np.where(np.arange(300) % 3 == 0, "F", "M"), 2)
    truth = (rng.random(600) < 0.4).astype(float)
    scores = rng.normal(np.where(sex == "F", 0.3, 2.0) * truth)
    view = np.where(np.arange(600) % 10 == 0, "", np.where(np.arange(600) % 2, "AP", "PA"))
    return scores, truth, np.repeat(np.arange(300), 2), {"sex": sex, "view": view}


def rows_of(table):
    return {(row.attribute, row.group): row for row in table}


def test_a_group_is_measured_as_if_it_were_alone(films):
    scores, truth, patients, attributes = films
    rows = rows_of(by_subgroup(auroc, scores, truth, patients=patients, attributes=attributes))
    women = attributes["sex"] == "F"
    assert rows["sex", "F"].interval.value == auroc(scores[women], truth[women])
    alone = bootstrap_interval(auroc, scores[women], truth[women], patients=patients[women])
    found = rows["sex", "F"].interval
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.02)
    assert (rows["sex", "F"].films, rows["sex", "F"].patients) == (200, 100)


def test_the_largest_group_is_the_reference_and_unknown_never_is(films):
    scores, truth, patients, attributes = films
    table = by_subgroup(auroc, scores, truth, patients=patients, attributes=attributes)
    assert [(row.attribute, row.group) for row in table] == [
        ("sex", "M"), ("sex", "F"), ("view", "AP"), ("view", "PA"), ("view", UNKNOWN)
    ]  # fmt: skip
    assert [row.is_reference for row in table] == [True, False, True, False, False]


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not(films):
    scores, truth, patients, attributes = films
    rows = rows_of(by_subgroup(auroc, scores, truth, patients=patients, attributes=attributes))
    assert rows["sex", "F"].p_holm < 0.001
    assert rows["sex", "F"].difference.high < 0
    assert rows["view", "PA"].p_holm > 0.05


def test_p_values_are_corrected_for_all_groups_of_the_table(films):
    scores, truth, patients, attributes = films
    table = by_subgroup(auroc, scores, truth, patients=patients, attributes=attributes)
    expected = holm({row.attribute + row.group: row.p_value for row in table})
    assert [row.p_holm for row in table] == pytest.approx(list(expected.values()), nan_ok=True)


def test_false_alarms_are_as_rare_as_they_should_be():
    rng, alarms = np.random.default_rng(1), 0
    group = np.repeat(["a", "b", "b"], 2 * 30)
    for seed in range(200):
        values = np.repeat(rng.normal(size=90), 2)
        (_, other) = by_subgroup(
            mean, values, patients=np.arange(180) // 2, attributes={"site": group}, n=200, seed=seed
        )
        alarms += other.p_value < 0.05
    assert alarms / 200 < 0.1


def test_explanation_quality_makes_the_same_table(films):
    _, _, patients, attributes = films
    iou = np.where(attributes["view"] == "PA", 0.4, 0.2) + 0.01 * (np.arange(600) % 7)
    iou[::5] = np.nan
    rows = rows_of(by_subgroup(mean, iou, patients=patients, attributes=attributes))
    assert rows["view", "PA"].difference.value == pytest.approx(0.2, abs=0.01)
    assert rows["sex", "F"].interval.n_excluded == 600 - rows["sex", "F"].interval.n


def test_a_small_or_undefined_group_is_flagged_and_stays():
    truth = np.r_[[0.0, 1.0] * 30, [0.0] * 5, [0, 1, 0.0]]
    device = np.r_[["A"] * 60, ["B"] * 5, ["C"] * 3]
    table = by_subgroup(
        auroc, np.arange(68.0) % 7, truth, patients=np.arange(68), attributes={"device": device}
    )
    large, undefined, small = table
    assert large.interval.caution == ""
    assert (undefined.group, undefined.interval.status) == ("B", "undefined")
    assert np.isnan(undefined.p_holm)
    assert small.interval.caution == "only 1 patient"


def test_a_patient_with_films_in_both_groups_is_drawn_into_both():
    """What a patient brings to all films cancels in the difference."""
    rng = np.random.default_rng(2)
    values = np.repeat(3 * rng.normal(size=50), 2) + 0.1 * rng.normal(size=100)
    paired = {"view": np.tile(["PA", "AP"], 50)}
    (_, other) = by_subgroup(mean, values, patients=np.arange(100) // 2, attributes=paired)
    assert other.difference.high - other.difference.low < 0.15 < other.interval.high - other.interval.low


def test_age_bands_are_cut_at_their_edges():
    found = age_bands([0, 17.9, 18, 39, 40, 79, 80, 101, np.nan])
    assert found.tolist() == [
        "under 18", "under 18", "18-39", "18-39", "40-59", "60-79", "80 and over", "80 and over", ""
    ]  # fmt: skip


def test_a_table_of_films_gives_the_attributes_that_differ():
    films = pd.DataFrame({"sex": ["F", "M"], "view": ["PA", "PA"], "age": [30.0, np.nan], "film": ["a", "b"]})
    found = attributes_of(films)
    assert {name: values.tolist() for name, values in found.items()} == {
        "sex": ["F", "M"], "age": ["18-39", ""]
    }  # fmt: skip


def test_no_films_make_no_rows():
    assert by_subgroup(mean, [], patients=[], attributes={"sex": []}) == []


def test_an_attribute_of_another_length_is_refused():
    with pytest.raises(InputError, match="sex: got 1 values for 2 films"):
        by_subgroup(mean, [0.1, 0.2], patients=[0, 1], attributes={"sex": ["F"]})


def test_edges_that_do_not_rise_are_refused():
    with pytest.raises(InputError, match="ages that rise"):
        age_bands([30], (40, 18))
