"""What others published for Eigen's test frames of KITTI: files of predictions, and their numbers.

A file is an array (697, height, width) of disparities in the order of Eigen's list, as Monodepth2
(arXiv 1806.01260) and those that followed it offer them; its code is not needed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from depthlib.data.images import read_rgb
from depthlib.data.kitti import read_order
from depthlib.data.pairs import Pairs

# Networks trained on stereo pairs count in units of a baseline of 0.1; KITTI's is 0.54 m.
STEREO_SCALE = 5.4
RAW, IMPROVED = "raw LiDAR", "improved"
TRUTHS = {"kitti": RAW, "kitti_raw": RAW, "kitti_improved": IMPROVED}  # by the spec's name
_VIDEO, _DRIVES = "none: KITTI's videos", "LiDAR of KITTI's drives"
_COLUMNS = (
    "model", "truth", "alignment", "images", "abs_rel", "rmse", "delta1", "supervision", "more data"
)  # fmt: skip
_NUMBERS = (
    ("Monodepth2 M", RAW, "median", 697, 0.115, 4.863, 0.877, _VIDEO, "ImageNet"),
    ("Lite-Mono", RAW, "median", 697, 0.107, 4.561, 0.886, _VIDEO, "ImageNet"),
    ("BTS ResNet50", IMPROVED, "none", 652, 0.061, 2.80, 0.954, _DRIVES, "ImageNet"),
    ("AdaBins", IMPROVED, "none", 652, 0.058, 2.36, 0.964, _DRIVES, "ImageNet"),
    ("Depth Anything V2 L", IMPROVED, "none", 652, 0.045, 1.86, 0.983, _DRIVES, "62 M photos"),
)


def add_papers(measured: pd.DataFrame, spec_name: str) -> pd.DataFrame:
    """A table of scores with its kind of `truth`, and the papers' rows against the same kind.

    `measured` is of `evaluation.summarise_all`, on a dataset's spec of this name. The papers'
    AbsRel, RMSE and δ1 are for Eigen's frames, Garg's crop and 80 m; supervision and more data say
    what else differs. Kinds of truth, and alignments, are never ranked together.
    """
    truth = TRUTHS.get(spec_name, spec_name)
    papers = pd.DataFrame(_NUMBERS, columns=_COLUMNS)
    table = pd.concat([measured.assign(truth=truth), papers[papers["truth"] == truth]])
    return table.sort_values(["alignment", "abs_rel"]).set_index(["truth", "alignment", "model"])


class PublishedDepth:
    """Gives a published file's depth for the photos of `pairs`, as a network would (`Predict`).

    The file is .npy, float (697, height, width), disparities above 0. Depth is `scale` over them:
    STEREO_SCALE for what was trained on stereo pairs; 1 for videos, which say nothing of metres, so
    `unit` is then "relative". A photo is known by its pixels, so pairs may come in any order.
    Errors: FileNotFoundError; ValueError for another file, or a photo that is not on the list.
    """

    def __init__(self, path: Path | str, pairs: Pairs, scale: float = 1.0):
        self.path, self.scale = Path(path), scale
        self.unit = "relative" if scale == 1 else "metre"
        order = {key: row for row, key in enumerate(read_order("test"))}
        self.disparities = _open(self.path, len(order))
        self.rows = {}
        for index, photo in enumerate(pairs.table["rgb"]):
            drive, frame = pairs.spec.key_of(photo, pairs.spec.photo) or ("", "")
            key = drive, int(frame) if frame.isdigit() else -1
            if key not in order:
                raise ValueError(
                    "A published file has the frames of Eigen's test list. Received: "
                    f"{pairs.rgb_path(index)}. Use kitti.split_pairs(pairs)['test']."
                )
            self.rows[_digest(read_rgb(pairs.rgb_path(index)))] = order[key]

    def __call__(
        self, photos: Sequence[np.ndarray], flip_average: bool = False
    ) -> list[np.ndarray]:
        """Depth float32 (height, width) of each photo, which is one of the pairs', at its size.

        Errors: ValueError for another photo, or where flips are to be averaged: a file has none.
        """
        if flip_average or not all(_digest(photo) in self.rows for photo in photos):
            raise ValueError(
                "A published file answers for the pairs that it was opened with, not flipped. "
                f"Received: flip_average={flip_average}, another photo or both."
            )
        return [self._depth(self.rows[_digest(photo)], photo.shape) for photo in photos]

    def _depth(self, row: int, shape: tuple[int, ...]) -> np.ndarray:
        disparity = np.asarray(self.disparities[row], np.float32)
        if not disparity.min() > 0:
            raise ValueError(
                f"A disparity must be above 0. Received: {disparity.min()} in row {row} of "
                f"{self.path}. Depth and raw network outputs are no disparities."
            )
        size = shape[1::-1]
        return self.scale / cv2.resize(disparity, size, interpolation=cv2.INTER_LINEAR)


def open_published(
    files: Mapping[str, tuple[Path | str, float]], pairs: Pairs
) -> tuple[dict[str, PublishedDepth], str]:
    """Those of `files` ({name: (path, scale)}) that are there, and a note on what is missing."""
    there = {name: file for name, file in files.items() if Path(file[0]).is_file()}
    missing = [f"{name}: there is no {files[name][0]}" for name in files if name not in there]
    opened = {name: PublishedDepth(path, pairs, scale) for name, (path, scale) in there.items()}
    return opened, "\n".join([f"published: {', '.join(there) or 'none'}", *missing])


def _open(path: Path, count: int) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}. Download the predictions of the 697 frames.")
    try:
        array = np.load(path, mmap_mode="r")
        shape, kind = array.shape, array.dtype.kind
    except (ValueError, EOFError, AttributeError) as error:
        raise ValueError(f"Predictions must be a .npy file. Received: {path}: {error}") from error
    if len(shape) != 3 or shape[0] != count or kind != "f":
        raise ValueError(
            f"Predictions must be float ({count}, height, width), a map for each of Eigen's test "
            f"frames. Received: {array.dtype} {shape} in {path}."
        )
    return array


def _digest(photo: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(photo)).digest()
