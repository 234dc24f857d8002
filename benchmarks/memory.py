"""Time and memory of caching and training, on Linux: python -m benchmarks.memory N

Prints JSON: resident memory (MB) of the trained network alone and its high-water mark while N pairs
are decoded and trained on, and the seconds that took. The pairs are the sample's first, over and
over, at 32x48, so that what grows with their number stands out.
"""

import json
import re
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks.loading import open_batches
from benchmarks.synthetic import ROOT, SPEC
from depthlib.data.cache import metres_per_count
from depthlib.data.pairs import read_csv
from depthlib.networks.layers import add_depth_head
from depthlib.networks.losses import ScaleInvariantLoss
from depthlib.training.generator import EpochFollower

HEIGHT, WIDTH, BATCH = 32, 48, 64


def measure(count: int) -> dict[str, float]:
    """Caches and trains on `count` pairs for an epoch; megabytes and seconds."""
    sample = read_csv(ROOT / "datasets/sample/nyu2_train.csv", SPEC)
    pairs = sample.select(np.arange(count) % len(sample))
    model = _build()
    rgb = np.zeros((BATCH, HEIGHT, WIDTH, 3), np.uint8)
    for _ in range(5):
        model.train_on_batch(rgb, np.ones((BATCH, HEIGHT, WIDTH, 1), np.uint16))
    before = _peak()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        batches = open_batches(pairs, folder, HEIGHT, WIDTH, BATCH)
        cached = time.perf_counter()
        model.fit(
            batches,
            shuffle=False,
            callbacks=[EpochFollower(batches)],
            verbose=0,
        )
        end = time.perf_counter()
    return {
        "pairs": count,
        "network_mb": before,
        "growth_mb": _peak() - before,
        "cache_seconds": cached - start,
        "fit_seconds": end - cached,
    }


def _build() -> keras.Model:
    """The smallest of networks: here the arithmetic is not what is measured."""
    photos = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8")
    features = keras.layers.Conv2D(8, 3, padding="same")(keras.layers.Rescaling(1 / 255)(photos))
    model = keras.Model(photos, add_depth_head(features, min_depth=0.1, max_depth=10.0))
    model.compile("adam", ScaleInvariantLoss(truth_unit=metres_per_count(SPEC)), jit_compile=False)
    return model


def _peak() -> float:
    """The process' high-water mark, MB; `getrusage` would give the parent's, where it is higher."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e3


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
