"""Depth without ground truth: which of two points of a road is nearer, as its geometry says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.images import read_rgb
from depthlib.evaluation import Predict
from depthlib.files import refuse_escape
from depthlib.metrics import bootstrap_interval

POINTS = ["near_x", "near_y", "far_x", "far_y"]
WINDOW = 0.01  # side of the square whose median is a point's depth, as a share of the width


def read_ordinal_pairs(path: Path | str) -> pd.DataFrame:
    """The pairs of points in a CSV: photo, effect, and POINTS as shares of width and height.

    Errors: FileNotFoundError; ValueError for other columns, points outside of the photo, or a
    photo that is named by more than a file name or relative path.
    """
    path = Path(path)
    pairs = read_marks(path, "pairs", ["photo", "effect", *POINTS])
    wrong = ~((pairs[POINTS] >= 0) & (pairs[POINTS] < 1)).all(axis=1)
    if wrong.any():
        raise ValueError(
            "A point must be given as shares of width and height, from 0 to below 1. Received: "
            f"{pairs[POINTS][wrong].iloc[0].tolist()} in line {wrong.idxmax() + 2} of {path}."
        )
    return pairs


def read_marks(path: Path, kind: str, columns: Sequence[str]) -> pd.DataFrame:
    """What is marked on photos, in a CSV of these columns, of which `photo` names the photo.

    Errors: FileNotFoundError; ValueError for other columns, or a photo that is named by more than a
    file name or relative path.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}. The repository's is real_photos/.")
    marks = pd.read_csv(path)
    if list(marks) != list(columns) or marks.empty:
        raise ValueError(
            f"A CSV of {kind} must have rows of {', '.join(columns)}. Received: "
            f"{', '.join(marks)}, {len(marks)} rows in {path}."
        )
    for photo in marks["photo"].unique():
        refuse_escape(photo, path)
    return marks


def score_ordinal(
    predict: Predict, folders: Sequence[Path | str], pairs: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """The pairs with near_depth, far_depth and right (near < far), and the photos not found.

    A photo is looked for in each folder in turn; those that are nowhere are left out and named.
    A point's depth is the median over a square of WINDOW. Errors: FileNotFoundError where no photo
    is found; those of `read_rgb`.
    """
    rows, missing = [], []
    for name, group in tqdm(pairs.groupby("photo", sort=False), "ordinal"):
        path = next((p for f in folders if (p := Path(f) / name).is_file()), None)
        if path is None:
            missing.append(name)
            continue
        depth = predict([read_rgb(path)], False)[0]
        for pair in group.to_dict("records"):
            near = _read_depth(depth, pair["near_x"], pair["near_y"])
            far = _read_depth(depth, pair["far_x"], pair["far_y"])
            rows.append(pair | {"near_depth": near, "far_depth": far, "right": near < far})
    if not rows:
        raise FileNotFoundError(
            f"There is none of the photos {', '.join(missing)} in {', '.join(map(str, folders))}. "
            "Say where they are."
        )
    return pd.DataFrame(rows), missing


def summarise_ordinal(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """A row an effect, and one of all: photos, pairs, right (a share), low and high over photos."""
    groups = [*scores.groupby("effect", sort=False), ("all", scores)]
    rows = []
    for effect, group in groups:
        low, high = bootstrap_interval(group["right"], group["photo"], seed)
        counts = {"photos": group["photo"].nunique(), "pairs": len(group)}
        rows.append({"effect": effect, **counts, "right": group["right"].mean()})
        rows[-1] |= {"low": low, "high": high}
    return pd.DataFrame(rows)


def _read_depth(depth: np.ndarray, x: float, y: float) -> float:
    height, width = depth.shape
    row, column = int(y * height), int(x * width)
    reach = int(WINDOW * width / 2)
    rows = slice(max(row - reach, 0), row + reach + 1)
    return float(np.median(depth[rows, max(column - reach, 0) : column + reach + 1]))
