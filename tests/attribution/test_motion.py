from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from plainfilm.attribution.motion import Motion, arrows, optical_flow, save_motion
from plainfilm.errors import InputError, ResourceError

STEP = 2


@pytest.fixture
def moving(made):
    """A blob that goes two pixels to the left and one up from one film to the next, towards the first."""
    films = []
    for k in range(4):
        film = np.zeros((64, 64), np.float32)
        film[30 + k, 20 + STEP * k] = 400
        films.append(gaussian_filter(film, 5))
    frames = torch.from_numpy(np.stack(films))[:, None]
    return replace(made(), image=frames[0], reconstruction=frames[0], frames=frames)


def test_the_flow_is_the_way_that_the_film_moves(moving):
    motion = optical_flow(moving)
    rows, columns = slice(28, 36), slice(20, 30)
    assert np.median(motion.right[rows, columns]) == pytest.approx(-STEP, abs=0.7)
    assert np.median(motion.down[rows, columns]) == pytest.approx(-1, abs=0.5)
    assert motion.length[:8, 40:].max() < motion.length[rows, columns].max()


def test_the_published_way_prefers_a_film_that_stands_still_to_one_that_goes_left(moving):
    rows, columns = slice(28, 36), slice(20, 30)
    waits = replace(moving, frames=torch.cat([moving.frames[:1], moving.frames]))
    assert np.median(optical_flow(waits).right[rows, columns]) < -1
    assert np.median(optical_flow(waits, reference=True).right[rows, columns]) > -0.1
    back = replace(moving, frames=moving.frames.flip(0))
    assert np.median(optical_flow(back, reference=True).right[rows, columns]) > 1


def test_the_longest_arrows_are_drawn_and_level_ones_among_them():
    level = Motion(np.zeros((70, 70)), np.arange(4900.0).reshape(70, 70))
    rows, columns, down, right = arrows(level)
    assert len(rows) == pytest.approx(0.02 * 35 * 35, abs=1)
    assert right.min() > 4600
    assert not down.any()
    np.testing.assert_array_equal(level.right[rows, columns], right)
    assert len(arrows(level, reference=True)[0]) == 0


def test_a_picture_with_red_arrows_is_written(moving, tmp_path):
    with Image.open(save_motion(tmp_path / "why.png", moving)) as picture:
        red, green, _ = np.moveaxis(np.asarray(picture.convert("RGB")).astype(int), -1, 0)
    assert ((red - green) > 100).sum() > 50
    with pytest.raises(InputError, match=r"suffix '\.gif'"):
        save_motion(tmp_path / "why.gif", moving)


def test_without_scikit_image_the_error_says_what_to_install(moving, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.registration", None)
    with pytest.raises(ResourceError, match=r"plainfilm\[animation\]"):
        optical_flow(moving)
