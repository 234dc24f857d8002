"""Synthetic files of the Kaggle archive's layout and count: python -m benchmarks.archive FOLDER

50,688 training pairs in 284 folders of 249 scenes, 654 test pairs and the archive's two CSVs, for a
dry run of `make nyu`. The pictures are the embedded sample's at 480x640, each file a hard link to
one of them: 40 MB in all.
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks.synthetic import ROOT, enlarge_pair, make_pairs
from depthlib.data import images
from depthlib.data.pairs import Pairs, read_csv
from depthlib.data.specs import NYU_TEST

TRAINING, FOLDERS, SCENES, TEST = 50_688, 284, 249, 654
LABELLED = 1449  # images, of which the test images' numbers are indices


def make_archive(folder: Path) -> None:
    """Writes `folder`/data as the archive unpacks. Errors: FileExistsError where it is there."""
    data = folder / "data"
    data.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder) as pictures:
        training, test = make_pairs(Path(pictures) / "training"), _make_test(Path(pictures))
        _link(training, _name_training(), data, "nyu2_train.csv")
        _link(test, _name_test(), data, "nyu2_test.csv")


def _make_test(folder: Path) -> Pairs:
    """The sample's 60 test pairs at 480x640."""
    sample = read_csv(ROOT / "datasets/sample/nyu2_test.csv", NYU_TEST)
    for row in range(len(sample)):
        rgb, depth_m = enlarge_pair(sample, row)
        images.write_rgb(folder / sample.table["rgb"][row], rgb)
        images.write_depth(folder / sample.table["depth"][row], depth_m, NYU_TEST)
    return Pairs(folder, sample.table, NYU_TEST)


def _name_training() -> Iterator[tuple[str, str]]:
    twice = FOLDERS - SCENES  # scenes that were filmed in two parts
    rooms = [f"{scene:04d}{part}" for scene in range(twice) for part in "ab"]
    rooms += [f"{scene:04d}" for scene in range(twice, SCENES)]
    for number, room in enumerate(rooms):
        for frame in range(TRAINING // FOLDERS + (number < TRAINING % FOLDERS)):
            stem = f"nyu2_train/room_{room}_out/{frame + 1}"
            yield f"{stem}.jpg", f"{stem}.png"


def _name_test() -> Iterator[tuple[str, str]]:
    for index in np.linspace(0, LABELLED - 1, TEST).astype(int):
        yield f"nyu2_test/{index:05d}_colors.png", f"nyu2_test/{index:05d}_depth.png"


def _link(pairs: Pairs, names: Iterator[tuple[str, str]], data: Path, table: str) -> None:
    lines = []
    for row, (rgb, depth) in zip(cycle(range(len(pairs))), names, strict=False):
        (data / rgb).parent.mkdir(parents=True, exist_ok=True)
        (data / rgb).hardlink_to(pairs.rgb_path(row))
        (data / depth).hardlink_to(pairs.depth_path(row))
        lines.append(f"data/{rgb},data/{depth}\n")
    (data / table).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__)
    parser.add_argument("folder", type=Path)
    make_archive(parser.parse_args().folder)
