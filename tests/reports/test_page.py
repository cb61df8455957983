from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from math import nan

import numpy as np
import pytest

from plainfilm.attribution.explanation import Status
from plainfilm.metrics.intervals import Interval
from plainfilm.reports import figures
from plainfilm.reports.localisation import score_maps
from plainfilm.reports.page import Case, Report, render, write_page

HOSTILE = (
    r"$\frac{1$", "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "../../etc/passwd", "a\0b",
    "{{ 7*7 }}{% raw %}", "‮gnp.exe", "مريض", "🫁" * 50, "x" * 300, "not utf-8 \udcff", "javascript:alert(1)",
)  # fmt: skip

VOID = {"meta", "link", "img", "path", "image", "use"}


class Outline(HTMLParser):
    """Checks that tags nest, and gathers tags, addresses and visible text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def parsed(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    return outline


@pytest.fixture
def report(film, explained):
    mask = np.zeros(film.size, dtype=bool)
    mask[5:15, 4:12] = True
    rng = np.random.default_rng(0)
    maps = [explained(rng.normal(size=(5, 4)), method=name) for name in ("grad-cam", "gradient")]
    case = Case.of(film, {"Mass": 0.8, "Pleural_Thickening": 0.1}, maps, {"Mass": mask}, ["Mass"])
    return Report(
        title="Maps", model="tiny", provenance={"Command": "plainfilm explain <films>"}, cases=[case],
        films=1, operating_points={"Mass": 0.5, "Pleural_Thickening": None}, scores=score_maps(maps, mask),
        maps=(2, 0), truth="the outline",
        areas={
            "Mass": Interval(0.9, 0.7, 0.97, 20, 0, 8, 12),
            "Hernia": Interval(nan, nan, nan, 20, 0, 0, 20),
        },
    )  # fmt: skip


def test_the_page_is_well_formed_and_asks_the_network_for_nothing(report):
    outline = parsed(render(report))
    assert all(address.startswith(("data:", "#film-")) for address in outline.addresses)
    assert not {"script", "iframe", "object", "form"} & set(outline.tags)
    assert not re.search(r"url\(|@import|https?://", render(report))


def test_the_page_says_what_a_reader_needs(report):
    text = " ".join(parsed(render(report)).text)
    for words in (
        "Research use only", "film-1", "labelled Mass", "Pleural Thickening", "p = 0.80", "logit per cell",
        "centre prior", "random map", "plainfilm explain <films>", "0.70 to 0.97", "tiny",
    ):  # fmt: skip
        assert words in text, words


def test_no_number_on_the_page_is_not_finite(report):
    flat = replace(report.cases[0].maps[0], values=np.zeros((40, 32), np.float32), is_flat=True)
    empty = [replace(score, iou=nan, hit=nan, mass=nan, finding="Hernia") for score in report.scores]
    case = replace(report.cases[0], maps=(flat,))
    page = render(replace(report, cases=[case], scores=[*report.scores, *empty], maps=(1, 1)))
    assert not re.search(r"\b(nan|inf|infinity)\b", " ".join(parsed(page).text), re.IGNORECASE)
    assert not re.search(r"(nan|inf)[%;\"]", re.sub(r"base64,[^\"]*", "", page))
    assert "flat" in page


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_and_does_nothing(report, tmp_path, name):
    case = replace(
        report.cases[0], id=name, warnings=(name,), probabilities={name: 0.5}, present=(name,),
        maps=tuple(replace(m, target=name, method=name, unit=name) for m in report.cases[0].maps),
    )  # fmt: skip
    scores = [replace(score, film=name) for score in report.scores]
    hostile = replace(
        report, title=name, model=name, provenance={name: name}, cases=[case], scores=scores, truth=name,
        excluded={name: name}, warnings=[name], areas={name: Interval(0.5, 0.4, 0.6, 9, 0, 3, 6)},
    )  # fmt: skip
    page = write_page(tmp_path / "index.html", hostile).read_text()
    outline = parsed(page)
    assert not {"script", "iframe"} & set(outline.tags)
    assert all(address.startswith(("data:", "#film-")) for address in outline.addresses)
    assert "49" not in name or "7*7" in page


def test_all_films_share_one_scale_a_method(report):
    strong = replace(report.cases[0].maps[0], values=report.cases[0].maps[0].values * 10)
    both = replace(report, cases=[report.cases[0], replace(report.cases[0], maps=(strong,))])
    assert both.scales["grad-cam"][1] > 5 * report.scales["grad-cam"][1]
    assert both.scales["gradient"] == report.scales["gradient"]


def test_a_scale_is_the_90th_percentile_of_the_maps_own_and_maps_of_zeros_do_not_count(report):
    (shown, _) = report.cases[0].maps
    ends = (1.0, 2.0, 4.0)
    maps = [replace(shown, values=np.full((40, 32), end, np.float32)) for end in ends]
    empty = replace(shown, values=np.zeros((40, 32), np.float32), is_flat=True)
    scales = replace(report, cases=[replace(report.cases[0], maps=(*maps, empty))]).scales
    assert scales == {"grad-cam": (0.0, pytest.approx(np.percentile(ends, 90)))}
    signed = replace(maps[0], values=-maps[0].values)
    scales = replace(report, cases=[replace(report.cases[0], maps=(*maps[1:], signed))]).scales
    assert scales["grad-cam"][0] == -scales["grad-cam"][1]
    scales = replace(report, cases=[replace(report.cases[0], maps=(empty,))]).scales
    assert scales == {"grad-cam": (0.0, 1.0)}


def test_a_film_is_embedded_once_however_many_targets_are_explained(report, monkeypatch):
    encoded = []
    monkeypatch.setattr(figures, "film_uri", lambda pixels: encoded.append(pixels) or "data:film")
    (case,) = report.cases
    maps = [replace(m, target=name) for name in ("Mass", "Nodule", "Edema") for m in case.maps]
    outline = parsed(render(replace(report, cases=[replace(case, maps=tuple(maps)), case])))
    assert len(encoded) == 2
    assert outline.addresses.count("data:film") == 2
    assert outline.addresses.count("#film-1") == 2
    assert outline.tags.count("img") == 8


def test_a_page_without_maps_shows_films_and_probabilities(report):
    bare = replace(report, cases=[replace(report.cases[0], maps=())], scores=(), areas={}, maps=(0, 0))
    outline = parsed(render(bare))
    assert (outline.tags.count("image"), outline.tags.count("img")) == (1, 0)
    assert "Do the maps" not in " ".join(outline.text)


def test_a_case_remembers_flat_maps(film, explained):
    case = Case.of(film, {"Mass": 0.5}, [explained(np.zeros((4, 4)), status=Status.FLAT)])
    assert case.maps[0].is_flat
    assert case.targets == ("Mass",)
