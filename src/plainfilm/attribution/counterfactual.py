"""A film that changes until a classifier changes its mind: frames, predictions, and maps of the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from scipy.ndimage import gaussian_filter
from torch import Tensor

from plainfilm.attribution.latent_search import Stop
from plainfilm.errors import InputError

Kind = Literal["max", "mean", "minmax", "interval"]

TRUNCATE = 3.5
"""Standard deviations at which the smoothing of a map is cut off, as released."""


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """The same film with less and with more of a finding, as a classifier sees it (Cohen et al. 2021).

    Attributes:
        image: What was explained, ``(C, H, W)``.
        reconstruction: What the autoencoder makes of it, ``(C, H, W)``: the middle from which films depart.
        lambdas: The place of each frame, rising, ``(F,)``.
        frames: The films, ``(F, C, H, W)``, in the range of the image.
        predictions: What the classifier says of them, ``(F,)``.
        prediction: What it says of the reconstruction.
        original: What it says of the image itself.
        bounds: Where the search ended, left and right.
        stop: Why it ended there, left and right (``Stop``).
        kappa: What one unit of lambda is worth: the length of the gradient over that of the latent.
            ``kappa * lambdas`` is the shift as a share of the latent, and compares between films and models.
        window: Black and white of the film's range, by which all frames are drawn.
        evaluations: Films that were decoded and classified.
        target: The finding's name or index.
    """

    image: Tensor = field(repr=False)
    reconstruction: Tensor = field(repr=False)
    lambdas: np.ndarray
    frames: Tensor = field(repr=False)
    predictions: np.ndarray
    prediction: float
    original: float
    bounds: tuple[float, float]
    stop: tuple[Stop, Stop]
    kappa: float
    window: tuple[float, float]
    evaluations: int
    target: str | int = ""

    @property
    def is_flat(self) -> bool:
        """Whether the prediction does not depend on the latent at all."""
        return self.kappa == 0

    @property
    def reached(self) -> bool:
        """Whether the prediction fell as far as was asked."""
        return self.stop[0] is Stop.DROP

    @property
    def reconstruction_error(self) -> float:
        """Mean absolute difference of film and reconstruction, as a share of the window."""
        return float((self.image - self.reconstruction).abs().mean()) / (self.window[1] - self.window[0])

    def map(
        self, kind: Kind = "max", reference: bool = False, sigma: float = 0.0, percentile: float = 0.0
    ) -> np.ndarray:
        """Where the film changed, float32 ``(H, W)`` at least 0, in the unit of the film.

        Args:
            kind: "max" and "mean" of the frames' distance from the reconstruction, "minmax" the distance of
                the first frame from the last, "interval" the mean distance of each frame from the next.
            reference: For "max" and "mean" look at the first frame alone, as the published code does: its
                "max" and "mean" are one and the same, and all numbers of its tables are of that.
            sigma: Standard deviation of a Gaussian in pixels, with zeros beyond the border.
            percentile: Values not above it become 0; 95 leaves the highest twentieth.

        Raises:
            InputError: for another kind, or a percentile outside [0, 100).
        """
        if kind not in get_args(Kind) or not 0 <= percentile < 100 or sigma < 0:
            raise InputError(
                f"kind {kind!r}, sigma {sigma}, percentile {percentile}",
                f"one of {', '.join(get_args(Kind))}, a sigma from 0, a percentile in [0, 100)",
                "Counterfactual.map",
            )  # fmt: skip
        frames = self.frames[:1] if reference and kind in ("max", "mean") else self.frames
        values = _KINDS[kind](frames, self.reconstruction).mean(0).double().cpu().numpy()
        if sigma:
            values = gaussian_filter(values, sigma, mode="constant", truncate=TRUNCATE)
        if percentile:
            values = np.where(values > np.percentile(values, percentile), values, 0)
        return values.astype(np.float32)

    def record(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "lambdas": self.lambdas.tolist(),
            "predictions": self.predictions.tolist(),
            "prediction_of_reconstruction": self.prediction,
            "prediction_of_film": self.original,
            "bounds": list(self.bounds),
            "stop": [why.value for why in self.stop],
            "kappa": self.kappa,
            "reconstruction_error": self.reconstruction_error,
            "evaluations": self.evaluations,
        }

    def save(self, path: str | Path, bar: bool = True, beside: bool = True) -> Path:
        """Writes the animation (.gif, .png as APNG, .webp, .mp4), atomically; see ``save_animation``."""
        from plainfilm.attribution.animation import save_animation

        return save_animation(Path(path), self, bar=bar, beside=beside)


_KINDS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "max": lambda frames, middle: (frames - middle).abs().amax(0),
    "mean": lambda frames, middle: (frames - middle).abs().mean(0),
    "minmax": lambda frames, _: (frames[0] - frames[-1]).abs(),
    "interval": lambda frames, _: (frames[1:] - frames[:-1]).abs().mean(0),
}
