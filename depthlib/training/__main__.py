"""The command that trains: python -m depthlib.training --help"""

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from depthlib.data.pairs import read_csv
from depthlib.files import NETWORK, check_ours, check_suffix, refuse_empty, refuse_source
from depthlib.networks.saving import export_half
from depthlib.training.devices import end_together, find_place, use_devices
from depthlib.training.recipes import RECIPES, read_changes
from depthlib.training.run_folder import BEST, LAST
from depthlib.training.train import train

UNFINISHED = 75  # the exit status EX_TEMPFAIL of sysexits.h: try again


def main(words: Sequence[str] | None = None) -> int:
    """The command line. Gives 0 for a finished run, UNFINISHED where the time was over before."""
    parser = argparse.ArgumentParser(
        prog="depthlib train",
        description="Trains a recipe on any Keras backend; the same command goes on with a run.",
        epilog=f"Ends with status {UNFINISHED} where the time ran out before the last epoch.",
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("changes", nargs="*", metavar="field=value", help="of depthlib's Recipe")
    parser.add_argument("--data", required=True, help="CSV of photos and depth maps")
    parser.add_argument(
        "--spec",
        help="how DATA's depth is stored: a known name or a dataset.json; by default the "
        "dataset.json beside DATA, else what its paths say",
    )
    parser.add_argument("--root", type=Path, help="where DATA's photos are, if not beside it")
    parser.add_argument(
        "--extra",
        nargs=2,
        action="append",
        default=[],
        metavar=("CSV", "SPEC"),
        help="trains too; SPEC auto: as for DATA",
    )
    parser.add_argument("--run", required=True, type=Path, help="the run's folder")
    parser.add_argument("--cache", type=Path, default="runs/cache", help="folder of decoded images")
    parser.add_argument(
        "--by-content",
        action="store_true",
        help="see in the cache that a file has changed by its content, not by size and time alone",
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends before they are over")
    parser.add_argument("--keep-epochs", action="store_true", help="keep each epoch's network")
    parser.add_argument("--tensorboard", action="store_true", help="write logs for TensorBoard")
    parser.add_argument("--export", type=Path, help="write the best network here, as float16")
    _add_devices(parser)
    parser.add_argument("--verbose", type=int, default=2, help="1: a bar, 2: a line an epoch")
    arguments = parser.parse_intermixed_args(words)
    try:
        refuse_empty(sys.argv[1:] if words is None else words)
        if arguments.export:
            check_suffix(arguments.export, ".keras")  # before hours of training
        recipe = RECIPES[arguments.recipe].change(**read_changes(arguments.changes))
        if arguments.export:
            held = (arguments.run / name for name in (LAST, BEST))
            refuse_source(arguments.export, *held, *filter(None, (recipe.weights, recipe.teacher)))
            check_ours(arguments.export, kind=NETWORK)
        _use_devices(arguments)
        with end_together():  # as `train` does of its own
            pairs = read_csv(arguments.data, arguments.spec, arguments.root)
            extra = [
                read_csv(path, None if spec == "auto" else spec) for path, spec in arguments.extra
            ]
        log = train(
            recipe,
            pairs,
            arguments.run,
            extra=extra,
            cache_folder=arguments.cache,
            by_content=arguments.by_content,
            minutes=arguments.minutes,
            keep_epochs=arguments.keep_epochs,
            tensorboard=arguments.tensorboard,
            verbose=arguments.verbose,
        )
        if arguments.export and find_place().is_first:
            export_half(arguments.run / BEST, arguments.export)
    except (OSError, ValueError, FloatingPointError, ImportError) as error:
        sys.exit(str(error))
    if find_place().is_first:
        seconds = log["seconds"].sum()
        print(f"{len(log)} of {recipe.epochs} epochs, {seconds:.0f} s: {arguments.run}")
    return 0 if len(log) >= recipe.epochs else UNFINISHED


def _add_devices(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("several devices and machines, with KERAS_BACKEND=jax")
    add = group.add_argument
    add(
        "--devices",
        metavar="all|N",
        help="of each process; by default one, of several processes all",
    )
    add("--process", type=int, metavar="I", help="this one's number, from 0")
    add("--processes", type=int, metavar="N", help="how many run this command together")
    add("--coordinator", metavar="HOST:PORT", help="where process 0 listens")
    words = "takes these three from what Slurm, Open MPI or Kubernetes set"
    add("--cluster", action="store_true", help=words)


def _use_devices(arguments: argparse.Namespace) -> None:
    names = ("process", "processes", "coordinator", "cluster")
    given = {name: getattr(arguments, name) for name in names}
    if arguments.devices or any(value not in (None, False) for value in given.values()):
        devices = arguments.devices or "all"
        use_devices(int(devices) if re.fullmatch("[0-9]{1,9}", devices) else devices, **given)


if __name__ == "__main__":
    sys.exit(main())
