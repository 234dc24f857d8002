"""Metres that drifted or were never there, put right: one factor for a network.

Labels by other networks have a scale of their own, and the loss holds the scale of a photo loosely
(`ScaleInvariantLoss`). What trained on them may see every room some percent too large or too small.
What trained on the motion of one camera alone knows no metres at all. One factor corrects that and
changes nothing else. It is found on photos with measured depth, by the camera's height over the
road, or by what another network says.

Also a command: python -m depthlib.training.rescale runs/more/best.keras --export FILE with one of
    --data CSV
    --photos PATH... --camera-height METRES
    --photos PATH... --teacher NETWORK
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from depthlib.data.images import read_pair, read_rgb
from depthlib.data.lenses import find_focals
from depthlib.data.mixed_pairs import list_focals
from depthlib.data.pairs import Pairs, read_csv
from depthlib.files import NETWORK, check_ours, check_suffix, refuse_empty, refuse_source
from depthlib.networks.fine_tuning import put_in_metres
from depthlib.networks.saving import export_model, load_model
from depthlib.prediction.geometry import Layout
from depthlib.prediction.ground import ENOUGH, TILT, find_ground
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.outputs import find_media
from depthlib.prediction.photo import guess_camera
from depthlib.prediction.predictor import Predictor
from depthlib.prediction.teachers import open_teacher

HEIGHTS = (0.1, 20.0)  # metres that a camera may stand over the road


class Scale(NamedTuple):
    """By what depth must be multiplied, the median photo's; and how far photos are apart.

    middle: the factors between which the middle half of the photos is. photos: how many told it.
    """

    factor: float
    middle: tuple[float, float]
    photos: int

    def __str__(self) -> str:
        low, high = self.middle
        return f"{self.factor:.4f}, by {self.photos} photos, half of them {low:.4g} to {high:.4g}"


def find_scale(network: keras.Model, pairs: Pairs, batch_size: int = 8) -> Scale:
    """By what a network's depth must be multiplied: each photo's median of truth over it.

    Each photo is seen as in prediction, through the lens that its dataset says. batch_size: how
    many inputs the network takes at once.
    Errors: ValueError for relative depth, for pairs that are packed or without depth, for focal
    lengths in the CSV that no lens has, and where no photo has depth; those of `read_pair`.
    """
    pairs.refuse_without_maps()
    if pairs.spec.is_relative:
        raise ValueError(
            "A scale must be taken in metres, of photos that know them. Received: "
            f"{pairs.spec.unit} of {pairs.spec.name}. Use measured photos."
        )
    predictor = Predictor(network, batch_size)
    ratios: list[float] = []
    for index, focal in enumerate(list_focals(pairs)):
        rgb, truth = read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
        ratios += _compare(truth, _look(predictor, rgb, focal)[0])
    return _gather(ratios)


def find_scale_by_height(
    predictor: DepthPredictor,
    photos: Sequence[Path],
    height: float,
    focal: float | str | None = "exif",
) -> Scale:
    """By what depth must be multiplied so that the camera stands `height` metres over the road.

    photos: of a camera over a road. focal: as `lenses.parse_focal` takes it. A photo in which less
    than ENOUGH of what lies below the horizon is level ground tells nothing.
    Errors: ValueError for a height that no camera has, for a network that knows no focal length,
    and where no photo shows ground; those of `read_rgb` and `find_focals`.
    """
    if not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise ValueError(
            f"The camera's height must be {HEIGHTS[0]:g} to {HEIGHTS[1]:g} metres over the road. "
            f"Received: {height:g}. Measure it from the road to the lens."
        )
    ratios, best = [], 0.0
    for path, share, rgb in _read(photos, focal):
        depth, layout = _look(predictor, rgb, share)
        focal_share = layout.focal or share
        if focal_share is None:
            raise ValueError(
                "A height needs the focal length of the photos. Received: none for "
                f"{path}, nor by the network. Give --focal, such as 26mm or 0.58."
            )
        camera = guess_camera(replace(layout, focal=focal_share))
        if predictor.view.horizon is not None:
            camera = replace(camera, cy=predictor.view.horizon * layout.height - 0.5)
        ground = find_ground(depth, camera)
        best = max(best, ground.share)
        if ground.share >= ENOUGH:
            ratios.append(height / ground.height)
    if not ratios:
        raise ValueError(
            f"Photos must show level ground on {ENOUGH:.0%} of what lies below the horizon. "
            f"Received: {best:.0%} at most, level within {TILT:g} degrees, of {len(photos)} "
            "photos. Give photos of an empty road, or --teacher."
        )
    return _gather(ratios)


def find_scale_by_teacher(
    predictor: DepthPredictor,
    photos: Sequence[Path],
    teacher: DepthPredictor,
    focal: float | str | None = "exif",
) -> Scale:
    """By what depth must be multiplied to be a teacher's: each photo's median of the ratio.

    Errors: ValueError for a teacher that knows no metres, or sees nothing near enough; those of
    `read_rgb` and `find_focals`.
    """
    if teacher.unit != "metre":
        raise ValueError(
            f"A teacher of scale must know metres. Received: one that gives {teacher.unit} depth. "
            "Use one that ships, such as light for rooms or road for roads."
        )
    ratios: list[float] = []
    for _, share, rgb in _read(photos, focal):
        depth, known = (_look(each, rgb, share)[0] for each in (predictor, teacher))
        ratios += _compare(known, depth)
    return _gather(ratios)


def rescale_by_photos(
    file: Path | str,
    photos: Sequence[Path],
    export: Path | str,
    *,
    camera_height: float | None = None,
    teacher: str | None = None,
    focal: float | str | None = "exif",
) -> Scale:
    """Writes the network in `file` with depth in metres, as float16; by which scale.

    Give one of `camera_height`, metres, and `teacher`, a network as `open_teacher` takes it.
    Errors: those of `find_scale_by_height` and `find_scale_by_teacher`; ValueError for an `export`
    that is a source, or not called .keras; FileExistsError for a file of one's own.
    """
    _check_export(export, file, teacher)
    network = load_model(file)
    predictor = Predictor(network)
    if teacher:
        scale = find_scale_by_teacher(predictor, photos, open_teacher(teacher), focal)
    else:
        scale = find_scale_by_height(predictor, photos, camera_height or 0.0, focal)
    export_model(put_in_metres(network, scale.factor), export)
    return scale


def _check_export(export: Path | str, file: Path | str, teacher: str | None = None) -> None:
    check_suffix(export, ".keras")
    refuse_source(export, file, *filter(None, [teacher]))
    check_ours(export, kind=NETWORK)


def _read(
    photos: Sequence[Path], focal: float | str | None
) -> Iterator[tuple[Path, float | None, np.ndarray]]:
    """Each photo's path, its focal length over its width, and the photo."""
    for path, share in zip(photos, find_focals(photos, focal), strict=True):
        yield path, share, read_rgb(path)


def _look(
    predictor: DepthPredictor, rgb: np.ndarray, focal: float | None
) -> tuple[np.ndarray, Layout]:
    """A photo's depth, 0 where it says no more than far, and how the photo was shown."""
    own = focal if predictor.view.focal else None  # else it knows no lens
    height, width = rgb.shape[:2]
    layout = predictor.lay_out(height, width, own)
    (depth,) = predictor([rgb], focals=[own])
    return np.where(depth < (layout.far or np.inf), depth, 0), layout


def _compare(known: np.ndarray, depth: np.ndarray) -> list[float]:
    """The median of what is known over a photo's depth, where both are; none where neither is."""
    both = (depth > 0) & (known > 0)
    return [float(np.median(known[both] / depth[both]))] if both.any() else []


def _gather(ratios: Sequence[float]) -> Scale:
    if not ratios:
        raise ValueError("A scale must be told by a photo. Received: depth in none of them.")
    low, factor, high = np.percentile(ratios, (25, 50, 75)).tolist()
    return Scale(factor, (low, high), len(ratios))


def main(words: Sequence[str] | None = None) -> None:
    """The command line: writes the network as float16, with depth in metres of the right scale."""
    arguments = _read_words(words)
    try:
        refuse_empty(sys.argv[1:] if words is None else words)
        scale = _rescale(arguments)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"{arguments.export}: depth times {scale}")


def _rescale(given: argparse.Namespace) -> Scale:
    """Does what the user asks for. Errors: ValueError for too little or too much of it."""
    ways = [given.camera_height is not None, given.teacher is not None]
    if sum(ways) != bool(given.photos) or bool(given.data) == bool(given.photos):
        raise ValueError(
            "Give --data, or --photos with --camera-height or --teacher. Received: "
            f"data={given.data}, photos={given.photos}, camera_height={given.camera_height}, "
            f"teacher={given.teacher}."
        )
    lost = ["focal"] if given.focal != "exif" and given.data else []
    lost += [name for name in ("spec", "root") if getattr(given, name) and given.photos]
    if lost:
        raise ValueError(
            "--spec and --root must be of --data, and --focal of --photos. Received: "
            f"{' and '.join(lost)}, of the other one. Leave it out."
        )
    if given.data:
        _check_export(given.export, given.file)
        network = load_model(given.file)
        scale = find_scale(network, read_csv(given.data, given.spec, given.root))
        export_model(put_in_metres(network, scale.factor), given.export)
        return scale
    photos, videos = find_media(given.photos).split()
    if videos:
        raise ValueError(
            f"A scale is told by photos. Received: the video {videos[0]}. Give frames of it: "
            "`depthlib views` writes them."
        )
    way = {"camera_height": given.camera_height, "teacher": given.teacher, "focal": given.focal}
    return rescale_by_photos(given.file, photos, given.export, **way)


def _read_words(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m depthlib.training.rescale",
        description="Brings metres that drifted, or were never there, to a network.",
    )
    add = parser.add_argument
    add("file", type=Path, help=".keras file of a trained network")
    add("--data", help="CSV of photos with measured depth")
    add("--spec", help="how their depth is stored, as in `depthlib train`")
    add("--root", type=Path, help="where the photos are, if not beside DATA")
    add("--photos", nargs="+", metavar="PATH", help="or photos, folders or patterns without depth")
    add("--camera-height", type=float, metavar="METRES", help="of their camera over a level road")
    add("--teacher", metavar="NETWORK", help="or a network that knows metres: road, light, ...")
    add("--focal", default="exif", help="of --photos, as in `depthlib predict`")
    add("--export", required=True, type=Path, help="the file to write")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
