from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from plainfilm.attribution.counterfactual import Counterfactual
from plainfilm.attribution.latent_search import Stop
from plainfilm.reports import player as player_module
from plainfilm.reports.page import Case, Report, environment, render
from plainfilm.reports.player import Player

SCRIPT = Path(player_module.__file__).parent / "templates" / "player.js"


@pytest.fixture
def shown() -> Counterfactual:
    """Five films that get brighter."""
    frames = torch.arange(1.0, 6.0).view(-1, 1, 1, 1).expand(-1, 1, 20, 16) / 6
    lambdas, predictions = np.array([-40.0, -20, 0, 2, 5]), np.array([0.2, 0.5, 0.8, 0.84, 0.9])
    return Counterfactual(
        frames[2] + 0.01, frames[2], lambdas, frames, predictions, 0.8, 0.85, (-40.0, 5.0),
        (Stop.DROP, Stop.RISE), 0.01, (0.0, 1.0), 20, "Mass",
    )  # fmt: skip


@pytest.fixture
def report(film, explained, shown):
    case = Case.of(film, {"Mass": 0.8}, [explained(np.ones((4, 4)), counterfactual=shown)])
    return Report("Films", "tiny", {}, [case], 1, maps=(1, 0))


def test_frames_lie_side_by_side_from_less_to_more(shown):
    strip = Player.of(shown).strip
    assert strip.shape == (20, 5 * 16)
    levels = [int(strip[0, 16 * k]) for k in range(5)]
    assert levels == sorted(levels)
    np.testing.assert_allclose(levels, np.arange(1, 6) / 6 * 255, atol=1)


def test_it_starts_at_the_reconstruction(shown):
    assert Player.of(shown).start == 2


def test_the_ends_are_explained_in_words(shown):
    assert Player.of(shown).why == (
        "the prediction fell as far as asked",
        "the prediction rose as far as asked",
    )
    for left in set(Stop) - {Stop.NONE}:
        for right in Stop:
            assert all(Player.of(replace(shown, stop=(left, right))).why)


def test_a_bad_reconstruction_is_warned_of(shown, report, film, explained):
    assert "do not trust" not in render(report)
    bad = replace(shown, image=shown.image + 0.3)
    case = Case.of(film, {"Mass": 0.8}, [explained(np.ones((4, 4)), counterfactual=bad)])
    assert "The reconstruction differs by 31.0% of grey on average: do not trust" in render(
        replace(report, cases=[case])
    )


def test_a_reconstruction_that_the_model_reads_otherwise_is_warned_of(shown, report, film, explained):
    assert "does not recognise" not in render(report)
    lost = replace(shown, original=0.85, prediction=0.5)
    case = Case.of(film, {"Mass": 0.8}, [explained(np.ones((4, 4)), counterfactual=lost)])
    assert "does not recognise" in render(replace(report, cases=[case]))


def test_a_page_with_films_has_a_slider_a_button_and_the_one_script_that_ships(report):
    page = render(report)
    assert page.count('type="range"') == page.count('class="player"') == 1
    assert re.findall(r"<script>(.*?)</script>", page, re.DOTALL) == [SCRIPT.read_text().strip()]
    assert "innerHTML" not in SCRIPT.read_text()
    assert "p = <output" in page
    assert not re.search(r"https?://", page)


def test_a_page_without_films_has_no_script(report, film, explained):
    case = Case.of(film, {"Mass": 0.8}, [explained(np.ones((4, 4)))])
    assert "<script" not in render(replace(report, cases=[case]))


def test_a_hostile_target_stays_text(report):
    (case,) = report.cases
    name = '"><script>alert(1)</script>'
    hostile = replace(case, maps=tuple(replace(m, target=name) for m in case.maps))
    assert render(replace(report, cases=[hostile])).count("<script") == 1


def test_a_value_is_no_probability(report):
    assert "p = <output" not in render(replace(report, is_value=True))


def test_the_templates_load():
    assert environment().get_template("player.html.j2")
