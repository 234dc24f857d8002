"""Compiled or not, float32 or bfloat16: python -m benchmarks.compilation [NETWORK ...]

On any Keras backend. JAX runs compiled alone: without it every operation is a call. PyTorch 2.13
runs uncompiled alone: torch.compile fails on these networks. Prints, for each network, images a
second of the train step on a fixed batch, and the seconds until the first two steps are done.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from benchmarks.rounds import time_rate
from depthlib.data.specs import NYU_TRAIN
from depthlib.training.build import build_network
from depthlib.training.recipes import ORIGINAL_RESNET34, ORIGINAL_UNET, UNET, Recipe
from depthlib.training.train import compile_network

RECIPES = {
    "resnet34": ORIGINAL_RESNET34.change(weights=None),
    "unet": UNET.change(height=240, width=320, batch_size=4),
    "seed_unet": ORIGINAL_UNET,
}
MODES = {"jax": (True,), "torch": (False,)}


def main() -> None:
    backend = keras.backend.backend()
    for name in sys.argv[1:] or RECIPES:
        for precision in ("float32", "mixed_bfloat16"):
            for jit in MODES.get(backend, (False, True)):
                rate, ready = time_training(RECIPES[name].change(precision=precision), jit)
                print(
                    f"{backend:10} {name:10} {precision:15} {'compiled' if jit else 'not':8} "
                    f"{rate:6.1f} images/s, ready in {ready:5.1f} s",
                    flush=True,
                )


def time_training(recipe: Recipe, jit: bool) -> tuple[float, float]:
    """Images a second, and the seconds of the first two steps."""
    keras.backend.clear_session()
    step = make_step(recipe, jit)
    start = time.perf_counter()
    step()
    step()
    ready = time.perf_counter() - start
    return time_rate(step, 5.0), ready


def make_step(recipe: Recipe, jit: bool) -> Callable[[], int]:
    """The train step on a synthetic batch, as a function that gives the number of its images."""
    rng = np.random.default_rng(0)
    size = (recipe.batch_size, recipe.height, recipe.width)
    rgb = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    counts = rng.integers(1000, 65536, (*size, 1), dtype=np.uint16)
    model = build_network(recipe, NYU_TRAIN)
    compile_network(model, recipe, NYU_TRAIN, steps=1000, jit=jit)

    def step() -> int:
        model.train_on_batch(rgb, counts)
        return len(rgb)

    return step


if __name__ == "__main__":
    main()
