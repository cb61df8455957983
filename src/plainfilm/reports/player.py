"""A counterfactual on a page: all frames side by side in one embedded image, shown one at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plainfilm.attribution.animation import greys, there_and_back
from plainfilm.attribution.counterfactual import Counterfactual
from plainfilm.attribution.latent_search import Stop
from plainfilm.reports import figures
from plainfilm.reports.wording import MINUS, number

LEFT = {
    Stop.DROP: "the prediction fell as far as asked",
    Stop.RISE: "the prediction rose again before it had fallen as far as asked",
    Stop.CHANGE: "the film had changed too much",
    Stop.LIMIT: "the search reached its limit",
}
RIGHT = {
    Stop.RISE: "the prediction rose as far as asked",
    Stop.DROP: "the prediction fell again before it had risen as far as asked",
    Stop.CHANGE: "the film had changed too much",
    Stop.LIMIT: "the search reached its limit",
    Stop.NONE: "not searched",
}

GREATEST_ERROR = 0.08
"""Mean absolute error of a reconstruction, as a share of grey, beyond which the page warns of it."""

GREATEST_CHANGE = 0.3
"""Of the prediction by the reconstruction alone, beyond which the page warns of it."""


@dataclass(frozen=True, eq=False)
class Player:
    """What a page keeps of a counterfactual, at display size.

    Attributes:
        strip: The frames from left to right, uint8 ``(h, F w)``.
        size: Height and width of a frame.
        predictions: Of each frame.
        lambdas: Of each frame.
        order: Of one cycle, there and back.
        start: The frame that is nearest to the reconstruction.
        prediction: Of the reconstruction.
        original: Of the film itself.
        why: Why the search ended, left and right, in words.
        error: Mean absolute error of the reconstruction, as a share of grey.
    """

    strip: np.ndarray
    size: tuple[int, int]
    predictions: tuple[float, ...]
    lambdas: tuple[float, ...]
    order: tuple[int, ...]
    start: int
    prediction: float
    original: float
    why: tuple[str, str]
    error: float

    @classmethod
    def of(cls, shown: Counterfactual) -> Player:
        """The films of a counterfactual, in one grey window."""
        films = greys(shown.frames.mean(1).numpy(), shown.window).astype(np.float32) / 255
        small = [figures.small(film) for film in films]
        strip = (np.concatenate(small, axis=1) * 255 + 0.5).astype(np.uint8)
        left, right = shown.stop
        return cls(
            strip, (small[0].shape[0], small[0].shape[1]), tuple(shown.predictions), tuple(shown.lambdas),
            tuple(there_and_back(len(films))), int(np.abs(shown.lambdas).argmin()), shown.prediction,
            shown.original, (LEFT[left], RIGHT[right]), shown.reconstruction_error,
        )  # fmt: skip

    @property
    def is_blurred(self) -> bool:
        """Whether the reconstruction is too far from the film to stand for it."""
        return self.error > GREATEST_ERROR

    @property
    def is_misread(self) -> bool:
        """Whether the model says something else of the reconstruction than of the film."""
        return abs(self.original - self.prediction) > GREATEST_CHANGE

    @property
    def frames(self) -> int:
        return len(self.predictions)

    @property
    def uri(self) -> str:
        """The strip as an embedded image."""
        return figures.grey_uri(self.strip)

    def places(self) -> list[str]:
        """Lambda of each frame as people write it."""
        return [f"{place:.0f}".replace("-", MINUS) for place in self.lambdas]

    def said(self) -> list[str]:
        """Prediction of each frame."""
        return [number(prediction) for prediction in self.predictions]
