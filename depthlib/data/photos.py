"""Real photos, without ground truth: where they lie, and how they are fetched."""

import csv
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from depthlib.data.inputs import LISTS, AreOutputs, list_inputs
from depthlib.data.lenses import find_focals, read_focal
from depthlib.downloads import fetch
from depthlib.files import name_errors, refuse_escape

__all__ = ["find_focals", "find_photos", "read_focal"]

MOST_BYTES, SECONDS = 50_000_000, 60  # of the download of a photo
DATASETS = Path(__file__).parents[2] / "datasets"  # in a clone alone
STAND_INS = (  # a room and a road, rendered: what this project may ship
    DATASETS / "sample" / "nyu2_test" / "00005_colors.png",
    DATASETS / "sample_roads" / "test" / "motorway_0027" / "overcast.jpg",
)


def find_photos(
    path: Path | str | Sequence[Path | str],
    folder: Path | str,
    are_outputs: AreOutputs | None = None,
) -> tuple[list[Path], str]:
    """The photos that `path` means, and a sentence that says where they are from.

    path: a photo, a folder, a pattern or a list, as `inputs.list_inputs` takes it; or several.
    A list whose every line is in the sources.csv beside it (file, url, sha256) is fetched: what is
    not beside the list is looked for in the folder that the environment variable DEPTHLIB_PHOTOS
    names, else in `folder`, into which it is downloaded. When the download fails, a room and a road
    that were rendered for this project stand in, and the sentence says so.
    are_outputs: as in `layouts.find_layout`: such are no photos.

    Errors: those of `list_inputs`; FileNotFoundError for a photo that is nowhere; ValueError for
    words that mean videos alone, bytes of another SHA-256 than sources.csv has, and a URL there
    that is not over https or gives too much.
    """
    words = [path] if isinstance(path, str | Path) else list(path)
    sources = _read_sources(Path(words[0])) if len(words) == 1 else {}
    if sources:
        return _fetch_all(Path(words[0]), Path(folder), sources)
    listing = list_inputs(words)
    if are_outputs:
        listing = listing.keep(~are_outputs(listing.paths))
    photos, videos = listing.split()
    name = ", ".join(map(str, words))
    if not photos:
        raise ValueError(
            f"There must be a photo. Received: none, and {len(videos)} videos, in {name}. Give "
            "photos; predict_video.ipynb takes a video."
        )
    left_out = f" {len(videos)} videos are left out." if videos else ""
    return photos, f"Photos of {name}: {len(photos)}.{left_out}"


def _read_sources(path: Path) -> dict[str, dict[str, str]]:
    """The rows of sources.csv for the list `path`, in its order; {} where it lacks a line of it."""
    table = path.with_name("sources.csv")
    if path.suffix.lower() not in LISTS or not path.is_file() or not table.is_file():
        return {}
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    names = [name for line in lines if (name := line.partition(",")[0].strip())]
    rule = "sources.csv must have the columns file, url and sha256."
    with (
        table.open(newline="", encoding="utf-8-sig", errors="replace") as file,
        name_errors(table, rule, "Correct it."),
    ):
        known = {
            row["file"]: row
            for row in csv.DictReader(file)
            if row.get("file") and row.get("url") and row.get("sha256")
        }
    return {name: known[name] for name in names} if known.keys() >= set(names) else {}


def _fetch_all(
    path: Path, folder: Path, sources: dict[str, dict[str, str]]
) -> tuple[list[Path], str]:
    try:
        photos = [_fetch(name, path, folder, source) for name, source in sources.items()]
    except ConnectionError as error:
        missing = [str(photo) for photo in STAND_INS if not photo.is_file()]
        if missing:
            raise FileNotFoundError(
                f"The photos of {path} cannot be downloaded ({error}), and there is no "
                f"{' nor '.join(missing)}. Give photos of your own, or go online."
            ) from error
        here = Path.cwd()  # paths are short where they can be
        return [p.relative_to(here) if p.is_relative_to(here) else p for p in STAND_INS], (
            f"The photos of {path} cannot be downloaded ({error}), so a room and a road that were "
            "rendered for this project stand in. To see those, go online or set DEPTHLIB_PHOTOS to "
            "a folder that holds them."
        )
    return photos, f"Photos of {path}: {len(photos)}, from {photos[0].parent}."


def _fetch(name: str, path: Path, folder: Path, source: dict[str, str]) -> Path:
    refuse_escape(name, path)
    by_hand = os.environ.get("DEPTHLIB_PHOTOS")
    places = [path.parent / name, folder / name]
    if by_hand:
        places.insert(1, Path(by_hand) / PurePosixPath(name).name)
    photo = next((place for place in places if place.is_file()), None)
    if photo:
        _check(photo.read_bytes(), photo, source)
        return photo
    if by_hand:
        raise FileNotFoundError(
            f"There is no {' nor '.join(map(str, places))}. Put the photo there, or take its line "
            f"out of {path}."
        )
    try:
        digest = f"sha256:{source['sha256']}"
        return fetch(source["url"], folder / name, digest, most_bytes=MOST_BYTES, seconds=SECONDS)
    except ValueError as error:
        raise ValueError(f"{error} It is of {path.with_name('sources.csv')}.") from error


def _check(data: bytes, place: Path, source: dict[str, str]) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != source["sha256"]:
        raise ValueError(
            f"{source['file']} must have the SHA-256 {source['sha256']}. Received: {digest} from "
            f"{place}. Delete it and run again, or correct sources.csv."
        )
