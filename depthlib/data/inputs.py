"""Which photos and videos a user's words mean: files, folders, patterns, lists."""

import csv
import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from depthlib.files import check_regular, natural_key

PHOTOS = {
    ".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif", ".jp2",
    ".mpo",
}  # fmt: skip
VIDEOS = {
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".3gp", ".wmv", ".flv", ".ogv",
}  # fmt: skip
LISTS = {".txt", ".csv"}
_JUNK = {"__MACOSX", "Thumbs.db", "desktop.ini", "lost+found"}


def find_inputs(words: Sequence[Path | str]) -> tuple[list[Path], list[Path]]:
    """The photos and the videos that the words mean, each file once, in their order.

    A word is a photo, a video, a folder (its photos, or where it has none its videos, in natural
    order), a pattern (`drive/*.jpg`), or a list, .txt or .csv: a path a line, relative to the list,
    to its folder's parent or to the working folder; in a CSV the first field, and its first row may
    be a heading. Hidden files are none. What is called as a photo is, or stands in a list, counts
    as one, be it there or not: reading it says what is wrong.
    Errors: FileNotFoundError for a word that is nothing of it, or that holds none; ValueError for
    a file of another kind, or a list that is no text.
    """
    found: dict[Path, Path] = {}
    for word in words:
        for path in _find(word):
            found.setdefault(locate(path), path)
    videos = [path for path in found.values() if path.suffix.lower() in VIDEOS]
    return [path for path in found.values() if path.suffix.lower() not in VIDEOS], videos


def locate(path: Path) -> Path:
    """Where a file lies, absolute: the same however its path is written; a link stays one."""
    # Path.resolve raises RuntimeError for links that go round in a circle.
    return Path(os.path.realpath(path.parent)) / path.name


def is_junk(path: Path | str) -> bool:
    """Whether a relative path is hidden, or what a system leaves (._1.jpg, Thumbs.db): no photo."""
    parts = Path(path).parts
    return any(part in _JUNK or (part.startswith(".") and part != "..") for part in parts)


def name_photo(path: Path) -> Iterator[str]:
    """What files made from a photo may be called, without suffix: short ones first.

    The last one names every folder. scene/1.jpg: 1, 1_jpg, scene_1_jpg, ...
    """
    yield path.stem
    parts = path.parts[path.is_absolute() :]
    whole = path.name.replace(".", "_")
    for start in range(len(parts) - 1, -1, -1):
        yield "_".join([*parts[start:-1], whole])


def _find(word: Path | str) -> list[Path]:
    path = Path(word)
    suffix = path.suffix.lower()
    if _exists(path) and str(word):  # Path("") is the working folder
        if suffix in PHOTOS | VIDEOS:
            return [path]
        if path.is_dir():
            return _list_folder(path)
        if suffix in LISTS:
            return _read_list(path)
        raise ValueError(
            f"A photo must end in {', '.join(sorted(PHOTOS))}, a video in "
            f"{', '.join(sorted(VIDEOS))}, a list in .txt or .csv. Received: {path}."
        )
    # Path.glob takes no absolute patterns.
    matches = [Path(match) for match in glob.glob(str(word), recursive=True)]  # noqa: PTH207
    files = [match for match in matches if match.suffix.lower() in PHOTOS | VIDEOS]
    if not files:
        raise FileNotFoundError(
            f"There is no {str(word)!r}. Give a photo, a video, a folder, a pattern in quotes such "
            "as 'drive/*.jpg', or a .txt or .csv file with a path a line."
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


def _read_list(listing: Path) -> list[Path]:
    check_regular(listing)
    try:
        text = listing.read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise ValueError("a byte of 0, as in UTF-16")
    except ValueError as error:
        raise ValueError(
            f"A list must be UTF-8 text with a path a line. Received: {listing}: {error}. "
            "Save it as UTF-8."
        ) from error
    # Not splitlines: a name may have in it what Unicode takes for the end of a line.
    rows = [list(_read_row(line)) for line in text.split("\n") if line.strip()]
    found = [_find_row(names, listing) for names in rows]
    paths = []
    for number, (names, path) in enumerate(zip(rows, found, strict=True)):
        is_heading = listing.suffix.lower() == ".csv" and number == 0 and not _take_named(names)
        if path is None and (is_heading or names[0].lstrip().startswith("#")):
            continue
        paths.append(path or listing.parent / (_take_named(names) or names)[-1])
    if not paths:
        raise ValueError(f"A list must have a path a line. Received: none in {listing}.")
    return paths


def _read_row(line: str) -> Iterator[str]:
    """What a line may name: all of it, its first field in quotes, or less and less of its fields.

    A path may have commas in it, with quotes around it or without, and spaces at its ends.
    """
    yield line
    line = line.strip()
    yield line
    if line.startswith('"'):
        yield next(csv.reader([line]))[0].strip()
        return
    for end in reversed([match.start() for match in re.finditer("[,;\t]", line)]):
        yield line[:end].strip()


def _find_row(names: list[str], listing: Path) -> Path | None:
    """The file that is there under one of the names; None where none is."""
    roots = listing.parent, listing.parent.resolve().parent, Path()
    names = [way for name in names if name for way in (name, name.replace("\\", "/"))]
    paths = [root / name for name in names for root in roots]
    return next((path for path in paths if _exists(path) and not path.is_dir()), None)


def _take_named(names: list[str]) -> list[str]:
    """Those that end as photos and videos do."""
    return [name for name in names if Path(name).suffix.lower() in PHOTOS | VIDEOS]


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:  # a name that is too long for any file
        return False
