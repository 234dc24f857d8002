"""What two cameras see, drawn exactly: boards by their homography, planes by their shift."""

from pathlib import Path

import cv2
import numpy as np

from depthlib.data.images import write_rgb

HEIGHT, WIDTH = 240, 320
MATRIX = np.array([(300.0, 0, 158.0), (0, 298.0, 121.0), (0, 0, 1)])
TURN = cv2.Rodrigues(np.array([0.01, -0.02, 0.015]))[0]  # of the right camera
SHIFT = np.array([-0.12, 0.002, 0.001])
_SQUARE = 56  # pixels, in a board's texture
_DETAIL = 3  # the boards are drawn larger by this, then shrunk


def draw_boards(
    board,
    folder: Path,
    count=8,
    seed=0,
    *,
    matrix=MATRIX,
    turn=TURN,
    shift=SHIFT,
    tilt=35,
    least=1.0,
):
    """Writes `count` pairs of photos of a board; their two lists.

    matrix, turn, shift: of the right camera. tilt: degrees, at most. least: share of the board's
    inner corners that both photos show.
    """
    rng = np.random.default_rng(seed)
    texture = board.draw(_SQUARE, margin=_SQUARE // 2)
    span = np.array([board.columns + 1, board.rows + 1]) * board.square
    whole = np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) * span
    shown = whole if least == 1 else board.points[:, :2] + board.square
    reach = np.array((0.13, 0.1)) * (3 - 2 * least)
    sides = [], []
    while len(sides[0]) < count:
        held = cv2.Rodrigues(np.deg2rad(rng.uniform(-tilt, tilt, 3)))[0]
        middle = np.array([*rng.uniform((0.02 - reach[0], -reach[1]), (0.02 + reach[0], reach[1])),
                           rng.uniform(0.5, 0.8)])  # fmt: skip
        place = middle - held[:, :2] @ (span / 2)
        views = (MATRIX, held, place), (matrix, turn @ held, turn @ place + shift)
        seen = [_see(shown, *view) for view in views]
        inside = [((c > 3) & (c < (WIDTH - 3, HEIGHT - 3))).all(axis=1) for c in seen]
        if np.logical_and(*inside).mean() < least:
            continue
        for side, name, view in zip(sides, ("left", "right"), views, strict=True):
            side.append(folder / name / f"{len(side):02d}.png")
            write_rgb(side[-1], _photograph(texture, board, *view))
    return sides


def _see(points, matrix, turn, place):
    seen = (matrix @ (turn[:, :2] @ points.T + place[:, None])).T
    return seen[:, :2] / seen[:, 2:]


def _photograph(texture, board, matrix, turn, place):
    step = board.square / _SQUARE
    to_metres = np.diag([step, step, 1.0])
    to_metres[:2, 2] = (0.5 - _SQUARE // 2) * step  # past the texture's margin
    larger = np.array([(_DETAIL, 0, (_DETAIL - 1) / 2), (0, _DETAIL, (_DETAIL - 1) / 2), (0, 0, 1)])
    homography = larger @ matrix @ np.column_stack([turn[:, :2], place]) @ to_metres
    size = _DETAIL * WIDTH, _DETAIL * HEIGHT
    grey = cv2.warpPerspective(texture, homography, size, borderValue=128)
    grey = cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.repeat(np.uint8(0.8 * grey + 20)[..., None], 3, axis=2)


def draw_shifted(height=72, width=160, back=6, front=20, seed=0):
    """(left, right, disparity) of a wall, and of a nearer board before its middle."""
    rng = np.random.default_rng(seed)
    disparity = np.full((height, width), back, np.float32)
    middle = slice(height // 4, 3 * height // 4), slice(width // 3, 2 * width // 3)
    disparity[middle] = front
    texture = [cv2.GaussianBlur(t, (0, 0), 1.2) for t in rng.uniform(0, 255, (2, height, 240))]
    wall, board = (np.clip(3 * (t - 128) + 128, 0, 255).astype(np.uint8) for t in texture)
    left, right = wall[:, :width].copy(), wall[:, back : width + back].copy()
    left[middle] = board[middle]
    nearer = middle[0], slice(middle[1].start - front, middle[1].stop - front)
    right[nearer] = board[middle]
    return *(np.repeat(view[..., None], 3, axis=2) for view in (left, right)), disparity
