"""Interleaved rounds: what is compared is measured in turn, so a slow minute hits all alike."""

import time
from collections.abc import Callable, Mapping

import numpy as np

ROUNDS = 5


def time_rate(work: Callable[[], int], seconds: float) -> float:
    """How many items a second `work` does, which says how many it did, over at least `seconds`."""
    start, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        done += work()
    return done / passed


def run_rounds(
    jobs: Mapping[str, Callable[[], float]], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """What each job gave in each round; before the first each runs once unmeasured."""
    for job in jobs.values():
        job()
    results = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            results[name].append(job())
    return results


def median_ratio(results: Mapping[str, list[float]], over: str, under: str) -> float:
    """The median over rounds of one job's figure over another's of the same round."""
    return float(np.median(np.array(results[over]) / np.array(results[under])))
