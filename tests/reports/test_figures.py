from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from plainfilm.radiograph import Placement
from plainfilm.reports.figures import (
    LONGEST,
    bar_stops,
    contours,
    display_size,
    film_uri,
    outline,
    overlay_uri,
    small,
    small_map,
)


def decoded(uri):
    kind, data = uri.split(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def enclosed(line):
    x, y = line.T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_displayed_film_keeps_its_shape_and_is_never_enlarged(height, width):
    rows, columns = display_size((height, width))
    assert max(rows, columns) <= LONGEST
    assert rows <= height
    assert columns <= width
    assert rows == pytest.approx(height * min(1, LONGEST / max(height, width)), abs=1)


def test_a_small_film_is_shown_as_it_is(film):
    assert np.allclose(small(film.pixels), film.pixels)


def test_a_map_lies_on_the_small_film_where_it_lies_on_the_film(explained, film):
    values = np.random.default_rng(0).normal(size=(7, 5))
    letterboxed = explained(values, placement=Placement.letterbox(film.size, (7, 5)))
    assert np.allclose(small_map(letterboxed), letterboxed.on_film(), atol=1e-6)


def test_a_map_of_a_large_film_keeps_its_unit_and_its_place():
    from plainfilm.attribution.explanation import Explanation, Status
    from plainfilm.radiograph import Radiograph

    film = Radiograph(np.zeros((1000, 800), np.float32))
    values = np.zeros((10, 8), np.float32)
    values[2, 6] = 3.0
    explanation = Explanation(
        values, "bit", "Mass", "m", {}, Status.OK, Placement.resize(film.size, (10, 8)), film, 0.5
    )  # fmt: skip
    shown = small_map(explanation)
    assert shown.shape == display_size(film.size)
    peak = np.array(np.unravel_index(shown.argmax(), shown.shape)) / shown.shape
    assert np.allclose(peak, [0.25, 6.5 / 8], atol=0.02)
    assert shown.max() == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("place", [np.s_[3:9, 4:20], np.s_[:, :], np.s_[0:4, 28:32]])
def test_an_outline_encloses_the_area_of_its_mask(place):
    mask = np.zeros((40, 32), dtype=bool)
    mask[place] = True
    (line,) = contours(mask)
    assert enclosed(line) == pytest.approx(mask.sum(), rel=0.06)
    assert np.array_equal(line[0], line[-1])


def test_an_outline_is_plain_numbers_on_the_film_at_display_size():
    mask = np.zeros((1000, 800), dtype=bool)
    mask[200:400, 100:300] = True
    path = outline(mask)
    numbers = np.array(re.findall(r"[\d.]+", path), float).reshape(-1, 2)
    height, width = display_size(mask.shape)
    assert np.allclose(numbers.min(0), [100 * width / 800, 200 * height / 1000], atol=1)
    assert np.allclose(numbers.max(0), [300 * width / 800, 400 * height / 1000], atol=1)
    assert set(re.sub(r"[\d. ]", "", path)) <= set("MLZ")
    assert outline(np.zeros((8, 8), dtype=bool)) == ""


def test_embedded_pictures_are_whole(film):
    assert decoded(film_uri(film.pixels)).size == (32, 40)
    assert decoded(overlay_uri(film.pixels, film.pixels - 0.5, (-1, 1))).mode == "RGB"


def test_a_colour_bar_shows_nothing_at_zero_and_most_at_the_ends():
    stops = bar_stops((-2.0, 2.0))
    red, green, blue = (int(stops[8][k : k + 2], 16) for k in (1, 3, 5))
    assert red == green == blue
    assert len({*stops}) > 12
