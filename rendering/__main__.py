"""Renders a sample.

python -m rendering rooms --seed 0 --folder datasets/sample
python -m rendering roads --seed 0 --folder datasets/sample_roads
python -m rendering stereo --seed 0 --folder datasets/sample_stereo
"""

import argparse
import sys
from pathlib import Path

from depthlib.data.specs import SPECS, get_spec
from depthlib.files import refuse_empty
from rendering.roads.scenes import DRAW, INSIDE, KINDS_IN_TURN, OUTSIDE

LIGHTS = tuple(dict.fromkeys(OUTSIDE + INSIDE))
SIZE = ("height", "width", "samples")
VIEWS = tuple(name for name, spec in SPECS.items() if spec.camera_height)


def main():
    """The command line: renders what it asks for."""
    try:
        render(**vars(read_words()))
    except OSError as error:
        sys.exit(str(error))


def render(what, **options):
    """Renders `what`, or shows it, and says what it does."""
    if options.get("view"):
        options["view"] = get_spec(options["view"])
    from rendering.roads.write import show_scenes, write_roads

    if what == "show":  # what is there already needs no renderer
        show_scenes(**options)
        return
    try:
        from rendering.render import pick_variant
    except ModuleNotFoundError as error:
        if error.name != "mitsuba":
            raise
        sys.exit(str(error))
    from rendering.rooms.write import write_sample

    print(f"Rendering with Mitsuba's {pick_variant()}.")
    if what == "stereo":
        from rendering.stereo import RenderedRig, write_stereo

        look = {name: options.pop(name) for name in ("baseline", "focal", *SIZE)}
        write_stereo(rig=RenderedRig(**look), **options)
        return
    {"rooms": write_sample, "roads": write_roads}[what](**options)


def read_words():
    """What the command line asks for."""
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--folder", type=Path, required=True, help="of the sample")
    common = argparse.ArgumentParser(add_help=False, parents=[folder])
    common.add_argument("--seed", type=int, default=0)
    common.add_argument("--height", type=int, default=240)
    common.add_argument("--samples", type=int, default=16, help="light paths a pixel")
    parser = argparse.ArgumentParser(
        prog="python -m rendering",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="what", required=True)
    again = argparse.ArgumentParser(add_help=False)
    again.add_argument("--resume", action="store_true", help="keep scenes that are there already")
    rooms = kinds.add_parser("rooms", parents=[common, again], help="rooms, in NYU's layout")
    rooms.add_argument("--width", type=int, default=320)
    rooms.add_argument("--train-rooms", type=int, default=24)
    rooms.add_argument("--test-rooms", type=int, default=6)
    rooms.add_argument("--views", type=int, default=10, help="images of each room")
    roads = kinds.add_parser(
        "roads", parents=[common, again], help="roads in every light and weather"
    )
    roads.add_argument("--scenes", type=int, default=32, help="a quarter of them is to test on")
    roads.add_argument("--width", type=int, help="by itself what the camera's shape makes it")
    roads.add_argument("--view", choices=VIEWS, help="the dataset whose camera sees them")
    roads.add_argument("--kinds", nargs="+", choices=DRAW, default=KINDS_IN_TURN, help="in turn")
    roads.add_argument("--only", nargs="+", choices=LIGHTS, help="the light and weather wanted")
    stereo = kinds.add_parser("stereo", parents=[common], help="boards and scenes for two cameras")
    stereo.add_argument("--width", type=int, default=320)
    stereo.add_argument("--baseline", type=float, default=0.3, help="metres")
    stereo.add_argument("--focal", type=float, default=0.87, help="over the width")
    stereo.add_argument("--boards", type=int, default=12, help="pairs of the calibration board")
    stereo.add_argument("--scenes", type=int, default=2)
    stereo.add_argument("--frames", type=int, default=3, help="pairs of each scene")
    stereo.add_argument(
        "--kinds",
        nargs="+",
        choices=(*DRAW, "room"),
        default=("motorway", "street"),
        help="in turn",
    )
    show = kinds.add_parser("show", parents=[folder], help="a figure of the roads in a folder")
    show.add_argument("--figure", type=Path, required=True, help="where to write it")
    try:
        refuse_empty(sys.argv[1:])
    except ValueError as error:
        parser.error(str(error))
    return parser.parse_args()


if __name__ == "__main__":
    main()
