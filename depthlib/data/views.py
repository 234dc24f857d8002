"""Other photos of what a photo shows: of a second camera beside it, or of the same one later.

They tell depth where nothing has measured it: `networks.photometric`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan, pi

import cv2
import numpy as np

from depthlib.data import images
from depthlib.data.csv_tables import VIEWS
from depthlib.data.pairs import Pairs

MISSING, KNOWN, UNSCALED = 0, 1, 2  # what `Views.motions` says last of each view


@dataclass
class Views:
    """A batch of photos with `count` other views of each.

    photos: uint8 (batch, 1 + count, height, width, 3), the photo first, as the camera took it.
    motions: float32 (batch, count, 7), what takes a point from the photo's camera to each view's: a
    turn about an axis (its length the angle, radians), a shift in metres, and whether the view is
    MISSING, its motion KNOWN, or its shift UNSCALED, known up to one factor. cameras: float32
    (batch, 5): focal lengths and principal point in pixels (fx, fy, cx, cy), and how many times as
    far as this camera saw it a network that learns from the photo should see a thing: as if one
    camera had taken all.
    """

    photos: np.ndarray
    motions: np.ndarray
    cameras: np.ndarray

    def enlarge(
        self, index: int, row: int, column: int, rows: int, columns: int, share: float
    ) -> None:
        """Fills the photos of a place in the batch with a part of each, in place.

        share: of height and width, which the part has but for whole pixels. By as much nearer
        things look that are enlarged.
        """
        height, width = self.photos.shape[2:4]
        part = np.s_[row : row + rows, column : column + columns]
        for photo in self.photos[index]:
            cv2.resize(photo[part].copy(), (width, height), dst=photo)
        camera, scales = self.cameras[index], np.array([width / columns, height / rows], np.float32)
        camera[:2] *= scales
        # The first pixel's centre is 0, so its corner is at -0.5.
        camera[2:4] = (camera[2:4] + 0.5 - (column, row)) * scales - 0.5
        camera[4] *= share

    def mirror(self, index: int) -> None:
        """Mirrors the photos of a place in the batch, in place."""
        for photo in self.photos[index]:
            cv2.flip(photo, 1, dst=photo)
        self.cameras[index, 2] = self.photos.shape[3] - 1 - self.cameras[index, 2]
        self.motions[index, :, [1, 2, 3]] *= -1  # the turns about y and z, the shift along x

    def select(self, places: np.ndarray) -> "Views":
        """Those at these places of the batch."""
        return Views(self.photos[places], self.motions[places], self.cameras[places])

    @classmethod
    def join(cls, parts: Sequence["Views"]) -> "Views":
        """All of them as one batch."""
        columns = zip(*((part.photos, part.motions, part.cameras) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    @classmethod
    def empty(cls, batch: int, count: int, height: int, width: int) -> "Views":
        """Views that are all missing, of a camera that there may be."""
        camera = np.array([width, width, (width - 1) / 2, (height - 1) / 2, 1], np.float32)
        return cls(
            np.zeros((batch, 1 + count, height, width, 3), np.uint8),
            np.zeros((batch, count, 7), np.float32),
            np.tile(camera, (batch, 1)),
        )


def read_views(
    pairs: Pairs,
    rows: Iterable[int],
    names: Sequence[str],
    height: int,
    width: int,
    crop_border: bool = False,
) -> Views:
    """The views `names` of the photos of these rows, at a size; their own photos are left black.

    What a row has not is missing. `crop_border` as in `cache.decode_pair`.
    Errors: FileNotFoundError that names the photo and its view; those of `images.read_rgb`.
    """
    rows = list(rows)
    views = Views.empty(len(rows), len(names), height, width)
    border = pairs.spec.border if crop_border else (0.0, 1.0, 0.0, 1.0)
    for place, row in enumerate(rows):
        size = None
        for number, name in enumerate(names):
            path = pairs.view_path(row, name)
            if path is None:
                continue
            if not path.exists():
                raise FileNotFoundError(
                    f"A photo that a CSV lists must be there. Received: {path}, the `{name}` of "
                    f"{pairs.rgb_path(row)} in the CSV of {pairs.root}, which is not. Put it back, "
                    "or take it out of that row."
                )
            rgb = images.read_rgb(path)
            size = rgb.shape[:2]
            if crop_border:
                rgb = images.crop_border(rgb, border)
            views.photos[place, 1 + number] = images.resize_rgb(rgb, height, width)
            if name == "right":
                views.motions[place, number, 3] = -(pairs.spec.baseline or 0)
            else:
                views.motions[place, number, :6] = read_motion(pairs.motion(row, name))
            known = name == "right" or pairs.spec.unit == "metre"
            views.motions[place, number, 6] = KNOWN if known else UNSCALED
        if size is not None:
            views.cameras[place, :4] = _find_camera(pairs, row, size, border, height, width)
    return views


def read_motion(text: str) -> np.ndarray:
    """A motion (6,) as a CSV writes it. Errors: ValueError for another text."""
    try:
        motion = np.array(text.split(), float)
    except ValueError:
        motion = np.zeros(0)
    is_motion = motion.shape == (6,) and np.isfinite(motion).all() and motion.any()
    if not is_motion or np.linalg.norm(motion[:3]) > pi:
        raise ValueError(
            "A motion must be six numbers with spaces between: a turn in radians about x, y and z, "
            "and a shift along them, not all of them 0. "
            f"Received: {text!r}. `depthlib views` finds it."
        )
    return motion


def format_motion(motion: np.ndarray) -> str:
    """The motion (6,) as a CSV writes it."""
    return " ".join(f"{number:.6g}" for number in motion)


def _find_camera(
    pairs: Pairs,
    row: int,
    size: tuple[int, ...],
    border: tuple[float, float, float, float],
    height: int,
    width: int,
) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of a photo of `size` whose part within `border` is shown as height x width."""
    shares = pairs.table.get("focal_share")
    focal = (pairs.spec.focal or nan) if shares is None else float(shares.to_numpy()[row])
    top, bottom, left, right = border
    across, down = pairs.spec.centre
    fx = focal * width / (right - left)
    fy = focal * size[1] / size[0] * height / (bottom - top)
    cx = (across - left) / (right - left) * width - 0.5
    cy = (down - top) / (bottom - top) * height - 0.5
    return fx, fy, cx, cy


__all__ = [
    "KNOWN", "MISSING", "UNSCALED", "VIEWS", "Views", "format_motion", "read_motion", "read_views",
]  # fmt: skip
