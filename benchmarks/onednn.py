"""What oneDNN brings to TensorFlow on this CPU: python -m benchmarks.onednn

Two processes, with it and without, take turns at the train step in float32.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from multiprocessing import get_context
from unittest.mock import patch

import numpy as np

from benchmarks.compilation import RECIPES, make_step
from benchmarks.rounds import median_ratio, run_rounds, time_rate
from depthlib.training.recipes import LIGHT

SWITCH = "TF_ENABLE_ONEDNN_OPTS"  # read when TensorFlow is imported, so each gets a process
NETWORKS = {
    "resnet34": RECIPES["resnet34"],
    "unet": RECIPES["unet"],
    "light": LIGHT.change(weights=None),
}


def bench_onednn(seconds: float = 3.0) -> dict[str, list[float]]:
    """Images/s of each round: onednn_<network>, and eigen_<network> without it."""
    jobs = {}
    with ExitStack() as stack:
        for kind, value in (("onednn", "1"), ("eigen", "0")):
            pool = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
            with patch.dict(os.environ, {SWITCH: value}):
                pool.submit(os.getpid).result()  # it starts, with this environment
            for name in NETWORKS:
                jobs[f"{kind}_{name}"] = partial(_wait, pool, name, seconds)
        return run_rounds(jobs)


def _wait(pool: ProcessPoolExecutor, name: str, seconds: float) -> float:
    return pool.submit(_time_step, name, seconds).result()


def _time_step(name: str, seconds: float) -> float:
    return time_rate(_open(name), seconds)


@cache
def _open(name: str):
    return make_step(NETWORKS[name].change(precision="float32"), jit=False)


def main() -> None:
    rounds = bench_onednn()
    for name in NETWORKS:
        ratio = median_ratio(rounds, f"onednn_{name}", f"eigen_{name}")
        rates = {k: np.median(rounds[f"{k}_{name}"]) for k in ("onednn", "eigen")}
        print(f"{name:10} {rates['onednn']:6.1f} and {rates['eigen']:6.1f} images/s: {ratio:.2f}")


if __name__ == "__main__":
    main()
