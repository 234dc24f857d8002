"""What a second process brings on this CPU: KERAS_BACKEND=jax python -m benchmarks.scaling

One process on one core, then two that train together, on a core each, by turns; nothing else may
run there. Each trains `light` as the recipe says, on the embedded sample, with batches of 8 each.
Prints images a second of `fit` after its first batches, and what of them two have over one; beside
them by the seconds that the cores have worked for it, which other programs change less.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.rounds import median_ratio

ROOT = Path(__file__).parents[1]
EACH = 8  # photos a process in each batch: the recipe's own


def main(cores: list[int], rounds: int, steps: int) -> None:
    names = ("one", "two", "one_working", "two_working")
    rates: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, own in (("one", cores[:1]), ("two", cores)):
                rate, working = start(own, steps, Path(folder))
                rates[name].append(rate)
                rates[f"{name}_working"].append(working)
                print(f"{name}: {rate:.2f} images/s, by work {working:.2f}", flush=True)
    for kind, ending in (("by the clock", ""), ("by work", "_working")):
        medians = " and ".join(f"{np.median(rates[f'{name}{ending}']):.2f}" for name in names[:2])
        ratio = median_ratio(rates, f"two{ending}", f"one{ending}")
        print(f"{kind}: {medians} images/s, {ratio:.2f} times one")


def start(cores: list[int], steps: int, folder: Path) -> tuple[float, float]:
    """Images a second of one process on each of `cores`, together: by the clock, and by work."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    processes = []
    for number, core in enumerate(cores):
        numbers = map(str, (core, number, len(cores), port, steps))
        words = [*numbers, str(folder / "cache")]
        command = [sys.executable, "-m", "benchmarks.scaling", "--worker", *words]
        environment = {**os.environ, **compiled, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "jax"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"A process ended before its time. Received: {said}.")
    each = [tuple(map(float, text.splitlines()[-1].split())) for text in said]
    return each[0][0], sum(working for _, working in each)


def work(core: int, process: int, processes: int, port: int, steps: int, cache: str) -> None:
    """One process: prints the images a second of all, and its own by a second of its work."""
    os.sched_setaffinity(0, {core})  # before JAX counts its threads
    from depthlib.data.pairs import read_csv
    from depthlib.training.devices import cut_padding, use_devices
    from depthlib.training.recipes import LIGHT
    from depthlib.training.train import _begin, compile_network, open_batches

    if processes > 1:
        use_devices("all", process, processes, f"127.0.0.1:{port}")
    recipe = LIGHT.change(weights=None, batch_size=EACH * processes, precision="float32")
    pairs = read_csv(ROOT / "datasets/sample/nyu2_train.csv")
    model = _begin(recipe, pairs.spec)
    compile_network(model, recipe, pairs.spec, steps=1000)
    batches, _ = open_batches(recipe, [pairs], pairs.select([]), cache)
    cut_padding(model, batches.sizes)
    model.fit(batches, steps_per_epoch=1, shuffle=False, verbose=0)  # compiles
    begin, worked = time.perf_counter(), time.process_time()
    # The epoch's losses are numbers, so all is computed.
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
    seconds, working = time.perf_counter() - begin, time.process_time() - worked
    print(steps * recipe.batch_size / seconds, steps * EACH / working)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--cores", type=int, nargs=2, default=[0, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="that are timed of each process")
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        *numbers, cache = arguments.worker
        work(*map(int, numbers), cache)
    else:
        main(arguments.cores, arguments.rounds, arguments.steps)
