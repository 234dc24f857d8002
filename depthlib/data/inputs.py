"""Which photos and videos a user's words mean: files, folders, patterns, lists."""

import csv
import glob
from collections.abc import Sequence
from pathlib import Path

from depthlib.files import natural_key

PHOTOS = {
    ".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif", ".jp2",
    ".mpo",
}  # fmt: skip
VIDEOS = {
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".3gp", ".wmv", ".flv", ".ogv",
}  # fmt: skip
LISTS = {".txt", ".csv"}


def find_inputs(words: Sequence[Path | str]) -> tuple[list[Path], list[Path]]:
    """The photos and the videos that the words mean, each file once, in their order.

    A word is a photo, a video, a folder (its photos, or where it has none its videos, in natural
    order), a pattern (`drive/*.jpg`), or a list, .txt or .csv: a path a line, relative to the list
    or to the working folder, in a CSV the first field. Hidden files are none.
    Errors: FileNotFoundError for a word that is nothing of it, or that holds none; ValueError for
    a file of another kind, or a list that is no text.
    """
    found: dict[Path, None] = {}
    for word in words:
        found |= dict.fromkeys(_find(word))
    paths = list(found)
    return (
        [path for path in paths if path.suffix.lower() in PHOTOS],
        [path for path in paths if path.suffix.lower() in VIDEOS],
    )


def _find(word: Path | str) -> list[Path]:
    path = Path(word)
    if path.is_dir():
        return _list_folder(path)
    if path.exists():
        suffix = path.suffix.lower()
        if suffix in LISTS:
            return _read_list(path)
        if suffix not in PHOTOS | VIDEOS:
            raise ValueError(
                f"A photo must end in {', '.join(sorted(PHOTOS))}, a video in "
                f"{', '.join(sorted(VIDEOS))}, a list in .txt or .csv. Received: {path}."
            )
        return [path]
    # Path.glob takes no absolute patterns.
    matches = [Path(match) for match in glob.glob(str(word), recursive=True)]  # noqa: PTH207
    files = [match for match in matches if match.suffix.lower() in PHOTOS | VIDEOS]
    if not files:
        raise FileNotFoundError(
            f"There is no {word}. Give a photo, a video, a folder, a pattern in quotes such as "
            "'drive/*.jpg', or a .txt or .csv file with a path a line."
        )
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


def _list_folder(folder: Path) -> list[Path]:
    files = sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")),
        key=lambda path: natural_key(path.name),
    )
    for suffixes in (PHOTOS, VIDEOS):
        if found := [path for path in files if path.suffix.lower() in suffixes]:
            return found
    raise FileNotFoundError(
        f"A folder must hold photos or videos. Received: {folder}, which has none. Photos end in "
        f"{', '.join(sorted(PHOTOS))}."
    )


def _read_list(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"A list must be UTF-8 text with a path a line. Received: {path}: {error}. "
            "Save it as UTF-8."
        ) from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise ValueError(f"A list must have a path a line. Received: none in {path}.")
    found = []
    for name in names:
        found += _find_line(name, path)
    return found


def _find_line(name: str, listing: Path) -> list[Path]:
    """The file that a line names: as it stands, or its first field where it is a row of a CSV."""
    field = next(csv.reader([name]), [name])[0].strip()
    for text in dict.fromkeys((name, field)):
        for place in (listing.parent / text, Path(text)):
            if place.is_file():
                return [place]
    raise FileNotFoundError(
        f"There is no {listing.parent / field}, which {listing} lists. Put the file there, or take "
        "its line out."
    )
