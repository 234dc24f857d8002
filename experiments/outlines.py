"""Depth without ground truth: a truck's rear is as far at its top as where it meets the road."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from depthlib.data.images import read_rgb
from depthlib.evaluation import Predict
from experiments.point_pairs import read_marks

COLUMNS = ["photo", "kind", "part", "corners"]
NEAR = 1.25  # a pixel is right within this factor of the foot's depth


def read_outlines(path: Path | str) -> pd.DataFrame:
    """The outlines in a CSV: photo, kind ("truck", "gantry"), part, and corners, (n, 2) each.

    A file's corners are "x,y x,y ..." as shares of width and height.
    Errors: FileNotFoundError; ValueError for other columns or corners.
    """
    path = Path(path)
    outlines = read_marks(path, "outlines", COLUMNS)
    return outlines.assign(corners=[_read_corners(text, path) for text in outlines["corners"]])


def score_outlines(predict: Predict, folder: Path | str, outlines: pd.DataFrame) -> pd.DataFrame:
    """The outlines with `right`: the share of pixels within NEAR of the median of the lowest third.

    The parts of a gantry are one thing, whose lowest third is its post's. Whatever stands upright
    on the road is everywhere as far as its foot. Errors: those of `read_rgb`.
    """
    rows = []
    whole = outlines["kind"] == "gantry"
    things = outlines.assign(part=outlines["part"].where(~whole, "all"))
    for photo, group in things.groupby("photo", sort=False):
        rgb = read_rgb(Path(folder) / str(photo))
        depth = predict([rgb], False)[0]
        for (kind, part), parts in group.groupby(["kind", "part"], sort=False):
            inside = _fill(parts["corners"].tolist(), depth.shape)
            top, bottom = np.flatnonzero(inside.any(axis=1))[[0, -1]]
            foot = inside.copy()
            foot[: round(bottom - (bottom - top) / 3)] = False
            ratio = depth[inside] / np.median(depth[foot])
            right = float(((ratio < NEAR) & (ratio > 1 / NEAR)).mean())
            rows.append({"photo": photo, "kind": kind, "part": part, "right": right})
    return pd.DataFrame(rows)


def _read_corners(text: object, path: Path) -> np.ndarray:
    try:
        corners = np.array([[float(n) for n in word.split(",")] for word in str(text).split()])
        if corners.shape[1] != 2 or len(corners) < 3 or not ((corners >= 0) & (corners <= 1)).all():
            raise ValueError
    except (ValueError, IndexError):
        raise ValueError(
            "Corners must be three or more of x,y as shares of width and height. Received: "
            f"{text!r} in {path}."
        ) from None
    return corners


def _fill(outlines: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """Which pixels lie in any of the outlines, bool (height, width)."""
    height, width = shape
    inside = np.zeros((height, width), np.uint8)
    for corners in outlines:
        points = np.rint(corners * [width - 1, height - 1]).astype(np.int32)
        cv2.fillPoly(inside, [points], 1)
    return inside > 0
