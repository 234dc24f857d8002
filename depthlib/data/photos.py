"""Real photos, without ground truth: where they lie, and how they are fetched."""

import csv
import hashlib
import math
import os
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.request import urlopen

import sklearn
from PIL import Image, UnidentifiedImageError

from depthlib.files import refuse_escape, write_bytes

TIMEOUT = 10  # seconds; a machine that cannot reach the network must not wait for long


def find_photos(path: Path | str, folder: Path | str) -> tuple[list[Path], str]:
    """The photos that a CSV lists, and a sentence that says where they are from.

    `path` holds a photo a line, relative to its own folder. What is not there is looked for in the
    folder that the environment variable DEPTHLIB_PHOTOS names, else in `folder`, into which it is
    downloaded when sources.csv beside the CSV has it. When the download fails, the two photos that
    scikit-learn ships stand in, and the sentence says so.

    Errors: FileNotFoundError for a CSV or photo that is nowhere; ValueError for a CSV without
    photos, a path that leaves its folder, or bytes of another SHA-256 than sources.csv has.
    """
    path, folder = Path(path), Path(folder)
    names = _read_names(path)
    sources = _read_sources(path.with_name("sources.csv"))
    try:
        photos = [_find(name, path, folder, sources.get(name)) for name in names]
    except ConnectionError as error:
        images = Path(sklearn.__file__).parent / "datasets" / "images"
        return [images / "china.jpg", images / "flower.jpg"], (
            f"The photos of {path} cannot be downloaded ({error}), so two that scikit-learn ships "
            "stand in. To see those, go online or set DEPTHLIB_PHOTOS to a folder that holds them."
        )
    return photos, f"The photos of {path}, from {photos[0].parent}."


def _read_names(path: Path) -> list[str]:
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}. Write one, with a photo's path a line.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        names = [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]
    if not names:
        raise ValueError(f"A CSV of photos must have a path a line. Received: none in {path}.")
    for name in names:
        refuse_escape(name, path)
    return names


def _read_sources(path: Path) -> dict[str, dict[str, str]]:
    """The rows of sources.csv (file, url, licence, sha256), by file."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def _find(name: str, path: Path, folder: Path, source: dict[str, str] | None) -> Path:
    by_hand = os.environ.get("DEPTHLIB_PHOTOS")
    places = [path.parent / name, folder / name]
    if by_hand:
        places.insert(1, Path(by_hand) / PurePosixPath(name).name)
    photo = next((place for place in places if place.exists()), None)
    if photo:
        _check(photo.read_bytes(), photo, source)
        return photo
    if by_hand or not source:
        raise FileNotFoundError(
            f"There is no {' nor '.join(map(str, places))}. Put the photo there, or take its line "
            f"out of {path}."
        )
    return _download(source, folder / name)


def _download(source: dict[str, str], photo: Path) -> Path:
    try:
        with urlopen(source["url"], timeout=TIMEOUT) as response:
            data = response.read()
    except (OSError, HTTPException) as error:
        raise ConnectionError(str(error)) from error
    _check(data, source["url"], source)
    write_bytes(photo, data)
    return photo


def _check(data: bytes, place: Path | str, source: dict[str, str] | None) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if source and digest != source["sha256"]:
        raise ValueError(
            f"{source['file']} must have the SHA-256 {source['sha256']}. Received: {digest} from "
            f"{place}. Delete it and run again, or correct sources.csv."
        )


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
