"""Calibration boards: drawn to be printed at true size, and found in photos."""

import io
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from depthlib.files import BOARD, check_suffix, write_ours

INCH = 0.0254
A4, A0 = (0.297, 0.210), (1.189, 0.841)  # metres
_MARGIN = 0.008  # metres
_DPI = 600  # on A4; half of it on a larger page, whose squares are larger too
_SEARCHED = 1280  # pixels: corners of a wider photo are looked for in a smaller copy
_LEAST = 8  # corners of a ChArUco board that say where it is
_MARKER = 0.75  # of a square
_MARKERS = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_1000)


@dataclass(frozen=True)
class Board:
    """A chessboard of `columns` x `rows` inner corners, its squares `square` metres wide.

    charuco: whether the white squares hold markers (ArUco, 5x5 bits), by which a part of the board
    is enough.
    """

    columns: int
    rows: int
    square: float
    charuco: bool = False

    def __post_init__(self) -> None:
        if not (2 < self.rows <= 50 and 2 < self.columns <= 50) or self.rows == self.columns:
            raise ValueError(
                "A board must have 3 to 50 inner corners along each side, and another number along "
                "the other, or nobody can tell how it is turned. Received: "
                f"{self.columns}x{self.rows}. Use 9x6."
            )
        if not 0.002 <= self.square <= 0.5:
            raise ValueError(
                "`square` must be the side of a square in metres, 0.002 to 0.5. Received: "
                f"square={self.square:g}. Measure one: 24 mm are 0.024."
            )

    @property
    def name(self) -> str:
        """What it is in words."""
        kind = "ChArUco" if self.charuco else "chessboard"
        return f"{kind} of {self.columns}x{self.rows} inner corners"

    @cached_property
    def points(self) -> np.ndarray:
        """The corners on the board, metres, float32 (columns * rows, 3), row by row."""
        grid = np.zeros((self.rows, self.columns, 3), np.float32)
        grid[..., 0], grid[..., 1] = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        return grid.reshape(-1, 3) * np.float32(self.square)

    def find(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The board in a photo: which of `points`, int (n,), and where, float32 (n, 2) (x, y).

        rgb: uint8 (height, width, 3). None where it is not seen; of a chessboard all corners must
        be. Places are as in OpenCV, (0, 0) the centre of the first pixel, refined to a few
        hundredths of one.
        """
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        shrink = min(1.0, _SEARCHED / grey.shape[1])
        small = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        which, corners = self._find_roughly(small)
        if corners is None or len(corners) < min(_LEAST, len(self.points)):
            return None
        corners = (corners.reshape(-1, 2) + 0.5) / shrink - 0.5
        corners = np.ascontiguousarray(corners, np.float32)
        # The window must hold one corner alone; those of markers lie an eighth of a square off.
        gaps = np.linalg.norm(corners[:, None] - corners[None], axis=2)
        nearest = np.sort(gaps, axis=1)[:, 1].min()
        half = int(np.clip(nearest / (8 if self.charuco else 4), 2, 11))
        rule = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
        return which, cv2.cornerSubPix(grey, corners, (half, half), (-1, -1), rule)

    def tell_other(self, rgb: np.ndarray) -> str:
        """What board a photo shows instead of this one, and what to do; "" where none is seen.

        A board is the same counted along its other side.
        """
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        _, markers, _ = cv2.aruco.ArucoDetector(_MARKERS).detectMarkers(grey)
        if markers is not None and len(markers) >= _LEAST // 2:
            if not self.charuco:
                return "The photos show a board with markers: use --charuco."
            highest, count = int(markers.max()), (self.columns + 1) * (self.rows + 1) // 2
            if highest < count:
                return ""
            return (
                f"The photos show markers with numbers up to {highest}, where this board has 0 to "
                f"{count - 1}: use --board with the size of the board that was printed."
            )
        flags = cv2.CALIB_CB_LARGER | cv2.CALIB_CB_NORMALIZE_IMAGE
        found, _, meta = cv2.findChessboardCornersSBWithMeta(grey, (3, 3), flags)
        if not found:
            return ""
        size = f"{max(meta.shape)}x{min(meta.shape)}"
        if self.charuco:
            return f"The photos show a chessboard of {size} without markers: leave out --charuco."
        if {*meta.shape} != {self.columns, self.rows}:
            return f"The photos show a chessboard of {size}: use --board {size}."
        return ""

    def draw(self, pixels: int, margin: int = 0) -> np.ndarray:
        """The board, uint8 (height, width), `pixels` a square, in a white margin."""
        columns, rows = self.columns + 1, self.rows + 1
        if self.charuco:
            size = columns * pixels, rows * pixels
            board = self._charuco.generateImage(size, marginSize=0)
        else:
            odd = np.uint8(255) * (np.add.outer(np.arange(rows), np.arange(columns)) % 2 > 0)
            board = np.kron(odd, np.ones((pixels, pixels), np.uint8))
        return np.pad(board, margin, constant_values=255)

    def write(self, path: Path | str) -> str:
        """Writes the board to be printed at 100 %, .pdf or .png; gives the page's size in words.

        The page is A4 where the board fits, else as large as it must be. Errors: ValueError for
        another suffix, and for a board that fits no A0; those of `files.write_ours`.
        """
        check_suffix(path, ".pdf", ".png")
        needed = [(count + 1) * self.square + 2 * _MARGIN for count in (self.columns, self.rows)]
        if max(needed) > max(A0) or min(needed) > min(A0):
            raise ValueError(
                "A board must fit a page of A0, 1189 x 841 mm, with its margin. Received: "
                f"square={self.square:g}, in metres, of a {self.name}: {1000 * needed[0]:.0f} x "
                f"{1000 * needed[1]:.0f} mm. Give a square in metres: 25 mm are 0.025."
            )
        page = A4 if needed[0] <= A4[0] and needed[1] <= A4[1] else needed
        pixels = round(self.square * (_DPI if page == A4 else _DPI / 2) / INCH)
        dots = pixels / self.square  # a metre: so that a square is exactly its size
        board = self.draw(pixels)
        sheet = Image.new("L", [round(side * dots) for side in page], 255)
        left, top = (sheet.width - board.shape[1]) // 2, (sheet.height - board.shape[0]) // 2
        sheet.paste(Image.fromarray(board), (left, top))
        text = f"{self.name}, square {1000 * self.square:g} mm. Print at 100 %, measure a square."
        font = ImageFont.load_default(0.003 * dots)
        ImageDraw.Draw(sheet).text((left, top + board.shape[0] + 0.002 * dots), text, 0, font)
        data = io.BytesIO()
        dpi = dots * INCH
        how = {"resolution": dpi} if Path(path).suffix.lower() == ".pdf" else {"dpi": (dpi, dpi)}
        sheet.convert("1").save(data, Path(path).suffix[1:].upper(), **how)
        write_ours(path, data.getvalue(), BOARD)
        return f"{1000 * page[0]:.0f} x {1000 * page[1]:.0f} mm"

    @cached_property
    def _charuco(self) -> cv2.aruco.CharucoBoard:
        size = self.columns + 1, self.rows + 1
        return cv2.aruco.CharucoBoard(size, self.square, _MARKER * self.square, _MARKERS)

    def _find_roughly(self, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        if self.charuco:
            corners, which, *_ = cv2.aruco.CharucoDetector(self._charuco).detectBoard(grey)
            return np.zeros(0, int) if which is None else which.ravel(), corners
        flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
        found, corners = cv2.findChessboardCorners(grey, (self.columns, self.rows), flags=flags)
        return np.arange(len(self.points)), corners if found else None


def parse_board(size: str, square: float, charuco: bool = False) -> Board:
    """The board of a user's words, "9x6". Errors: ValueError for other words."""
    match = re.fullmatch(r"(\d+)[x×](\d+)", size.strip().lower())
    if not match:
        raise ValueError(
            "A board must be its numbers of inner corners, where four squares meet, such as 9x6. "
            f"Received: {size}."
        )
    return Board(int(match[1]), int(match[2]), square, charuco)
