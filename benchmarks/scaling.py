"""What a second process brings on this CPU: KERAS_BACKEND=jax python -m benchmarks.scaling

One process on one core, then two that train together, on a core each, by turns; nothing else may
run there. Each trains `light` as the recipe says, on the embedded sample, with batches of 8 each.
Prints images a second of `fit` after its first batches, and what of them two have over one.
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
STEPS = 12


def main(cores: list[int], rounds: int) -> None:
    rates: dict[str, list[float]] = {"one": [], "two": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):  # the first compiles for all
            for name, own in (("one", cores[:1]), ("two", cores)):
                rate = start(own, Path(folder))
                if number:
                    rates[name].append(rate)
                    print(f"{name}: {rate:.2f} images/s", flush=True)
    print(
        f"medians {np.median(rates['one']):.2f} and {np.median(rates['two']):.2f} images/s: "
        f"{median_ratio(rates, 'two', 'one'):.2f}"
    )


def start(cores: list[int], folder: Path) -> float:
    """Images a second of one process on each of `cores`, together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(folder / f"compiled{len(cores)}")}
    processes = []
    for number, core in enumerate(cores):
        words = [str(core), str(number), str(len(cores)), str(port), str(folder / "cache")]
        command = [sys.executable, "-m", "benchmarks.scaling", "--worker", *words]
        environment = {**os.environ, **compiled, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "jax"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"A process ended before its time. Received: {said}.")
    return float(said[0].splitlines()[-1])


def work(core: int, process: int, processes: int, port: int, cache: str) -> None:
    """One process: prints the images a second of all."""
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
    model.fit(batches, steps_per_epoch=2, shuffle=False, verbose=0)  # compiles
    begin = time.perf_counter()
    # The epoch's losses are numbers, so all is computed.
    model.fit(batches, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    print(STEPS * recipe.batch_size / (time.perf_counter() - begin))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--cores", type=int, nargs=2, default=[0, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        core, process, processes, port = map(int, arguments.worker[:4])
        work(core, process, processes, port, arguments.worker[4])
    else:
        main(arguments.cores, arguments.rounds)
