"""Training: `fit` against the bare step, the machine's limit, the original project's loop."""

import time

import keras
import numpy as np

from benchmarks.compilation import RECIPES
from benchmarks.loading import open_batches
from benchmarks.rounds import run_rounds, time_rate
from benchmarks.synthetic import SPEC, PlainLoader, original_loss
from depthlib.data.pairs import Pairs
from depthlib.device import time_matmul
from depthlib.networks.multiply_adds import count_macs
from depthlib.training.build import build_network
from depthlib.training.recipes import Recipe
from depthlib.training.train import compile_network

RESNET34 = RECIPES["resnet34"]
NETWORKS = RECIPES | {"resnet34_float32": RESNET34.change(precision="float32")}
SECONDS = 3.0


class Stopwatch(keras.callbacks.Callback):
    """Batches and seconds of a `fit` from the end of its first batch to the end of its last."""

    def on_train_begin(self, logs=None):
        self.batches, self.start = -1, 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        self.start = self.start or time.perf_counter()
        self.seconds = time.perf_counter() - self.start


class Contestant:
    """A compiled network with one fixed batch and endless batches of real pairs."""

    def __init__(self, recipe: Recipe, pairs: Pairs, cache_folder):
        self.recipe = recipe
        self.model = build_network(recipe, SPEC)
        compile_network(self.model, recipe, SPEC, steps=1000)
        self.batches = open_batches(
            pairs, cache_folder, recipe.height, recipe.width, recipe.batch_size
        )
        self.fixed = self.batches[0]
        self.flops = 6 * count_macs(self.model)  # an image: forward, and twice that back

    def step(self) -> float:
        """Images a second of the train step on the fixed batch."""

        def work() -> int:
            self.model.train_on_batch(*self.fixed)
            return len(self.fixed[0])

        return time_rate(work, SECONDS)

    def fit(self, epochs: int = 1, steps: int = 0) -> float:
        """Images a second of `fit`, without its first batch."""
        steps = steps or max(4, round(SECONDS * self.rate / self.recipe.batch_size))
        return time_fit(self.model, self.batches, self.recipe.batch_size, epochs, steps)

    def warm_up(self) -> None:
        self.model.train_on_batch(*self.fixed)
        self.rate = self.step()


def time_fit(model: keras.Model, batches, batch_size: int, epochs: int, steps: int) -> float:
    """Images a second of `fit`, from the end of its first batch on."""
    watch = Stopwatch()
    model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[watch],
    )
    return watch.batches * batch_size / watch.seconds


def bench_steps(pairs: Pairs, cache_folder) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Rates of each round, images/s (matmul: GFLOP/s), and each network's GFLOP an image."""
    nets = {name: Contestant(recipe, pairs, cache_folder) for name, recipe in NETWORKS.items()}
    jobs = {"matmul": lambda: time_matmul(2048, 20)["cpu:0"]}
    for name, net in nets.items():
        net.warm_up()
        jobs[f"step_{name}"] = net.step
        if name in ("resnet34", "unet"):
            jobs[f"fit_{name}"] = net.fit
    return run_rounds(jobs), {name: net.flops / 1e9 for name, net in nets.items()}


def bench_original_loop(pairs: Pairs, cache_folder) -> dict[str, list[float]]:
    """Images a second of `fit` over 3 epochs: ours, and the original project's loop in Keras 3."""
    ours = Contestant(RESNET34, pairs, cache_folder)
    port = build_network(RESNET34.change(precision="float32"), SPEC)
    port.compile(
        keras.optimizers.Adam(1e-4, amsgrad=True),
        loss=original_loss,
        jit_compile=False,
    )
    loader = PlainLoader(pairs, RESNET34.height, RESNET34.width, RESNET34.batch_size)
    port.train_on_batch(*(array[:16].astype(np.float32) for array in loader[0]))
    ours.warm_up()
    return run_rounds(
        {
            "seed_loop": lambda: time_fit(port, loader, RESNET34.batch_size, epochs=3, steps=3),
            "run": lambda: ours.fit(epochs=3, steps=3),
        }
    )
