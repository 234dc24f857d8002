"""Pairs a second: plain loader, generators with and without a cache, each effect of weather."""

import shutil
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from benchmarks.rounds import run_rounds, time_rate
from benchmarks.synthetic import PlainLoader
from depthlib.data.augment import Augmentation
from depthlib.data.pairs import Pairs
from depthlib.training.generator import DepthGenerator
from depthlib.weather import EFFECTS

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


def bench_weather(pairs: Pairs, cache: Path, height: int, width: int) -> dict[str, list[float]]:
    """Pairs a second on one core of each round: the augmentation without weather, each effect."""
    batches = DepthGenerator(pairs, height, width, BATCH, cache_folder=cache, as_counts=True)
    cv2.setNumThreads(1)
    rgb, counts = batches.source.gather(np.arange(BATCH))
    depth_m, turn = counts * np.float32(batches.metres_per_count), count()
    plain = Augmentation()

    def augment() -> int:
        plain.apply(rgb.copy(), counts.copy(), plain.draw(0, next(turn), BATCH))
        return BATCH

    def change(effect) -> int:
        for pair in zip(rgb, depth_m, strict=True):
            effect(*pair, 0.7, np.random.default_rng(next(turn)))
        return BATCH

    jobs = {"augment": lambda: time_rate(augment, 0.5)}
    for name, effect in EFFECTS.items():
        jobs[f"weather_{name}"] = lambda effect=effect: time_rate(lambda: change(effect), 0.5)
    return run_rounds(jobs)


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
        as_counts=True,
    )


def _read_epoch(batches: DepthGenerator) -> int:
    done = sum(len(batches[index][0]) for index in range(len(batches)))
    batches.on_epoch_end()
    return done
