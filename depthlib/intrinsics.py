"""The focal length of a photo's camera, as a share of the photo's width, read from its EXIF."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

# EXIF 2.32 (CIPA DC-008-2019), section 4.6: tags of the Exif IFD, and one of the main one.
_EXIF_IFD, _ORIENTATION = 0x8769, 0x0112
_FOCAL_LENGTH, _FOCAL_LENGTH_35MM = 0x920A, 0xA405
_PIXEL_X_DIMENSION, _FOCAL_PLANE_X_RESOLUTION, _FOCAL_PLANE_UNIT = 0xA002, 0xA20E, 0xA210
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}  # of the units that are used
# A film frame is 36 x 24 mm; equal focal lengths have equal fields of view across the diagonal.
_DIAGONAL = math.hypot(36, 24)


def read_focal(path: Path | str) -> float:
    """The horizontal focal length of a photo over its width as it is shown (upright).

    From FocalLengthIn35mmFilm, else from FocalLength and FocalPlaneXResolution. Errors:
    FileNotFoundError; ValueError for what is no photo, or an EXIF without a focal length.
    """
    try:
        with Image.open(path) as photo:
            width, height = photo.size
            main = photo.getexif()
    except UnidentifiedImageError as error:
        raise ValueError(f"A photo must be an image. Received: {path}.") from error
    tags = main.get_ifd(_EXIF_IFD)
    focal = _read_pixels(tags, width, height)
    if not focal:
        raise ValueError(
            "A photo's EXIF must have FocalLengthIn35mmFilm, or FocalLength and "
            f"FocalPlaneXResolution. Received: neither in {path}. Give its focal length over its "
            "width as a number: 0.58 for KITTI's cameras, about 0.7 to 0.8 for a phone's main one."
        )
    lies = main.get(_ORIENTATION, 1) >= 5  # shown turned by a quarter
    return focal / (height if lies else width)


def find_focals(paths: Sequence[Path | str], focal: float | str | None) -> list[float | None]:
    """One focal length a photo: `focal` for all, or from each one's EXIF where it is "exif"."""
    return [read_focal(path) if focal == "exif" else focal for path in paths]


def _read_pixels(tags: dict, width: int, height: int) -> float:
    """The focal length in pixels of the photo as stored; 0 where the tags do not say it."""
    film = float(tags.get(_FOCAL_LENGTH_35MM, 0))  # 0 stands for unknown
    if film > 0:
        return film / _DIAGONAL * math.hypot(width, height)
    focal, resolution = (
        float(tags.get(tag, 0)) for tag in (_FOCAL_LENGTH, _FOCAL_PLANE_X_RESOLUTION)
    )
    unit = _MILLIMETRES.get(tags.get(_FOCAL_PLANE_UNIT, 2), 0)
    if not (focal > 0 and resolution > 0 and unit):
        return 0.0
    # The resolution is that of the photo as taken; it may have been resized since.
    taken = float(tags.get(_PIXEL_X_DIMENSION, width)) or width
    return focal * resolution / unit * width / taken
