"""Photo and depth pairs of one dataset: found in its folder, listed in a CSV, read from it."""

import hashlib
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from posixpath import normpath

import numpy as np
import pandas as pd

from depthlib.data.arrays import file_of, find_paths, is_array
from depthlib.data.checks import check_pairs
from depthlib.data.csv_tables import (
    FILES,
    MOTIONS,
    VIEWS,
    find_column,
    format_rows,
    read_pair_table,
    why_unlistable,
)
from depthlib.data.dataset_file import NAME, find_dataset_file, read_dataset_file
from depthlib.data.encodings import refuse_other_encoding
from depthlib.data.images import read_pair
from depthlib.data.inputs import is_junk
from depthlib.data.scenes import KNOWN, UNKNOWN, tell_scenes
from depthlib.data.specs import SPECS, DatasetSpec, get_spec
from depthlib.data.splits import SPLITTERS, split_by_frame, split_by_scene
from depthlib.files import PAIRS, find_kind, natural_key, refuse_escape, write_ours

__all__ = [
    "SPLITTERS", "Pairs", "check_pairs", "find_pairs", "read_csv", "split_by_frame",
    "split_by_scene", "write_csv",
]  # fmt: skip

PACKED = "packed.json"  # in a folder of decoded pairs, which needs no photos: see packed.py
_LOOK = 8  # maps that are looked at where paths alone say how depth is stored
ROOT = "DEPTHLIB_DATA"  # the environment variable that names the folder of CSVs' photos


@dataclass(frozen=True)
class Pairs:
    """Photo and depth pairs of one dataset.

    `table` has the columns rgb and depth (POSIX paths relative to `root`) and scene; confidence
    (paths too) where the CSV has it, condition (which light or weather a photo shows) where
    index.csv has it, and the column of focal lengths that the spec names. Other photos of what a
    photo shows are in the columns right (of the second camera), previous and next (of the same one
    at other times), "" where there is none, and how the camera moved to the last two in
    previous_motion and next_motion; where the spec has no depth, depth is missing. `scenes` says
    whether scenes are "known"; or "grouped", frames that look alike as one; or "unknown", where
    each photo is taken as a scene of its own.
    """

    root: Path
    table: pd.DataFrame
    spec: DatasetSpec
    scenes: str = KNOWN

    def __post_init__(self) -> None:
        # Rows are numbered as pairs are, also where a user sorted or filtered the table.
        if not self.table.index.equals(pd.RangeIndex(len(self.table))):
            object.__setattr__(self, "table", self.table.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.table)

    def rgb_path(self, index: int) -> Path:
        """The photo of pair `index`."""
        return self.root / str(self.table["rgb"].iat[index])

    def depth_path(self, index: int) -> Path:
        """The depth map of pair `index`."""
        return self.root / str(self.table["depth"].iat[index])

    @property
    def has_confidence(self) -> bool:
        """Whether maps say how far each pixel's depth is to be trusted."""
        return "confidence" in self.table

    def confidence_path(self, index: int) -> Path:
        """The confidence map of pair `index`."""
        return self.root / str(self.table["confidence"].iat[index])

    @property
    def views(self) -> tuple[str, ...]:
        """The columns of other views that there are, of VIEWS."""
        return tuple(name for name in VIEWS if name in self.table)

    def view_path(self, index: int, name: str) -> Path | None:
        """The photo that the view `name` of photo `index` is; None where it has none."""
        path = str(self.table[name].iat[index]) if name in self.table else ""
        return self.root / path if path else None

    def motion(self, index: int, name: str) -> str:
        """How the camera moved to the view `name` of photo `index`, as a CSV writes it."""
        return str(self.table[MOTIONS[name]].iat[index])

    def select(self, indices: Sequence[int] | np.ndarray | range) -> "Pairs":
        """The pairs at `indices`, in that order."""
        return replace(self, table=self.table.iloc[list(indices)].reset_index(drop=True))

    def spread(self, count: int) -> "Pairs":
        """At most `count` pairs, evenly spaced from the first one on: for a look at all of them."""
        return self.select(range(0, len(self), -(-len(self) // count)))

    @property
    def is_packed(self) -> bool:
        """Whether they are decoded already, their photos and maps left behind: see `packed`."""
        return (self.root / PACKED).is_file()

    def refuse_packed(self) -> None:
        """Errors: ValueError for packed pairs."""
        if self.is_packed:
            raise ValueError(
                "This needs photos and depth maps, which a packed dataset has left behind. "
                f"Received: {self.root}. Use the CSV of the photos that it was packed from."
            )

    def refuse_without_maps(self) -> None:
        """Errors: ValueError for packed pairs, and for photos that have no depth maps."""
        self.refuse_packed()
        if not self.spec.has_depth:
            raise ValueError(
                "This needs true depth, which a dataset of photos and their other views has not. "
                f"Received: {self.spec.name!r} in {self.root}. Use a CSV of rows of rgb,depth."
            )

    def load(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """All photos and all depth maps, read: see `images.read_pair`, whose errors these are.

        Errors: also those of `refuse_without_maps`.
        """
        self.refuse_without_maps()
        loaded = [
            read_pair(self.rgb_path(index), self.depth_path(index), self.spec)
            for index in range(len(self))
        ]
        return [rgb for rgb, _ in loaded], [depth for _, depth in loaded]

    @property
    def files(self) -> list[str]:
        """The columns that name files."""
        return [name for name in FILES if name in self.table]

    @property
    def motions(self) -> list[str]:
        """The columns that say how the camera moved to other views."""
        return [name for name in MOTIONS.values() if name in self.table]

    def digest(self) -> str:
        """A SHA-256 of the rows: the same pairs in the same order have the same digest."""
        rows = self.table[self.files + self.motions]
        return hashlib.sha256(format_rows(rows, heading=False)).hexdigest()


def find_pairs(folder: Path | str, spec: DatasetSpec) -> tuple[Pairs, pd.DataFrame]:
    """The pairs in `folder` in natural order, and a table (file, problem) of what is left out.

    What has no partner is, and what a CSV cannot name. Hidden files, as macOS and Jupyter leave
    them, are none. Errors: FileNotFoundError for a missing folder or one that holds no pair.
    """
    folder = Path(folder)
    photos, maps = (_find(folder, template, spec) for template in (spec.photo, spec.depth))
    if "{frame}" not in spec.depth:  # one map for all photos of a scene
        shared = {key: (key[0], "") for key in photos if (key[0], "") in maps}
        alone = maps.keys() - shared.values()
        maps = {key: maps[name] for key, name in [*shared.items(), *zip(alone, alone, strict=True)]}
    keys = sorted(photos.keys() & maps.keys(), key=_natural)
    rows = [(photos[key], maps[key]) for key in keys]
    left = [(photos[key], "no depth map") for key in photos.keys() - maps.keys()]
    left += [(maps[key], "no photo") for key in maps.keys() - photos.keys()]
    rows, unlistable = drop_unlistable(rows)
    left += unlistable
    if not rows:
        raise FileNotFoundError(
            f"A folder of `{spec.name}` must hold pairs {spec.photo} and {spec.depth}. Received: "
            f"{folder}, which {'has none' if folder.is_dir() else 'does not exist'}. "
            f"See {spec.made_by}."
        )
    table = pd.DataFrame(rows, columns=["rgb", "depth"])
    table, scenes = tell_scenes(table, folder, spec)
    left.sort(key=lambda row: _natural(row[:1]))
    return Pairs(folder, table, spec, scenes), pd.DataFrame(left, columns=["file", "problem"])


def read_csv(
    path: Path | str,
    spec: DatasetSpec | Path | str | None = None,
    root: Path | str | None = None,
) -> Pairs:
    """The pairs of a CSV of any dialect: see `csv_tables.read_pair_table`.

    spec: how depth is stored: a `DatasetSpec`, the name of a known one, or the path of a
    dataset.json; None: that of the dataset.json beside the CSV, else what the paths say.
    root: the folder of the photos; None: the CSV's own, else its parent (the paths of NYU's archive
    start with `data/`), else the one that the environment variable DEPTHLIB_DATA names. Absolute
    paths, and a root elsewhere, are taken where they are asked for in one of these two ways.
    Errors: FileNotFoundError where the CSV, or its first photo or map, is missing; ValueError for
    an empty CSV, a row without two paths or with one twice, a path that leaves the folder, or depth
    of which nothing says how it is stored, or only its paths, and its maps the contrary.
    """
    path = Path(path)
    if path.is_dir():
        raise FileNotFoundError(
            f"There is no file {path}, but a folder. Name the CSV in it, or make one: "
            f"depthlib data {path}."
        )
    spec = choose_spec(spec, path)
    if not path.is_file():
        made_by = spec.made_by if spec else "make_dataset.ipynb"
        raise FileNotFoundError(
            f"There is no file {path}. Make it with {made_by} or `depthlib data`."
        )
    table = read_pair_table(path)
    if spec and spec.has_depth != ("depth" in table):
        raise ValueError(
            "A CSV must have a column of depth maps, but where its dataset's `encoding` is none. "
            f"Received: {', '.join(map(str, table))} in {path} for {spec.encoding!r} of "
            f"{spec.name!r}. Correct its heading or its dataset.json."
        )
    table, root = _find_root(table, path, root)
    is_told, spec = spec is not None, spec or _spec_of_paths(table, path)
    _refuse_twice(table, path)
    try:
        table, scenes = tell_scenes(table, path.parent, spec, index=path.name != "index.csv")
        pairs = Pairs(root, _keep_columns(table, spec), spec, scenes)
    except ValueError as error:  # a column is missing
        raise ValueError(f"{error} The CSV is {path}.") from error
    if not is_told and not pairs.is_packed:
        maps = [pairs.depth_path(index) for index in range(0, len(pairs), -(-len(pairs) // _LOOK))]
        if doubt := refuse_other_encoding(maps, spec):
            warnings.warn(f"{doubt} The paths of {path} alone say it: write {NAME}.", stacklevel=2)
    if "focal" in table and spec.focal is None and spec.focal_column is None:
        warnings.warn(
            f"{path} has focal lengths, which nothing asks for: its photos are taken as of an "
            f'unknown lens. If they are in pixels, write "focal_column": "focal" into '
            f"{path.with_name(NAME)}.",
            stacklevel=2,
        )
    return pairs


def write_csv(pairs: Pairs, path: Path | str, elsewhere: bool = False) -> None:
    """Writes a row a pair atomically; the same pairs give the same bytes.

    Errors: ValueError where `path` is not in the pairs' root, since paths are relative to it,
    unless `elsewhere`: such a CSV is read with `root`; those of `format_pairs`; FileExistsError for
    a table of one's own: see `files.write_ours`.
    """
    path = Path(path)
    if not elsewhere and path.parent.resolve() != pairs.root.resolve():
        raise ValueError(
            f"A CSV must be written into the folder of its images, {pairs.root}. Received: {path}."
        )
    write_ours(path, format_pairs(pairs))


def format_pairs(pairs: Pairs) -> bytes:
    """What `write_csv` writes.

    `rgb,depth` without a heading where paths tell the scenes, as in NYU's archive; else with a
    heading, and the confidence, views, motions and scenes where they are known. Errors: ValueError
    for a path that a CSV cannot name.
    """
    for name in pairs.table[pairs.files].to_numpy().ravel():
        if reason := name and why_unlistable(name):
            raise ValueError(f"A CSV must be able to name its files. Received: {name!r}: {reason}.")
    heading = pairs.spec.scenes != "template" or pairs.files != ["rgb", "depth"]
    columns = pairs.files + pairs.motions
    if heading:
        columns += ["scene"] * (pairs.scenes != UNKNOWN)
        columns += [pairs.spec.focal_column] if pairs.spec.focal_column else []
    return format_rows(pairs.table[columns], heading)


def choose_spec(spec: DatasetSpec | Path | str | None, csv: Path) -> DatasetSpec | None:
    """The spec that a user names; None: that of the file beside the CSV, or None where none is.

    Errors: ValueError for a name that is none; those of `read_dataset_file`.
    """
    if spec is None:
        found = find_dataset_file(csv)
        return read_dataset_file(found) if found else None
    if isinstance(spec, DatasetSpec):
        return spec
    if str(spec) not in SPECS and (Path(spec).suffix or Path(spec).exists()):
        return read_dataset_file(Path(spec) / NAME if Path(spec).is_dir() else spec)
    return get_spec(str(spec))


def drop_unlistable(rows: list[tuple[str, str]]) -> tuple[list, list[tuple[str, str]]]:
    """The rows (photo, map) that a CSV can name, and (file, problem) of those it cannot."""
    kept, left = [], []
    for row in rows:
        problems = [(name, reason) for name in row if (reason := why_unlistable(name))]
        kept += [] if problems else [row]
        left += problems
    return kept, left


def _find(folder: Path, template: str, spec: DatasetSpec) -> dict[tuple[str, str], str]:
    pattern = re.sub(r"\{\w+\}", "*", template)
    paths = (path.relative_to(folder).as_posix() for path in find_paths(folder, pattern))
    keys = ((spec.key_of(path, template), path) for path in paths if not is_junk(path))
    return {key: path for key, path in keys if key is not None}


def _natural(key: tuple[str, ...]) -> list:
    return [natural_key(part) for part in key]


def _find_root(
    table: pd.DataFrame, path: Path, root: Path | str | None
) -> tuple[pd.DataFrame, Path]:
    """The table with paths relative to the folder in which its first photo is, and that folder."""
    asked = [Path(place) for place in (root or os.environ.get(ROOT),) if place]
    places = asked if root else [path.parent, *asked, path.parent.parent]
    first = str(table["rgb"].iat[0])
    found = [place for place in places if _holds(place, _relative(first, place, place in asked))]
    place = found[0] if found else places[0]
    if len(found) == 2 and place in asked and not place.samefile(found[1]):
        raise ValueError(
            f"The photos of a CSV must be in one folder. Received: {first} of {path}, which is in "
            f"{place} ({ROOT}) and in {found[1]}. Give --root, or `root`."
        )
    if found and asked and not root:
        _warn_of_another(place, path, first)
    for column in (name for name in FILES if name in table):
        table[column] = [
            _relative(str(n), place, place in asked, bool(found)) if n else ""
            for n in table[column]
        ]
        for name in table[column]:
            refuse_escape(str(name), path)
    if not found:
        raise FileNotFoundError(
            f"There is no {place / first}, the first photo of {path}. Put the images beside "
            f"the CSV, name their folder by `root` or the environment variable {ROOT}, or make the "
            "CSV again with make_dataset.ipynb."
        )
    return table, place


def _warn_of_another(place: Path, path: Path, first: str) -> None:
    """Warns where a list was made of another folder than `place`, which has its first photo too."""
    listed = path.parent / (find_kind(path) or "").removeprefix(f"{PAIRS} of ")
    if _holds(listed, first) and not listed.samefile(place):
        warnings.warn(
            f"The photos of {path} are taken from {place}, as {ROOT} says, and not from {listed}, "
            "which it was made of.",
            stacklevel=4,
        )


def _refuse_twice(table: pd.DataFrame, path: Path) -> None:
    """Errors: ValueError for a row in which one picture is two things, as its own neighbour."""
    names = {column: table[column].map(normpath) for column in FILES if column in table}
    for one, other in combinations(names, 2):
        same = (names[one] == names[other]) & (table[one] != "")
        for row in np.flatnonzero(same).tolist():
            name = str(table[one].iat[row])
            if not is_array(name):  # which may hold both
                raise ValueError(
                    f"The files of a row must be different ones. Received: {name} as {one} and as "
                    f"{other}, in row {row + 1} of {path}. Correct the row, or remove it."
                )


def _relative(name: str, place: Path, asked: bool, found: bool = False) -> str:
    """A path as it is; an absolute one relative to `place`, where that was asked for.

    BTS's lists begin each path with / though they mean files in the list's folder: that is what
    they are taken for, once the first of them is `found` there.
    """
    if not name.startswith("/") and not re.match("[A-Za-z]:/", name):
        return name
    if asked and Path(name).is_relative_to(place):
        return Path(name).relative_to(place).as_posix()
    inside = name.lstrip("/")
    return inside if found or _holds(place, inside) else name


def _holds(place: Path, name: str) -> bool:
    if Path(name).is_absolute():
        return False
    return file_of(place / name).exists() or (place / PACKED).is_file()


def _spec_of_paths(table: pd.DataFrame, path: Path) -> DatasetSpec:
    """The one known spec whose templates the first pair's paths follow."""
    if "depth" not in table:
        raise ValueError(
            "Photos without depth need a dataset.json that says how their camera sees. Received: "
            f"{path} without. Write {path.with_name(NAME)} such as\n{_VIEWS_EXAMPLE}"
        )
    rgb, depth = (str(table[name].iat[0]) for name in ("rgb", "depth"))
    fits = [s for s in SPECS.values() if s.key_of(rgb, s.photo) and s.key_of(depth, s.depth)]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(s.name for s in fits) or ", ".join(SPECS)
    raise ValueError(
        "How depth is encoded must be said where the paths do not say it. Received: "
        f"{rgb},{depth} in {path}. Give the spec ({names}), or write {path.with_name(NAME)} such "
        f"as\n{_EXAMPLE}"
    )


_VIEWS_EXAMPLE = """{
  "name": "my_drive",
  "encoding": "none",
  "focal": 0.58
}
(of the photo's width; of two cameras also "baseline", in metres.)"""
_EXAMPLE = """{
  "name": "my_room",
  "metres_per_count": 0.001,
  "max_depth": 10
}
(0.001: a depth of 1 is a millimetre; `depthlib data FOLDER` guesses all of it.)"""


def _keep_columns(table: pd.DataFrame, spec: DatasetSpec) -> pd.DataFrame:
    names = [*FILES, *MOTIONS.values(), "scene", "condition"]
    kept = table[[name for name in names if name in table]].copy()
    if spec.focal_column:
        column = find_column(table, spec.focal_column)
        if column is None:
            raise ValueError(
                f"The CSV of `{spec.name}` must have a column {spec.focal_column!r} of focal "
                f"lengths. Received: {', '.join(map(str, table))}. Add it to its heading, or "
                "change `focal_column`."
            )
        kept[spec.focal_column] = pd.to_numeric(table[column], errors="coerce")
    return kept
