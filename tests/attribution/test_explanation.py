from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from plainfilm.attribution.explanation import Explanation, Status, load_map
from plainfilm.attribution.picture import limits, overlay
from plainfilm.errors import ArtifactError, InputError, ModelError, ResourceError
from plainfilm.radiograph import Placement, Radiograph


def explanation(values: np.ndarray, film_id: str = "film", evidence: str = "positive") -> Explanation:
    film = Radiograph(np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(64, 48), film_id)
    placement = Placement.centre_crop(film.size, values.shape)
    return Explanation(
        values.astype(np.float32), "logit per cell", "Mass", "grad-cam", {"layer": None}, Status.OK,
        placement, film, 0.25, evidence, {"plainfilm": "test"},
    )  # fmt: skip


SIGNED = np.array([[-2.0, 1.0], [0.5, 3.0]])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_opens(tmp_path, suffix):
    path = explanation(SIGNED).save(tmp_path / f"why{suffix}")
    with Image.open(path) as picture:
        picture.load()
        assert picture.width > 400


def test_the_raw_map_comes_back_bit_by_bit(tmp_path):
    one = explanation(SIGNED)
    values, record = load_map(one.save(tmp_path / "why.npz"))
    assert values.tobytes() == one.map.tobytes()
    assert record == json.loads(json.dumps(one.record()))
    assert record["placement"]["film"] == [64, 48]


def test_evidence_is_the_positive_part_or_the_magnitude():
    assert explanation(SIGNED).evidence_on_film().max() == pytest.approx(3.0)
    assert explanation(-np.abs(SIGNED)).evidence_on_film().max() == 0
    assert explanation(-np.abs(SIGNED), evidence="magnitude").evidence_on_film().max() == pytest.approx(3.0)


def test_evidence_against_is_what_lowers_the_score():
    assert explanation(SIGNED).evidence_on_film(against=True).max() == pytest.approx(2.0)
    assert explanation(np.abs(SIGNED)).evidence_on_film(against=True).max() == 0
    with pytest.raises(ModelError, match=r"magnitude.*grad-cam or occlusion"):
        explanation(SIGNED, evidence="magnitude").evidence_on_film(against=True)


def test_an_unknown_suffix_or_folder_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"\.png"):
        explanation(SIGNED).save(tmp_path / "why.bmp")
    with pytest.raises(ResourceError):
        explanation(SIGNED).save(tmp_path / "missing" / "why.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [r"$\frac{1$", "<script>", "مريض", "🫁" * 60, "a" * 300, "\udcff\udcfe"])
def test_any_id_is_drawn_as_it_is(tmp_path, name):
    explanation(SIGNED, name).save(tmp_path / "why.png")


def test_a_damaged_file_is_refused(tmp_path):
    path = explanation(SIGNED).save(tmp_path / "why.npz")
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(ArtifactError, match=r"why\.npz: got a file that cannot be read"):
        load_map(path)


def test_a_pickled_array_is_not_executed(tmp_path):
    np.savez(tmp_path / "evil.npz", map=np.array([{"a": 1}], dtype=object), record=np.array("{}"))
    with pytest.raises(ArtifactError):
        load_map(tmp_path / "evil.npz")


def test_colours_are_symmetric_about_zero_for_signed_maps():
    assert limits(np.array([[-1.0, 4.0]])) == (pytest.approx(-4.0, rel=0.01), pytest.approx(4.0, rel=0.01))
    assert limits(np.array([[0.0, 4.0]]))[0] == 0
    assert limits(np.zeros((2, 2))) == (0.0, 1.0)


def test_where_a_map_is_zero_the_film_is_unchanged():
    film = np.linspace(0, 1, 25, dtype=np.float32).reshape(5, 5)
    drawn = overlay(film, np.zeros((5, 5))).astype(int)
    assert np.abs(drawn - np.rint(film * 255)[..., None]).max() <= 1
