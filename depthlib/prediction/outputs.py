"""What earlier runs wrote into a folder: what is depth there, and of which photo.

Their table says it, which `commands.summary` writes.
"""

import csv
import io
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import compress
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from depthlib.data.inputs import VIDEOS, Listing, list_inputs, locate
from depthlib.data.shards import Shard
from depthlib.files import (
    BOARD,
    FIGURE,
    are_noted,
    check_regular,
    content_of,
    find_kind,
    list_noted,
    note_files,
)
from depthlib.prediction.writers import ENDINGS, list_names

FILE = "depth.csv"
SHARDS = ".shards"  # the folder, in `out`, of what shards note until they are merged
COLUMNS = (
    "photo", "name", "height", "width", "focal", "focal_from", "nearest", "median", "farthest",
    "sky", "made", "saved", "source",
)  # fmt: skip
_LATER = 2  # columns that earlier tables have not, at the end
UNKNOWN = "*"  # what is saved of a photo, or its source, by a table without that column
LABEL = "label"  # what `depthlib label` saves of a photo
# How what is written of a photo or a frame is called, by its format; a video's by "film".
_KINDS = {
    kind: f"(?:{'|'.join(map(re.escape, sorted(list_names('', [kind]))))})" for kind in ENDINGS
} | {"film": r"_depth(?:\.part\d*)?\.(?:mp4|avi)"}
_OUTPUT = re.compile(
    f"(?P<name>.+)(?:{'|'.join(f'(?P<{kind}>{ending})' for kind, ending in _KINDS.items())})",
    re.S,  # a name may have lines
)
_FRAME = re.compile(r"\d{6,}")
SHOWN = 5  # photos that a line names


def find_media(words: Sequence[Path | str]) -> Listing:
    """The photos and videos of the words, without what earlier runs wrote beside them.

    Videos in a folder of photos are left out too, which is said.
    Errors: those of `list_inputs`; ValueError where there are only files of earlier runs.
    """
    found = list_inputs(words)
    listing = found.keep(~are_outputs(found.paths))
    count = len(found) - len(listing)
    if count and not len(listing):
        raise ValueError(
            f"There must be photos or videos. Received: {count} files that an earlier run wrote. "
            "Give the photos that they were made of."
        )
    _say_left_out(count)
    if left := list(compress(found.left, ~are_outputs(found.left))):
        shown = f"{', '.join(left[:SHOWN])}{' and more' * (len(left) > SHOWN)}"
        tqdm.write(
            f"Left out: videos beside photos, {len(left)}: {shown}. Name them too, to take them.",
            file=sys.stderr,
        )
    return listing


def leave_out_outputs(paths: Sequence[Path]) -> list[Path]:
    """The files but those that earlier runs wrote, of which a line to stderr says how many."""
    left = are_outputs(paths)
    _say_left_out(int(left.sum()))
    return list(compress(paths, ~left))


def _say_left_out(count: int) -> None:
    if count:
        tqdm.write(f"Left out: {count} files that an earlier run wrote.", file=sys.stderr)


def are_outputs(paths: Sequence[Path | str]) -> np.ndarray:
    """Of each file whether an earlier run wrote it: bool (paths,).

    Of depth its table says so: what that lists as a photo is none, nor what is in a format that it
    does not list as saved. Figures and calibration boards have a note of what was drawn.
    """
    noted: dict[str, set[str]] = {}
    tables: dict[Path, tuple[dict[str, frozenset[str]], set[str]]] = {}

    def is_listed(folder: Path, name: str, kind: str, file: str) -> bool:
        if folder not in tables:
            tables[folder] = _list_written(folder)
        saved, photos = tables[folder]
        return kind in saved.get(name, ()) and file not in photos

    def is_label(path: Path | str) -> bool:
        """Whether it is depth of a label: depth/NAME.png, of a video depth/VIDEO/NUMBER.png."""
        head, tail = os.path.split(path)  # millions of them
        if "depth" not in head or not tail.endswith(".png"):
            return False
        place = locate(Path(path)).with_suffix("")
        folder, (*_, above, name) = place.parent, place.parts
        return any(
            up.name == "depth" and is_listed(up.parent, called, LABEL, "")
            for up, called in ((folder, name), (folder.parent, f"{above}/{name}"))
        )

    def is_drawn(path: Path | str) -> bool:
        head, tail = os.path.split(path)
        if head not in noted:
            noted[head] = list_noted(head)
        return tail in noted[head] and find_kind(Path(path)) in (FIGURE, BOARD)

    def is_output(path: Path | str) -> bool:
        if is_drawn(path) or is_label(path):
            return True
        written = _OUTPUT.fullmatch(os.path.basename(path))  # noqa: PTH119
        if not written or not written.lastgroup:
            return False
        place = locate(Path(path))
        folder, name, kind = place.parent, written["name"], written.lastgroup
        # Depth of a video's frames is in a folder that has the video's name.
        return is_listed(folder, name, kind, place.name) or bool(
            _FRAME.fullmatch(name)
            and is_listed(
                folder.parent, folder.name, f"frame {kind}", f"{folder.name}/{place.name}"
            )
        )

    return np.fromiter(map(is_output, paths), bool, len(paths))


def _list_written(folder: Path) -> tuple[dict[str, frozenset[str]], set[str]]:
    """By the name of a photo what was written of it there; and photos that are called as that."""
    written = {}
    photos = set()
    for photo, row in _read_all(folder):
        written[row["name"]] = _list_kinds(row["saved"], is_video(photo))
        if _OUTPUT.fullmatch(os.path.basename(photo)):  # noqa: PTH119
            photos.add(photo)
    return written, photos


def find_frames(folder: Path) -> dict[Path, str]:
    """The files of a video's frames in a folder, by their names, and the format of each."""
    found = {}
    for file in folder.iterdir() if folder.is_dir() else ():
        written = _OUTPUT.fullmatch(file.name)
        if written and written.lastgroup and _FRAME.fullmatch(written["name"]):
            found[file] = written.lastgroup
    return found


def check_photos(maps: Iterable[tuple[Path, Path]]) -> None:
    """Accepts files of depth, each with a photo, but those that a table says are of another photo.

    That is one with another content than the photo had that was predicted. Of what
    nothing is said, of a video's frames and of labels, whose photos are copies, all are accepted.
    Errors: ValueError that names the file and both photos; and for depth of a photo that `--camera`
    undistorted.
    """
    tables: dict[Path, dict[str, tuple[str, dict[str, str]]]] = {}
    for path, photo in maps:
        place = locate(path)
        folder, written = place.parent, _OUTPUT.fullmatch(place.name)
        if folder not in tables:
            tables[folder] = {row["name"]: (of, row) for of, row in _read_all(folder)}
        if not written or written["name"] not in tables[folder]:
            continue
        named, row = tables[folder][written["name"]]
        is_said = written.lastgroup in _list_kinds(row["saved"], is_video(named))
        if is_said and photo.is_file() and _is_another(photo, folder / named, row["source"]):
            raise ValueError(
                f"Depth must be of the photo that it is compared for. Received: {path} for {photo};"
                f" {folder / FILE} says that it is of {named}. Predict this photo, or give the "
                "folder of its depth."
            )
        if is_said and row["focal_from"] == "undistorted":
            raise ValueError(
                f"Depth must be of the photo as it is. Received: {path} for {photo}, made by "
                f"{row['made']}, which undistorts it. Predict it with --focal, or give the "
                "undistorted photos with their depth."
            )


def _is_another(photo: Path, named: Path, source: str) -> bool:
    """Whether a photo is not the one that a row is of, wherever that lies by now: by its content.

    Earlier versions noted none; there a photo tells that is still where it was.
    """
    note = source.split(" ")[0]
    content = content_of(note)
    if named.is_file() and named.samefile(photo):
        return bool(content) and not are_noted(note, photo)
    if content:
        return content != content_of(note_files(photo))
    return named.is_file() and content_of(note_files(named)) != content_of(note_files(photo))


def list_tables(out: Path) -> list[Path]:
    """The tables of the shards of `out`, the one that was written to last at the end."""
    found = (out / SHARDS).glob("[0-9]*of[0-9]*.csv")
    tables = [table for table in found if Shard.find(table.stem)]
    return sorted(tables, key=lambda table: table.stat().st_mtime_ns)


def read_rows(out: Path) -> list[dict[str, str]]:
    """The rows of depth.csv in `out`. Errors: those of `Summary`."""
    return list(read_table(out / FILE)[0].values())


def _read_all(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The photos and rows of all tables in a folder."""
    for table in [folder / FILE, *list_tables(folder)]:
        with suppress(ValueError):  # a user's own table of this name
            yield from read_table(table)[0].items()


@cache  # one for all photos, which may be millions
def _list_kinds(saved: str, of_video: bool) -> frozenset[str]:
    """The formats in which files of a photo or video may be there, as its row says."""
    kinds = ENDINGS if saved == UNKNOWN else saved.split()
    return frozenset({"film", *(f"frame {kind}" for kind in kinds)} if of_video else kinds)


def is_video(path: str) -> bool:
    """Whether a row's photo is a video."""
    return os.path.splitext(path)[1].lower() in VIDEOS  # noqa: PTH122  # millions of them


def find_file(photo: str) -> str:
    """The file that a row is of: a photo, or the video of a frame."""
    place, _, name = photo.rpartition("/")
    return place if _FRAME.fullmatch(name) and is_video(place) else photo


def read_table(path: Path) -> tuple[dict[str, dict[str, str]], bool, bool]:
    """The rows of a table by photo, whether rows may be appended, whether some photos have several.

    None may where a killed process left a part of one, or where columns are missing.
    """
    if not path.exists():
        return {}, False, False
    check_regular(path)
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    whole, newline, rest = text.rpartition("\n")
    try:
        heading, *rows = csv.reader(io.StringIO(whole + newline, newline=""))
        lacks = COLUMNS[len(heading) :]
        is_old = 0 < len(lacks) <= _LATER and (*heading, *lacks) == COLUMNS
        if is_old:
            heading, rows = list(COLUMNS), [[*row, *len(lacks) * [UNKNOWN]] for row in rows]
        table = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        for row in table:
            _check_name(row["name"])
            if not all(math.isfinite(float(row[name] or 0)) for name in ("width", "focal")):
                raise ValueError(row["focal"])
    except (ValueError, csv.Error):
        heading, table, is_old = [], [], False
    named = {row["photo"]: row for row in table}
    # Of two photos with one name, one's files would be taken for the other's.
    if tuple(heading) != COLUMNS or len({row["name"] for row in named.values()}) < len(named):
        raise ValueError(
            f"{path} must be the table that an earlier run wrote there. Received: another one. "
            "Choose another folder, or move the file."
        )
    return named, not rest and not is_old, len(named) < len(table)


def _check_name(name: str) -> None:
    """Errors: ValueError for a name that would lead files out of their folder."""
    path = Path(name)  # of a video's frame: clip/000001
    if not path.parts or path.anchor or ".." in path.parts or "\0" in name:
        raise ValueError(name)
