"""Milliseconds of one core for a phantom study at 224 px, findings and masks included.

Run ``python benchmarks/bench_phantom.py``, or this file under pytest for the same with its threshold.
"""

from __future__ import annotations

import time

from plainfilm.datasets.phantom import Phantom

MOST_MILLISECONDS = 60.0


def milliseconds(size: int, count: int = 40, batches: int = 3) -> float:
    """Processor time for a study: the fastest of some batches of different studies."""
    phantom = Phantom(count * batches + 1, size, seed=11)
    phantom[0]  # fills the tables that all studies share
    means = []
    for batch in range(batches):
        start = time.process_time()
        for index in range(1 + batch * count, 1 + (batch + 1) * count):
            phantom[index]
        means.append((time.process_time() - start) / count)
    return 1000 * min(means)


def test_a_study_takes_at_most_sixty_milliseconds():
    times = {size: milliseconds(size) for size in (128, 224, 448)}
    print("\nPhantom: " + ", ".join(f"{size} px {time:.1f} ms" for size, time in times.items()))
    assert times[224] <= MOST_MILLISECONDS


if __name__ == "__main__":
    test_a_study_takes_at_most_sixty_milliseconds()
