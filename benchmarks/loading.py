"""Pairs a second: plain loader, generator that builds its cache, generator that has one."""

import shutil
from itertools import count
from pathlib import Path

from benchmarks.made_up import PlainLoader
from benchmarks.rounds import run_rounds, time_rate
from depthlib.augment import Augmentation
from depthlib.generator import DepthGenerator
from depthlib.pairs import Pairs

BATCH = 16


def bench_loading(pairs: Pairs, folder: Path, height: int, width: int) -> dict[str, list[float]]:
    """Pairs a second of each round, as training has them: shuffled, augmented, uint16 depth."""
    plain = PlainLoader(pairs, height, width, BATCH)
    warm, turn = open_batches(pairs, folder / "warm", height, width, BATCH), count()

    def load_cold() -> int:
        shutil.rmtree(folder / "cold", ignore_errors=True)
        return _read_epoch(open_batches(pairs, folder / "cold", height, width, BATCH))

    return run_rounds(
        {
            "plain": lambda: time_rate(lambda: len(plain[next(turn) % len(plain)][0]), 0.5),
            "cold": lambda: time_rate(load_cold, 0.1),
            "warm": lambda: time_rate(lambda: _read_epoch(warm), 0.5),
        }
    )


def open_batches(
    pairs: Pairs, cache: Path | str, height: int, width: int, batch_size: int
) -> DepthGenerator:
    """Batches as `train` has them: shuffled, augmented, from the cache, depth as counts."""
    return DepthGenerator(
        pairs,
        height,
        width,
        batch_size,
        shuffle=True,
        augmentation=Augmentation(),
        cache_folder=cache,
        counts=True,
    )


def _read_epoch(batches: DepthGenerator) -> int:
    done = sum(len(batches[index][0]) for index in range(len(batches)))
    batches.on_epoch_end()
    return done
