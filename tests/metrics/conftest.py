"""The contract of a measure, as code."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics import Metric

Film = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def check_metric() -> Callable[[Callable[[], Metric], Callable[..., float], list[Film]], None]:
    """Checks a measure over films against its twin function: class = function = shards = batches."""

    def check(create: Callable[[], Metric], twin: Callable[..., float], films: list[Film]) -> None:
        metric = create()
        assert metric.higher_is_better in (True, False)
        assert "undefined" in metric.empty_policy
        values = [twin(*film) for film in films]
        expected = np.mean([value for value in values if not np.isnan(value)])
        whole = fed(metric, films)
        assert whole.compute().item() == pytest.approx(expected, abs=1e-12)
        assert whole.films + whole.undefined == len(films)
        assert whole.interval().n_excluded == np.isnan(values).sum()
        for other in (
            fed(create(), films[::-1]),
            merged(create, [films[:1], [], films[1:4], films[4:]]),
            fed(create(), [tuple(np.stack(part) for part in zip(*films, strict=True))]),
            fed(create(), [tuple(map(torch.tensor, film)) for film in films]),
            pickle.loads(pickle.dumps(whole)),
            whole.clone(),
        ):
            assert other.compute().item() == pytest.approx(expected, abs=1e-12)
            assert same_numbers(other.interval(), whole.interval())
        whole.reset()
        assert whole.films == 0

    return check


def fed(metric: Metric, films: list[Any]) -> Metric:
    for film in films:
        metric.update(*film)
    return metric


def merged(create: Callable[[], Metric], shards: list[list[Any]]) -> Metric:
    """What processes do at the end: each state is reduced by its own rule."""
    total = fed(create(), shards[0])
    for shard in shards[1:]:
        total.merge_state(fed(create(), shard))
    return total


def same_numbers(first: Any, second: Any) -> bool:
    return [getattr(first, name) for name in ("n", "n_excluded", "n_positive")] == [
        getattr(second, name) for name in ("n", "n_excluded", "n_positive")
    ] and np.allclose(
        [first.value, first.low, first.high], [second.value, second.low, second.high], atol=1e-12
    )
