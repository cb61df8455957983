from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plainfilm.training.films import Plan, RestOfEpoch


@given(
    films=st.integers(1, 60), batch=st.integers(1, 9), processes=st.integers(1, 3), epoch=st.integers(0, 5)
)
def test_an_epoch_visits_no_film_twice_and_leaves_less_than_a_joint_batch(films, batch, processes, epoch):
    plan = Plan(films, batch, processes, seed=3)
    ranks = [plan.batches(epoch, rank) for rank in range(processes)]
    seen = [film for batches in ranks for one in batches for film in one]
    assert len(seen) == len(set(seen))
    assert all(len(batches) == plan.steps for batches in ranks)
    joint = batch * processes
    assert len(seen) == (films // joint * joint if films >= joint else films)


def test_each_epoch_has_its_own_order():
    plan = Plan(40, 8, 1, seed=3)
    assert plan.batches(0, 0) == plan.batches(0, 0)
    assert plan.batches(0, 0) != plan.batches(1, 0)


def test_the_rest_of_an_epoch_is_counted_in_full():
    rest = RestOfEpoch([[0], [1], [2]], start=2)
    assert len(rest) == 3
    assert list(rest) == [[2]]
