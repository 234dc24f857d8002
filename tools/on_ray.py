"""Runs a command of depthlib on a Ray cluster, a shard at a time on each worker, then merges.

    python -m tools.on_ray --shards 64 predict PHOTOS --out FOLDER --model light

Of a cluster with GPUs each worker holds one, else as many cores as --cpus says. All machines see
the photos and the folder under the same paths, and have depthlib. A shard whose machine is lost
runs again on another one; the same command goes on with a run that was stopped.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from depthlib.__main__ import main as run_command

TRIES = 3  # of a shard whose worker dies, after the first


class Worker:
    """A process of the cluster that runs shards, one after the other."""

    def __init__(self, folder: str):
        os.chdir(folder)

    def run(self, words: Sequence[str]) -> int | str:
        """The exit status of a command, or what it says where it cannot run."""
        try:
            return run_command(words)
        except SystemExit as error:  # which Ray would take for the end of the worker
            return error.code or 0


def map_shards(words: Sequence[str], shards: int, cpus: int = 2) -> list[int | str]:
    """Runs `words` with each of so many shards on the cluster that Ray is connected to.

    Gives what `Worker.run` gives, in the order in which shards end.
    """
    import ray
    from ray.util import ActorPool

    held = ray.cluster_resources()
    gpus = int(held.get("GPU", 0))
    count = min(shards, gpus or max(1, int(held["CPU"]) // cpus))
    worker = ray.remote(Worker).options(
        num_gpus=1 if gpus else 0,
        num_cpus=min(cpus, held["CPU"] / count),
        max_restarts=TRIES,
        max_task_retries=TRIES,
    )
    pool = ActorPool([worker.remote(os.getcwd()) for _ in range(count)])  # noqa: PTH109  # text
    numbers = range(1, shards + 1)
    run = [[*words, "--shard", f"{number}/{shards}"] for number in numbers]
    return list(pool.map_unordered(lambda one, words: one.run.remote(words), run))


def main(words: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status, 1 where a file or a shard failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.on_ray", description=__doc__)
    parser.add_argument("--shards", type=int, required=True, help="more than workers: 4 for each")
    parser.add_argument("--cpus", type=int, default=2, help="cores of a worker; default 2")
    parser.add_argument("--address", help="of the cluster; by default a new one on this machine")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="predict, label, data, stereo")
    given = parser.parse_args(words)
    try:
        import ray
    except ModuleNotFoundError:
        sys.exit("This needs Ray. Install it on each machine: pip install -e .[ray]")
    ray.init(given.address, ignore_reinit_error=True)
    ends = map_shards(given.command, given.shards, given.cpus)
    for error in (end for end in ends if isinstance(end, str)):
        print(error, file=sys.stderr)
    if any(isinstance(end, str) for end in ends):
        return 1
    return run_command(["merge", find_out(given.command)])


def find_out(words: Sequence[str]) -> str:
    """The folder that a command writes to: its --out, else the first that it is given."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--out")
    known, rest = parser.parse_known_args(words)
    return known.out or rest[1]


if __name__ == "__main__":
    sys.exit(main())
