"""The table of a folder of depth: a row a photo, and which photo each file there is of."""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock

from depthlib.data.inputs import locate, name_photo
from depthlib.files import check_regular, write_bytes

FILE = "depth.csv"
COLUMNS = (
    "photo", "name", "height", "width", "focal", "focal_from", "nearest", "median", "farthest",
    "sky", "made",
)  # fmt: skip
# How what is written of a photo or a frame ends, without suffix: see `writers.name_file`.
_OUTPUT = re.compile("(.+)_(?:depth(?:_colour|_mm|_m256|_relative)?|confidence)")


class Summary:
    """depth.csv in the folder `out`: a row a photo, and those of earlier runs stay.

    A photo is its path relative to `out`; `name` is how its files there begin, `made` says by what
    network and settings. A row is written
    before the files are, so that none is ever taken for another photo's. Rows are appended, of
    several of one photo the last counts, and an end that a killed process left is no row.
    Errors: ValueError for another table of this name; OSError where it cannot be read.
    """

    def __init__(self, out: Path) -> None:
        self.path = out / FILE
        self.rows, self._is_whole = _read(self.path)
        self._has_old = False  # rows in the file that later ones replace
        self._lock = Lock()

    def __contains__(self, path: Path) -> bool:
        return self._key(path) in self.rows

    def find_other(self, path: Path, made: str) -> str:
        """How the photo was predicted before, where it was otherwise than by `made`; else ""."""
        before = self.rows.get(self._key(path), {}).get("made", "")
        return before if before != made else ""

    def name_outputs(self, paths: Sequence[Path]) -> dict[Path, str]:
        """How the files of each photo begin: as before, else by a name that no other one has.

        Errors: ValueError where two photos cannot be told apart.
        """
        names = {path: self.rows[self._key(path)]["name"] for path in paths if path in self}
        taken = {row["name"] for row in self.rows.values()}
        ways = {path: name_photo(locate(path)) for path in paths if path not in names}
        while ways:
            wanted = {path: next(way, "") for path, way in ways.items()}
            count = Counter(wanted.values())
            if "" in count:
                alike = [str(path) for path, name in wanted.items() if not name]
                raise ValueError(
                    "Photos of one folder must have names of their own. Received: "
                    f"{', '.join(alike)}. Predict them into two folders."
                )
            free = {p: name for p, name in wanted.items() if count[name] == 1 and name not in taken}
            names |= free
            taken |= set(free.values())
            ways = {path: way for path, way in ways.items() if path not in free}
        return names

    def add(self, path: Path, row: Mapping[str, object]) -> None:
        """Writes the row of a photo, which is COLUMNS but the first; several threads may call it.

        Errors: OSError where the disk is full, among others.
        """
        key = self._key(path)
        with self._lock:
            self._has_old |= key in self.rows
            self.rows[key] = {"photo": key} | {name: str(value) for name, value in row.items()}
            if self._is_whole:
                with self.path.open("ab") as file:
                    file.write(_format([self.rows[key]]))
            else:
                self._write()

    def close(self) -> None:
        """Leaves one row a photo in the file, and those that another process has added."""
        if self._has_old:
            self.rows, _ = _read(self.path)
            self._write()

    def _write(self) -> None:
        heading = dict(zip(COLUMNS, COLUMNS, strict=True))
        write_bytes(self.path, _format([heading, *self.rows.values()]))
        self._is_whole, self._has_old = True, False

    def _key(self, path: Path) -> str:
        place, out = locate(path), self.path.parent.resolve()
        try:
            return Path(os.path.relpath(place, out)).as_posix()
        except ValueError:  # on another drive
            return place.as_posix()


def leave_out_outputs(paths: Iterable[Path]) -> list[Path]:
    """The paths but for files that an earlier run wrote, as the table beside them says."""
    names: dict[Path, set[str]] = {}

    def names_in(folder: Path) -> set[str]:
        if folder not in names:
            try:
                names[folder] = {row["name"] for row in _read(folder / FILE)[0].values()}
            except ValueError:  # a user's own table of this name
                names[folder] = set()
        return names[folder]

    def is_output(path: Path) -> bool:
        written, folder = _OUTPUT.fullmatch(path.stem), locate(path).parent
        if not written:
            return False
        # Depth of a video's frames is in a folder that has the video's name.
        return written[1] in names_in(folder) or folder.name in names_in(folder.parent)

    return [path for path in paths if not is_output(path)]


def _read(path: Path) -> tuple[dict[str, dict[str, str]], bool]:
    """The rows of a table by photo, and whether the file ends in a whole one."""
    if not path.exists():
        return {}, False
    check_regular(path)
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    whole, newline, rest = text.rpartition("\n")
    try:
        heading, *rows = csv.reader(io.StringIO(whole + newline, newline=""))
        table = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    except (ValueError, csv.Error):
        heading, table = [], []
    if tuple(heading) != COLUMNS:
        raise ValueError(
            f"{path} must be the table that an earlier run wrote there. Received: another one. "
            "Choose another folder, or move the file."
        )
    named = {row["photo"]: row for row in table}
    return named, not rest


def _format(rows: Iterable[Mapping[str, str]]) -> bytes:
    return "".join(map(_format_row, rows)).encode("utf-8", "surrogateescape")


def _format_row(row: Mapping[str, str]) -> str:
    text = io.StringIO()
    # Before Python 3.13 csv quotes a carriage return in a name only where lines end in one.
    csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"
