"""The command `depthlib`: one front door to predicting, training, scoring and exporting."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from depthlib import __version__

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless", "onnxruntime")


def main(words: Sequence[str] | None = None) -> int:
    """Runs the subcommand that the first word names; gives the process' exit status."""
    words = sys.argv[1:] if words is None else list(words)
    if words[:1] == ["train"]:  # it has a command line of its own, which needs Keras
        from depthlib.training.__main__ import main as train

        return train(words[1:])
    arguments = _make_parser().parse_args(words)
    try:
        return arguments.run(arguments)
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"depthlib {arguments.command}: {error}")
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on.")


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="depthlib", description="Metric depth from a single photo."
    )
    parser.add_argument("--version", action="version", version=f"depthlib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_predict(commands.add_parser("predict", help="depth of photos and videos, as files"))
    commands.add_parser("train", help="train a network; `depthlib train --help`", add_help=False)
    models = commands.add_parser("models", help="the networks that ship")
    models.set_defaults(run=_models)
    info = commands.add_parser("info", help="versions, and the device that computes")
    info.set_defaults(run=_info)
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Writes the depth of photos and videos in metres. Files that are there already are left as "
        "they are, so that a run that was stopped goes on. Ends with status 1 where a file failed."
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="photo, video, folder, pattern, .txt or .csv list")
    add("--out", required=True, type=Path, metavar="FOLDER", help="where the files go")
    add("--model", default="light", help="light, road, best, ..., or a .keras or .onnx file")
    add(
        "--focal",
        default="exif",
        help="focal length: 26mm (35-mm equivalent), 518px, 0.75 (of the width), exif (the "
        "default: each photo's own) or none. Unknown, rooms are taken as cut out of a photo of the "
        "training camera (focal length 0.81 of a 4:3 photo's width), roads as seen across the same "
        "angle (0.58 of the width)",
    )
    add("--camera", metavar="FILE", help="a calibration (OpenCV, ROS, KITTI), which undistorts too")
    add("--known", metavar="X1,Y1,X2,Y2=M", help="a measured distance that fixes a photo's scale")
    add(
        "--save",
        default="png16,colour",
        metavar="KINDS",
        help="of npy, png16, colour, ply, glb, confidence; with commas (png16,colour)",
    )
    add("--flip", action="store_true", help="average with the mirrored photo: better, half as fast")
    add("--runtime", choices=("onnx", "keras"), help="by default ONNX where there is such a file")
    add("--overwrite", action="store_true", help="write files anew that are there already")
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    from depthlib.data.intrinsics import CameraCalibration, read_camera
    from depthlib.data.lenses import FocalRequest, parse_focal
    from depthlib.prediction.command import KnownDistance, predict_files
    from depthlib.prediction.zoo import open_network

    lens: FocalRequest | CameraCalibration = parse_focal(arguments.focal)
    if arguments.camera:
        if arguments.focal != "exif":
            raise ValueError("Give --focal or --camera. Received: both.")
        lens = read_camera(arguments.camera)
    known = KnownDistance.parse(arguments.known) if arguments.known else None
    report = predict_files(
        open_network(arguments.model, arguments.runtime),
        arguments.paths,
        arguments.out,
        lens=lens,
        save=[kind.strip() for kind in arguments.save.split(",") if kind.strip()],
        flip=arguments.flip,
        known=known,
        overwrite=arguments.overwrite,
    )
    print(f"{arguments.out}: {report}")
    return 1 if report.failed else 0


def _models(arguments: argparse.Namespace) -> int:
    from depthlib.prediction.zoo import SHIPPED, find_network

    print(f"{'name':10} {'for':36} {'δ1':>5} {'aligned':>7}  {'MB':>3}  licence of the weights")
    for name, network in SHIPPED.items():
        try:
            place = str(find_network(name))
        except FileNotFoundError:
            place = "not here: in a clone of the repository"
        print(
            f"{name:10} {network.use:36} {network.delta1:5.3f} {network.aligned:7.3f}  "
            f"{network.megabytes:3}  {network.licence}\n{'':10} {place}"
        )
    print(
        "\nδ1: the share of pixels whose depth is within a quarter of the true one, in metres and "
        "after median alignment:\non 301 test photos of NYU Depth V2, road's on KITTI's drive 0009."
    )
    return 0


def _info(arguments: argparse.Namespace) -> int:
    print(f"depthlib: {__version__}")
    for package in PACKAGES:
        try:
            print(f"{package}: {version(package)}")
        except PackageNotFoundError:
            print(f"{package}: not installed")
    try:
        from depthlib.device import describe_device
    except ImportError:
        print("device: CPU, by ONNX Runtime; without Keras nothing else computes")
        return 0
    for name, value in describe_device().items():
        if name != "keras":
            print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
