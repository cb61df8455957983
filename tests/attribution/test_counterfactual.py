from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from plainfilm.attribution.latent_search import Stop
from plainfilm.errors import InputError


@pytest.fixture
def shown(made):
    return made()


def slowly(shown, kind):
    """Pixel by pixel, as the paper's words have it."""
    frames, middle = shown.frames[:, 0].numpy(), shown.reconstruction[0].numpy()
    found = np.zeros(middle.shape)
    for row, column in np.ndindex(middle.shape):
        values = [float(frame[row, column]) for frame in frames]
        away = [abs(value - float(middle[row, column])) for value in values]
        steps = [abs(a - b) for a, b in pairwise(values)]
        found[row, column] = {
            "max": max(away),
            "mean": sum(away) / len(away),
            "minmax": abs(values[0] - values[-1]),
            "interval": sum(steps) / len(steps),
        }[kind]
    return found


@pytest.mark.parametrize("kind", ["max", "mean", "minmax", "interval"])
def test_maps_are_those_of_the_definition(shown, kind):
    np.testing.assert_allclose(shown.map(kind), slowly(shown, kind), atol=1e-6)


def test_the_published_code_takes_the_first_frame_for_max_and_for_mean(shown):
    first = (shown.frames[0] - shown.reconstruction).abs()[0].numpy()
    for kind in ("max", "mean"):
        np.testing.assert_allclose(shown.map(kind, reference=True), first, atol=1e-6)
    assert not np.allclose(shown.map("max"), first)
    np.testing.assert_array_equal(shown.map("minmax", reference=True), shown.map("minmax"))


def test_a_map_can_be_smoothed_and_cut(shown):
    smooth = gaussian_filter(shown.map().astype(float), 2, mode="constant", truncate=3.5)
    np.testing.assert_allclose(shown.map(sigma=2), smooth, atol=1e-6)
    cut = shown.map(percentile=95)
    assert (cut > 0).sum() == 6  # the highest twentieth of 120 pixels


@pytest.mark.parametrize("wrong", [{"kind": "median"}, {"percentile": 100}, {"sigma": -1}])
def test_other_maps_are_refused(shown, wrong):
    with pytest.raises(InputError, match=r"Counterfactual\.map"):
        shown.map(**wrong)


def test_it_says_whether_the_prediction_fell(made):
    assert made().reached
    assert not made(stop=(Stop.LIMIT, Stop.RISE)).reached
    assert made(kappa=0.0).is_flat


def test_the_record_holds_every_number(shown):
    record = shown.record()
    assert record["stop"] == ["drop", "rise"]
    assert record["lambdas"] == shown.lambdas.tolist()
    expected = float((shown.image - shown.reconstruction).abs().mean())
    assert record["reconstruction_error"] == pytest.approx(expected)
