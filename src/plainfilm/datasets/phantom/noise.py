"""Random fields with a power-law spectrum, the same at every image size."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft

SHARED = 64  # frequencies up to this many cycles per side are drawn alike at every size


@lru_cache(maxsize=64)
def _amplitude(shape: tuple[int, int], beta: float, low_cut: float) -> np.ndarray:
    height, width = shape
    side = min(shape)
    frequency = np.hypot(np.fft.fftfreq(height, 1 / side)[:, None], np.fft.rfftfreq(width, 1 / side))
    frequency[0, 0] = 1
    amplitude = frequency ** (-beta / 2)
    amplitude[frequency < low_cut] = 0
    amplitude[0, 0] = 0
    return amplitude.astype(np.float32)


def _gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal((*shape, 2), dtype=np.float32).view(np.complex64)[..., 0]


def power_noise(
    shape: tuple[int, int], rng: np.random.Generator, beta: float, low_cut: float = 0.0
) -> np.ndarray:
    """Return unit-variance noise whose power falls as frequency to the power -beta.

    Args:
        shape: Rows and columns.
        rng: Drawn from the low frequencies upwards, so that a larger image shows the same
            field with finer detail added.
        beta: 0 is white, 2 cloudy, 4 smooth.
        low_cut: Frequencies below this, in cycles per shorter side, are left out.

    Returns:
        float32 ``(H, W)``, periodic, mean 0.
    """
    low = _gaussian(rng, (2 * SHARED, SHARED))
    amplitude = _amplitude(shape, beta, low_cut)
    spectrum = _gaussian(rng, amplitude.shape)
    rows, columns = min(SHARED, shape[0] // 2), min(SHARED, shape[1] // 2)
    spectrum[:rows, :columns] = low[:rows, :columns]
    spectrum[-rows:, :columns] = low[-rows:, :columns]
    field = fft.irfft2(spectrum * amplitude, s=shape)
    return field / field.std()
