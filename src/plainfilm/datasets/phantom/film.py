"""From attenuation to grey levels: Beer-Lambert, scatter, blur, photons, display curve."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from plainfilm.datasets.phantom.canvas import Canvas, tube
from plainfilm.datasets.phantom.patient import Exposure, Patient

LEAD = 2.6  # attenuation of a side marker
SHOULDER, WHITEST = 0.7, 0.94  # grey levels where the display curve bends, and where it ends
COARSE = 32  # pixels a side on which scatter and large-scale contrast are found
BOWL = ((0, 0), (0.45, 0.02), (0.55, 0.26), (0.42, 0.5), (0, 0.52))
# Strokes of the letters in a box one unit high, y downwards.
STROKES = {
    "L": (((0, 0), (0, 1)), ((0, 1), (0.6, 1))),
    "R": (((0, 0), (0, 1)), BOWL, ((0.3, 0.52), (0.6, 1))),
    "P": (((0, 0), (0, 1)), BOWL),
    "A": (((0, 1), (0.32, 0)), ((0.32, 0), (0.64, 1)), ((0.12, 0.64), (0.52, 0.64))),
}


def expose(patient: Patient, canvas: Canvas, attenuation: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Take and develop the film.

    Args:
        patient: Whose exposure it is.
        canvas: The grid of the maps.
        attenuation: Natural-log attenuation along each ray.
        body: Thickness of the body in cm, which scatters.

    Returns:
        float32 ``(H, W)`` in [0, 1], white = dense.
    """
    exposure = patient.exposure
    rng = np.random.default_rng([patient.noise_seed, 13])
    primary = np.exp(-attenuation - LEAD * _markers(exposure, canvas))
    intensity = _detect(exposure, canvas, primary, body, rng)
    density = _process(exposure, canvas, -np.log(intensity))
    return _collimate(exposure, canvas, _develop(exposure, density, body))


def _markers(exposure: Exposure, canvas: Canvas) -> np.ndarray:
    """Lead letters on the cassette, 0 to 1: they do not turn with the patient."""
    plate = Canvas(canvas.shape, canvas.pixels_per_cm)
    height, width = (side / canvas.pixels_per_cm for side in canvas.shape)
    side, down = exposure.marker_at
    strokes = []
    if exposure.marker:
        across = 1 - side if exposure.marker == "L" else side
        strokes += _letter(exposure.marker, (across * width, down * height), 1.5, exposure.marker_angle)
    if exposure.is_portable:
        for letter, place in (("A", 0.08), ("P", 0.115)):
            strokes += _letter(letter, (place * width, 0.30 * height), 0.9, 0)
    if not strokes:
        return np.zeros(canvas.shape, np.float32)
    laid = [tube(stroke, 0.13, canvas.pixels_per_cm, core=0, across=4) for stroke in strokes]
    x, y, mass = (np.concatenate([piece[k].ravel() for piece in laid]) for k in range(3))
    painted = plate.splat(x - width / 2, y - height / 2, mass)
    return np.minimum(ndimage.gaussian_filter(painted, 0.45) * 5, 1)


def _letter(letter: str, at: tuple[float, float], height: float, degrees: float) -> list[np.ndarray]:
    """Strokes of a letter in cm, turned about its corner."""
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return [np.array(stroke) * height @ rotation + at for stroke in STROKES[letter]]


def _coarse(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur heavily: block means on a small grid, a Gaussian there, and linear growth back."""
    block = max(1, min(image.shape) // COARSE)
    height, width = (side // block * block for side in image.shape)
    blocks = image[:height, :width].reshape(height // block, block, width // block, block).mean((1, 3))
    small = ndimage.gaussian_filter(blocks, sigma / block, mode="nearest")
    return _grow(_grow(small, image.shape[0], block).T, image.shape[1], block).T


def _grow(small: np.ndarray, length: int, block: int) -> np.ndarray:
    """Interpolate linearly down the rows of block means."""
    at = np.clip((np.arange(length) + 0.5) / block - 0.5, 0, len(small) - 1)
    low = np.minimum(at.astype(int), len(small) - 2)
    share = (at - low).astype(np.float32)[:, None]
    return small[low] * (1 - share) + small[low + 1] * share


def _detect(
    exposure: Exposure, canvas: Canvas, primary: np.ndarray, body: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Add scatter from the body (none from bare air), detector blur and quantum noise."""
    scattered = _coarse(primary * (1 - np.exp(-0.25 * body)), 4.5 * canvas.pixels_per_cm)
    intensity = primary + 0.8 * exposure.scatter * scattered
    blur = 1.3 * exposure.blur * canvas.pixels_per_cm + 0.1
    intensity = np.maximum(ndimage.gaussian_filter(intensity, blur, truncate=3), 1e-6)
    quanta = rng.standard_normal(intensity.shape, dtype=np.float32)
    return np.maximum(intensity + np.sqrt(intensity / (4 * exposure.dose)) * quanta, 1e-4)


def _process(exposure: Exposure, canvas: Canvas, density: np.ndarray) -> np.ndarray:
    """Compress the large-scale contrast, sharpen the fine."""
    density = density - exposure.compression * _coarse(density, 3.2 * canvas.pixels_per_cm)
    smooth = ndimage.gaussian_filter(density, 0.35 * canvas.pixels_per_cm, truncate=2.5)
    return density + exposure.sharpen * (density - smooth)


def _develop(exposure: Exposure, density: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Window to the central body, with a toe below, a shoulder above, and a gamma."""
    height, width = (side // 8 for side in density.shape)
    centre = (slice(height, -height, 3), slice(width, -width, 3))
    core = density[centre][body[centre] > 4]
    low, high = np.percentile(core if core.size else density, [exposure.window_low, exposure.window_high])
    grey = (density - np.float32(low)) / np.float32(max(high - low, 1e-3))
    grey = exposure.toe + grey * np.where(grey > 0, 1 - exposure.toe, exposure.toe_slope).astype(np.float32)
    over = np.clip(grey - SHOULDER, 0, 0.7)
    grey = np.clip(grey, 0, SHOULDER) + (WHITEST - SHOULDER) * np.tanh(over / 0.26)
    return np.clip(grey, 0, 1) ** np.float32(exposure.gamma)


def _collimate(exposure: Exposure, canvas: Canvas, grey: np.ndarray) -> np.ndarray:
    """Cover the rim of the film where shutters stood in the beam."""
    if not any(exposure.collimation):
        return grey.astype(np.float32)
    turn = np.deg2rad(exposure.collimation_angle)
    height, width = canvas.shape
    across = (np.arange(width) / width - 0.5)[None, :]
    down = (np.arange(height) / height - 0.5)[:, None]
    u = across * np.cos(turn) - down * np.sin(turn) + 0.5
    v = across * np.sin(turn) + down * np.cos(turn) + 0.5
    depths = zip((u, 1 - u, v, 1 - v), exposure.collimation, strict=True)
    covered = np.any([(depth < wide) & (wide > 0) for depth, wide in depths], axis=0)
    return np.where(covered, 0.02 if exposure.collimation_is_dark else 0.97, grey).astype(np.float32)
