from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plainfilm.audit.maps import MapStore
from plainfilm.audit.measures import DEVICES, FIDELITY
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
    assert texts[0].startswith(
        "Plausible: the maps agree with the exact masks better than maps that know nothing by 4 of 4 "
        "measures; grad-cam has a mean best-case IoU of 0.40 (0.30 to 0.50)"
    )
    assert texts[1] == (
        "Faithful by most measures: grad-cam by 6 of 6 measures better than maps that know nothing, over 40 "
        "maps of 30 patients."
    )


def test_of_several_methods_it_is_said_that_the_best_is_named() -> None:
    texts = [text for _, text in told(overall=table(row("a", 0.01), row("b", 0.3)))]
    assert any(text.startswith("Plausible: the best of 2 methods agrees") for text in texts)
    assert any("a has a mean best-case IoU" in text for text in texts)


def test_outlines_for_which_the_centre_prior_is_ahead_are_a_worry() -> None:
    low = MethodRow("low", dict.fromkeys(MEASURES, Interval(0.2, 0.1, 0.3, 9)), dict.fromkeys(MEASURES, 1), 0)
    blind = replace(low, values=low.values | {"hit": Interval(0.9, 0.8, 1, 9)})
    found = worries(
        strata={"small": table(row("a", 0.2)), "medium": table(blind), "large": table(low, patients=9)}
    )
    assert found == [
        "The centre prior overlaps and hits more than every method where what is outlined is large "
        "(0.40 against 0.20 of low, 9 patients)."
    ]


def test_every_method_at_chance_for_a_finding_is_a_worry() -> None:
    tables = {
        "Pneumothorax": table(row("a", 0.2), row("b", 0.9), patients=20),
        "Pleural_Thickening": table(row("a", 0.2), patients=25),
        "Mass": table(row("a", 0.9), row("b", 0.01), patients=40),
        "Nodule": table(row("a", 0.9, hit=0.01), patients=40),
    }
    (found,) = worries(by_finding=tables)
    assert found == (
        "Every method is at chance for Pneumothorax and Pleural Thickening, by overlap and in the pointing "
        "game: a map of it is no location."
    )


def test_below_twenty_patients_that_is_only_unknown() -> None:
    found = told(by_finding={"Pneumothorax": table(row("a", 0.2), patients=19)})
    kind, text = found[-1]
    assert kind == "note"
    assert text.startswith("Too few patients")
    assert "Pneumothorax (19)" in text
    assert not any("at chance" in text for _, text in found)


def test_methods_that_agree_with_the_truth_no_better_than_chance_are_a_worry() -> None:
    faithful = dict.fromkeys(FIDELITY, 0.01)
    (found,) = worries(overall=table(row("a", 0.2, best_case_iou=0.01, hit=0.01, **faithful)))
    assert found.startswith("Not shown to be plausible")
    assert (
        "by most measures, a by 2 of 4 measures; a has a mean best-case IoU of 0.40 (0.30 to 0.50)" in found
    )


def test_the_method_that_is_named_is_one_that_beats_chance() -> None:
    high = MethodRow(
        "lucky", dict.fromkeys(MEASURES, Interval(0.9, 0.1, 1, 3)), dict.fromkeys(MEASURES, 0.3), 0
    )
    texts = [text for _, text in told(overall=table(high, row("sure", 0.01)))]
    assert any("sure has a mean best-case IoU of 0.40" in text for text in texts)


def test_fidelity_needs_most_measures_and_the_others_are_a_worry() -> None:
    half = {"road": 0.3, "removal_drop": 0.3, "sensitivity_n": 0.3}
    methods = row("a", 0.01, **half), row("b", 0.01, road=0.3, hit=0.3), row("c", 0.3)
    found = told(overall=table(*methods))
    end = "of 6 measures better than maps that know nothing, over 40 maps of 30 patients."
    assert ("worry", f"Fidelity is not shown for a by 3 and c by 0 {end}") in found
    assert ("good", f"Faithful by most measures: b by 5 {end}") in found


def quick(*methods: MethodRow) -> MethodTable:
    """A table in which removal alone was measured."""
    rows = table(*methods).rows
    own = [name for name in MEASURES if name == "removal_drop" or name not in FIDELITY]
    kept = [replace(each, values={name: each.values[name] for name in own}) for each in rows]
    return MethodTable(tuple(kept), 40, 30)


def test_of_one_measure_it_is_said_that_it_is_one_and_nothing_is_called_faithful() -> None:
    found = told(overall=quick(row("a", 0.01, mass_on_devices=1), row("b", 0.01, mass_on_devices=1)))
    kind, text = found[-1]
    assert kind == "good"
    assert text.endswith("for every method: one measure of fidelity, over 40 maps of 30 patients.")
    assert not any("aithful" in text for _, text in found)


@pytest.mark.parametrize(
    ("p_of_b", "words"),
    [(0.01, "Fidelity is not shown for a:"), (1, "Fidelity is not shown for any method:")],
)
def test_methods_whose_removal_the_model_does_not_follow_are_a_worry(p_of_b: float, words: str) -> None:
    methods = row("a", 0.01, removal_drop=0.3), row("b", 0.01, removal_drop=p_of_b)
    assert any(text.startswith(words) for text in worries(overall=quick(*methods)))


def with_means(method: str, **means: float) -> MethodRow:
    given = row(method, 0.01, mass_on_devices=1)
    means = {name: Interval(mean, mean - 0.1, mean + 0.1, 30) for name, mean in means.items()}
    return replace(given, values=given.values | means)


def test_measures_that_put_other_methods_first_are_named() -> None:
    ahead = dict.fromkeys(FIDELITY, 0.6) | {"deletion_auc": 0.2, "road": 0.1}
    found = told(overall=table(row("a", 0.01, mass_on_devices=1), with_means("b", **ahead)))
    text = "The measures of fidelity do not put one method first: "
    (told_so,) = [words for kind, words in found if kind == "note" and words.startswith(text)]
    assert told_so.endswith("; a by ROAD gap.")
    assert "b by Insertion AUC, Deletion AUC, Sensitivity-N" in told_so


def test_a_method_with_the_best_mean_by_each_measure_is_named() -> None:
    ahead = dict.fromkeys(FIDELITY, 0.6) | {"deletion_auc": 0.2}
    found = told(overall=table(row("a", 0.01, mass_on_devices=1), with_means("b", **ahead)))
    assert ("note", "b has the best mean by each of 6 measures of fidelity.") in found


def test_measures_that_rank_methods_the_other_way_round_are_a_worry() -> None:
    methods = [row(name, 0.01, mass_on_devices=1) for name in "abc"]
    agreement = {
        ("insertion_auc", "road"): Interval(-0.8, -1, -0.2, 30),
        ("insertion_auc", "deletion_auc"): Interval(-0.3, -0.9, 0.3, 30),
    }
    (found,) = worries(overall=table(*methods), agreement=agreement)
    assert found.startswith("Insertion AUC and ROAD gap rank the methods in opposite")
    assert "(Kendall's tau \u22120.80, \u22121.00 to \u22120.20)" in found


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
