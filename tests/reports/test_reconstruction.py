from __future__ import annotations

import re

import numpy as np
import pytest

from plainfilm.audit.reconstruction import Discrimination, Impact, Pair, Reconstructing
from plainfilm.metrics.intervals import Interval
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.classifier import wrap
from plainfilm.models.densenet import DenseNet
from plainfilm.reports.reconstruction import WINDOW, Shown, remarks, write_reconstruction

FALL, NONE = Interval(-0.3, -0.4, -0.2, 40), Interval(-0.01, -0.05, 0.03, 40)
AREA = Interval(0.9, 0.8, 0.95, 40, n_positive=20, n_negative=20)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def found():
    network = DenseNet(1, 1, 2, block_config=(1,), num_init_features=2)
    model = wrap(network, ("Mass",), 32)
    report = Reconstructing(model, Autoencoder(32, 0.0, 1.0, (1,), (1,), (1,), stem=1, top=1))
    numbers = {"absolute_error": 0.125, "squared_error": 17.0, "explained": 0.9}
    report.rows += [{"film": f"film-{k}", "patient": f"p{k}", **numbers} for k in range(3)]
    pixels = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    report.pairs.append(Pair(HOSTILE, pixels, 1.5 - pixels, ("Mass", "Pleural_Thickening")))
    return report


def explained(value):
    return {"explained": Interval(value, value, value, 3)}


def test_the_page_holds_errors_tables_and_pairs_and_needs_no_other_file(found, tmp_path):
    rows = [Impact("Mass", True, "Mass", AREA, AREA, FALL), Impact("Edema", True, "Mass", AREA, AREA, NONE)]
    areas = [Discrimination("Mass", AREA, AREA, FALL)]
    path = write_reconstruction(
        tmp_path / "index.html", found, rows, areas, {"Data": HOSTILE}, {HOSTILE: "bad"}
    )
    page = path.read_text()
    assert HOSTILE not in page
    assert "0.125" in page
    assert "17.0" in page
    assert "Pleural Thickening" in page
    assert page.count("data:image/webp") == 3
    assert page.count("with it</td>") == 1  # a label against another target is in the CSV alone
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "NaN" not in page.replace("data:", "")


def test_one_window_shows_every_difference():
    pixels = np.full((4, 4), 0.5, np.float32)
    shown = dict(Shown.of(Pair("a", pixels, pixels + np.float32(WINDOW / 2), ())).pictures)
    np.testing.assert_allclose(shown["difference"], 0.75, atol=1e-6)
    even = dict(Shown.of(Pair("a", pixels, pixels, ())).pictures)
    np.testing.assert_allclose(even["difference"], 0.5)
    far = dict(Shown.of(Pair("a", pixels, pixels + 9, ())).pictures)
    assert (far["difference"].max(), far["reconstruction"].max()) == (1, 1)


def test_lost_findings_come_first_and_kept_ones_are_told(found):
    areas = [Discrimination("Mass", AREA, AREA, FALL), Discrimination("Edema", AREA, AREA, NONE)]
    lost, kept, note = remarks(explained(0.9), areas, found)
    assert (lost.kind, kept.kind, note.kind) == ("worry", "good", "note")
    assert "Mass" in lost.text
    assert "Edema" in kept.text
    assert note.text.startswith("1 of 3 films are shown")


@pytest.mark.parametrize("value", [0.2, -3.0, np.nan])
def test_grey_reconstructions_are_told_with_their_usual_causes(found, value):
    first = remarks(explained(value), [], found)[0]
    assert "hardly more than grey" in first.text
    assert "Untrained weights" in first.text


def test_films_without_labels_say_what_is_not_tested(found):
    assert any("not tested" in remark.text for remark in remarks(explained(0.9), [], found))
