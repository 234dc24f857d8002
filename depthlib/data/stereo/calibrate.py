"""A rig from pairs of photos of a board: OpenCV's calibration, and what hurts it left out."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.cache import count_threads
from depthlib.data.images import read_rgb
from depthlib.data.intrinsics import CameraCalibration
from depthlib.data.stereo.boards import Board
from depthlib.data.stereo.pairing import check_partners
from depthlib.data.stereo.rig import Rig

LEAST = 5  # pairs that show the board
CELLS = 8  # along each side of a photo, to see how much of it the boards covered
_HURTS = 3.0  # times the median error of all pairs: such a pair is left out
_HARMLESS = 0.3  # pixels: an error below it is never too large
_BEYOND = 0.01  # of a photo's width: further off, a pair is of other cameras or another moment
_TILTED = (10.0, 30.0)  # degrees between two boards, at least, and for a good calibration
_EXPLAINS = 0.7  # of the pairs: what makes so many agree is what is wrong
_SHIFTS = (1, -1, 2, -2, 3, -3)  # photos that one camera may be behind


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rig and how well its photos fit it.

    rig: the two cameras. board: what was photographed. pairs: a row a pair: left, right, used,
    problem ("" where there is none), and in pixels error_left, error_right (rms of the corners) and
    epipolar (mean distance between the rows of a corner after rectification). rms: of all corners
    of the pairs that are used, both cameras. coverage: shares of the left and of the right photo
    that the boards reached. tilt: the largest angle between two boards, degrees. corners: of the
    used pairs, by row, (left, right), each (n, 2).
    """

    rig: Rig
    board: Board
    pairs: pd.DataFrame
    rms: float
    coverage: tuple[float, float]
    tilt: float
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
            f"the boards were tilted by up to {self.tilt:.0f} degrees to each other"
            + ("; tilt some more, to each side" if self.tilt < _TILTED[1] else ""),
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
    table["used"] = table.index.isin(views)
    if len(views) < LEAST:
        raise _lacks_boards(table, left, board)
    size = (width, height)
    cameras = [
        _calibrate_one([view.points for view in views.values()], corners, size, left[0])
        for corners in (
            [view.left for view in views.values()],
            [view.right for view in views.values()],
        )
    ]
    tilt = _find_tilt(cameras[0][2])
    if tilt < _TILTED[0]:
        raise ValueError(
            "The boards of a calibration must be tilted in several ways: else nothing tells the "
            f"focal length. Received: {len(views)} pairs, such as {left[0]} and {right[0]}, in "
            f"which boards are within {tilt:.0f} degrees of each other. Take 15 pairs, near and "
            "far, tilted to each side by 20 degrees or more."
        )
    turn, move, agree = _find_pose(list(views.values()), cameras, 0, width)
    if agree.mean() <= 0.5:
        pair = table.iloc[next(iter(views))]
        raise ValueError(
            "Both photos of a pair must be of one moment, and the cameras must not move to each "
            f"other. Received: {len(views)} pairs, of which {agree.sum()} agree on how the cameras "
            f"stand; the first is {pair['left']} and {pair['right']}. "
            f"{_tell_disagreement(list(views.values()), cameras, size, tilt, left[0])}"
        )
    path = Path(left[0]).parent
    _make_rig(path, cameras[0], cameras[1], turn, move, size).check()
    for number in [number for number, good in zip(views, agree, strict=True) if not good]:
        table.loc[number, ["used", "problem"]] = (
            False,
            "the cameras stand otherwise to each other than in most pairs: the photos are not of "
            "one moment, or the board was not found rightly",
        )
        del views[number]
    if len(views) < LEAST:
        raise _lacks_boards(table, left, board)
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
    rig = _make_rig(path, (k1, d1), (k2, d2), rotation, translation, size)
    rectifier = rig.rectify(height, width)
    for (number, view), error in zip(views.items(), errors, strict=True):
        table.loc[number, ["error_left", "error_right"]] = error
        rows = (points[:, 1] for points in rectifier.rectify_points(view.left, view.right))
        table.loc[number, "epipolar"] = float(np.abs(np.subtract(*rows)).mean())
    corners = {number: (view.left, view.right) for number, view in views.items()}
    reached = [
        _cover(np.concatenate(side), height, width) for side in zip(*corners.values(), strict=True)
    ]
    return Calibration(rig, board, table, rms, (reached[0], reached[1]), tilt, corners)


def _make_rig(
    path: Path, left: tuple, right: tuple, turn: np.ndarray, move: np.ndarray, size: tuple[int, int]
) -> Rig:
    """The rig of (matrix, distortion, ...) of each camera and the right one's pose."""
    first, second = (
        CameraCalibration(path, matrix, distortion.ravel(), False, size[::-1])
        for matrix, distortion, *_ in (left, right)
    )
    return Rig(first, second, turn, move.ravel())


def _find_boards(
    left: Sequence[Path], right: Sequence[Path], board: Board, workers: int | None
) -> tuple[list[tuple[int, int]], dict[int, _View], pd.DataFrame]:
    """The size of each photo, left and right by turns, what pairs show the board, a row a pair."""
    check_partners(left, right)
    photos = [path for pair in zip(left, right, strict=True) for path in pair]

    def look(path: Path) -> tuple[tuple[int, int], tuple[np.ndarray, np.ndarray] | None]:
        rgb = read_rgb(path)
        return rgb.shape[:2], board.find(rgb)

    with ThreadPoolExecutor(count_threads(workers)) as pool:
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
    points = board.points[both]
    # What lies on one line tells nothing of how a board is turned.
    if len(both) < 6 or np.linalg.matrix_rank(points - points.mean(0), 1e-6) < 2:
        return None
    return _View(points, at_left[first], at_right[second])


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
    told = (board.tell_other(read_rgb(path)) for path in left[:: max(1, len(left) // 5)])
    whole = "8 corners or more" if board.charuco else "the whole board"
    advice = next(filter(None, told), f"Show {whole}, sharp and lit evenly, to both, in 15 pairs.")
    without = table[~table["used"]]
    first = "".join(
        f"; of {row.left} and {row.right}: {row.problem}" for row in without[:1].itertuples()
    )
    return ValueError(
        f"A calibration needs {LEAST} pairs in which both photos show the board, a {board.name}. "
        f"Received: {len(table) - len(without)} of {len(table)}{first}. {advice}"
    )


def _calibrate_one(
    points: list[np.ndarray], corners: list[np.ndarray], size: tuple[int, int], first: Path
) -> tuple:
    """(matrix, distortion, turns, shifts) of one camera, the last two a board each.

    Errors: ValueError that names the `first` photo, where no camera would see boards so.
    """
    try:
        _, *found = cv2.calibrateCamera(points, corners, size, None, None)
    except cv2.error as error:
        raise ValueError(
            "Boards must be seen as a camera sees them. Received: corners for which OpenCV finds "
            f"no camera ({error.err}), in photos such as {first}. Take sharp ones of a flat board."
        ) from error
    return tuple(found)


def _find_tilt(turns: Sequence[np.ndarray]) -> float:
    """The largest angle between two boards, degrees."""
    normals = np.array([cv2.Rodrigues(turn)[0][:, 2] for turn in turns])
    return float(np.degrees(np.arccos(np.clip(normals @ normals.T, -1, 1).min())))


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


def _tell_disagreement(
    views: list[_View], cameras: list, size: tuple[int, int], tilt: float, first: Path
) -> str:
    """Why most pairs disagree on how the cameras stand, and what to do."""
    width, _ = size
    if any(view.note for view in views):  # what was turned back may be what the camera saw
        turned = [replace(view, right=view.right[::-1].copy()) for view in views]
        other = _calibrate_one([v.points for v in turned], [v.right for v in turned], size, first)
        if _find_pose(turned, [cameras[0], other], 0, width)[2].mean() > _EXPLAINS:
            return "The right photos are upside down to the left ones: turn them by 180 degrees."
    for shift in _SHIFTS:
        far = len(views) - abs(shift) >= LEAST
        if far and _find_pose(views, cameras, shift, width)[2].mean() > _EXPLAINS:
            side = ("right", "left")[shift < 0]
            return (
                f"The {side} photos are {abs(shift)} behind: remove the first {abs(shift)} of "
                f"them, and the last {abs(shift)} of the others."
            )
    advice = "Record both cameras at once, and fix them to each other."
    if tilt < _TILTED[1]:
        advice += f" Tilt the boards more, to each side: these are within {tilt:.0f} degrees."
    return advice


def _find_pose(
    views: list[_View], cameras: list, shift: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the right camera stands to the left one in most pairs: turn, move, and who agrees.

    shift: the right photo of a pair is that of so many pairs later. turn (3, 3) and move (3, 1) as
    in `Rig`; bool (pairs,).
    """
    (_, _, turns, shifts), (matrix, distortion, other_turns, other_shifts) = cameras
    count = len(views)
    pairs = [(i, i + shift) for i in range(count) if 0 <= i + shift < count]
    boards = [cv2.Rodrigues(turn)[0] for turn in turns]
    relative = [cv2.Rodrigues(other_turns[j])[0] @ boards[i].T for i, j in pairs]
    left, _, right = np.linalg.svd(np.median(relative, axis=0))
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right  # the nearest rotation
    places = [
        other_shifts[j] - one @ shifts[i] for one, (i, j) in zip(relative, pairs, strict=True)
    ]
    move = np.median(places, axis=0)
    errors = []
    for i, j in pairs:
        place = turn @ shifts[i] + move
        seen, _ = cv2.projectPoints(views[j].points, turn @ boards[i], place, matrix, distortion)
        off = seen.reshape(-1, 2) - views[j].right
        errors.append(np.sqrt(np.mean(np.sum(off**2, axis=1))))
    return turn, move, np.array(errors) < _BEYOND * width


def _cover(corners: np.ndarray, height: int, width: int) -> float:
    """The share of CELLS x CELLS parts of the photo that hold a corner."""
    cells = np.floor(corners / (width, height) * CELLS).astype(int)
    return len({tuple(cell) for cell in cells.tolist()}) / CELLS**2
