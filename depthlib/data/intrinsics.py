"""A camera's intrinsics, and the calibration files that they are read from."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from depthlib.data.decoding import MAX_PIXELS
from depthlib.data.images import check_rgb
from depthlib.files import check_regular

SHARES = (0.2, 10.0)  # of a photo's width: what focal lengths of lenses lie between
OFF_CENTRE = 0.08  # of a side, from its middle: KITTI's principal points have up to .061
SQUARE = 1.03  # how far fx and fy may be apart where one focal length stands for both
STRETCH = 4  # times as long as wide, or the other way: what pixels of no camera are

# Names are compared in small letters without underscores. A stereo rig's cameras have theirs.
_MATRICES = {
    "left": (
        "camera_matrix", "camera_matrix_1", "intrinsic_matrix", "intrinsics", "mtx", "K", "K1",
        "M1",
    ),
    "right": ("camera_matrix_2", "K2", "M2"),
}  # fmt: skip
# KITTI's, of rectified photos: nothing is left to undistort
PROJECTIONS = {"left": ("P_rect_02", "P2"), "right": ("P_rect_03", "P3")}
_DISTORTIONS = {
    "left": (
        "distortion_coefficients", "distortion_coefficients_1", "distortion_coeffs", "dist_coeffs",
        "dist_coeffs_1", "distortion", "dist", "D", "D1",
    ),
    "right": ("distortion_coefficients_2", "dist_coeffs_2", "D2"),
}  # fmt: skip
_MODELS, _FISHEYE_FLAGS = ("distortion_model",), ("fisheye_model",)
_REGION = re.compile(r"\b(x_offset|y_offset|height|width)\W+(\d+)")
_WIDTHS, _HEIGHTS = ("image_width", "width"), ("image_height", "height")
_SIZES = ("image_size", "S_rect_02")  # width and height in one
_PINHOLES = ("", "plumbbob", "radtan", "rationalpolynomial")
_FISHEYES = ("equidistant", "fisheye")
_TERMS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")  # a coefficient each, to some programs
_COUNTS = (0, 4, 5, 8, 12, 14)  # of coefficients that OpenCV's pinhole model has

_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|\b(?:nan|inf)\b", re.IGNORECASE
)
_ENTRY = re.compile(r"^([A-Za-z]\w*)[ \t]*:(.*(?:\n(?![A-Za-z]).*)*)", re.M)
_DATA = re.compile(r"\bdata\s*:\s*(\[[^\]]*\]|(?:\s*-\s+\S+)+)")


@dataclass(frozen=True)
class Intrinsics:
    """What a pinhole camera makes of a photo of `width` x `height` pixels.

    fx, fy: focal lengths, pixels. cx, cy: principal point, pixels; (0, 0) is the centre of the
    first pixel, as in OpenCV.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    @property
    def focal(self) -> float:
        """The horizontal focal length over the photo's width."""
        return self.fx / self.width

    @property
    def matrix(self) -> np.ndarray:
        """The camera matrix, float64 (3, 3)."""
        return np.array([(self.fx, 0, self.cx), (0, self.fy, self.cy), (0, 0, 1)], np.float64)

    def resize(self, height: int, width: int) -> "Intrinsics":
        """Those of the photo at another size."""
        across, down = width / self.width, height / self.height
        # The first pixel's centre is 0, so it is the corner, at -0.5, that stays where it is.
        return Intrinsics(
            self.fx * across, self.fy * down,
            (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5,
            width, height,
        )  # fmt: skip

    def refuse_oblong(self, path: Path) -> None:
        """Errors: ValueError for pixels that are not square, in which a network sees other lenses.

        path: the calibration's.
        """
        if not 1 / SQUARE <= self.fy / self.fx <= SQUARE:
            width = round(self.width * self.fy / self.fx)
            raise ValueError(
                "The pixels of photos must be square. Received: "
                f"fx={self.fx:.6g} and fy={self.fy:.6g} for photos of {self.height}x{self.width} "
                f"(height x width), in {path}. Resize the photos to {self.height}x{width}, and "
                f"multiply fx, cx and the width by {self.fy / self.fx:.6g}."
            )


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """A camera as its calibration file says.

    path: the file. matrix: (3, 3), pixels. distortion: OpenCV's coefficients, of the `fisheye`
    model or the pinhole one. size: (height, width) of the photos it was made with, None where the
    file does not say it.
    """

    path: Path
    matrix: np.ndarray
    distortion: np.ndarray
    fisheye: bool
    size: tuple[int, int] | None
    _told: set[tuple[int, int]] = field(default_factory=set, init=False, repr=False)

    @property
    def undistorts(self) -> bool:
        """Whether there is distortion to take out, so that `undistort` gives another photo."""
        return self.fisheye or bool(self.distortion.any())

    def fit(self, height: int, width: int) -> Intrinsics:
        """The intrinsics of a photo of this size, as the camera took it.

        A photo of another size has them scaled. A file without a size is taken to be of photos of
        this size. Where its principal point is more than OFF_CENTRE of a side from the photo's
        middle, a warning says so.
        Errors: ValueError for a photo of another aspect; for a file without a size, for one whose
        principal point is not in the middle third of the photo.
        """
        old_height, old_width = self.size or (height, width)
        if not same_aspect(height, width, old_height, old_width):
            raise ValueError(
                "A photo must have the aspect of its calibration. Received: a photo of "
                f"{height}x{width} (height x width) and {self.path} of {old_height}x{old_width}. "
                "Calibrate with photos of this camera and mode, uncropped and not turned."
            )
        (fx, _, cx), (_, fy, cy) = self.matrix[:2].tolist()
        intrinsics = Intrinsics(fx, fy, cx, cy, old_width, old_height).resize(height, width)
        self._check(intrinsics)
        if self.size is None:
            self._warn_of_size(intrinsics)
        return intrinsics

    def _warn_of_size(self, found: Intrinsics) -> None:
        """Warns where the principal point makes it likely that photos have another size."""
        across, down = (found.cx + 0.5) / found.width - 0.5, (found.cy + 0.5) / found.height - 0.5
        size = found.height, found.width
        if max(abs(across), abs(down)) > OFF_CENTRE and size not in self._told:
            self._told.add(size)  # once for a thousand photos
            warnings.warn(
                f"{self.path} does not say of what size its photos are. For photos of "
                f"{found.height}x{found.width} (height x width) its principal point, "
                f"({found.cx:.6g}, {found.cy:.6g}), is off their middle by {abs(across):.0%} of "
                f"the width and {abs(down):.0%} of the height. If it was made with photos of "
                "another size, metres are wrong: write that into it as image_width and "
                "image_height.",
                stacklevel=3,
            )

    def undistort(self, rgb: np.ndarray) -> tuple[np.ndarray, Intrinsics]:
        """The photo as a pinhole camera would take it, of the same size, and its intrinsics.

        rgb: uint8 (height, width, 3). The view is the largest without black borders that keeps the
        shape of a pixel, so the focal length differs from that of `fit`. Errors: those of `fit`;
        ValueError for an array that is no photo, or a distortion that cannot be taken out.
        """
        check_rgb(rgb)
        height, width = rgb.shape[:2]
        old = self.fit(height, width)
        old.refuse_oblong(self.path)
        if not self.undistorts:
            return rgb, old
        matrix, size = old.matrix, (width, height)
        if self.fisheye:
            new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(
                matrix, self.distortion, size, np.eye(3), balance=0
            )
        else:
            new, _ = cv2.getOptimalNewCameraMatrix(matrix, self.distortion, size, 0)
            # OpenCV stretches the view to the photo's shape. The longer of its two focal lengths
            # for both keeps pixels as they are, and sees a part of the same view.
            zoom = max(new[0, 0] / old.fx, new[1, 1] / old.fy)
            new[0, 0], new[1, 1] = zoom * old.fx, zoom * old.fy
        fx, fy, cx, cy = new[(0, 1, 0, 1), (0, 1, 2, 2)].tolist()
        intrinsics = Intrinsics(fx, fy, cx, cy, width, height)
        self._check(intrinsics)
        if self.fisheye:
            return cv2.fisheye.undistortImage(rgb, matrix, self.distortion, Knew=new), intrinsics
        self._check_fold(matrix, intrinsics)
        return cv2.undistort(rgb, matrix, self.distortion, None, new), intrinsics

    def _check_fold(self, matrix: np.ndarray, view: Intrinsics) -> None:
        """Errors: ValueError where two places of the undistorted `view` are one of the photo."""
        columns, rows = (np.linspace(0, side - 1, 33) for side in (view.width, view.height))
        x, y = np.meshgrid((columns - view.cx) / view.fx, (rows - view.cy) / view.fy)
        rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
        seen, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), matrix, self.distortion)
        across, down = np.moveaxis(seen.reshape(33, 33, 2), -1, 0)
        if not ((np.diff(across, axis=1) > 0).all() and (np.diff(down, axis=0) > 0).all()):
            told = ", ".join(f"{value:.4g}" for value in self.distortion.ravel())
            raise ValueError(
                "A lens's distortion must be such that it can be taken out. Received: "
                f"{told} from {self.path}, which folds the photo. Calibrate again."
            )

    def _check(self, found: Intrinsics) -> None:
        """Errors: ValueError where no camera takes such photos."""
        # Without a size the principal point alone tells whether the photo has the right one.
        low, high = (0.0, 1.0) if self.size else (1 / 3, 2 / 3)
        centre = (found.cx / found.width, found.cy / found.height)
        if not SHARES[0] <= found.focal <= SHARES[1] or not all(low < c < high for c in centre):
            raise ValueError(
                f"A calibration must have a focal length of {SHARES[0]:g} to {SHARES[1]:g} times "
                f"the photo's width, and a principal point {low:.2g} to {high:.2g} of the way "
                f"across it. Received: {found.fx:.6g} and ({found.cx:.6g}, {found.cy:.6g}) in "
                f"pixels of {found.height}x{found.width} (height x width), from {self.path}. Give "
                "photos of the size that the calibration was made with, and write it into the file "
                "as image_width and image_height; or calibrate again."
            )


def read_camera(path: Path | str) -> CameraCalibration:
    """The camera of a calibration file.

    OpenCV's YAML, XML or JSON; a camera_info of ROS; KITTI's calib_cam_to_cam.txt or calib.txt, of
    the left colour camera (rectified photos). Of a stereo rig's file the first camera is read.
    Errors: an OSError that names the file; ValueError for a file that is no calibration, lacks
    numbers, or holds those of no camera.
    """
    path = Path(path)
    return make_camera(read_entries(path), path)


def make_camera(entries: dict[str, str], path: Path, side: str = "left") -> CameraCalibration:
    """The camera that the entries of a calibration file say; of a rig's, its "left" or "right".

    Errors: ValueError, as for `read_camera`.
    """
    distortion, fisheye = np.zeros(0), False
    if find_entry(entries, _MATRICES[side]):
        matrix = read_numbers(entries, _MATRICES[side], (9,), path).reshape(3, 3)
        distortion, fisheye = _read_distortion(entries, path, _DISTORTIONS[side])
    elif find_entry(entries, PROJECTIONS[side]):
        matrix = read_numbers(entries, PROJECTIONS[side], (12,), path).reshape(3, 4)[:, :3]
    elif side == "right":
        raise ValueError(
            "A rig's calibration must have camera_matrix_2, K2 or M2 (OpenCV), P_rect_03 or P3 "
            f"(KITTI). Received: {', '.join(entries) or 'no names'} in {path}. Give ROS' files of "
            "both cameras, or calibrate with `depthlib stereo calibrate`."
        )
    else:
        raise ValueError(
            "A calibration must have camera_matrix (OpenCV, ROS), P_rect_02 or P2 (KITTI). "
            f"Received: {', '.join(entries) or 'no names'} in {path}. Write the 3x3 matrix in "
            "pixels as camera_matrix, with cv2.FileStorage."
        )
    check_matrix(matrix, path)
    _refuse_region(entries, path)
    camera = CameraCalibration(path, matrix, distortion, fisheye, _read_size(entries, path))
    if camera.size:
        camera.fit(*camera.size)
    return camera


def same_aspect(height: int, width: int, other_height: int, other_width: int) -> bool:
    """Whether one size is another resized: of its aspect within 2 %, or but for rounding."""
    off = abs(width * other_height / other_width - height)
    return off < 1 or off <= 0.02 * height


def check_matrix(matrix: np.ndarray, path: Path) -> None:
    """Errors: ValueError for a matrix that is none of a camera; a little skew is left out."""
    fx, fy = matrix[0, 0], matrix[1, 1]
    upright = matrix[1, 0] == 0 and abs(matrix[0, 1]) <= 0.01 * fx
    alike = fx > 0 and fy > 0 and 1 / STRETCH <= fy / fx <= STRETCH
    if not (alike and upright and (matrix[2] == (0, 0, 1)).all()):
        raise ValueError(
            "A camera matrix must be (fx 0 cx, 0 fy cy, 0 0 1) in pixels, fx and fy above 0 and at "
            f"most {STRETCH} times each other. Received: {matrix.tolist()} in {path}. "
            "Calibrate the camera, or transpose a matrix that was written by columns."
        )


def _read_distortion(
    entries: dict[str, str], path: Path, names: tuple[str, ...]
) -> tuple[np.ndarray, bool]:
    """The coefficients, and whether they are those of the fisheye model."""
    _refuse_unread(entries, path)
    model = entries.get(find_entry(entries, _MODELS), "").strip()
    word = re.sub(r"[^a-z]", "", model.lower())
    if word not in _PINHOLES + _FISHEYES:
        raise ValueError(
            "distortion_model must be plumb_bob, rational_polynomial, equidistant or fisheye. "
            f"Received: {model} in {path}. Calibrate with one of these."
        )
    # OpenCV's calibration program writes 0 or 1.
    flag = read_numbers(entries, _FISHEYE_FLAGS, (0, 1), path)
    fisheye = word in _FISHEYES or bool(flag.any())
    return read_numbers(entries, names, (4,) if fisheye else _COUNTS, path), fisheye


def _refuse_unread(entries: dict[str, str], path: Path) -> None:
    """Errors: ValueError for what looks like distortion, but has no name of it that we know."""
    tables = (*_MATRICES.values(), *PROJECTIONS.values(), *_DISTORTIONS.values(), _MODELS)
    known = {_plain(name) for names in (*tables, _FISHEYE_FLAGS) for name in names}
    for name, text in entries.items():
        plain = _plain(name)
        is_term = plain in _TERMS and len(_NUMBER.findall(text)) == 1
        is_lens = "model" in plain and any(word in text.lower() for word in (*_FISHEYES, "omni"))
        is_named = is_lens or re.search("dist(?!ance)|coef", plain)
        if is_term or (is_named and plain not in known):
            raise ValueError(
                "A calibration's distortion must be called distortion_coefficients, with its "
                f"distortion_model where it is a fisheye's. Received: {name} in {path}, which "
                "would not be read. Rename it, and list all coefficients there, as OpenCV does."
            )


def _refuse_region(entries: dict[str, str], path: Path) -> None:
    """Errors: ValueError for a region of interest, as ROS has them: photos are then a part.

    One of 0 is the whole photo.
    """
    text = entries.get(find_entry(entries, ("roi",)), "")
    region = {name: int(number) for name, number in _REGION.findall(text)}
    whole = _read_size(entries, path) or (0, 0)
    sides = region.get("height", 0), region.get("width", 0)
    offsets = region.get("x_offset", 0), region.get("y_offset", 0)
    if any(offsets) or sides not in ((0, 0), whole):
        raise ValueError(
            "A calibration must be of whole photos. Received: a region of interest of "
            f"{sides[1]}x{sides[0]} at {offsets} in {path}. Take {offsets[0]} from its cx and "
            f"{offsets[1]} from its cy, write the region's size as image_width and image_height, "
            "and remove roi; or set roi to 0 if the photos are whole."
        )


def _read_size(entries: dict[str, str], path: Path) -> tuple[int, int] | None:
    """(height, width) of the photos that the calibration was made with, where it is said."""
    if find_entry(entries, _SIZES):
        width, height = read_numbers(entries, _SIZES, (2,), path)
    elif find_entry(entries, _WIDTHS + _HEIGHTS):
        (width,), (height,) = (
            read_numbers(entries, names, (1,), path) for names in (_WIDTHS, _HEIGHTS)
        )
    else:
        return None
    check_size(height, width, path)
    return int(height), int(width)


def check_size(height: float, width: float, path: Path) -> None:
    """Errors: ValueError for a size that no photo has."""
    whole = height >= 1 and width >= 1 and height % 1 == width % 1 == 0
    if not whole or height * width > MAX_PIXELS:
        raise ValueError(
            "A calibration's image_width and image_height must be whole numbers above 0, of at "
            f"most {MAX_PIXELS:,} pixels. Received: {width:g} and {height:g} in {path}. Write "
            "those of the photos it was made with."
        )


def check_rotation(rotation: np.ndarray, path: Path) -> np.ndarray:
    """The rotation (3, 3) as it is. Errors: ValueError for a matrix that is none."""
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise ValueError(
            f"A calibration's R must be a rotation. Received: {rotation.tolist()} in {path}. "
            "Calibrate again, or copy the file again."
        )
    return rotation


def read_numbers(
    entries: dict[str, str], names: tuple[str, ...], counts: tuple[int, ...], path: Path
) -> np.ndarray:
    """The numbers of the entry of one of these names, float64; none where there is no such entry.

    Errors: ValueError for another count than one of `counts`, for NaN and infinity.
    """
    name = find_entry(entries, names)
    text = entries.get(name, "")
    numbers = np.array([float(word) for word in _NUMBER.findall(text)])
    is_list = not re.search(r"[A-Za-z]\w*[ \t]*:", text)  # k1: -0.3 has digits in its name
    if len(numbers) not in counts or not (is_list and np.isfinite(numbers).all()):
        received = numbers.tolist() if is_list else " ".join(text.split())
        raise ValueError(
            f"{name or names[0]} of a calibration must hold {' or '.join(map(str, counts))} finite "
            f"numbers. Received: {received} in {path}. Calibrate again, or copy the file again."
        )
    return numbers


def find_entry(entries: dict[str, str], names: tuple[str, ...]) -> str:
    """The first of `names` that the file has, as it writes it; "" where it has none."""
    written = {_plain(name): name for name in entries}
    return next((written[_plain(name)] for name in names if _plain(name) in written), "")


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def read_entries(path: Path) -> dict[str, str]:
    """What a calibration file says, as text, by name.

    OpenCV's own files are read by OpenCV. It does not read all that ROS writes (a camera_name of
    00b09d01, 1e-3, a list with a number a line), so there we look for names and numbers.
    """
    check_regular(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"A calibration must be a text file. Received: {path}, which is not UTF-8. Write it "
            "with cv2.FileStorage, as .yml or .xml."
        ) from error
    if not text.startswith(("%YAML", "<", "{")):
        if text.count("[") != text.count("]"):
            raise ValueError(
                f"A calibration must be a whole file. Received: {path}, where a list is not "
                "closed. Copy it again."
            )
        text = re.sub(r"(^|\s)#.*", "", text.replace("\r\n", "\n"))
        return {name: _pick_data(value) for name, value in _ENTRY.findall(text)}
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        root = storage.root()
        return {name: " ".join(_walk(root.getNode(name))) for name in root.keys()}  # noqa: SIM118
    # SystemError is what its constructor raises, RecursionError `_walk` for lists in lists.
    except (cv2.error, SystemError, RecursionError) as error:
        raise ValueError(
            f"A calibration must be a file that OpenCV reads. Received: {path}, which it cannot. "
            "Write it again with cv2.FileStorage, or copy it again."
        ) from error


def _pick_data(value: str) -> str:
    """The numbers of a matrix alone, which rows and cols may stand beside."""
    data = _DATA.search(value)
    return data[1] if data else value


def _walk(node: cv2.FileNode) -> Iterator[str]:
    """The words and numbers of one of OpenCV's entries; of a matrix, its data."""
    if node.isMap():
        names = ["data"] if not node.getNode("data").empty() else node.keys()
        for name in names:
            yield from () if name == "data" else (f"{name}:",)
            yield from _walk(node.getNode(name))
    elif node.isSeq():
        for i in range(node.size()):
            yield from _walk(node.at(i))
    elif node.isString():
        yield node.string()
    elif node.isInt() or node.isReal():
        yield repr(node.real())
