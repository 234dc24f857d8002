"""The command `depthlib`: `depthlib train RECIPE ...` and `depthlib info`."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from depthlib import __version__

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless", "onnxruntime")


def main(words: Sequence[str] | None = None) -> int:
    """Runs the subcommand that the first word names; gives the process' exit status."""
    words = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(
        prog="depthlib", description="Metric depth from a single photo."
    )
    parser.add_argument("--version", action="version", version=f"depthlib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("train", help="train a recipe; `depthlib train --help`", add_help=False)
    commands.add_parser("info", help="versions, and the device that computes")
    command = parser.parse_args(words[:1]).command  # the rest belongs to the subcommand
    if command == "train":
        # Here, and below: importing Keras takes seconds, which --help must not.
        from depthlib.training.__main__ import main as train

        return train(words[1:])
    parser.parse_args(words)
    print(describe())
    return 0


def describe() -> str:
    """Versions and device, a line each."""
    lines = [f"depthlib: {__version__}"]
    for package in PACKAGES:
        try:
            lines.append(f"{package}: {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package}: not installed")
    try:
        from depthlib.device import describe_device
    except ImportError as error:
        return "\n".join([*lines, f"device: unknown, as Keras cannot be imported ({error})"])
    device = describe_device()
    kept = {name: value for name, value in device.items() if name != "keras"}
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in kept.items())])


if __name__ == "__main__":
    sys.exit(main())
