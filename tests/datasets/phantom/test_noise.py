from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom.noise import power_noise


def test_noise_has_unit_variance_and_no_mean() -> None:
    field = power_noise((96, 128), np.random.default_rng(1), 2.0)
    assert field.shape == (96, 128)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(1, abs=1e-4)
    assert field.mean() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("beta", [1.6, 2.6, 4.4])
def test_power_falls_with_the_given_exponent(beta: float) -> None:
    power = sum(
        np.abs(np.fft.fft2(power_noise((128, 128), np.random.default_rng(k), beta))) ** 2 for k in range(8)
    )
    cycles = np.rint(np.hypot(np.fft.fftfreq(128, 1 / 128)[:, None], np.fft.fftfreq(128, 1 / 128))).astype(
        int
    )
    radial = np.bincount(cycles.ravel(), power.ravel()) / np.bincount(cycles.ravel())
    at = np.arange(4, 50)
    assert np.polyfit(np.log(at), np.log(radial[at]), 1)[0] == pytest.approx(-beta, abs=0.15)


def test_a_larger_image_shows_the_same_field() -> None:
    small, large = (power_noise((n, n), np.random.default_rng(3), 3.0) for n in (112, 224))
    pooled = large.reshape(112, 2, 112, 2).mean((1, 3))
    assert np.corrcoef(small.ravel(), pooled.ravel())[0, 1] > 0.97


def test_a_low_cut_leaves_no_slow_waves() -> None:
    spectrum = np.abs(np.fft.fft2(power_noise((64, 64), np.random.default_rng(0), 2.0, low_cut=7)))
    slow = np.hypot(np.fft.fftfreq(64, 1 / 64)[:, None], np.fft.fftfreq(64, 1 / 64)) < 7
    assert spectrum[slow].max() < 1e-3 * spectrum.max()
