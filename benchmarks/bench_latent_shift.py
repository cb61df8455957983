"""Latent Shift of one film by torchxrayvision's autoencoder and DenseNet-121, against the published way.

That is: every film of the search and of the animation decoded and classified with a graph for its gradient,
parameters included, and the search done once for the map and once more for the animation. All sides have the
same random weights, one film and one thread, and take turns; each time is that of the fastest turn, in CPU
seconds. Random networks predict nothing, so the prediction follows a curve of lambda that ends the search
after the median number of films of 1092 logged searches, 35; gradients are those of the networks.

Run ``python benchmarks/bench_latent_shift.py`` for the ratios, or this file under pytest for the same with
thresholds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
import torchxrayvision as xrv
from torch import Tensor, nn

from plainfilm.attribution import LatentShift

DROP, RISE, TARGET = 0.30, 0.05, 3
SLOPES = {-1: 0.30 / 165, 1: 0.05 / 4.5}
"""Of the curve on each side: the search ends at -170 and 5, after 35 films."""
BOUNDS, FILMS = (-170.0, 5.0), 35
GOALS, GUARDS = {"exact": 1.3, "fast": 2.0}, {"exact": 1.15, "fast": 1.7}


class Pair(nn.Module):
    """An autoencoder and a classifier whose prediction is a curve of lambda, at the cost of the networks.

    The latent tells lambda: it is put into the prediction, to which the classifier adds its gradient alone.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.autoencoder = xrv.autoencoders.ResNetAE(weights=None).eval()
        self.network = xrv.models.DenseNet(num_classes=18).eval()
        self.places: list[float] = []
        self.start: Tensor | None = None
        self.direction: Tensor | None = None
        self.films, self.gain = 0, 1.0

    def with_steepness(self, film: Tensor) -> Pair:
        """The gradient is that of the curve, as it would be for a network that has one."""
        latent = self.encode(film).detach().requires_grad_()
        (direction,) = torch.autograd.grad(self(self.decode(latent))[0, TARGET], latent)
        self.gain = SLOPES[-1] ** 0.5 / float(direction.norm())
        self.direction = self.gain * direction
        return self

    def encode(self, film: Tensor) -> Tensor:
        self.start = None
        latent: Tensor = self.autoencoder.encode(film)
        return latent

    def decode(self, latents: Tensor) -> Tensor:
        self.films += len(latents)
        if self.start is None:
            self.start, self.places = latents.detach().clone(), [0.0]
        else:
            assert self.direction is not None
            along = (latents.detach() - self.start) * self.direction
            self.places = (along.flatten(1).sum(1) / self.direction.square().sum()).tolist()
        decoded: Tensor = self.autoencoder.decode(latents)
        return decoded

    def forward(self, films: Tensor) -> Tensor:
        scores = self.gain * self.network(films)
        said = torch.tensor([0.7 + SLOPES[1 if x > 0 else -1] * x for x in self.places])
        return said[:, None] + (scores - scores.detach())


def published(pair: Pair, film: Tensor) -> tuple[tuple[float, float], int]:
    """Map and animation as published, each after a search of its own; bounds, and films decoded."""
    for part in (pair.autoencoder, pair.network):
        part.requires_grad_(True)
    pair.films = 0
    for _ in ("map", "animation"):
        bounds = _searched(pair, film)
    return bounds, pair.films


def _searched(pair: Pair, film: Tensor) -> tuple[float, float]:
    latent = pair.encode(film).detach().requires_grad_()
    (direction,) = torch.autograd.grad(pair(pair.decode(latent))[0, TARGET], latent)
    seen: dict[float, float] = {}

    def said(place: float) -> float:
        if place not in seen:
            seen[place] = pair(pair.decode(latent + place * direction))[0, TARGET].item()
        return seen[place]

    ends = []
    for sign, amount in ((-1, DROP), (1, RISE)):
        place, last = 0.0, said(0.0)
        while True:
            now = said(place)
            over = sign * now > sign * said(0.0) + amount
            if sign * now < sign * last or over or abs(place) >= 1000:
                break
            last, place = now, place + sign * (1 if abs(place) < 10 else 10)
        ends.append(place)
    left, right = ends
    for place in np.arange(left, right + 1, (right - left) / 10):
        said(float(place))
    return left, right


def ours(pair: Pair, film: Tensor, search: str) -> tuple[tuple[float, float], int]:
    """The same map and the same films of the animation; bounds, and films decoded."""
    pair.films = 0
    found = LatentShift(pair, pair, DROP, RISE, search=search).counterfactual(film, TARGET)  # type: ignore[arg-type]
    found.map()
    return found.bounds, pair.films


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def compare(turns: int = 2) -> dict[str, float]:
    """CPU seconds of each side, the least of its turns."""
    film = torch.rand(1, 1, 224, 224) * 2048 - 1024
    pair = Pair().with_steepness(film)
    sides: dict[str, Callable[[], tuple[tuple[float, float], int]]] = {
        "published": lambda: published(pair, film),
        "exact": lambda: ours(pair, film, "exact"),
        "fast": lambda: ours(pair, film, "fast"),
    }
    for name, run in sides.items():
        bounds, films = run()
        assert bounds == BOUNDS, f"{name} ends at {bounds}"
        print(f"{name}: bounds {bounds}, {films} films decoded")
    return {name: min(seconds(run) for _ in range(turns)) for name, run in sides.items()}


def report(times: dict[str, float]) -> None:
    """Prints seconds and ratios, for map and animation together and for the map alone."""
    for name, spent in times.items():
        print(f"{name:10} {spent:6.2f} s", end="")
        if name != "published":
            both, alone = times["published"] / spent, times["published"] / 2 / spent
            print(f", {both:.2f} times as fast; {alone:.2f} times where the map alone is wanted", end="")
        print()


def test_latent_shift_is_faster_than_the_published_way_of_working():
    torch.set_num_threads(1)
    times = compare()
    report(times)
    for search, guard in GUARDS.items():
        assert times["published"] / times[search] > guard, f"goal {GOALS[search]}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    report(compare())
