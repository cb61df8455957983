from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plainfilm.audit.maps import MapStore
from plainfilm.audit.measures import DEVICES
from plainfilm.audit.performance import Performance
from plainfilm.audit.run import Results
from plainfilm.audit.summary import MEASURES, MethodRow, MethodTable, Summary
from plainfilm.metrics.baselines import CENTRE, RANDOM
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.subgroups import Subgroup
from plainfilm.reports.audit_remarks import audit_remarks


def row(method: str, p: float = nan, flat: int = 0, **p_values: float) -> MethodRow:
    values = dict.fromkeys(MEASURES, Interval(0.4, 0.3, 0.5, 30))
    return MethodRow(method, values, dict.fromkeys(MEASURES, p) | p_values, flat)


def table(*methods: MethodRow, patients: int = 30) -> MethodTable:
    return MethodTable((*methods, row(CENTRE), row(RANDOM)), 40, patients)


def performance(finding: str) -> Performance:
    area = Interval(0.8, 0.7, 0.9, 100)
    return Performance(finding, area, area, 0.1, 0.02, 1, (), 20, False)


def told(excluded: int = 0, caution: str = "", **changes: Any) -> list[tuple[str, str]]:
    """Kind and text of the remarks of an audit in which all is well, but for the changes."""
    given: dict[str, Any] = {
        "performance": (performance("Mass"),), "overall": table(row("grad-cam", 0.01, mass_on_devices=1)),
        "by_finding": {}, "strata": {}, "performance_groups": {}, "explanation_groups": (),
    }  # fmt: skip
    predictions, reasons = pd.DataFrame({"film": range(8)}), {f"film-{k}": "cut off" for k in range(excluded)}
    results = Results(predictions, pd.DataFrame(), reasons, MapStore(Path("nowhere"), 0))
    found = audit_remarks(Summary(**(given | changes)), results, "the exact masks", caution)
    return [(remark.kind, remark.text) for remark in found]


def worries(**changes: Any) -> list[str]:
    return [text for kind, text in told(**changes) if kind == "worry"]


def test_an_audit_in_which_all_is_well_has_no_worry() -> None:
    kinds, texts = zip(*told(), strict=True)
    assert kinds == ("good", "good")
    assert texts[0].startswith("Plausible: the maps agree with the exact masks better than maps that know")
    assert texts[1].endswith("know nothing mark: one measure of fidelity, over 40 maps of 30 patients.")
    assert "aithful" not in texts[1]


def test_of_several_methods_it_is_said_that_the_best_is_named() -> None:
    texts = [text for _, text in told(overall=table(row("a", 0.01), row("b", 0.3, removal_drop=0.01)))]
    assert any(text.startswith("Plausible: the best of 2 methods agrees") for text in texts)
    assert any("for every method: one measure" in text for text in texts)


def test_outlines_for_which_the_centre_prior_is_ahead_are_a_worry() -> None:
    low = MethodRow("low", dict.fromkeys(MEASURES, Interval(0.2, 0.1, 0.3, 9)), dict.fromkeys(MEASURES, 1), 0)
    found = worries(strata={"small": table(row("a", 0.2)), "large": table(low, patients=9)})
    assert found == [
        "The centre prior overlaps more than every method where what is outlined is large "
        "(0.40 against 0.20 of low, 9 patients)."
    ]


def test_every_method_at_chance_for_a_finding_is_a_worry() -> None:
    tables = {
        "Pneumothorax": table(row("a", 0.2), row("b", 0.9), patients=20),
        "Pleural_Thickening": table(row("a", 0.2), patients=25),
        "Mass": table(row("a", 0.9), row("b", 0.01), patients=40),
    }
    (found,) = worries(by_finding=tables)
    assert found == (
        "Every method is at chance for Pneumothorax and Pleural Thickening: a map of it is no location."
    )


def test_below_twenty_patients_that_is_only_unknown() -> None:
    found = told(by_finding={"Pneumothorax": table(row("a", 0.2), patients=19)})
    kind, text = found[-1]
    assert kind == "note"
    assert text.startswith("Too few patients")
    assert "Pneumothorax (19)" in text
    assert not any("at chance" in text for _, text in found)


def test_methods_that_agree_with_the_truth_no_better_than_chance_are_a_worry() -> None:
    (found,) = worries(overall=table(row("a", 0.2, removal_drop=0.01)))
    assert found.startswith("Not shown to be plausible")
    assert "0.40 (0.30 to 0.50)" in found


def test_the_method_that_is_named_is_one_that_beats_chance() -> None:
    high = MethodRow(
        "lucky", dict.fromkeys(MEASURES, Interval(0.9, 0.1, 1, 3)), dict.fromkeys(MEASURES, 0.3), 0
    )
    texts = [text for _, text in told(overall=table(high, row("sure", 0.01)))]
    assert any("sure has a mean best-case IoU of 0.40" in text for text in texts)


@pytest.mark.parametrize(
    ("p_of_b", "words"),
    [(0.01, "Fidelity is not shown for a:"), (1, "Fidelity is not shown for any method:")],
)
def test_methods_that_the_model_does_not_follow_are_a_worry(p_of_b: float, words: str) -> None:
    methods = row("a", 0.01, removal_drop=0.3), row("b", 0.01, removal_drop=p_of_b)
    assert any(text.startswith(words) for text in worries(overall=table(*methods)))


def test_evidence_on_devices_is_a_worry_with_its_share() -> None:
    (found,) = worries(overall=table(row("a", 0.01, **{DEVICES: 0.01}), row("b", 0.01, **{DEVICES: 0.5})))
    assert "support devices" in found
    assert "a 0.40 (0.30 to 0.50); the centre prior 0.40" in found


def test_flat_maps_are_counted_over_all_methods() -> None:
    found = worries(
        overall=table(row("a", 0.01, flat=3, mass_on_devices=1), row("b", 0.01, mass_on_devices=1))
    )
    assert found == ["3 of 80 maps are flat: they point at nothing, which counts as a miss."]


def test_without_outlines_nothing_is_said_of_methods() -> None:
    (found,) = told(overall=None)
    assert found == (
        "worry", "No finding is outlined in these films: whether the maps mark the findings is untested."
    )  # fmt: skip


def test_groups_that_differ_are_a_worry_with_both_numbers() -> None:
    area = Interval(0.9, 0.8, 1, 50)
    groups = (
        Subgroup("sex", "F", 60, 50, area),
        Subgroup(
            "sex", "M", 40, 30, Interval(0.7, 0.6, 0.8, 30), Interval(-0.2, -0.3, -0.1, 80), 0.001, 0.004
        ),
        Subgroup("view", "PA", 60, 50, area),
        Subgroup("view", "AP", 40, 30, area, Interval(0, -0.1, 0.1, 80), 0.5, 1.0),
    )
    found = worries(performance_groups={"Pleural_Thickening": groups}, explanation_groups=groups)
    numbers = "differs by sex: 0.70 in M (40 films), 0.90 in F (60), corrected p = 0.004."
    assert found == [f"AUROC for Pleural Thickening {numbers}", f"Best-case IoU of the best method {numbers}"]


def test_films_left_out_and_the_models_own_caution_are_worries() -> None:
    found = worries(excluded=2, caution="Trained on one hospital.")
    assert found[0] == "Trained on one hospital."
    assert found[1].startswith("2 of 10 films could not be used")


def test_worries_come_first_and_notes_last() -> None:
    unknown = replace(performance("Mass"), auroc=Interval(nan, nan, nan, 0))
    kinds = [kind for kind, _ in told(excluded=1, performance=(unknown,))]
    assert kinds == ["worry", "good", "good", "note"]
