from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch
from PIL import Image

from plainfilm.attribution.animation import durations, greys, pictures, there_and_back
from plainfilm.errors import InputError, ResourceError


@pytest.fixture
def shown(made):
    return made()


def test_a_cycle_goes_there_and_back_and_repeats_neither_end():
    order = there_and_back(5)
    assert order == [4, 3, 2, 1, 0, 1, 2, 3]
    assert all(a != b for a, b in zip(order, order[1:] + order[:1], strict=True))


def test_both_ends_are_held():
    times = durations(5)
    assert [k for k, time in enumerate(times) if time > min(times)] == [0, 4]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".apng", ".webp"])
def test_pictures_move_endlessly(shown, tmp_path, suffix):
    with Image.open(shown.save(tmp_path / f"why{suffix}")) as picture:
        assert picture.n_frames == 8
        assert picture.info["loop"] == 0
        assert min(picture.size) >= 320


def test_one_window_serves_all_frames(shown):
    brighter = torch.cat([shown.frames[:1], shown.frames[:1] * 0.5])
    first, second = greys(brighter[:, 0].numpy(), (0.0, 1.0))
    np.testing.assert_allclose(second, first / 2, atol=1)


def test_the_film_stands_beside_unless_it_is_not_wanted(shown):
    both, alone = pictures(shown)[0], pictures(shown, beside=False)[0]
    assert both.width > 1.8 * alone.width
    bare = pictures(shown, bar=False, beside=False)[0]
    assert bare.size == (320, 384)
    expected = Image.fromarray(greys(shown.frames[-1, 0].numpy(), shown.window)).resize((320, 384), 3)
    np.testing.assert_array_equal(np.asarray(bare), np.asarray(expected))


def test_the_gauge_is_longer_where_the_prediction_is_higher(shown):
    cycle = pictures(shown, beside=False)
    lit = [(np.asarray(picture)[-17, :200] > 200).sum() for picture in (cycle[0], cycle[4])]
    assert lit[0] > lit[1]


def test_a_film_for_players_is_written(shown, tmp_path):
    av = pytest.importorskip("av")
    with av.open(shown.save(tmp_path / "why.mp4")) as film:
        frames = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert len(frames) == 3 * sum(durations(5)) // 100
    assert frames[0].std() > 10


def test_without_the_package_for_films_the_error_says_what_to_install(shown, tmp_path, monkeypatch):
    found = builtins.__import__

    def without_av(name, *args, **kwargs):
        if name == "av":
            raise ModuleNotFoundError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(ResourceError, match=r"pip install 'plainfilm\[animation\]'"):
        shown.save(tmp_path / "why.mp4")
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(shown, tmp_path):
    with pytest.raises(InputError, match=r"suffix '\.avi'"):
        shown.save(tmp_path / "why.avi")
