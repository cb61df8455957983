from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest

from plainfilm.metrics.baselines import CENTRE, RANDOM
from plainfilm.metrics.intervals import Interval
from plainfilm.reports.localisation import Score
from plainfilm.reports.page import Report
from plainfilm.reports.wording import counted, interval, listed, number, remarks, scale, some


def report(**given):
    return Report(title="t", model="m", provenance={}, cases=[], films=given.pop("films", 0), **given)


def scores(finding, method, centre):
    return [
        Score(f"{k}", finding, name, value, 0.0, 0.0)
        for name, values in (("grad-cam", method), (CENTRE, centre), (RANDOM, [0.05] * len(method)))
        for k, value in enumerate(values)
    ]


def said(given):
    return {remark.text: remark.kind for remark in remarks(given)}


def test_numbers_that_are_not_finite_become_a_dash():
    assert [number(value) for value in (nan, inf, -inf, None)] == ["–"] * 4
    assert scale(nan) == "–"
    assert interval(Interval(nan, nan, nan, 0)) == "–"
    assert interval(Interval(0.5, nan, nan, 1)) == "no interval"


def test_numbers_have_a_true_minus():
    assert (number(-0.123), scale(-0.00123)) == ("−0.12", "−0.0012")
    assert number(-0.004) == "0.00"  # it reads as nothing, so it has no sign


def test_names_are_listed_as_people_do():
    assert listed(["A"]) == "A"
    assert listed(["A", "B_b", "C"]) == "A, B b and C"


def test_a_method_below_the_centre_prior_is_the_first_worry():
    (first, *_) = remarks(report(scores=scores("Mass", [0.1, 0.2, 0.15], [0.3, 0.3, 0.4]), maps=(3, 0)))
    assert first.kind == "worry"
    assert first.text.startswith("No method beats the centre prior over 3 outlined findings: grad-cam")


def test_each_finding_without_a_winner_is_named_and_those_with_one_are_not():
    good = scores("Mass", [0.6, 0.7, 0.65], [0.1, 0.1, 0.1])
    bad = scores("Hernia", [0.1, 0.2, 0.1], [0.3, 0.3, 0.3])
    found = said(report(scores=good + bad + scores("Edema", [0.5], [0.1]), maps=(7, 0)))
    assert any(text.startswith("No method is shown to beat the centre prior for Hernia:") for text in found)
    assert any("fewer than 3: Edema." in text for text in found)
    assert not any("for Mass" in text for text in found)


def test_the_best_of_several_methods_needs_more_than_the_best_of_one():
    gains = [0.1 + 0.08 * z for z in (-1.2, -0.7, 0.0, 0.7, 1.2)]
    # Over 5 films t is 2.85: above 2.78, the quantile for one method, and below 4.31, that for four.
    one = scores("Mass", [0.3 + gain for gain in gains], [0.3] * 5)
    others = [
        replace(score, method=name, iou=score.iou - 0.1)
        for name in ("gradient", "guided-backprop", "integrated-gradients")
        for score in one
        if score.method == "grad-cam"
    ]
    assert remarks(report(scores=one, maps=(5, 0)))[0].kind == "good"
    assert {r.kind for r in remarks(report(scores=one + others, maps=(20, 0)))} == {"worry"}


def test_one_outline_is_no_ground_for_a_verdict():
    found = said(report(scores=scores("Mass", [0.9], [0.1]), maps=(1, 0)))
    assert list(found.values()) == ["note"]


def test_maps_without_truth_are_called_untested():
    assert any("untested" in text and kind == "worry" for text, kind in said(report(maps=(4, 0))).items())


def test_flat_maps_and_excluded_films_are_counted():
    found = said(report(films=9, maps=(4, 2), excluded={"a": "broken"}))
    assert any(text.startswith("2 of 4 maps are flat") for text in found)
    assert any(text.startswith("1 of 10 films could not be used") for text in found)


def test_warnings_of_the_reader_are_counted_once_each():
    assert said(report(films=3, warnings=["Look.", "Look.", "Odd."])) == {
        "2 of 3 films: Look.": "note", "1 of 3 films: Odd.": "note",
        "0 of 3 films are shown; the tables count all.": "note",
    }  # fmt: skip


@pytest.mark.parametrize(("low", "worried"), [(0.45, True), (0.55, False)])
def test_an_area_whose_interval_reaches_chance_is_a_worry(low, worried):
    found = said(report(areas={"Mass": Interval(0.7, low, 0.9, 20, 0, 5, 15)}))
    assert any("better than chance" in text for text in found) is worried


def test_one_is_counted_without_s() -> None:
    assert [counted(n, "film") for n in (0, 1, 2)] == ["0 films", "1 film", "2 films"]


def test_of_many_findings_a_sentence_lists_the_first() -> None:
    names = [f"F{k}" for k in range(60)]
    assert some(names[:15]).endswith("F13 and F14")
    assert some(names).endswith("F12, F13 and 46 others")
