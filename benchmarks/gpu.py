"""The networks on a GPU, on any Keras backend, with synthetic data: KERAS_BACKEND=jax python -m
benchmarks.gpu

Needs this repository, Keras and the backend, and ends within `--minutes` (8). Prints images a
second by batch size and precision, the share of the measured matrix rate and peak memory; then the
time of an epoch of the original project's two runs, and of all of NYU read from a cache. With
`--devices all` (or how many, on JAX) also what 2, 4 and more devices bring, each with that batch.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from depthlib.data.specs import NYU_TRAIN
from depthlib.device import BACKEND, describe_device, time_matmul
from depthlib.networks.losses import DepthLoss
from depthlib.networks.multiply_adds import count_macs
from depthlib.training.build import build_network
from depthlib.training.devices import find_place, use_devices
from depthlib.training.recipes import ORIGINAL_RESNET34, ORIGINAL_UNET, Recipe

PRECISIONS = ("bfloat16", "tf32", "float32")
BATCHES = (256, 512, 128, 64, 32, 16)  # what matters most comes first, should time run out
NYU_PAIRS = 50_688
UNIT = NYU_TRAIN.max_depth / 65535


class FixedBatch(keras.utils.PyDataset):
    """One batch over and over: what a step costs, with its way to the device."""

    def __init__(self, size: tuple[int, int], batch_size: int, steps: int):
        super().__init__(workers=1)
        rng = np.random.default_rng(0)
        rgb = rng.integers(0, 256, (batch_size, *size, 3), dtype=np.uint8)
        self.batch = rgb, rng.integers(1000, 65536, (batch_size, *size, 1), dtype=np.uint16)
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.batch


class CachedArrays(keras.utils.PyDataset):
    """Shuffled batches from arrays on disk."""

    def __init__(self, folder: Path, count: int, size: tuple[int, int], batch_size: int):
        super().__init__(workers=1)
        self.arrays = [
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (count, *size, channels))
            for name, dtype, channels in (("rgb", np.uint8, 3), ("counts", np.uint16, 1))
        ]
        for array in self.arrays:
            array[:] = 128  # on the disk, not a hole in the file
        self.order = np.random.default_rng(0).permutation(count)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return tuple(array[rows] for array in self.arrays)


def build(recipe: Recipe, precision: str) -> keras.Model:
    """The recipe's network, compiled with its loss in a precision of PRECISIONS."""
    set_tf32(precision != "float32")
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    model = build_network(recipe.change(weights=None, precision=policy), NYU_TRAIN)
    model.compile(
        keras.optimizers.Adam(1e-4, amsgrad=True),
        DepthLoss(*recipe.loss_weights, truth_unit=UNIT),
    )
    model.optimizer.build(model.trainable_variables)
    return model


def time_fit(model: keras.Model, batches: keras.utils.PyDataset) -> float:
    """Seconds of one `fit` over `batches`; its logs are numbers, so the device has finished."""
    start = time.perf_counter()
    float(model.fit(batches, shuffle=False, verbose=0).history["loss"][-1])
    return time.perf_counter() - start


def time_steps(model: keras.Model, batch_size: int, seconds: float) -> float:
    """Images a second of the train step, over about `seconds`."""
    size = model.input_shape[1:3]
    time_fit(model, FixedBatch(size, batch_size, 2))  # traces and compiles
    trial = time_fit(model, FixedBatch(size, batch_size, 3)) / 3
    steps = max(3, int(seconds / trial))
    return steps * batch_size / time_fit(model, FixedBatch(size, batch_size, steps))


def time_epoch(recipe: Recipe, rate: float, model: keras.Model, batch_size: int) -> float:
    """Seconds of 20,000 training images at `rate` and 5,000 validation images as measured here."""
    steps = max(1, round(min(5000, 2 * rate) / batch_size))
    batches = FixedBatch((recipe.height, recipe.width), batch_size, steps)
    model.evaluate(batches, verbose=0, steps=1)
    start = time.perf_counter()
    model.evaluate(batches, verbose=0)
    return 20_000 / rate + 5_000 * (time.perf_counter() - start) / (steps * batch_size)


def bench_devices(
    name: str, recipe: Recipe, precision: str, batch_size: int, devices: int | str
) -> None:
    """Prints images a second on 1, 2, 4 ... of `devices`, each with a batch of `batch_size`."""
    use_devices(devices)
    most = find_place().devices
    first = 0.0
    for count in sorted({2**power for power in range(most.bit_length())} | {most}):
        use_devices(count)
        rate = time_steps(build(recipe, precision), count * batch_size, seconds=3)
        first = first or rate
        print(
            f"{name} {count:4} devices {rate:9.1f} images/s, {rate / first:.2f} times one, "
            f"{rate / first / count:.2f} of their sum",
            flush=True,
        )
        keras.backend.clear_session()
    use_devices(1)


def set_tf32(on: bool) -> None:
    """Whether float32 products may be rounded to TF32 (10 bits of mantissa)."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(on)
    elif BACKEND == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if on else "float32")
    else:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = on
        torch.backends.cudnn.allow_tf32 = on


def peak_memory() -> str:
    """The most memory of the device in use so far, GB."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpus else 0
    elif BACKEND == "jax":
        import jax

        peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    else:
        import torch

        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return f"{peak / 1e9:.1f} GB" if peak else "unknown"


def main(
    minutes: float = 8.0,
    recipes: tuple[Recipe, ...] = (ORIGINAL_RESNET34, ORIGINAL_UNET),
    batches: tuple[int, ...] = BATCHES,
    matrix: int = 8192,
    pairs: int = NYU_PAIRS,
    devices: int | str | None = None,
) -> None:
    """Prints all that fits into `minutes`: bfloat16 first, with the epochs, then the others.

    `devices` as in `use_devices`: their scaling too, in bfloat16, while there is time.
    """
    clock = Clock(60 * minutes)
    for heading, value in describe_device().items():
        print(f"{heading:12} {value}")
    for precision in PRECISIONS:
        set_tf32(precision != "float32")
        dtype = "bfloat16" if precision == "bfloat16" else "float32"
        product = max(time_matmul(matrix, 20, dtype).values()) / 1e3
        print(f"matrix product, {precision}: {product:.2f} TFLOP/s", flush=True)
        for recipe in recipes:
            name = f"{recipe.network:10} {precision:9}"
            model, batch_size, rate = bench_batches(
                name, recipe, precision, batches, product, clock
            )
            if model and precision == PRECISIONS[0]:
                seconds = time_epoch(recipe, rate, model, batch_size)
                print(f"{name} epoch of 20,000 + 5,000 images: {seconds:.1f} s", flush=True)
                if recipe is recipes[0]:
                    seconds = time_nyu(recipe, model, batch_size, pairs)
                    print(f"{name} epoch of {pairs} cached pairs: {seconds:.1f} s", flush=True)
                if devices is not None and clock.start():
                    bench_devices(name, recipe, precision, batch_size, devices)
                    clock.stop()
            keras.backend.clear_session()


def bench_batches(
    name: str,
    recipe: Recipe,
    precision: str,
    batches: tuple[int, ...],
    product: float,
    clock: "Clock",
) -> tuple[keras.Model | None, int, float]:
    """Prints a line a batch size; gives the network, batch size and rate that are the fastest."""
    best = None, 0, 0.0
    for batch_size in batches:
        if not clock.start():
            print(f"{name} {batch_size:4} left out: no time", flush=True)
            continue
        model = build(recipe, precision)
        rate = time_steps(model, batch_size, seconds=3)
        share = rate * 6 * count_macs(model) / 1e12 / product
        print(
            f"{name} {batch_size:4} {rate:9.1f} images/s, {share:.2f} of the matrix product, "
            f"peak memory {peak_memory()}",
            flush=True,
        )
        best = max(best, (model, batch_size, rate), key=lambda found: found[2])
        clock.stop()
    return best


class Clock:
    """Lets a measurement begin only if one as long as the longest so far would end in time."""

    def __init__(self, seconds: float):
        self.deadline = time.perf_counter() + seconds
        self.longest = 0.0

    def start(self) -> bool:
        self.begun = time.perf_counter()
        return self.begun + self.longest < self.deadline

    def stop(self) -> None:
        self.longest = max(self.longest, time.perf_counter() - self.begun)


def time_nyu(recipe: Recipe, model: keras.Model, batch_size: int, count: int) -> float:
    """Seconds of an epoch over `count` pairs that lie in a cache on the disk."""
    size = (recipe.height, recipe.width)
    with tempfile.TemporaryDirectory() as folder:
        return time_fit(model, CachedArrays(Path(folder), count, size, batch_size))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--devices", metavar="all|N", help="what several devices bring, on JAX")
    arguments = parser.parse_args()
    devices = arguments.devices
    main(arguments.minutes, devices=int(devices) if devices and devices.isdecimal() else devices)
