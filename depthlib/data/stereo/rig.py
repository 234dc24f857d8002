"""Two cameras that stand still to each other: read, written, and their photos rectified."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from depthlib.data.images import check_rgb
from depthlib.data.intrinsics import (
    PROJECTIONS,
    CameraCalibration,
    Intrinsics,
    check_rotation,
    find_entry,
    make_camera,
    read_entries,
    read_numbers,
)
from depthlib.files import RIG, check_suffix, write_ours

SUFFIXES = (".yml", ".yaml", ".xml", ".json")  # of OpenCV's formats
_BASELINES = (0.005, 5.0)  # metres
_TURNED = 45.0  # degrees that one camera may be turned to the other
_ZOOM = 3.0  # how much larger things may be in rectified photos than as taken
_SHARE = 0.9  # of a rectified view that each photo must fill
_GRID = 9  # points along each side of a view, to see how much of it a photo fills


@dataclass(frozen=True, eq=False)
class Rig:
    """A left and a right camera of one photo size.

    rotation (3, 3) and translation (3,), metres, take a point from the left camera's axes (x right,
    y down, z forward) to the right one's.
    """

    left: CameraCalibration
    right: CameraCalibration
    rotation: np.ndarray
    translation: np.ndarray

    @property
    def baseline(self) -> float:
        """How far apart the cameras are, metres."""
        return float(np.linalg.norm(self.translation))

    def digest(self) -> str:
        """The same cameras have the same, whatever format their numbers were read from."""
        cameras = [(one.matrix, one.distortion, [one.fisheye]) for one in (self.left, self.right)]
        parts = (*cameras[0], *cameras[1], self.rotation, self.translation)
        text = "\n".join(" ".join(f"{n + 0.0:.9g}" for n in np.ravel(part)) for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def check(self) -> None:
        """Errors: ValueError where these are no two cameras side by side, the left one first."""
        path, turn = self.left.path, cv2.Rodrigues(self.rotation)[0]
        # As seen by a camera that is turned half the way: so does OpenCV tell what stands beside.
        across, down, ahead = (cv2.Rodrigues(-turn / 2)[0] @ self.translation).tolist()
        if not _BASELINES[0] <= self.baseline <= _BASELINES[1]:
            raise ValueError(
                f"The baseline of a rig must be {_BASELINES[0]:g} to {_BASELINES[1]:g} metres. "
                f"Received: {self.baseline:g} from {path}. Calibrate with the board's square in "
                "metres (0.024, not 24), and with photos of two cameras; a translation in a file "
                "must be in metres."
            )
        turned = np.degrees(np.linalg.norm(turn))
        if turned > _TURNED:
            raise ValueError(
                "The cameras of a rig must look the same way, the same side up. Received: the "
                f"right camera turned by {turned:.0f} degrees to the left one, from {path}. Turn "
                "the photos of one camera, or point both the same way, and calibrate again."
            )
        if abs(across) < max(abs(down), abs(ahead)):
            raise ValueError(
                "The cameras of a rig must be side by side. Received: the right camera at "
                f"({-across:.3g}, {-down:.3g}, {-ahead:.3g}) metres (right, down, ahead) of the "
                f"left one, from {path}. Turn the photos of cameras that stand above each other "
                "by 90 degrees."
            )
        if across > 0:
            raise ValueError(
                f"The right camera of a rig must be right of the left one. Received: {-across:.3g} "
                f"metres, from {path}. The cameras are swapped: swap --left and --right; or both "
                "hang upside down: turn all photos."
            )

    def rectify(self, height: int, width: int) -> "Rectifier":
        """What rectifies photos of this size; see `CameraCalibration.fit`, whose errors these are.

        Errors also: ValueError for fisheye cameras, and for two that do not see about the same.
        """
        if self.left.fisheye or self.right.fisheye:
            raise ValueError(
                "The cameras of a rig must have OpenCV's pinhole model. Received: a fisheye model "
                f"in {self.left.path}. Calibrate with `depthlib stereo calibrate`."
            )
        self.check()
        left, right = (camera.fit(height, width) for camera in (self.left, self.right))
        distorted = self.left.distortion.any() or self.right.distortion.any()
        if not distorted and left == right and _is_level(self.rotation, self.translation):
            left.refuse_oblong(self.left.path)
            return Rectifier(left, self.baseline, ())
        *turns_and_views, _, _, _ = cv2.stereoRectify(
            left.matrix, self.left.distortion, right.matrix, self.right.distortion, (width, height),
            self.rotation, self.translation[:, None], flags=cv2.CALIB_ZERO_DISPARITY, alpha=0,
        )  # fmt: skip
        first, second, projection, other_projection = turns_and_views
        fx, fy, cx, cy = projection[(0, 1, 0, 1), (0, 1, 2, 2)].tolist()
        cameras = (
            (left.matrix, self.left.distortion, first, projection),
            (right.matrix, self.right.distortion, second, other_projection),
        )
        view = Intrinsics(fx, fy, cx, cy, width, height)
        rectifier = Rectifier(view, self.baseline, cameras)
        rectifier.check(self.left.path)
        return rectifier


@dataclass(frozen=True, eq=False)
class Rectifier:
    """Makes photos of a rig's two cameras those of two equal pinhole cameras, exactly side by side.

    intrinsics: of both. baseline: metres. cameras: of the left and of the right one its matrix,
    distortion, turn and new projection; none where the photos are rectified already.
    """

    intrinsics: Intrinsics
    baseline: float
    cameras: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], ...]

    @property
    def focal_baseline(self) -> float:
        """Focal length in pixels times baseline in metres: disparity times depth."""
        return self.intrinsics.fx * self.baseline

    def rectify(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pair of photos, uint8 (height, width, 3) each, whose rows fit each other.

        Errors: ValueError for what is no pair of photos of the rectifier's size.
        """
        size = self.intrinsics.height, self.intrinsics.width
        for rgb in (left, right):
            check_rgb(rgb)
            if rgb.shape[:2] != size:
                raise ValueError(
                    "All photos of a rig must have one size. Received: "
                    f"{rgb.shape[0]}x{rgb.shape[1]} after {size[0]}x{size[1]} (height x width)."
                )
        if not self.cameras:
            return left, right
        left, right = (
            cv2.remap(rgb, *maps, cv2.INTER_LINEAR)
            for rgb, maps in zip((left, right), self._maps, strict=True)
        )
        return left, right

    def check(self, path: Path) -> None:
        """Errors: ValueError, which names `path`, where the cameras share too little of a view."""
        view = self.intrinsics
        zooms = [view.fx / matrix[0, 0] for matrix, *_ in self.cameras]
        good = all(0 < zoom <= _ZOOM for zoom in zooms)
        if not (good and min(map(self._find_share, self.cameras)) >= _SHARE):
            raise ValueError(
                "The cameras of a rig must see about the same. Received: rectified photos that "
                f"show things {' and '.join(f'{zoom:.2g}' for zoom in zooms)} times as large as "
                f"the left and the right camera do, or have black borders, from {path}. Put both "
                "side by side, pointed the same way, with focal lengths less than "
                f"{_ZOOM:g} times apart, and calibrate again."
            )

    def rectify_points(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points (n, 2) of a left and of a right photo are in the rectified ones."""
        if not self.cameras:
            return left, right
        left, right = (
            cv2.undistortPoints(points[:, None], matrix, distortion, R=turn, P=view)[:, 0]
            for points, (matrix, distortion, turn, view) in zip(
                (left, right), self.cameras, strict=True
            )
        )
        return left, right

    def _find_share(self, camera: tuple[np.ndarray, ...]) -> float:
        """The share of the rectified view that a camera's photo fills."""
        matrix, distortion, turn, projection = camera
        size = self.intrinsics.width, self.intrinsics.height
        grid = np.stack(np.meshgrid(*(np.linspace(0, side - 1, _GRID) for side in size), 1.0), -1)
        rays = grid.reshape(-1, 3) @ np.linalg.inv(projection[:, :3] @ turn).T
        seen, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), matrix, distortion)
        inside = (rays[:, 2] > 0) & ((seen[:, 0] > -1) & (seen[:, 0] < size)).all(axis=1)
        return float(inside.mean())

    @cached_property
    def _maps(self) -> list[tuple[np.ndarray, np.ndarray]]:
        size = self.intrinsics.width, self.intrinsics.height
        return [cv2.initUndistortRectifyMap(*camera, size, cv2.CV_16SC2) for camera in self.cameras]


def read_rig(path: Path | str, right: Path | str | None = None) -> Rig:
    """The rig of a calibration file, or of one file a camera.

    What `write_rig` writes; OpenCV's sample (intrinsics.yml, and extrinsics.yml as `right`);
    KITTI's calib_cam_to_cam.txt or calib.txt, of the two colour cameras; ROS' camera_info of the
    left and of the right camera. Lengths must be in metres. Errors: an OSError that names the file;
    ValueError for files that hold no rig.
    """
    path = Path(path)
    entries = read_entries(path)
    other = read_entries(Path(right)) if right else {}
    if right and find_entry(other, ("projection_matrix",)):
        return _read_ros(entries, path, other, Path(right))
    entries |= other
    left = make_camera(entries, path)
    second = make_camera(entries, path, "right")
    if find_entry(entries, ("T",)):
        translation = read_numbers(entries, ("T",), (3,), path)
        rotation = read_numbers(entries, ("R",), (3, 9), path)
        rotation = cv2.Rodrigues(rotation)[0] if len(rotation) == 3 else rotation.reshape(3, 3)
    elif find_entry(entries, PROJECTIONS["right"]):
        shifts = [
            np.linalg.solve(view[:, :3], view[:, 3])
            for view in (
                read_numbers(entries, names, (12,), path).reshape(3, 4)
                for names in PROJECTIONS.values()
            )
        ]
        rotation, translation = np.eye(3), shifts[1] - shifts[0]
    else:
        raise ValueError(
            "A rig's calibration must have R and T, from the left camera to the right one in "
            f"metres. Received: {', '.join(entries)} in {path}. Give OpenCV's extrinsics.yml too, "
            "or calibrate with `depthlib stereo calibrate`."
        )
    rig = Rig(left, second, check_rotation(rotation, path), translation)
    rig.check()
    return rig


def write_rig(rig: Rig, path: Path | str) -> None:
    """Writes what `read_rig` reads, atomically; `read_camera` reads its left camera.

    Errors: ValueError where `path` does not end in .yml, .yaml, .xml or .json; those of
    `files.write_ours`.
    """
    check_suffix(path, *SUFFIXES)
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    height, width = rig.left.size or (0, 0)
    storage.write("image_width", width)
    storage.write("image_height", height)
    for number, camera in enumerate((rig.left, rig.right), start=1):
        storage.write(f"K{number}", camera.matrix)
        storage.write(f"D{number}", camera.distortion.reshape(1, -1))
    storage.write("R", rig.rotation)
    storage.write("T", rig.translation.reshape(3, 1))
    storage.write("baseline", rig.baseline)
    write_ours(path, storage.releaseAndGetString().encode(), RIG)


def _read_ros(left: dict[str, str], path: Path, right: dict[str, str], other: Path) -> Rig:
    """The rig of two camera_info: each turns its camera by R to a common view P."""
    turns, views = (
        [
            read_numbers(entries, (name,), (count,), file)
            for entries, file in ((left, path), (right, other))
        ]
        for name, count in (("rectification_matrix", 9), ("projection_matrix", 12))
    )
    first, second = (check_rotation(turn.reshape(3, 3), path) for turn in turns)
    view = views[1].reshape(3, 4)
    shift = second.T @ (view[0, 3] / view[0, 0], 0.0, 0.0)
    rig = Rig(make_camera(left, path), make_camera(right, other), second.T @ first, shift)
    rig.check()
    return rig


def _is_level(rotation: np.ndarray, translation: np.ndarray) -> bool:
    """Whether the second camera is turned as the first is and exactly beside it, within 1 %."""
    _, *off = (np.abs(translation) / np.linalg.norm(translation)).tolist()
    return bool(np.allclose(rotation, np.eye(3), atol=1e-9)) and max(off) < 0.01
