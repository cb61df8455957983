"""How far a shift goes: along the gradient of a latent until the prediction has moved far enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from plainfilm.errors import NumericError

Pace = Literal["steady", "growing"]

UNIT_STEPS, STEP = 10, 10
"""The search goes by ones up to 10, and then by tens."""


ROUNDING = 1e-4
"""Predictions that differ by less are compared again, in the networks' own order of memory."""


class Stop(StrEnum):
    """Why a side of the search ended, in the order in which it is asked.

    On the left the prediction is to fall, so DROP is what was looked for and RISE that it turned; on the
    right it is the other way round.
    """

    DROP = "drop"
    RISE = "rise"
    CHANGE = "change"
    LIMIT = "limit"
    NONE = "not searched"


@dataclass(frozen=True)
class Side:
    """One side of a search.

    Attributes:
        sign: -1 on the left, where the prediction is to fall, 1 on the right.
        amount: By how much it is to move.
        limit: The largest ``|lambda|``.
        pace: "steady" by ones up to 10 and then by tens; "growing" by ten and a tenth of the way.
        beyond: A prediction that also ends the search once it is passed; None for none.
        most_change: Change of the film, as a share of the sum of its magnitudes, that also ends it.
    """

    sign: int
    amount: float
    limit: float
    pace: Pace = "steady"
    beyond: float | None = None
    most_change: float | None = None

    @property
    def reached(self) -> Stop:
        """What ends a side that found what it looked for."""
        return Stop.DROP if self.sign < 0 else Stop.RISE

    @property
    def turned(self) -> Stop:
        """What ends a side whose prediction went the other way."""
        return Stop.RISE if self.sign < 0 else Stop.DROP

    def lambdas(self) -> list[float]:
        """The places that are visited, 0 first, up to the first that is at or beyond the limit."""
        places = [0.0]
        while abs(places[-1]) < self.limit:
            places.append(places[-1] + self.sign * self._step(abs(places[-1])))
        return places

    def _step(self, reach: float) -> float:
        if self.pace == "growing":
            return STEP - math.floor(-reach / STEP)
        return 1 if reach < UNIT_STEPS else STEP

    def has_moved(self, prediction: float, start: float) -> bool:
        """Whether a prediction is further than ``amount`` from the start, or beyond ``beyond``."""
        if self.sign * prediction > self.sign * start + self.amount:
            return True
        return self.beyond is not None and self.sign * prediction > self.sign * self.beyond

    def verdict(self, prediction: float, last: float, start: float) -> Stop | None:
        """Why the search ends at a prediction, seen after the last; None where it goes on."""
        if self.sign * prediction < self.sign * last:
            return self.turned
        return self.reached if self.has_moved(prediction, start) else None

    def is_close_call(self, prediction: float, last: float, start: float) -> bool:
        """Whether rounding could change the verdict."""
        goals = [last, start + self.sign * self.amount, *([] if self.beyond is None else [self.beyond])]
        return min(abs(prediction - goal) for goal in goals) < ROUNDING


@dataclass(eq=False)
class Trace:
    """Shifted films and what is predicted of them, each place once.

    Decoders run twice as fast on latents whose channels are last in memory, and round otherwise.

    Attributes:
        latent: ``z``, ``(1, ...)``.
        direction: The gradient ``g``, ``(1, ...)``.
        decode: Latents to films.
        predict: Films to predictions ``(N,)``.
        at_once: Places that are evaluated together where more are known to be needed.
        films: By place, ``(1, C, H, W)``.
        predictions: By place.
    """

    latent: Tensor
    direction: Tensor
    decode: Callable[[Tensor], Tensor]
    predict: Callable[[Tensor], Tensor]
    at_once: int = 1
    films: dict[float, Tensor] = field(default_factory=dict)
    predictions: dict[float, float] = field(default_factory=dict)
    careful: dict[float, float] = field(default_factory=dict)

    def __getitem__(self, place: float) -> float:
        """The prediction at ``z + place g``."""
        self.see([place])
        return self.predictions[place]

    def see(self, places: Sequence[float]) -> None:
        """Evaluates those places that were not yet.

        Raises:
            NumericError: where a film or a prediction is not finite.
        """
        new = [place for place in dict.fromkeys(places) if place not in self.predictions]
        for start in range(0, len(new), self.at_once):
            self._evaluate(new[start : start + self.at_once])

    def _evaluate(self, places: Sequence[float]) -> None:
        with torch.no_grad():
            films = self.decode(in_fast_order(self._shifted(places))).contiguous()
            predictions = self.predict(films)
        for place, film, prediction in zip(places, films.split(1), predictions.tolist(), strict=True):
            if not (math.isfinite(prediction) and bool(torch.isfinite(film).all())):
                raise NumericError(
                    "a film or a prediction that is NaN or infinite", "finite ones", f"lambda {place:g}",
                    "Look at the autoencoder's reconstruction of this film.",
                )  # fmt: skip
            self.films[place], self.predictions[place] = film, prediction

    def carefully(self, place: float) -> float:
        """The prediction at a place as the published code computes it, to the last bit."""
        if place not in self.careful:
            with torch.no_grad():
                self.careful[place] = float(self.predict(self.decode(self._shifted([place]))))
        return self.careful[place]

    def _shifted(self, places: Sequence[float]) -> Tensor:
        along = torch.tensor(places, dtype=self.latent.dtype, device=self.latent.device)
        return self.latent + along.view(-1, *(1,) * (self.latent.ndim - 1)) * self.direction

    def change(self, place: float) -> float:
        """How far a film is from the reconstruction, as a share of the sum of its magnitudes."""
        start = self.films[0.0]
        return float((self.films[place] - start).abs().sum() / start.abs().sum())


def exact_bound(trace: Trace, side: Side) -> tuple[float, Stop]:
    """The first place where the search ends, looking at each in order (Cohen et al. 2021).

    It ends where the prediction turns (that place is one beyond the extreme), where it has moved as far as
    asked, or at the limit; these are asked in that order.
    """
    places = side.lambdas()
    trace.see(places[:1])
    for k, (last, place) in enumerate(pairwise(places), start=1):
        if place not in trace.predictions:
            trace.see(places[k : k + trace.at_once])
        seen = trace[place], trace[last], trace[0.0]
        if side.is_close_call(*seen):
            seen = trace.carefully(place), trace.carefully(last), trace.carefully(0.0)
        verdict = side.verdict(*seen)
        if verdict:
            return place, verdict
        if side.most_change is not None and trace.change(place) > side.most_change:
            return place, Stop.CHANGE
    return places[-1], Stop.LIMIT


def in_fast_order(latents: Tensor) -> Tensor:
    """Latents ``(N, C, h, w)`` with their channels last in memory, others as they are."""
    return latents.contiguous(memory_format=torch.channels_last) if latents.ndim == 4 else latents


def fast_bound(trace: Trace, side: Side) -> tuple[float, Stop]:
    """The same place in a dozen evaluations wherever the prediction moves steadily.

    The gradient says where the prediction should have moved far enough; from there the search gallops out
    and then halves. A turn is seen only between these places: such a side ends at the best place seen, which
    the exact search may miss or not reach.
    """
    places, start = side.lambdas(), trace[0.0]
    steepness = float(trace.direction.square().sum())
    guess = side.amount / steepness if steepness else side.limit
    near, far = 0, next((k for k, place in enumerate(places) if abs(place) >= guess > 0), len(places) - 1)
    far = max(far, 1)
    while not side.has_moved(trace[places[far]], start):
        if side.sign * trace[places[far]] <= side.sign * trace[places[near]]:
            return _turned(trace, side, places, near, far)
        if far == len(places) - 1:
            return places[far], Stop.LIMIT
        near, far = far, min(2 * far, len(places) - 1)
    while far - near > 1:
        middle = (near + far) // 2
        near, far = (near, middle) if side.has_moved(trace[places[middle]], start) else (middle, far)
    return places[far], side.reached


def _turned(trace: Trace, side: Side, places: list[float], near: int, far: int) -> tuple[float, Stop]:
    """Where the prediction is best, as far as was seen; near the start where no place is better than it."""
    while near == 0 and far > 1:
        far //= 2
        if side.sign * trace[places[far]] > side.sign * trace[0.0]:
            near = far
    return places[max(near, 1)], side.turned
