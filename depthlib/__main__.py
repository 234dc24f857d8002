"""The command `depthlib`: one front door to predicting, training, scoring and exporting."""

import argparse
import io
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from depthlib import __version__
from depthlib.files import refuse_empty
from depthlib.startup import prepare_backends

if TYPE_CHECKING:
    from depthlib.data.intrinsics import CameraCalibration
    from depthlib.data.lenses import FocalRequest
    from depthlib.data.shards import Shard

SPEC_HELP = (
    "how DATA's depth is stored: a known name or a dataset.json; by default the dataset.json "
    "beside DATA, else what its paths say"
)
SHARD_HELP = "only part I of N, for N machines or jobs; afterwards `depthlib merge FOLDER`"
ROOT_HELP = "where DATA's photos are, where they are not beside it; absolute paths may lie in it"
INTERRUPTED = 130  # the exit status of shells for a process that Ctrl-C ended
_OWN = {"command", "run"}  # of the parser's values, what is no subcommand's
PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless", "onnxruntime")


def main(words: Sequence[str] | None = None) -> int:
    """Runs the subcommand that the first word names; gives the process' exit status."""
    words = sys.argv[1:] if words is None else list(words)
    prepare_backends(quiet=True)
    # A warning is of a user's files: its words, without a line of our code.
    warnings.showwarning = lambda message, *_, **__: _say(str(message))
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name of bytes that are no text is printed too
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        refuse_empty(words)
        if words[:1] == ["train"]:  # it has a command line of its own, which needs Keras
            from depthlib.training.__main__ import main as train

            return train(words[1:])
        arguments = _make_parser().parse_args(words)
        return arguments.run(arguments)
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"depthlib {words[0]}: {_describe(error)}{_advise(error)}")
    except KeyboardInterrupt:
        _say("Stopped. The same command goes on.")
        sys.exit(INTERRUPTED)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _describe(error: Exception) -> str:
    """An error in our words, where it is the system's own of a file."""
    if not isinstance(error, OSError) or error.errno is None or error.filename is None:
        return str(error)
    return (
        f"A file must be there, and open to you. Received: {error.filename}: {error.strerror}. "
        "Correct its path or its rights."
    )


def _advise(error: Exception) -> str:
    """What to install where a package is missing; "" where the error says it, or it is another."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    return ". Install what training, scoring and exporting need: pip install -e .[train]"


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="depthlib", description="Metric depth from a single photo."
    )
    parser.add_argument("--version", action="version", version=f"depthlib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_predict(commands.add_parser("predict", help="depth of photos and videos, as files"))
    _add_data(commands.add_parser("data", help="a folder of photos and depth as a dataset"))
    _add_label(commands.add_parser("label", help="a dataset from photos without depth"))
    _add_merge(commands.add_parser("merge", help="tables of what runs with --shard wrote"))
    _add_pack(commands.add_parser("pack", help="a dataset to train on without its photos"))
    commands.add_parser("train", help="train a network; `depthlib train --help`", add_help=False)
    _add_evaluate(commands.add_parser("evaluate", help="how good networks, or files of depth, are"))
    _add_export(commands.add_parser("export", help="a network for another runtime"))
    _add_stereo(commands.add_parser("stereo", help="a dataset of your own two cameras"))
    _add_views(commands.add_parser("views", help="a dataset of videos, to train without depth"))
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
    add("--shard", metavar="I/N", help=SHARD_HELP)
    parser.set_defaults(run=_predict)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Finds the pairs of photos and depth maps in a folder and how their depth is stored, "
        "checks them, and writes their CSV, dataset.json, and a picture to look at. Says what it "
        "took, and how sure it is."
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="what holds photos and depth maps")
    places = "a folder, a pattern ('*_rgb.png', '{scene}/color/{frame}.jpg'), or a list of times"
    add("--photos", metavar="WHERE", help=f"{places}; by default told by names")
    add("--depth", metavar="WHERE", help="the same for depth maps")
    add("--spec", help="how depth is stored: a known name or a dataset.json; by default guessed")
    add("--focal", help="of the camera, where it is known: 518px, 26mm, or a share of the width")
    add("--test", type=float, default=0.0, metavar="SHARE", help="of the pairs, set aside as test")
    add("--check", default="200", metavar="COUNT", help="pairs to decode, or headers, or all")
    add("--tolerance", type=float, default=0.02, metavar="SECONDS", help="between photo and map")
    add("--out", type=Path, metavar="FOLDER", help="of what is written; by default FOLDER")
    add("--shard", metavar="I/N", help=SHARD_HELP)
    parser.set_defaults(run=_data)


def _add_label(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Labels photos and frames of videos with the depth that one or several networks predict, "
        "and writes them as a dataset to train on: photos, 16-bit depth, confidence, labels.csv, "
        "dataset.json. The same command goes on with a run that was stopped."
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="photo, video, folder, pattern, .txt or .csv list")
    add("--out", required=True, type=Path, metavar="FOLDER", help="where the dataset goes")
    add(
        "--teacher",
        action="append",
        required=True,
        metavar="NETWORK",
        help="light, best, ..., a .keras or .onnx file; another project's ONNX file with what it "
        "gives and sees: file.onnx,output=disparity,size=384x384. Given several times: all of them",
    )
    add("--combine", default="mean", help="mean, median or confidence, of log depth")
    add(
        "--least-confidence",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="leave out depth that is less sure (0 to 1, default 0): teachers that differ by 10 "
        "percent have .37",
    )
    add("--focal", default="exif", help="the photos' focal length, as in predict")
    add("--long-side", type=int, default=640, metavar="PIXELS", help="larger photos are shrunk")
    add("--every", type=int, default=10, metavar="N", help="of a video, each Nth frame")
    add("--shard", metavar="I/N", help=SHARD_HELP)
    parser.set_defaults(run=_label)


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Merges what the shards of a run wrote into a folder (predict, label, data or stereo match "
        "with --shard): its tables and lists. Says which shards are missing. Ends with status 1 "
        "where a file failed."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the --out of the shards")
    parser.set_defaults(run=_merge)


def _add_pack(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Packs a dataset at the size at which a network sees it: files of 1024 decoded pairs, to "
        "copy to other machines and train on there without the photos, by --data "
        "FOLDER/pairs.csv. The same command goes on with a run that was stopped."
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="CSV; with --check the folder that was packed")
    add("--size", metavar="HxW", help="height and width, such as 240x320")
    add("--out", type=Path, metavar="FOLDER", help="where it goes; other sizes may be there")
    add("--crop-border", action="store_true", help="cut off the border that the dataset has")
    add("--spec", help=SPEC_HELP)
    add("--root", type=Path, metavar="FOLDER", help=ROOT_HELP)
    add("--check", action="store_true", help="read all that was packed, and compare checksums")
    parser.set_defaults(run=_pack)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Scores networks, or depth that any tool wrote, against true depth: a row each, means over "
        "images with 95 % intervals over scenes."
    )
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", help="light, road, ..., or .keras and .onnx files")
    add("--data", required=True, type=Path, metavar="CSV", help="rows of rgb,depth")
    add(
        "--depth",
        type=Path,
        metavar="FOLDER",
        help="score the .npy and 16-bit .png files there, which are called as the photos are",
    )
    add("--depth-scale", type=float, metavar="METRES", help="of a number in files that say none")
    add("--spec", help=SPEC_HELP)
    add("--root", type=Path, metavar="FOLDER", help=ROOT_HELP)
    add("--protocol", help="by default the dataset's own")
    add("--align", metavar="KINDS", help="none, median, disparity, affine; default none,median")
    add("--out", type=Path, metavar="CSV", help="write the table there too")
    parser.set_defaults(run=_evaluate)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = "Writes a network for another runtime."
    add = parser.add_argument
    add("model", metavar="MODEL", help="light, best, ..., or a .keras file")
    add("--to", required=True, choices=("onnx", "litert", "openvino"), help="the runtime")
    add("--int8", action="store_true", help="ONNX's weights in 8 bits: a quarter of the size")
    add("--out", type=Path, metavar="FILE", help="by default MODEL.onnx, .tflite or .xml, here")
    parser.set_defaults(run=_export)


def _add_stereo(parser: argparse.ArgumentParser) -> None:
    parser.description = "From photos of a board and of two cameras to a dataset in metres."
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    board = steps.add_parser("board", help="a calibration board to print")
    calibrate = steps.add_parser("calibrate", help="a rig from pairs of photos of the board")
    for step in (board, calibrate):
        add = step.add_argument
        add("--board", default="9x6", metavar="NxM", help="inner corners, where 4 squares meet")
        add("--square", required=True, type=float, metavar="METRES", help="side of a square")
        add("--charuco", action="store_true", help="with markers: a part of it is enough")
    board.add_argument("--out", required=True, type=Path, metavar="FILE", help=".pdf or .png")
    board.set_defaults(run=_stereo_board)
    match = steps.add_parser("match", help="depth of pairs of photos, as a dataset")
    for step, what in ((calibrate, "photos"), (match, "photos, or a video")):
        for side in ("left", "right"):
            step.add_argument(f"--{side}", metavar="DIR", help=f"folder or pattern of {what}")
    add = calibrate.add_argument
    add("--out", required=True, type=Path, metavar="FILE", help="the rig, .yml, .xml or .json")
    add("--figure", type=Path, metavar="FILE", help="by default FILE.png")
    calibrate.set_defaults(run=_stereo_calibrate)
    add = match.add_argument
    add("--video", metavar="FILE", help="or a folder: both photos side by side in one picture")
    add(
        "--rig",
        required=True,
        nargs="+",
        type=Path,
        metavar="FILE",
        help="calibration: of `calibrate`, OpenCV (two files), KITTI, or ROS (left and right)",
    )
    add("--out", required=True, type=Path, metavar="FOLDER", help="the dataset; scenes are added")
    add("--scene", metavar="NAME", help="by default the name of the folder or video")
    add("--near", type=float, metavar="METRES", help="nearest depth; by default an eighth of the "
        "photo's width in disparity")  # fmt: skip
    add("--far", type=float, default=80.0, metavar="METRES", help="default 80")
    add("--sure", type=float, default=0.8, metavar="SHARE", help="least confidence, default 0.8")
    add("--every", type=int, default=1, metavar="N", help="only each N-th pair")
    add("--overwrite", action="store_true", help="match a scene anew that is there already")
    add("--shard", metavar="I/N", help=SHARD_HELP)
    match.set_defaults(run=_stereo_match)


def _add_views(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Makes a dataset to train on without any depth: frames of a video with their neighbours, "
        "where the camera moves, or photos of two cameras, or both. Writes photos, views.csv, "
        "dataset.json, and a picture to look at. The same command goes on with a run that was "
        "stopped."
    )
    add = parser.add_argument
    add("left", nargs="+", metavar="LEFT", help="videos, folders or patterns: a scene each")
    add("--right", nargs="+", default=[], metavar="RIGHT", help="the right camera's, as many")
    add("--rig", nargs="+", type=Path, metavar="FILE", help="calibration of two cameras, as in "
        "stereo match; without --right, pictures hold both photos side by side")  # fmt: skip
    add("--motion", action="store_true", help="of two cameras: neighbouring frames too")
    add("--out", required=True, type=Path, metavar="FOLDER", help="the dataset; scenes are added")
    add("--scene", metavar="NAME", help="by default the name of the folder or video")
    add("--focal", default="exif", help="of one camera, as in predict; unknown: 26mm is taken")
    add("--camera", metavar="FILE", help="a calibration of one camera, which undistorts too")
    add("--near", type=float, default=1.0, metavar="METRES", help="default 1; in a room 0.3")
    add("--far", type=float, default=80.0, metavar="METRES", help="default 80; in a room 10")
    add("--horizon", type=float, metavar="SHARE", help="a road's: its row over the photo's height")
    add("--least-motion", type=float, metavar="SHARE", help="of the width, between two frames; "
        "default 0.005")  # fmt: skip
    add("--apart", type=int, metavar="N", help="frames that a neighbour is away, default 5; fewer "
        "for a fast camera")  # fmt: skip
    add("--every", type=int, default=1, metavar="N", help="only each N-th frame")
    add("--long-side", type=int, default=1280, metavar="PIXELS", help="larger photos are shrunk")
    add("--overwrite", action="store_true", help="make a scene anew that is there already")
    parser.set_defaults(run=_views)


def _stereo_board(arguments: argparse.Namespace) -> int:
    from depthlib.data.stereo.boards import parse_board

    board = parse_board(arguments.board, arguments.square, arguments.charuco)
    print(f"{arguments.out}: {board.name}, {board.write(arguments.out)}; print it at 100 %")
    return 0


def _stereo_calibrate(arguments: argparse.Namespace) -> int:
    from depthlib.commands.stereo import calibrate
    from depthlib.data.stereo.boards import parse_board

    if not (arguments.left and arguments.right):
        raise ValueError("Give --left and --right. Received: not both.")
    board = parse_board(arguments.board, arguments.square, arguments.charuco)
    found = calibrate(arguments.left, arguments.right, board, arguments.out, arguments.figure)
    print(f"{arguments.out}\n{found.describe()}")
    return 0


def _stereo_match(arguments: argparse.Namespace) -> int:
    from depthlib.commands.stereo import match_sources
    from depthlib.data.stereo.rig import read_rig

    given = [name for name in ("left", "right", "video") if getattr(arguments, name)]
    if given not in (["left", "right"], ["video"]) or len(arguments.rig) > 2:
        raise ValueError(
            "Give --left and --right, or --video, and one or two files of --rig. Received: "
            f"left={arguments.left}, right={arguments.right}, video={arguments.video}, "
            f"{len(arguments.rig)} files."
        )
    names = ("scene", "near", "far", "sure", "every", "overwrite")
    report = match_sources(
        read_rig(*arguments.rig),
        arguments.video or arguments.left,
        arguments.right,
        arguments.out,
        **{name: getattr(arguments, name) for name in names},
        shard=_find_shard(arguments),
    )
    print(report)
    return 1 if len(report.problems) else 0


def _predict(arguments: argparse.Namespace) -> int:
    from depthlib.commands.predict import predict_files
    from depthlib.prediction.known_distance import KnownDistance
    from depthlib.prediction.zoo import open_network

    known = KnownDistance.parse(arguments.known) if arguments.known else None
    report = predict_files(
        open_network(arguments.model, arguments.runtime),
        arguments.paths,
        arguments.out,
        lens=_find_lens(arguments),
        save=[kind.strip() for kind in arguments.save.split(",") if kind.strip()],
        flip=arguments.flip,
        known=known,
        overwrite=arguments.overwrite,
        network=arguments.model,
        shard=_find_shard(arguments),
    )
    print(f"{arguments.out}: {report}")
    return 1 if report.failed else 0


def _data(arguments: argparse.Namespace) -> int:
    from depthlib.commands.data import make_dataset

    settings = {name: value for name, value in vars(arguments).items() if name not in _OWN}
    return make_dataset(**settings | {"shard": _find_shard(arguments)})


def _label(arguments: argparse.Namespace) -> int:
    from depthlib.commands.label import LabelSettings, label_files
    from depthlib.data.lenses import parse_focal
    from depthlib.prediction.teachers import open_teacher

    settings = LabelSettings(
        parse_focal(arguments.focal),
        arguments.combine,
        arguments.least_confidence,
        arguments.long_side,
        arguments.every,
    )
    if len(set(arguments.teacher)) < len(arguments.teacher):
        raise ValueError(
            f"Each teacher must be given once. Received: {', '.join(arguments.teacher)}. Leave out "
            "what is there twice."
        )
    teachers = {word: open_teacher(word) for word in arguments.teacher}
    report = label_files(
        teachers, arguments.paths, arguments.out, settings, shard=_find_shard(arguments)
    )
    print(f"{arguments.out}: {report}")
    return 1 if report.failed else 0


def _views(arguments: argparse.Namespace) -> int:
    from depthlib.commands.views import ViewSettings, make_views
    from depthlib.data.stereo.rig import read_rig

    rig = arguments.rig
    if rig and (arguments.camera or arguments.focal != "exif" or len(rig) > 2):
        raise ValueError(
            "Give one or two files of --rig, which say the focal length too. Received: "
            f"{len(rig)}, with focal={arguments.focal}, camera={arguments.camera}."
        )
    names = ("near", "far", "horizon", "every", "long_side")
    settings = ViewSettings(
        lens=_find_lens(arguments),
        motion=arguments.motion or not rig,
        **{name: getattr(arguments, name) for name in names},
    )
    neighbours = {"least": arguments.least_motion, "apart": arguments.apart}
    given = {name: value for name, value in neighbours.items() if value is not None}
    if given and not settings.motion:
        raise ValueError(
            "--least-motion and --apart must be of neighbouring frames. Received: "
            f"least_motion={arguments.least_motion}, apart={arguments.apart}, and --rig without "
            "--motion. Give --motion, or leave them out."
        )
    report = make_views(
        arguments.left,
        arguments.out,
        replace(settings, **given),
        right=arguments.right,
        rig=read_rig(*rig) if rig else None,
        scene=arguments.scene,
        overwrite=arguments.overwrite,
    )
    print(report)
    return 1 if report.problems else 0


def _find_lens(arguments: argparse.Namespace) -> "FocalRequest | CameraCalibration":
    """The lens by --focal or --camera."""
    from depthlib.data.intrinsics import read_camera
    from depthlib.data.lenses import parse_focal

    if arguments.camera and arguments.focal != "exif":
        raise ValueError("Give --focal or --camera. Received: both.")
    return read_camera(arguments.camera) if arguments.camera else parse_focal(arguments.focal)


def _find_shard(arguments: argparse.Namespace) -> "Shard | None":
    from depthlib.data.shards import Shard

    return None if arguments.shard is None else Shard.parse(arguments.shard)


def _refuse_beside(what: str, arguments: argparse.Namespace, names: Sequence[str]) -> None:
    """Errors: ValueError for options that mean nothing beside `what`, where one is given."""
    values = {name: getattr(arguments, name) for name in names}
    given = [name for name, value in values.items() if not (value is None or value is False)]
    if given:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ValueError(
            f"An option must mean something. Received: {options} beside {what}. Leave out "
            f"{options}, or {what}."
        )


def _merge(arguments: argparse.Namespace) -> int:
    from depthlib.commands.merge import merge_shards

    return merge_shards(arguments.folder)


def _pack(arguments: argparse.Namespace) -> int:
    from depthlib.data.packed import check_packed, pack_pairs
    from depthlib.data.pairs import read_csv

    if arguments.check:
        packing = ("size", "out", "crop_border", "spec", "root")
        _refuse_beside("--check", arguments, packing)
        damage = check_packed(arguments.data)
        for path, reason in damage.items():
            print(f"{path}: {reason}")
        print(f"{arguments.data}: {len(damage)} files are damaged")
        return 1 if damage else 0
    size = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", arguments.size or "", re.ASCII)
    if not size or not arguments.out:
        raise ValueError(
            "Give --size HxW and --out FOLDER. Received: "
            f"size={arguments.size}, out={arguments.out}. Use --size 240x320, for example."
        )
    height, width = map(int, size.groups())
    pairs = read_csv(arguments.data, arguments.spec, arguments.root)
    count = pack_pairs(pairs, height, width, arguments.out, crop_border=arguments.crop_border)
    print(f"{arguments.out}: {count} pairs of {height}x{width}")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from depthlib import evaluation
    from depthlib.data.pairs import read_csv
    from depthlib.files import TABLE, check_ours, check_suffix, refuse_source, write_table
    from depthlib.metrics import ALIGNMENTS, PROTOCOLS
    from depthlib.prediction.outputs import check_photos
    from depthlib.prediction.zoo import open_network

    if bool(arguments.models) == bool(arguments.depth):
        raise ValueError(
            "Give networks or --depth FOLDER. Received: "
            f"{'both' if arguments.depth else 'neither'}."
        )
    if not arguments.depth:
        _refuse_beside("networks", arguments, ("depth_scale",))
    if arguments.protocol not in (None, *PROTOCOLS):
        raise ValueError(
            f"`protocol` must be one of {', '.join(PROTOCOLS)}. Received: {arguments.protocol}."
        )
    if arguments.out:
        check_suffix(arguments.out, ".csv")
        refuse_source(arguments.out, arguments.data)
        check_ours(arguments.out, kind=TABLE)
    pairs = read_csv(arguments.data, arguments.spec, arguments.root)
    protocol = PROTOCOLS[arguments.protocol or pairs.spec.protocol]
    usual = "median" if pairs.spec.is_relative else "none,median"
    words = usual if arguments.align is None else arguments.align
    alignments = [word.strip() for word in words.split(",") if word.strip()]
    if not alignments or not set(alignments) <= set(ALIGNMENTS):
        raise ValueError(
            f"`align` must be of {', '.join(ALIGNMENTS)}, one at least. Received: {alignments}."
        )
    scores = {}
    if arguments.depth:
        scores[arguments.depth.resolve().name] = evaluation.evaluate_files(
            arguments.depth, pairs, protocol, alignments, arguments.depth_scale, check_photos
        )
    for model in dict.fromkeys(arguments.models):
        network = open_network(model)
        scores[model] = evaluation.evaluate_all(network, pairs, [protocol], alignments, name=model)
    summary = evaluation.summarise_all(scores)
    print(f"{arguments.data}, {pairs.spec.name}, protocol {protocol.name}")
    print(evaluation.tabulate(summary).to_string(index=False))
    for table in next(iter(scores.values())).values():
        for note in (evaluation.explain_scenes(table), evaluation.explain_unknown(table)):
            if note:
                print(note)
        break
    if arguments.out:
        write_table(arguments.out, evaluation.keep_few(summary))
        print(arguments.out)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from depthlib.files import NETWORK, check_ours, remove_left_of
    from depthlib.prediction.zoo import find_network

    path = find_network(arguments.model, "keras")
    from depthlib.networks.saving import load_model
    from depthlib.prediction.export import FORMATS, export_network

    weights = "int8" if arguments.int8 else "float32"
    ending = ("_int8" if arguments.int8 else "") + FORMATS[arguments.to][0]
    target = arguments.out or Path(path.stem + ending)
    check_ours(target, kind=NETWORK)
    if arguments.out is None and target.exists():  # of another run's best.keras, say
        raise FileExistsError(
            f"A file that is there must be named to be written over. Received: {target}. Give "
            f"--out {target}, or another name."
        )
    export_network(load_model(path), target, arguments.to, weights)
    remove_left_of(target.parent, lambda name: name == target.name)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    return 0


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
