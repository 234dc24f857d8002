"""Which photos and videos a user's words mean: files, folders, patterns, lists."""

import csv
import glob
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, takewhile
from pathlib import Path

import numpy as np

from depthlib.data.shards import Shard, count_alike, hash_texts
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

# Of paths, whether an earlier run wrote them: bool (paths,).
AreOutputs = Callable[[Sequence[Path | str]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Listing:
    """Files that a user's words mean, each once, in their order, as text: millions fit in memory.

    hashes: `hash_text` of each one's name, uint64 (files,). Its name is its path relative to the
    word: to a folder, to the part of a pattern without wildcards, to the folder of a list.
    left: videos in folders of photos, which the words do not mean.
    """

    paths: list[str]
    hashes: np.ndarray
    left: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def keep(self, kept: np.ndarray) -> "Listing":
        """Those of which `kept`, bool (files,), is true."""
        if kept.all():
            return self
        return Listing(list(compress(self.paths, kept)), self.hashes[kept], self.left)

    def choose(self, shard: Shard | None) -> np.ndarray:
        """Of each file whether it is in the shard, bool (files,); None: all are."""
        return np.ones(len(self), bool) if shard is None else shard.choose(self.hashes)

    def split(self, shard: Shard | None = None) -> tuple[list[Path], list[Path]]:
        """The photos and the videos of a shard; None: all."""
        paths = list(map(Path, compress(self.paths, self.choose(shard))))
        videos = [path for path in paths if path.suffix.lower() in VIDEOS]
        return [path for path in paths if path.suffix.lower() not in VIDEOS], videos

    def digest(self) -> str:
        """The same names have the same digest, in whichever order and wherever they lie."""
        return hashlib.sha256(np.sort(self.hashes).astype("<u8").tobytes()).hexdigest()


def list_inputs(words: Sequence[Path | str]) -> Listing:
    """What the words mean.

    A word is a photo, a video, a folder (its photos, or where it has none its videos, in natural
    order), a pattern (`drive/*.jpg`), or a list, .txt or .csv: a path a line, relative to the list,
    to its folder's parent or to the working folder; in a CSV the first field, or that which a
    heading in its first row calls rgb, photo or the like. Hidden files are none. What is called as
    a photo is, or stands in a list, counts as one, be it there or not: reading it says what is
    wrong.
    Errors: FileNotFoundError for a word that is nothing of it, or that holds none; ValueError for
    a file of another kind, or a list that is no text.
    """
    paths: list[str] = []
    left: list[str] = []
    hashes = []
    for word in words:
        found, names = _find(word, left)
        hashes.append(hash_texts(names, len(found)))
        paths += found
    hashed = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
    given = set(paths) if left else set()
    listing = Listing(paths, hashed, [path for path in left if path not in given])
    return listing.keep(_is_first(paths))


def locate(path: Path) -> Path:
    """Where a file lies, absolute: the same however its path is written; a link stays one."""
    # Path.resolve raises RuntimeError for links that go round in a circle.
    return Path(os.path.realpath(path.parent)) / path.name


def locate_all(paths: Iterable[Path | str]) -> Iterator[str]:
    """`locate` of many files, as text; a folder is looked up once for those that follow there."""
    folder = place = None
    for path in paths:
        above, name = os.path.split(path)
        if place is None or above != folder:
            folder, place = above, os.path.realpath(above)
        yield os.path.join(place, name)  # noqa: PTH118  # millions of them


def find_files_in(folder: Path, paths: Iterable[Path | str]) -> set[str]:
    """Where those of the files lie that are in the folder itself, as `locate_all` tells it."""
    start = os.path.realpath(folder)
    return {place for place in locate_all(paths) if os.path.dirname(place) == start}  # noqa: PTH120


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


def _find(word: Path | str, left: list[str]) -> tuple[list[str], Iterator[str]]:
    """The files that a word means, and their names relative to it; adds to what is left."""
    path = Path(word)
    suffix = path.suffix.lower()
    if _exists(path) and str(word):  # Path("") is the working folder
        if suffix in PHOTOS | VIDEOS:
            return [str(path)], iter([path.name])
        if path.is_dir():
            names, others = _list_folder(path)
            start = os.path.join(path, "")  # noqa: PTH118
            left += [start + name for name in others]
            return [start + name for name in names], iter(names)
        if suffix in LISTS:
            return _name_from(path.parent, [str(found) for found in _read_list(path)])
        raise ValueError(
            f"A photo must end in {', '.join(sorted(PHOTOS))}, a video in "
            f"{', '.join(sorted(VIDEOS))}, a list in .txt or .csv. Received: {path}."
        )
    # Path.glob takes no absolute patterns.
    matches = glob.iglob(str(word), recursive=True)  # noqa: PTH207
    files = [match for match in matches if _suffix(match) in PHOTOS | VIDEOS]
    if not files:
        raise FileNotFoundError(
            f"There is no {str(word)!r}. Give a photo, a video, a folder, a pattern in quotes such "
            "as 'drive/*.jpg', or a .txt or .csv file with a path a line."
        )
    files.sort(key=lambda file: natural_key(file.replace(os.sep, "/")))
    plain = takewhile(lambda part: not glob.has_magic(part), path.parts)
    return _name_from(Path(*plain), files)


def _name_from(folder: Path, files: list[str]) -> tuple[list[str], Iterator[str]]:
    return files, (os.path.relpath(file, folder).replace(os.sep, "/") for file in files)


def _is_first(paths: Sequence[str]) -> np.ndarray:
    """Of each file whether no other path before it leads to it, bool (paths,)."""
    several = count_alike(hash_texts(locate_all(paths), len(paths))) > 1
    first = np.ones(len(paths), bool)
    if several.any():
        seen: set[str] = set()
        rows = np.flatnonzero(several).tolist()
        for row, place in zip(rows, locate_all(paths[row] for row in rows), strict=True):
            first[row] = place not in seen
            seen.add(place)
    return first


def _list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The photos of a folder, or where it has none its videos; and the videos beside photos."""
    files = [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208
    videos = sorted((name for name in files if _suffix(name) in VIDEOS), key=natural_key)
    if photos := [name for name in files if _suffix(name) in PHOTOS]:
        return sorted(photos, key=natural_key), videos
    if videos:
        return videos, []
    raise FileNotFoundError(
        f"A folder must hold photos or videos. Received: {folder}, which has none. Photos end in "
        f"{', '.join(sorted(PHOTOS))}."
    )


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122  # millions of them


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
    if rows and found[0] is None and listing.suffix.lower() == ".csv":
        from depthlib.data.csv_tables import read_photo_column  # it needs this file, and pandas

        if named := read_photo_column(listing):
            return [_find_row([name], listing) or listing.parent / name for name in named]
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
