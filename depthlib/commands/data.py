"""What `depthlib data` does: a folder as a dataset, with words and a picture to judge it by."""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from depthlib.commands.shard_notes import Note, Run, note_shard
from depthlib.data.dataset import (
    Dataset,
    add_focal,
    check_dataset,
    describe_sides,
    find_dataset,
    refuse_empty,
    set_test_aside,
    write_dataset,
)
from depthlib.data.layouts import PICTURE, summarise_left
from depthlib.data.pairs import ROOT, Pairs
from depthlib.data.shards import Shard
from depthlib.files import FIGURE, check_ours, remove_left_of
from depthlib.plotting import save_figure, show_overlays
from depthlib.prediction.outputs import are_outputs

# What merging needs to know of a run.
SETTINGS = {
    "folder": str, "elsewhere": bool, "photos": str | None, "depth": str | None,
    "spec": str | None, "tolerance": float | int, "focal": str | None, "test": float | int,
}  # fmt: skip
_ONE_SHAPE = 1.02  # how far the shapes of photos of one lens may be apart
LEFT_OUT = 12  # lines of what is left out that are printed


def make_dataset(
    folder: Path,
    photos: str | None,
    depth: str | None,
    spec: str | None,
    focal: str | None,
    test: float,
    check: str,
    tolerance: float,
    out: Path | None,
    shard: Shard | None = None,
) -> int:
    """Finds, checks and writes the dataset of a folder; the exit status.

    The arguments are those of the subcommand. A shard checks its part of the pairs and notes the
    sound ones; `merge_dataset` writes. Errors: those of `data.dataset`.
    """
    if not 0 <= test < 1 or not tolerance >= 0:  # before all is checked; NaN is neither
        raise ValueError(
            "`test` must be a share of the pairs, 0 to below 1, and `tolerance` seconds, 0 or "
            f"more. Received: test={test}, tolerance={tolerance}. Use 0.2 and 0.02, say."
        )
    dataset = find_dataset(folder, photos, depth, spec, tolerance, out, are_outputs)
    if test and len(dataset.sides) > 1:
        raise ValueError(
            "A share can be set aside as test where folders do not say what tests. Received: "
            f"--test {test:g} for {folder}, which has {', '.join(dataset.sides)}. Leave out --test."
        )
    print(*dataset.notes, sep="\n")
    _print_table(summarise_left(dataset.left), "Left out")
    most = int(check) if re.fullmatch("[0-9]{1,9}", check) else check
    place = dataset.place
    check_ours(place / PICTURE, kind=FIGURE)
    words = {"photos": photos, "depth": depth, "spec": spec, "tolerance": tolerance}
    settings = {"folder": os.path.relpath(folder, place), "elsewhere": out is not None, **words}
    settings |= {"focal": focal, "test": test}
    made = f"{settings} --check {check}"
    run = Run("data", made, _digest(dataset), sum(map(len, dataset.sides.values())), settings)
    with note_shard(place, shard, run) as note:
        sound, problems, summary = check_dataset(dataset, most, shard)
        note.problems = dict(zip(problems["file"], problems["problem"], strict=True))
        note.results = {side: _rows(pairs) for side, pairs in sound.sides.items()}
        _print_table(problems, "Not sound")
        print(summary.round(3).to_string())
        if focal is None:
            _warn_of_shapes(sound, summary["sizes"])
        if shard is None:
            _write(sound, focal, test)
    if shard is not None:
        print(f"{place}: {note.shard} has ended. After all: depthlib merge {place}")
    return 0


def _warn_of_shapes(dataset: Dataset, sizes: pd.Series) -> None:
    """Warns where one share of the width stands for photos of several shapes.

    sizes: what `check_pairs` says of them.
    """
    shown = [size.split("x") for text in sizes for size in text.split(", ") if size]
    shapes = [int(width) / int(height) for height, width in shown]
    focal = dataset.first.spec.focal
    if focal and shapes and max(shapes) > _ONE_SHAPE * min(shapes):
        warnings.warn(
            f"The focal length, {focal:.3g} of the width, is that of all photos, which have "
            f"several shapes: {', '.join(sizes)}. Say it again in pixels or millimetres (--focal), "
            "which is each photo's own.",
            stacklevel=2,
        )


def merge_dataset(place: Path, notes: Sequence[Note]) -> None:
    """Writes the dataset of which shards have checked a part each, into the folder of their notes.

    Errors: those of `data.dataset`; ValueError where other files are there than the shards saw.
    """
    run, words = notes[0].run, dict(notes[0].run.settings)
    other = ValueError(
        f"Notes of shards must be those that `depthlib data` wrote. Received: {words} in {place}. "
        "Run all shards again."
    )
    fit = set(words) == set(SETTINGS) and all(isinstance(words[n], SETTINGS[n]) for n in SETTINGS)
    if not fit or not run.made.startswith(f"{words} --check "):
        raise other
    folder, elsewhere = place / words.pop("folder"), words.pop("elsewhere")
    focal, test = words.pop("focal"), words.pop("test")
    out = place if elsewhere else None
    dataset = find_dataset(folder, **words, out=out, are_outputs=are_outputs)
    if not elsewhere and dataset.first.root.resolve() != place.resolve():
        raise other  # it would be written where the photos are
    if _digest(dataset) != run.listing:
        raise ValueError(
            "A folder must stay as it is until its shards are merged. Received: other pairs in "
            f"{folder} than the shards checked. Run all shards again."
        )
    sides = {}
    for side, pairs in dataset.sides.items():
        sound = {tuple(row) for note in notes for row in note.results.get(side, ())}
        kept = [tuple(row) in sound for row in _rows(pairs)]
        again = pairs.table.duplicated(["rgb", "depth"]).to_numpy()
        if any(kept):
            sides[side] = pairs.select(np.flatnonzero(kept & ~again))
    problems = [problem for note in notes for problem in note.problems.values()]
    refuse_empty(sides, dataset.first.root, problems)
    _write(replace(dataset, sides=sides), focal, test)


def _digest(dataset: Dataset) -> str:
    """The same pairs on the same sides have the same digest."""
    sides = {side: pairs.digest() for side, pairs in dataset.sides.items()}
    return hashlib.sha256(json.dumps(sides).encode()).hexdigest()


def _rows(pairs: Pairs) -> list[list[str]]:
    rows: list[list[str]] = pairs.table[["rgb", "depth"]].astype(str).to_numpy().tolist()
    return rows


def _write(dataset: Dataset, focal: str | None, test: float) -> None:
    """Writes a dataset of sound pairs, and a picture of it."""
    told = len(dataset.notes)
    dataset = set_test_aside(add_focal(dataset, focal), test)
    print(describe_sides(dataset).to_string())
    print(*dataset.notes[told:], sep="\n", end="\n" * (len(dataset.notes) > told))
    place, root = dataset.place, dataset.first.root
    written = write_dataset(dataset)
    shown = dataset.first.spread(4)
    figure = show_overlays(*shown.load(), shown.spec.unit)
    written.append(save_figure(figure, place / PICTURE))
    names = {path.name for path in written}
    remove_left_of(place, lambda name: name in names)
    print("Written:", ", ".join(map(str, written)))
    if place.resolve() != root.resolve():
        print(f"Photos are elsewhere: give --root {root}, or set {ROOT} to it.")


def _print_table(table: pd.DataFrame, title: str) -> None:
    if len(table):
        print(f"{title}: {len(table)} rows\n{table.head(LEFT_OUT).to_string(index=False)}")
