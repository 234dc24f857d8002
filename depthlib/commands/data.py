"""What `depthlib data` does: a folder as a dataset, with words and a picture to judge it by."""

from pathlib import Path

import pandas as pd

from depthlib.data.dataset import (
    add_focal,
    check_dataset,
    describe_sides,
    find_dataset,
    set_test_aside,
    write_dataset,
)
from depthlib.data.layouts import PICTURE, summarise_left
from depthlib.data.pairs import ROOT
from depthlib.plotting import save_figure, show_overlays

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
) -> int:
    """Finds, checks and writes the dataset of a folder; the exit status, 1 where none is sound.

    The arguments are those of the subcommand. Errors: those of `data.dataset`.
    """
    dataset = find_dataset(folder, photos, depth, spec, tolerance)
    for note in dataset.notes:
        print(note)
    _print_table(summarise_left(dataset.left), "Left out")
    dataset, problems, summary = check_dataset(dataset, int(check) if check.isdigit() else check)
    _print_table(problems, "Not sound")
    if not any(map(len, dataset.sides.values())):
        print("No pair is sound: nothing is written.")
        return 1
    dataset = set_test_aside(add_focal(dataset, focal), test)
    print(summary.round(3).to_string())
    print(describe_sides(dataset).to_string())
    if test:
        print(dataset.notes[-1])
    written = write_dataset(dataset, out)
    shown = dataset.first.spread(4)
    figure = show_overlays(*shown.load(), shown.spec.unit)
    written.append(save_figure(figure, (out or dataset.first.root) / PICTURE))
    print("Written:", ", ".join(map(str, written)))
    if out is not None:
        print(f"Photos are elsewhere: give --root {dataset.first.root}, or set {ROOT} to it.")
    return 0


def _print_table(table: pd.DataFrame, title: str) -> None:
    if len(table):
        print(f"{title}: {len(table)} rows\n{table.head(LEFT_OUT).to_string(index=False)}")
