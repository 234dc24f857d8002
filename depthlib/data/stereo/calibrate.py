"""A rig from pairs of photos of a board: OpenCV's calibration, and what hurts it left out."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.images import read_rgb
from depthlib.data.intrinsics import CameraCalibration
from depthlib.data.stereo.boards import Board
from depthlib.data.stereo.rig import Rig

LEAST = 5  # pairs that show the board
CELLS = 8  # along each side of a photo, to see how much of it the boards covered
_HURTS = 3.0  # times the median error of all pairs: such a pair is left out
_HARMLESS = 0.3  # pixels: an error below it is never too large
_BEYOND = 0.01  # of a photo's width: further off, a pair is of other cameras or another moment
_SHIFTS = (1, -1, 2, -2, 3, -3)  # photos that one camera may be behind


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rig and how well its photos fit it.

    rig: the two cameras. board: what was photographed. pairs: a row a pair: left, right, used,
    problem ("" where there is none), and in pixels error_left, error_right (rms of the corners) and
    epipolar (mean distance between the rows of a corner after rectification). rms: of all corners
    of the pairs that are used, both cameras. coverage: shares of the left and of the right photo
    that the boards reached. corners: of the used pairs, by row, (left, right), each (n, 2).
    """

    rig: Rig
    board: Board
    pairs: pd.DataFrame
    rms: float
    coverage: tuple[float, float]
    corners: dict[int, tuple[np.ndarray, np.ndarray]]

    @property
    def epipolar(self) -> float:
        """The mean epipolar error of the used pairs, pixels."""
        return float(self.pairs.loc[self.pairs["used"], "epipolar"].mean())

    def describe(self) -> str:
        """The report in a few lines."""
        height, width = self.rig.left.size or (0, 0)
        left_out = self.pairs[~self.pairs["used"]]
        lines = [
            f"pairs: {self.pairs['used'].sum()} of {len(self.pairs)}, {self.board.name}",
            *(f"left out: {row.left}: {row.problem}" for row in left_out.itertuples()),
            *(
                f"note: {row.left}: {row.problem}"
                for row in self.pairs[
                    self.pairs["used"] & (self.pairs["problem"] != "")
                ].itertuples()
            ),
            f"rms: {self.rms:.3f} pixels of {height}x{width} (height x width)",
            f"epipolar error after rectification: {self.epipolar:.3f} pixels",
            f"baseline: {self.rig.baseline:.5f} m; focal length: {self.rig.left.matrix[0, 0]:.2f} "
            f"and {self.rig.right.matrix[0, 0]:.2f} pixels",
            f"the boards reached {self.coverage[0]:.0%} of the left photo and "
            f"{self.coverage[1]:.0%} of the right one"
            + ("; take some at the edges and corners too" if min(self.coverage) < 0.6 else ""),
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class _View:
    """A board that both cameras see: its points (n, 3), and its corners in each photo (n, 2)."""

    points: np.ndarray
    left: np.ndarray
    right: np.ndarray
    note: str = ""


def calibrate_photos(
    left: Sequence[Path], right: Sequence[Path], board: Board, workers: int | None = None
) -> Calibration:
    """The rig that took the photos of `board`, a left and a right one of each moment.

    Each camera is calibrated alone first, then both together. A pair is left out, and named, that
    does not show the board, that disagrees with the others on how the cameras stand, or whose error
    is 3 times the median. `workers` threads look for boards (None: one a core).
    Errors: those of `read_rgb`; ValueError for unequal numbers or sizes of photos, a board of
    another size, fewer than 5 pairs that show it, photos that are not of one moment, cameras that
    are swapped.
    """
    sizes, views, table = _find_boards(left, right, board, workers)
    height, width = _check_sizes(sizes, left, right)
    if len(views) < LEAST:
        raise _lacks_boards(table, left, board)
    table["used"] = table.index.isin(views)
    size = (width, height)
    cameras = [
        _calibrate_one([view.points for view in views.values()], corners, size)
        for corners in (
            [view.left for view in views.values()],
            [view.right for view in views.values()],
        )
    ]
    outliers = _find_outliers(views, cameras, width, table)
    for number in outliers:
        table.loc[number, ["used", "problem"]] = (
            False,
            "the cameras stand otherwise to each other than in most pairs: the photos are not of "
            "one moment, or the board was not found rightly",
        )
        del views[number]
    while True:
        rms, errors, (k1, d1, k2, d2, rotation, translation) = _calibrate_both(
            list(views.values()), cameras, size
        )
        worst = int(errors.max(1).argmax())
        limit = max(_HURTS * float(np.median(errors)), _HARMLESS)
        if errors[worst].max() <= limit or len(views) <= LEAST:
            break
        number = list(views)[worst]
        problem = f"its error, {errors[worst].max():.2f} pixels, is above {limit:.2f}"
        table.loc[number, ["used", "problem"]] = False, problem
        del views[number]
    path = Path(left[0]).parent
    first, second = (
        CameraCalibration(path, matrix, distortion.ravel(), False, (height, width))
        for matrix, distortion in ((k1, d1), (k2, d2))
    )
    rig = Rig(first, second, rotation, translation.ravel())
    rectifier = rig.rectify(height, width)
    for (number, view), error in zip(views.items(), errors, strict=True):
        table.loc[number, ["error_left", "error_right"]] = error
        rows = (points[:, 1] for points in rectifier.rectify_points(view.left, view.right))
        table.loc[number, "epipolar"] = float(np.abs(np.subtract(*rows)).mean())
    corners = {number: (view.left, view.right) for number, view in views.items()}
    reached = [
        _cover(np.concatenate(side), height, width) for side in zip(*corners.values(), strict=True)
    ]
    return Calibration(rig, board, table, rms, (reached[0], reached[1]), corners)


def _find_boards(
    left: Sequence[Path], right: Sequence[Path], board: Board, workers: int | None
) -> tuple[list[tuple[int, int]], dict[int, _View], pd.DataFrame]:
    """The size of each photo, left and right by turns, what pairs show the board, a row a pair."""
    if len(left) != len(right):
        raise ValueError(
            "Each left photo must have a right one. Received: "
            f"{len(left)} left ones and {len(right)} right ones, such as {left[0]} and {right[0]}. "
            "Remove those without a partner."
        )
    photos = [path for pair in zip(left, right, strict=True) for path in pair]

    def look(path: Path) -> tuple[tuple[int, int], tuple[np.ndarray, np.ndarray] | None]:
        rgb = read_rgb(path)
        return rgb.shape[:2], board.find(rgb)

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        results = list(tqdm(pool.map(look, photos), "look for the board", len(photos)))
    views, rows = {}, []
    for number, (a, b) in enumerate(zip(results[::2], results[1::2], strict=True)):
        view = None if a[1] is None or b[1] is None else _join(board, a[1], b[1])
        if view:
            views[number], problem = view, view.note
        else:
            missing = [side for side, (_, found) in (("left", a), ("right", b)) if found is None]
            problem = f"no {board.name} in the {' and the '.join(missing)} photo"
            if not missing:
                problem = "the two photos share too few corners"
        rows.append((str(left[number]), str(right[number]), False, problem, *[np.nan] * 3))
    columns = ["left", "right", "used", "problem", "error_left", "error_right", "epipolar"]
    return [size for size, _ in results], views, pd.DataFrame(rows, columns=columns)


def _join(board: Board, left: tuple, right: tuple) -> _View | None:
    """The corners that both photos show; None for too few."""
    (which, at_left), (other, at_right) = left, right
    if not board.charuco:
        # A chessboard has no first corner: it may be found from one end and from the other.
        along = [corners[-1] - corners[0] for corners in (at_left, at_right)]
        if np.dot(*along) < 0:
            note = "the board was found turned by 180° in the right photo, and turned back"
            return _View(board.points, at_left, at_right[::-1].copy(), note)
        return _View(board.points, at_left, at_right)
    both, first, second = np.intersect1d(which, other, return_indices=True)
    if len(both) < 6:
        return None
    return _View(board.points[both], at_left[first], at_right[second])


def _check_sizes(
    sizes: list[tuple[int, int]], left: Sequence[Path], right: Sequence[Path]
) -> tuple[int, int]:
    for number, size in enumerate(sizes):
        if size != sizes[0]:
            raise ValueError(
                "All photos of a rig must have one size. Received: "
                f"{size[0]}x{size[1]} in {(left, right)[number % 2][number // 2]} and "
                f"{sizes[0][0]}x{sizes[0][1]} (height x width) in {left[0]}. Leave it out, or take "
                "all photos in one mode."
            )
    return sizes[0]


def _lacks_boards(table: pd.DataFrame, left: Sequence[Path], board: Board) -> ValueError:
    """What is wrong where few pairs show the board: another board, or none."""
    seen = (board.find_other(read_rgb(path)) for path in left[:: max(1, len(left) // 5)])
    other = next((size for size in seen if size), None)
    advice = "Show the whole board, sharp and lit evenly, to both cameras, in 15 pairs."
    if other:
        size = f"{other[0]}x{other[1]}"
        advice = f"The photos show a chessboard of {size}: use --board {size}."
    count = int((table["problem"] == "").sum())
    return ValueError(
        f"A calibration needs {LEAST} pairs in which both photos show the board, a {board.name}. "
        f"Received: {count} of {len(table)}; of {table['left'][0]} and {table['right'][0]}: "
        f"{table['problem'][0] or 'found'}. {advice}"
    )


def _calibrate_one(
    points: list[np.ndarray], corners: list[np.ndarray], size: tuple[int, int]
) -> tuple:
    """(matrix, distortion, turns, shifts) of one camera, the last two a board each."""
    _, matrix, distortion, turns, shifts = cv2.calibrateCamera(points, corners, size, None, None)
    return matrix, distortion, turns, shifts


def _calibrate_both(views: list[_View], cameras: list, size: tuple[int, int]) -> tuple:
    """(rms, errors (pairs, 2), what OpenCV found), from each camera's own calibration on."""
    (k1, d1, *_), (k2, d2, *_) = cameras
    found = cv2.stereoCalibrateExtended(  # type: ignore[call-overload]
        [view.points for view in views],
        [view.left for view in views],
        [view.right for view in views],
        k1.copy(), d1.copy(), k2.copy(), d2.copy(), size, None, None,
        flags=cv2.CALIB_USE_INTRINSIC_GUESS,
    )  # fmt: skip
    return found[0], found[-1], found[1:7]


def _find_outliers(
    views: dict[int, _View], cameras: list, width: int, table: pd.DataFrame
) -> list[int]:
    """The pairs that disagree with most on how the cameras stand to each other.

    Errors: ValueError where most do, with how many photos one camera is behind if that explains it.
    """
    numbers = list(views)
    agree = _agree(list(views.values()), cameras, 0, width)
    if agree.mean() > 0.5:
        return [number for number, good in zip(numbers, agree, strict=True) if not good]
    advice = "Record both cameras at once, and fix them to each other."
    for shift in _SHIFTS:
        if len(numbers) - abs(shift) >= LEAST:
            if _agree(list(views.values()), cameras, shift, width).mean() > 0.7:
                side = ("right", "left")[shift < 0]
                advice = (
                    f"The {side} photos are {abs(shift)} behind: remove the first {abs(shift)} of "
                    f"them, and the last {abs(shift)} of the others."
                )
                break
    raise ValueError(
        "Both photos of a pair must be of one moment, and the cameras must not move to each other. "
        f"Received: {len(numbers)} pairs, of which {int(agree.sum())} agree on how the cameras "
        f"stand; the first is {table['left'][numbers[0]]} and {table['right'][numbers[0]]}. "
        f"{advice}"
    )


def _agree(views: list[_View], cameras: list, shift: int, width: int) -> np.ndarray:
    """Which pairs agree with the median pose of the right camera to the left one, bool (pairs,).

    shift: the right photo of a pair is that of so many pairs later.
    """
    (_, _, turns, shifts), (matrix, distortion, other_turns, other_shifts) = cameras
    count = len(views)
    pairs = [(i, i + shift) for i in range(count) if 0 <= i + shift < count]
    poses = []
    for i, j in pairs:
        if len(views[i].points) != len(views[j].points):
            continue
        turn = cv2.Rodrigues(other_turns[j])[0] @ cv2.Rodrigues(turns[i])[0].T
        poses.append(
            np.concatenate([cv2.Rodrigues(turn)[0], other_shifts[j] - turn @ shifts[i]]).ravel()
        )
    usual = np.median(poses, axis=0) if poses else np.zeros(6)
    turn, move = cv2.Rodrigues(usual[:3])[0], usual[3:, None]
    errors = []
    for i, j in pairs:
        turned = turn @ cv2.Rodrigues(turns[i])[0]
        seen, _ = cv2.projectPoints(
            views[i].points, turned, turn @ shifts[i] + move, matrix, distortion
        )
        same = min(len(seen), len(views[j].right))
        off = seen.reshape(-1, 2)[:same] - views[j].right[:same]
        errors.append(np.sqrt(np.mean(np.sum(off**2, axis=1))))
    return np.array(errors) < _BEYOND * width


def _cover(corners: np.ndarray, height: int, width: int) -> float:
    """The share of CELLS x CELLS parts of the photo that hold a corner."""
    cells = np.floor(corners / (width, height) * CELLS).astype(int)
    return len({tuple(cell) for cell in cells.tolist()}) / CELLS**2
