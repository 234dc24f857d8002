"""Renders the sample: python -m depthlib.rendering --seed 0 --folder datasets/sample"""

import argparse
import sys
from pathlib import Path


def main():
    """Reads the command line, renders, and says what it does."""
    parser = argparse.ArgumentParser(prog="python -m depthlib.rendering", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-rooms", type=int, default=24)
    parser.add_argument("--test-rooms", type=int, default=6)
    parser.add_argument("--views", type=int, default=10, help="images of each room")
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--samples", type=int, default=16, help="light paths a pixel")
    parser.add_argument("--resume", action="store_true", help="keep rooms that are there already")
    options = vars(parser.parse_args())
    try:
        from depthlib.rendering.render import pick_variant
        from depthlib.rendering.sample import write_sample
    except ModuleNotFoundError as error:
        if error.name != "mitsuba":
            raise
        sys.exit(str(error))
    print(f"Rendering with Mitsuba's {pick_variant()}.")
    write_sample(**options)


if __name__ == "__main__":
    main()
