from __future__ import annotations

import math

import pytest
import torch

from plainfilm.attribution.latent_search import Side, Stop, Trace, exact_bound, fast_bound
from plainfilm.errors import NumericError

CURVES = {
    "falls on the left": lambda x: 0.7 + 0.02 * x,
    "falls far out": lambda x: 0.7 + 0.0004 * x,
    "turns up on the left": lambda x: 0.7 + 0.001 * (x + 7) ** 2 - 0.049,
    "turns far out": lambda x: 0.7 + 1e-7 * (x + 155) ** 2,
    "never moves far": lambda x: 0.7 + 1e-5 * x,
    "rises on the left at once": lambda x: 0.7 - 0.01 * x,
    "a sigmoid": lambda x: 0.5 + 0.5 * math.tanh(0.5 + 0.015 * x),
    "a steep sigmoid": lambda x: 0.5 + 0.5 * math.tanh(0.5 + 0.45 * x),
}


def trace(curve, at_once=1, steepness=1.0):
    """A latent of one number, whose film is that number and whose prediction is a curve of it."""

    def predict(films):
        return torch.tensor([curve(float(x)) for x in films.flatten()], dtype=torch.float64)

    zero = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    return Trace(
        zero,
        torch.full_like(zero, math.sqrt(steepness)),
        lambda z: z / math.sqrt(steepness),
        predict,
        at_once,
    )


def published(curve, drop, sign):
    """The rule as it is written down, place after place."""
    place, start = 0, curve(0.0)
    last = start
    while True:
        now = curve(float(place))
        if sign * now < sign * last:
            return place, "turned"
        if sign * now > sign * start + drop:
            return place, "reached"
        if abs(place) >= 1000:
            return place, "limit"
        last = now
        place += sign * (1 if abs(place) < 10 else 10)


def named(side, why):
    return {side.turned: "turned", side.reached: "reached", Stop.LIMIT: "limit"}[why]


@pytest.mark.parametrize("at_once", [1, 7])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("name", CURVES)
def test_the_exact_search_ends_where_the_written_rule_ends(name, sign, at_once):
    side = Side(sign, 0.3 if sign < 0 else 0.05, 1000.0)
    place, why = exact_bound(trace(CURVES[name], at_once), side)
    assert (place, named(side, why)) == published(CURVES[name], side.amount, sign)


@pytest.mark.parametrize("sign", [-1, 1])
def test_every_kind_of_exit_is_among_the_curves(sign):
    found = {published(curve, 0.3 if sign < 0 else 0.05, sign)[1] for curve in CURVES.values()}
    assert found == {"turned", "reached", "limit"}


@pytest.mark.parametrize("steepness", [1e-4, 1.0, 100.0])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("name", CURVES)
def test_the_fast_search_finds_the_same_crossing_in_a_few_looks(name, sign, steepness):
    side = Side(sign, 0.3 if sign < 0 else 0.05, 1000.0)
    exact, why = exact_bound(trace(CURVES[name]), side)
    found = trace(CURVES[name], steepness=steepness)
    if why is side.reached:
        assert fast_bound(found, side) == (exact, why)
    else:
        place, _ = fast_bound(found, side)
        assert place in side.lambdas()[1:]
    assert len(found.predictions) <= 16


def test_a_turn_ends_the_fast_search_at_the_best_place_it_saw():
    found = trace(CURVES["turns far out"])
    place, why = fast_bound(found, Side(-1, 0.3, 1000.0))
    assert why is Stop.RISE
    assert found.predictions[place] == min(found.predictions.values())


def test_places_go_by_ones_and_then_by_tens():
    assert Side(-1, 0.3, 40.0).lambdas() == [*range(0, -11, -1), -20, -30, -40]


def test_growing_places_follow_the_package_of_the_authors():
    places = [0]
    while places[-1] > -3000:
        places.append(places[-1] - 10 + math.floor(places[-1] / 10))
    assert Side(-1, 0.8, 3000.0, "growing").lambdas() == places


def test_a_prediction_beyond_a_level_ends_a_side_that_asks_for_it():
    side = Side(-1, 5.0, 1000.0, beyond=0.49)
    assert exact_bound(trace(CURVES["falls on the left"]), side) == (-20.0, Stop.DROP)


def test_a_film_that_changed_too_much_ends_a_side_that_asks_for_it():
    found = trace(lambda x: 0.7 + 1e-5 * x)
    found.decode = lambda z: z + 100
    assert exact_bound(found, Side(-1, 0.5, 1000.0, most_change=0.05)) == (-6.0, Stop.CHANGE)


def test_no_place_is_looked_at_twice():
    seen = []
    found = trace(lambda x: seen.append(x) or 0.7 + 0.02 * x, at_once=5)
    exact_bound(found, Side(-1, 0.3, 1000.0))
    exact_bound(found, Side(1, 0.05, 1000.0))
    assert len(seen) == len(set(seen))


def test_a_prediction_that_is_not_finite_is_named_with_its_place():
    with pytest.raises(NumericError, match="lambda -3"):
        exact_bound(trace(lambda x: math.nan if x == -3 else 0.7 + 0.01 * x), Side(-1, 0.3, 1000.0))
