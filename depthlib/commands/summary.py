"""The table of a folder of depth: a row a photo, and which photo each file there is of."""

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import compress, count, islice, pairwise
from pathlib import Path
from threading import Lock

import numpy as np

from depthlib.data.inputs import locate, locate_all, name_photo
from depthlib.data.shards import Shard, count_alike, hash_text, hash_texts
from depthlib.files import are_alike, are_noted, content_of, natural_key, note_files, write_bytes
from depthlib.prediction.outputs import (
    COLUMNS,
    FILE,
    LABEL,
    SHARDS,
    find_file,
    list_tables,
    read_table,
)

BEGUN = "begun-"  # before a format of a video's, once more: some of its frames may be missing
_HEADING = dict(zip(COLUMNS, COLUMNS, strict=True))


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
        self.rows, self._is_whole, self._has_old = read_table(self.path)
        self._others = {  # photo: name, made, saved, source
            photo: (row["name"], sys.intern(row["made"]), sys.intern(row["saved"]), row["source"])
            for table in ([] if shard is None else [out / FILE, *tables])
            if table != self.path
            for photo, row in read_table(table)[0].items()
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
            rows = read_table(self.path)[0]
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
            file = find_file(photo)
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
            rows = ((moved.get(find_file(photo)), row) for photo, row in self.rows.items())
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


def merge_tables(out: Path) -> int:
    """Writes the rows of all shards into depth.csv, by photo in natural order; their number.

    Errors: those of `Summary`.
    """
    lines: dict[str, str] = {}
    for table in [out / FILE, *list_tables(out)]:
        lines |= {photo: _format_row(row) for photo, row in read_table(table)[0].items()}
    in_order = (lines[photo] for photo in sorted(lines, key=_order))
    text = "".join([_format_row(_HEADING), *in_order])
    write_bytes(out / FILE, text.encode("utf-8", "surrogateescape"))
    return len(lines)


def _move(photo: str, place: str | None) -> str:
    """What a row is of, whose file lies at `place` now; None: it was not moved."""
    return photo if place is None else f"{place}{photo.removeprefix(find_file(photo))}"


def _order(photo: str) -> tuple[str, str]:
    """What rows are sorted by: a natural order in which 2 and 002 have their places too."""
    return natural_key(photo), photo


def _name_all(paths: Iterable[Path | str], length: int) -> Iterator[str]:
    """What each one's files may be called, of this length; "" where its names have ended."""
    for place in locate_all(paths):
        yield next(islice(name_photo(Path(place)), length, None), "")


def _format(rows: Iterable[Mapping[str, str]]) -> bytes:
    return "".join(map(_format_row, rows)).encode("utf-8", "surrogateescape")


def _format_row(row: Mapping[str, str]) -> str:
    text = io.StringIO()
    # Before Python 3.13 csv quotes a carriage return in a name only where lines end in one.
    csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"
