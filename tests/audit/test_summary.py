from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plainfilm.audit.maps import MapStore
from plainfilm.audit.run import Results
from plainfilm.audit.summary import MEASURES, MethodTable, Summary, method_table, summarise
from plainfilm.metrics.baselines import CENTRE, RANDOM

MEANS = {"good": 0.5, "chance": 0.2, CENTRE: 0.2, RANDOM: 0.1}
"""True mean of every measure."""


def good(measure: str, value: Any) -> Any:
    """A value that is the better the higher it is, as the measure reads it."""
    return 1 - value if measure == "deletion_auc" else value


def rows_of(
    films: int = 60, means: dict[str, float] | None = None, each: int = 1, seed: int = 0
) -> pd.DataFrame:
    """Scores around known means, ``each`` films a patient with the same deviation."""
    rng, tables = np.random.default_rng(seed), []
    for k, (method, mean) in enumerate((means or MEANS).items()):
        drawn = np.repeat(rng.normal(mean, 0.05, films // each), each)
        tables.append(
            pd.DataFrame({
                "film": [f"film-{i:03}" for i in range(films)],
                "patient": [f"patient-{i // each}" for i in range(films)],
                "finding": "Mass", "method": method, "row": -1 if method in (CENTRE, RANDOM) else k,
                "flat": False, "area": 0.02, "lesions": 1, "sex": "F",
                "age": 50.0, "view": "PA", "device": "", **{name: good(name, drawn) for name in MEASURES},
            })
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def predictions_of(films: int = 60, findings: tuple[str, ...] = ("Mass",)) -> pd.DataFrame:
    """Predictions that rise from film to film; every second film has all findings."""
    return pd.DataFrame({
        "film": [f"film-{i:03}" for i in range(films)], "patient": [f"patient-{i}" for i in range(films)],
        "view": "PA", "sex": "F", "age": 50.0, "device": "",
        **{f"probability:{name}": np.linspace(0, 1, films) for name in findings},
        **{f"truth:{name}": np.arange(films) % 2.0 for name in findings},
    })  # fmt: skip


def summary_of(predictions: pd.DataFrame, scores: pd.DataFrame, *findings: str) -> Summary:
    results = Results(predictions, scores, {}, MapStore(Path("nowhere"), 0))
    return summarise(results, findings or ("Mass",))


@pytest.fixture(scope="module")
def table() -> MethodTable:
    return method_table(rows_of())


def test_the_baselines_come_last(table: MethodTable) -> None:
    assert [row.method for row in table.rows] == ["good", "chance", CENTRE, RANDOM]
    assert [row.method for row in table.methods] == ["good", "chance"]
    assert (table.maps, table.patients) == (60, 60)


def test_means_are_means_with_the_truth_inside_their_intervals(table: MethodTable) -> None:
    rows = rows_of()
    for row in table.rows:
        own = rows[rows["method"] == row.method]
        for measure in MEASURES:
            assert row.values[measure].value == pytest.approx(own[measure].mean())
            assert row.values[measure].low < good(measure, MEANS[row.method]) < row.values[measure].high


def test_a_better_method_beats_chance_and_one_at_chance_does_not(table: MethodTable) -> None:
    best, chance, *baselines = table.rows
    assert all(best.beats_baselines(measure) for measure in MEASURES)
    assert not any(chance.beats_baselines(measure) for measure in MEASURES)
    assert not any(row.beats_baselines("hit") for row in baselines)
    assert all(np.isnan(row.p_values["hit"]) for row in baselines)
    assert table.best("hit") is table.best("deletion_auc") is best


@pytest.mark.parametrize("weaker", [CENTRE, RANDOM])
def test_a_method_must_beat_both_baselines(weaker: str) -> None:
    stronger = RANDOM if weaker == CENTRE else CENTRE
    table = method_table(rows_of(means={"method": 0.3, weaker: 0.1, stronger: 0.3}))
    assert not table.rows[0].beats_baselines("best_case_iou")


def test_a_method_far_below_chance_does_not_beat_it() -> None:
    table = method_table(rows_of(means={"worse": 0.0, CENTRE: 0.3, RANDOM: 0.3}))
    assert table.rows[0].p_values["hit"] > 0.99


def test_p_values_are_corrected_for_the_number_of_methods() -> None:
    rows = rows_of(means={"method": 0.215, CENTRE: 0.2, RANDOM: 0.1})
    alone = method_table(rows).row("method").p_values["hit"]
    copies = [rows.replace({"method": {"method": f"copy-{k}"}}) for k in range(3)]
    others = pd.concat([rows, *(copy[copy["row"] >= 0] for copy in copies)])
    assert 0 < alone < 0.2
    assert method_table(others).row("method").p_values["hit"] == pytest.approx(4 * alone)


def test_pairs_are_compared_whatever_their_order() -> None:
    rows = rows_of(means={"method": 0.215, CENTRE: 0.2, RANDOM: 0.1})
    mixed = rows.sample(frac=1, random_state=0)
    mixed = mixed.sort_values("method", key=lambda names: names.map({"method": 0, CENTRE: 1, RANDOM: 2}))
    assert method_table(mixed).row("method").p_values == method_table(rows).row("method").p_values


def test_films_of_one_patient_count_as_one() -> None:
    means = {"method": 0.22, CENTRE: 0.2, RANDOM: 0.1}
    apart, together = (method_table(rows_of(60, means, each)).row("method") for each in (1, 10))
    assert together.values["hit"].caution == "only 6 patients"
    width = [row.values["hit"].high - row.values["hit"].low for row in (apart, together)]
    assert width[1] > 1.5 * width[0]
    # All 2^6 flips are counted: no p-value is below 1/64, one-sided.
    assert together.p_values["hit"] >= 1 / 64


def test_values_that_are_undefined_are_left_out_and_counted() -> None:
    rows = rows_of()
    rows.loc[rows["film"] == "film-000", "best_case_iou"] = nan
    rows["mass_on_devices"] = nan
    first = method_table(rows).rows[0]
    assert (first.values["best_case_iou"].n, first.values["best_case_iou"].n_excluded) == (59, 1)
    assert first.values["mass_on_devices"].status == "undefined"
    assert not first.beats_baselines("mass_on_devices")


def test_flat_maps_are_counted() -> None:
    rows = rows_of()
    rows.loc[(rows["method"] == "good") & (rows["film"] < "film-003"), "flat"] = True
    assert [row.flat for row in method_table(rows).rows] == [3, 0, 0, 0]


def test_findings_sizes_and_numbers_have_tables_of_their_own() -> None:
    rows = rows_of(12)
    place = rows["film"].str[-3:].astype(int)
    rows["finding"] = np.where(place < 8, "Mass", "Nodule")
    rows["area"] = np.select([place < 2, place < 5], [0.001, 0.02], 0.2)
    rows["lesions"] = np.where(place == 11, 0, np.where(place < 3, 2, 1))
    rows.loc[rows["lesions"] == 0, "area"] = nan
    found = summary_of(predictions_of(12, ("Mass", "Nodule", "Hernia")), rows, "Mass", "Nodule", "Hernia")
    assert {name: table.maps for name, table in found.by_finding.items()} == {"Mass": 8, "Nodule": 4}
    counts = {name: table.maps for name, table in found.strata.items()}
    assert counts == {"small": 2, "medium": 3, "large": 6, "one place": 8, "several places": 3}


def test_without_annotation_there_are_no_tables_of_methods() -> None:
    found = summary_of(predictions_of(), pd.DataFrame())
    assert found.overall is None
    assert (found.by_finding, found.strata, found.explanation_groups) == ({}, {}, ())


def test_explanations_by_subgroup_are_those_of_the_best_method() -> None:
    rows = rows_of()
    male = rows["film"].str[-1].astype(int) % 2 == 1
    rows["sex"] = np.where(male, "M", "F")
    rows.loc[male & (rows["method"] == "good"), "best_case_iou"] -= 0.2
    first, second = summary_of(predictions_of(), rows).explanation_groups
    assert first.interval.value - second.interval.value == pytest.approx(0.2, abs=0.04)
    assert second.p_holm < 0.01


def test_measures_that_were_not_taken_are_not_in_the_table() -> None:
    rows = rows_of().drop(columns=["road"])
    rows["counterfactual_recovery"] = nan
    table = summary_of(predictions_of(), rows).overall
    assert table is not None
    assert table.fidelity == ("insertion_auc", "deletion_auc", "sensitivity_n", "removal_drop")
