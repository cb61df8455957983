"""Processor seconds until ``plainfilm --help`` is there, against an empty Python.

Run ``python benchmarks/bench_startup.py``, or this file under pytest for the same with its threshold.
"""

from __future__ import annotations

import resource
import subprocess
import sys

MOST_SECONDS = 0.4


def cpu_seconds(*command: str, turns: int = 5) -> float:
    """User and system time of a process, the least of some turns."""
    times = []
    for _ in range(turns):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_help_is_there_at_once():
    run = "from plainfilm.cli.main import main; main(['--help'])"
    ours, python = cpu_seconds(sys.executable, "-c", run), cpu_seconds(sys.executable, "-c", "pass")
    print(f"\nplainfilm --help: {ours:.2f} s of CPU; an empty Python: {python:.2f} s")
    assert ours <= MOST_SECONDS


if __name__ == "__main__":
    test_help_is_there_at_once()
