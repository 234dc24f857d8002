"""Eigen's lists (arXiv 1406.2283): which frame of which drive trains, validates and tests.

The lists are text under eigen/, the frames of BTS's lists (arXiv 1907.10326): a drive and its
frames a line. Validation is ours, five of the training drives, named in eigen/validation.txt.
"""

from functools import cache
from importlib.resources import files

import pandas as pd

from depthlib.data.pairs import Pairs, write_csv
from depthlib.files import check_ours

LISTS = ("train", "validation", "test", "test_improved")
SIDES = ("train", "validation", "test", "other")


@cache
def read_split(name: str) -> dict[str, frozenset[int]]:
    """The frames of each drive in a list: {"2011_09_26_drive_0002": {0, 3, ...}, ...}.

    name: "train", "validation", "test" (697) or "test_improved" (those 652 of them that have
    improved ground truth). Errors: ValueError for another name.
    """
    split: dict[str, set[int]] = {}
    for drive, frame in read_order(name):
        split.setdefault(drive, set()).add(frame)
    return {drive: frozenset(frames) for drive, frames in split.items()}


def read_order(name: str) -> list[tuple[str, int]]:
    """The (drive, frame) of a list one after the other; "test" is in the order of Eigen's own.

    Errors: as `read_split`.
    """
    if name not in LISTS:
        raise ValueError(f"`name` must be one of {', '.join(LISTS)}. Received: name={name!r}.")
    text = (files("depthlib.data.kitti") / "eigen" / f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return [(drive, frame) for drive, *words in lines for word in words for frame in _frames(word)]


def split_pairs(pairs: Pairs) -> dict[str, Pairs]:
    """The pairs of drives by side: train, validation, test, and other.

    Other is what the lists say nothing of: drives that are in none. Frames that the lists leave out
    of their own drives are on no side.
    """
    spec = pairs.spec
    keys = [spec.key_of(photo, spec.photo) or ("", "") for photo in pairs.table["rgb"]]
    listed = {side: read_split(side) for side in SIDES[:-1]}
    drives = set().union(*listed.values())
    rows: dict[str, list[int]] = {side: [] for side in SIDES}
    for row, (drive, frame) in enumerate(keys):
        if drive not in drives:
            rows["other"].append(row)
        for side, split in listed.items():
            if frame.isdigit() and int(frame) in split.get(drive, ()):
                rows[side].append(row)
    return {side: pairs.select(indices) for side, indices in rows.items()}


def count_splits(sides: dict[str, Pairs]) -> pd.DataFrame:
    """A row a side: pairs and drives that are there, and how many Eigen's list has."""
    listed = {side: read_split(side) for side in SIDES[:-1]}
    return pd.DataFrame(
        {
            "pairs": {side: len(pairs) for side, pairs in sides.items()},
            "drives": {side: pairs.table["scene"].nunique() for side, pairs in sides.items()},
            "listed pairs": {side: sum(map(len, split.values())) for side, split in listed.items()},
            "listed drives": {side: len(split) for side, split in listed.items()},
        },
        index=list(sides),
    ).astype("Int64")


def write_splits(sides: dict[str, Pairs]) -> list[str]:
    """Writes `<spec>_<side>.csv` into the pairs' folder for each side that has any; their paths.

    The CSV of a side that has none any more is removed, so that what is there is of one run.
    Errors: FileExistsError for a table of one's own: see `files.write_ours`.
    """
    written = []
    for side, pairs in sides.items():
        path = pairs.root / f"{pairs.spec.name}_{side}.csv"
        if len(pairs):
            write_csv(pairs, path)
            written.append(str(path))
        else:
            check_ours(path)
            path.unlink(missing_ok=True)
    return written


def _frames(word: str) -> range:
    """The frames that 5, 5-9 or 0-9:3 stands for."""
    ends, _, step = word.partition(":")
    first, _, last = ends.partition("-")
    return range(int(first), int(last or first) + 1, int(step or 1))
