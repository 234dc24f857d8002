"""The table of a folder of depth: a row a photo, and which photo each file there is of."""

import csv
import io
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from itertools import compress, count, islice, pairwise
from pathlib import Path
from threading import Lock

import numpy as np

from depthlib.data.inputs import VIDEOS, locate, locate_all, name_photo
from depthlib.data.shards import Shard, count_alike, hash_text, hash_texts
from depthlib.files import (
    BOARD,
    FIGURE,
    are_alike,
    are_noted,
    check_regular,
    content_of,
    find_kind,
    list_noted,
    natural_key,
    note_files,
    write_bytes,
)
from depthlib.prediction.writers import ENDINGS, list_names

FILE = "depth.csv"
SHARDS = ".shards"  # the folder, in `out`, of what shards note until they are merged
COLUMNS = (
    "photo", "name", "height", "width", "focal", "focal_from", "nearest", "median", "farthest",
    "sky", "made", "saved", "source",
)  # fmt: skip
_LATER = 2  # columns that earlier tables have not, at the end
_HEADING = dict(zip(COLUMNS, COLUMNS, strict=True))
UNKNOWN = "*"  # what is saved of a photo, or its source, by a table without that column
LABEL = "label"  # what `depthlib label` saves of a photo
BEGUN = "begun-"  # before a format of a video's, once more: some of its frames may be missing
# How what is written of a photo or a frame is called, by its format; a video's by "film".
_KINDS = {
    kind: f"(?:{'|'.join(map(re.escape, sorted(list_names('', [kind]))))})" for kind in ENDINGS
} | {"film": r"_depth(?:\.part\d*)?\.(?:mp4|avi)"}
_OUTPUT = re.compile(
    f"(?P<name>.+)(?:{'|'.join(f'(?P<{kind}>{ending})' for kind, ending in _KINDS.items())})",
    re.S,  # a name may have lines
)
_FRAME = re.compile(r"\d{6,}")


class Summary:
    """depth.csv in the folder `out`: a row a photo, and those of earlier runs stay.

    A photo is its path relative to `out`; `name` is how its files there begin, `made` says by what
    network and settings, `saved` in which formats, and `source` notes the photo's and the network's
    files: `files.note_files` of each. A row is written
    before the files are, so that none is ever taken for another photo's. Rows are appended, of
    several of one photo the last counts, and an end that a killed process left is no row.
    Photos that were moved keep their rows: known by content, where the row's own photo is gone.
    Those whose own names have changed are new to `predict`, whose files are called by them.
    A shard writes a table of its own, .shards/2of4.csv in `out`, and knows the rows of all others.
    Errors: ValueError for another table of this name, and for no shard where some are to be merged;
    OSError where it cannot be read.
    """

    def __init__(self, out: Path, shard: Shard | None = None) -> None:
        tables = list_tables(out)
        if shard is None and tables:
            raise ValueError(
                "Shards must be merged before a run without --shard. Received: "
                f"{out} with the tables of {len(tables)} shards. Run those that are missing, then "
                f"depthlib merge {out}."
            )
        self.path = out / FILE if shard is None else out / SHARDS / f"{shard.label}.csv"
        # _has_old: rows in the file that later ones replace.
        self.rows, self._is_whole, self._has_old = _read(self.path)
        self._others = {  # photo: name, made, saved, source
            photo: (row["name"], sys.intern(row["made"]), sys.intern(row["saved"]), row["source"])
            for table in ([] if shard is None else [out / FILE, *tables])
            if table != self.path
            for photo, row in _read(table)[0].items()
        }
        self._is_shard = shard is not None
        self._place = os.path.realpath(out)
        self._lock = Lock()
        self._are_noted = lru_cache(1)(are_noted)  # of a copied video, for all of its frames

    def __contains__(self, path: Path) -> bool:
        return self._find(path) is not None

    def find_other(self, path: Path, made: str) -> str:
        """How the photo was predicted before, where it was otherwise than by `made`; else ""."""
        _, before, *_ = self._find(path) or ("", made)
        return before if before != made else ""

    def find_saved(self, path: Path) -> str:
        """In which formats the photo's files are, by words; UNKNOWN; "" for one without a row."""
        return (self._find(path) or ("", "", ""))[2]

    def is_changed(self, path: Path, network: str, source: Path | None = None) -> bool:
        """Whether the photo, or its `network`, is another than its row noted, if it noted any.

        network: `note_files` of it. source: the video of a frame.
        """
        noted = (self._find(path) or ("", "", "", ""))[3].split()
        if len(noted) != 2:
            return False
        return not (are_alike(noted[1], network) and self._are_noted(noted[0], source or path))

    def name_outputs(
        self, paths: Sequence[Path | str], wanted: np.ndarray | None = None
    ) -> dict[Path, str]:
        """How the files of each photo begin: as before, else by a name that no other one has.

        Names depend on each other, so `paths` are all of a run, also where a shard asks for those
        alone that are `wanted`, bool (paths,). They do not depend on how far the run is.
        Errors: ValueError where two photos cannot be told apart.
        """
        if self.rows and not self._is_shard:  # other shards may be writing
            self._follow_moved(paths)
        owners = {name: photo for photo, (name, *_) in self._others.items()}
        owners |= {row["name"]: photo for photo, row in self.rows.items()}
        owned, taken = hash_texts(owners), np.empty(0, np.uint64)
        lengths = np.zeros(len(paths), int)
        left = np.arange(len(paths))  # those that have no name yet
        for length in count():
            alone = [paths[row] for row in left.tolist()]
            hashes = hash_texts(_name_all(alone, length), len(left))
            ended = hashes == hash_text("")
            alike = [str(path) for path in compress(alone, ended) if Path(path) not in self]
            if alike:
                raise ValueError(
                    "Photos of one folder must have names of their own. Received: "
                    f"{', '.join(alike)}. Predict them into two folders."
                )
            free = (count_alike(hashes) == 1) & ~ended & ~np.isin(hashes, taken)
            for place in np.flatnonzero(free & np.isin(hashes, owned)):
                owner = owners.get(next(_name_all([alone[place]], length)))
                free[place] = owner in (None, self._key(Path(alone[place])))
            lengths[left[free]] = length
            taken = np.concatenate([taken, hashes[free]])
            left = left[~free & ~ended]
            if not len(left):
                break
        names = {}
        for row in range(len(paths)) if wanted is None else np.flatnonzero(wanted).tolist():
            path = Path(paths[row])
            before = self._find(path)
            names[path] = before[0] if before else next(_name_all([path], lengths[row]))
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
        """Leaves one row a photo in the file, in order, and those that another process has added.

        Threads and runs that were stopped add them in any order.
        """
        if self._has_old or any(one > other for one, other in pairwise(map(_order, self.rows))):
            rows = _read(self.path)[0]
            self.rows = {photo: rows[photo] for photo in sorted(rows, key=_order)}
            self._write()

    def _follow_moved(self, paths: Iterable[Path | str]) -> None:
        """Gives the rows of photos that are gone to those of `paths` that have their content.

        A label's, whatever it is called now; one of `predict`, whose files lie where a user looks
        for them by the photo's name, only where the new one may have that name too.
        """
        new = [path for path in map(Path, paths) if path not in self]
        gone: dict[str, dict[str, str]] = {}  # by content: the file, and the name of predict's row
        for photo, row in self.rows.items() if new else ():
            file = _find_file(photo)
            content = content_of(row.get("source", "").split(" ")[0])
            if content and not Path(self._place, file).exists():
                name = "" if row.get("saved") == LABEL else row["name"]
                gone.setdefault(content, {})[file] = name
        moved = {}
        for path in new if gone else ():
            left = gone.get(content_of(note_files(path)), {})
            names = {"", *name_photo(locate(path))} if left else ()
            if owner := next((one for one, name in left.items() if name in names), None):
                del left[owner]
                moved[owner] = self._key(path)
        if moved:
            rows = ((moved.get(_find_file(photo)), row) for photo, row in self.rows.items())
            named = ((_move(row["photo"], place), row) for place, row in rows)
            self.rows = {photo: {**row, "photo": photo} for photo, row in named}
            self._write()

    def _write(self) -> None:
        write_bytes(self.path, _format([_HEADING, *self.rows.values()]))
        self._is_whole, self._has_old = True, False

    def _find(self, path: Path) -> tuple[str, str, str, str] | None:
        """Its name, made, saved and source; None for one without a row."""
        key = self._key(path)
        row = self.rows.get(key)
        if row:
            return row["name"], row.get("made", ""), row.get("saved", ""), row.get("source", "")
        return self._others.get(key)

    def _key(self, path: Path) -> str:
        place = locate(path)
        try:
            return Path(os.path.relpath(place, self._place)).as_posix()
        except ValueError:  # on another drive
            return place.as_posix()


def list_tables(out: Path) -> list[Path]:
    """The tables of the shards of `out`, the one that was written to last at the end."""
    found = (out / SHARDS).glob("[0-9]*of[0-9]*.csv")
    tables = [table for table in found if Shard.find(table.stem)]
    return sorted(tables, key=lambda table: table.stat().st_mtime_ns)


def read_rows(out: Path) -> list[dict[str, str]]:
    """The rows of depth.csv in `out`. Errors: those of `Summary`."""
    return list(_read(out / FILE)[0].values())


def merge_tables(out: Path) -> int:
    """Writes the rows of all shards into depth.csv, by photo in natural order; their number.

    Errors: those of `Summary`.
    """
    lines: dict[str, str] = {}
    for table in [out / FILE, *list_tables(out)]:
        lines |= {photo: _format_row(row) for photo, row in _read(table)[0].items()}
    in_order = (lines[photo] for photo in sorted(lines, key=_order))
    text = "".join([_format_row(_HEADING), *in_order])
    write_bytes(out / FILE, text.encode("utf-8", "surrogateescape"))
    return len(lines)


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


def _read_all(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The photos and rows of all tables in a folder."""
    for table in [folder / FILE, *list_tables(folder)]:
        with suppress(ValueError):  # a user's own table of this name
            yield from _read(table)[0].items()


@cache  # one for all photos, which may be millions
def _list_kinds(saved: str, of_video: bool) -> frozenset[str]:
    """The formats in which files of a photo or video may be there, as its row says."""
    kinds = ENDINGS if saved == UNKNOWN else saved.split()
    return frozenset({"film", *(f"frame {kind}" for kind in kinds)} if of_video else kinds)


def is_video(path: str) -> bool:
    """Whether a row's photo is a video."""
    return os.path.splitext(path)[1].lower() in VIDEOS  # noqa: PTH122  # millions of them


def _find_file(photo: str) -> str:
    """The file that a row is of: a photo, or the video of a frame."""
    place, _, name = photo.rpartition("/")
    return place if _FRAME.fullmatch(name) and is_video(place) else photo


def _move(photo: str, place: str | None) -> str:
    """What a row is of, whose file lies at `place` now; None: it was not moved."""
    return photo if place is None else f"{place}{photo.removeprefix(_find_file(photo))}"


def _order(photo: str) -> tuple[str, str]:
    """What rows are sorted by: a natural order in which 2 and 002 have their places too."""
    return natural_key(photo), photo


def _name_all(paths: Iterable[Path | str], length: int) -> Iterator[str]:
    """What each one's files may be called, of this length; "" where its names have ended."""
    for place in locate_all(paths):
        yield next(islice(name_photo(Path(place)), length, None), "")


def _read(path: Path) -> tuple[dict[str, dict[str, str]], bool, bool]:
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


def _format(rows: Iterable[Mapping[str, str]]) -> bytes:
    return "".join(map(_format_row, rows)).encode("utf-8", "surrogateescape")


def _format_row(row: Mapping[str, str]) -> str:
    text = io.StringIO()
    # Before Python 3.13 csv quotes a carriage return in a name only where lines end in one.
    csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"
