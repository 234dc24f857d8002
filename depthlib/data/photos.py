"""Real photos, without ground truth: where they lie, and how they are fetched."""

import csv
import hashlib
import os
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.request import urlopen

from depthlib.data.lenses import find_focals, read_focal
from depthlib.files import refuse_escape, write_bytes

__all__ = ["find_focals", "find_photos", "read_focal"]

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
        import sklearn  # here: importing it takes a second, which those who are online save

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
