"""Which photo belongs to which depth map, which scene they show, and on which side of a split."""

import hashlib
import math
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.encodings import refuse_other_encoding
from depthlib.data.images import read_pair
from depthlib.data.specs import DatasetSpec, base_scene
from depthlib.files import natural_key, refuse_escape, write_bytes


@dataclass(frozen=True)
class Pairs:
    """Photo and depth pairs of one dataset.

    `table` has the columns rgb and depth (POSIX paths relative to `root`) and scene, and condition
    (which light or weather a photo shows) where index.csv has it.
    """

    root: Path
    table: pd.DataFrame
    spec: DatasetSpec

    def __len__(self) -> int:
        return len(self.table)

    def rgb_path(self, index: int) -> Path:
        """The photo of pair `index`."""
        return self.root / str(self.table["rgb"].iat[index])

    def depth_path(self, index: int) -> Path:
        """The depth map of pair `index`."""
        return self.root / str(self.table["depth"].iat[index])

    def select(self, indices: Sequence[int] | np.ndarray | range) -> "Pairs":
        """The pairs at `indices`, in that order."""
        return replace(self, table=self.table.iloc[list(indices)].reset_index(drop=True))

    def spread(self, count: int) -> "Pairs":
        """At most `count` pairs, evenly spaced from the first one on: for a look at all of them."""
        return self.select(range(0, len(self), -(-len(self) // count)))

    def load(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """All photos and all depth maps, read: see `images.read_pair`, whose errors these are."""
        loaded = [
            read_pair(self.rgb_path(index), self.depth_path(index), self.spec)
            for index in range(len(self))
        ]
        return [rgb for rgb, _ in loaded], [depth for _, depth in loaded]

    def digest(self) -> str:
        """A SHA-256 of the rows: the same pairs in the same order have the same digest."""
        return hashlib.sha256(_csv_bytes(self.table)).hexdigest()


def find_pairs(folder: Path | str, spec: DatasetSpec) -> tuple[Pairs, pd.DataFrame]:
    """The pairs in `folder` in natural order, and a table (file, problem) of what has no partner.

    Errors: FileNotFoundError for a missing folder or one that holds no pair.
    """
    folder = Path(folder)
    photos, maps = (_find(folder, template, spec) for template in (spec.photo, spec.depth))
    if "{frame}" not in spec.depth:  # one map for all photos of a scene
        shared = {key: (key[0], "") for key in photos if (key[0], "") in maps}
        alone = maps.keys() - shared.values()
        maps = {key: maps[name] for key, name in [*shared.items(), *zip(alone, alone, strict=True)]}
    keys = sorted(photos.keys() & maps.keys(), key=_natural)
    if not keys:
        raise FileNotFoundError(
            f"A folder of `{spec.name}` must hold pairs {spec.photo} and {spec.depth}. Received: "
            f"{folder}, which {'has none' if folder.is_dir() else 'does not exist'}. "
            f"See {spec.made_by}."
        )
    rows = [(photos[key], maps[key]) for key in keys]
    lonely = [(photos[key], "no depth map") for key in photos.keys() - maps.keys()]
    lonely += [(maps[key], "no photo") for key in maps.keys() - photos.keys()]
    lonely.sort(key=lambda row: _natural(row[:1]))
    return _with_scenes(folder, folder, rows, spec), pd.DataFrame(
        lonely, columns=["file", "problem"]
    )


def read_csv(path: Path | str, spec: DatasetSpec) -> Pairs:
    """The pairs of a CSV without header, `rgb,depth` a row, as NYU's archive has it.

    Paths are relative to the CSV's folder, else to that folder's parent (the archive's start with
    `data/`). Errors: FileNotFoundError where the CSV or its first photo is missing; ValueError for
    an empty CSV, a row without two paths, or a path that leaves the folder.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Make it with {spec.made_by}.")
    table = _read_table(path, "A CSV must hold `rgb,depth` rows.", header=None)
    if table.shape[1] != 2 or table.isna().any(axis=None):
        raise ValueError(
            f"Each row of a CSV must be `rgb,depth`. Received: {table.shape[1]} columns or an "
            f"empty field in {path}. Make it again with {spec.made_by}."
        )
    rows = [tuple(field.replace("\\", "/") for field in row) for row in table.to_numpy()]
    for field in chain.from_iterable(rows):
        refuse_escape(field, path)
    root = next((r for r in (path.parent, path.parent.parent) if (r / rows[0][0]).exists()), None)
    if root is None:
        raise FileNotFoundError(
            f"There is no {path.parent / rows[0][0]}, the first photo of {path}. Put the images "
            f"beside the CSV, or make it again with {spec.made_by}."
        )
    return _with_scenes(root, path.parent, rows, spec)


def write_csv(pairs: Pairs, path: Path | str) -> None:
    """Writes `rgb,depth` rows atomically; the same pairs give the same bytes.

    Errors: ValueError where `path` is not in the pairs' root, since paths are relative to it.
    """
    path = Path(path)
    if path.parent.resolve() != pairs.root.resolve():
        raise ValueError(
            f"A CSV must be written into the folder of its images, {pairs.root}. Received: {path}."
        )
    write_bytes(path, _csv_bytes(pairs.table))


def check_pairs(pairs: Pairs, most: int | None = None) -> tuple[Pairs, pd.DataFrame, pd.DataFrame]:
    """Decodes the pairs and gives (the sound ones, problems, summary).

    `most` caps how many are decoded, evenly spaced (None: all); what is not decoded counts as
    sound if it is no duplicate. Problems: file, problem. Summary: a row of counts, sizes, depths.
    Errors: ValueError where the maps together show another encoding than the spec's.
    """
    doubt = refuse_other_encoding([pairs.depth_path(i) for i in range(len(pairs))], pairs.spec)
    if doubt:
        print(doubt, flush=True)
    duplicate = pairs.table.duplicated(["rgb", "depth"]).to_numpy()
    problems = [(name, "duplicate row") for name in pairs.table["rgb"][duplicate]]
    sound = ~duplicate
    candidates = np.flatnonzero(sound).tolist()
    if most and most < len(candidates):
        spread = np.linspace(0, len(candidates) - 1, most).astype(int)
        candidates = [candidates[place] for place in spread]
    measured = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda index: _measure(pairs, index), candidates)
        for index, result in zip(candidates, tqdm(results, "check", len(candidates)), strict=True):
            if isinstance(result, str):
                problems.append((pairs.table["rgb"].iat[index], result))
                sound[index] = False
            else:
                measured.append(result)
    good = pairs.select(np.flatnonzero(sound))
    return good, pd.DataFrame(problems, columns=["file", "problem"]), _summarise(good, measured)


def split_by_scene(
    pairs: Pairs,
    seed: int,
    validation: float = 0.2,
    counts: tuple[int, int] | None = None,
    scenes: int | None = None,
) -> tuple[Pairs, Pairs]:
    """Training and validation pairs with no base scene on both sides.

    `validation` is the share of scenes that validate; 0: none. `scenes` then draws so many of those
    that train, a lower number a part of a higher one's; `counts` (training, validation) draws so
    many pairs of each side, as the original project's (20000, 5000). Errors: ValueError for fewer
    than two scenes where some are to validate, a share that leaves none to train, or more scenes or
    pairs than a side holds.
    """
    names = pairs.table["scene"].to_numpy()
    known = len(set(names))
    if not 0 <= validation < 1 or not known or math.ceil(validation * known) == known:
        raise ValueError(
            "A split needs two scenes and a validation share from 0 to below 1 that leaves one to "
            f"train; a share of 0, one. Received: {known} scenes, validation={validation}."
        )
    sides = [np.arange(len(pairs)), np.arange(0)]
    if validation:
        # Here: it takes a second, and scoring needs no more than what predicting does.
        from sklearn.model_selection import GroupShuffleSplit

        splitter = GroupShuffleSplit(n_splits=1, test_size=validation, random_state=seed)
        sides = [np.sort(side) for side in next(splitter.split(names, groups=names))]
    if scenes is not None:
        held = np.unique(names[sides[0]])
        if not 0 < scenes <= len(held):
            raise ValueError(f"`scenes` must be 1 to {len(held)}. Received: scenes={scenes}.")
        drawn = np.random.default_rng(seed).permutation(held)[:scenes]
        sides[0] = sides[0][np.isin(names[sides[0]], drawn)]
    if counts is not None:
        sizes = tuple(len(side) for side in sides)
        if any(count > size for count, size in zip(counts, sizes, strict=True)):
            raise ValueError(f"`counts` must be at most {sizes}. Received: counts={counts}.")
        rng = np.random.default_rng(seed)
        sides = [np.sort(rng.permutation(side)[:n]) for side, n in zip(sides, counts, strict=True)]
    return pairs.select(sides[0]), pairs.select(sides[1])


def split_by_frame(pairs: Pairs, *settings: Any, **named: Any) -> tuple[Pairs, Pairs]:
    """`split_by_scene` with every frame a scene of its own: rooms that train validate too.

    The original project's split, whose validation is too good to be true;
    experiments/seed_against_ours.ipynb shows by how much. Takes and raises what `split_by_scene`
    does.
    """
    photos = pairs.table["rgb"]
    rooms = dict(zip(photos, pairs.table["scene"], strict=True))
    frames = replace(pairs, table=pairs.table.assign(scene=photos))
    training, validation = (
        replace(side, table=side.table.assign(scene=side.table["rgb"].map(rooms)))
        for side in split_by_scene(frames, *settings, **named)
    )
    return training, validation


SPLITTERS = {"scene": split_by_scene, "frame": split_by_frame}  # by what a recipe calls them


def _read_table(path: Path, rule: str, header: int | None = 0) -> pd.DataFrame:
    try:
        # pandas would unpack by the suffix, and take more fields than the header has for an index.
        return pd.read_csv(path, header=header, dtype=str, compression=None, index_col=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{rule} Received: {path}: {error}") from error


def _find(folder: Path, template: str, spec: DatasetSpec) -> dict[tuple[str, str], str]:
    pattern = re.sub(r"\{\w+\}", "*", template)
    paths = (path.relative_to(folder).as_posix() for path in folder.glob(pattern))
    keys = ((spec.key_of(path, template), path) for path in paths)
    return {key: path for key, path in keys if key is not None}


def _natural(key: tuple[str, ...]) -> list:
    return [natural_key(part) for part in key]


def _with_scenes(root: Path, folder: Path, rows: list, spec: DatasetSpec) -> Pairs:
    """Pairs with scenes from `folder`/index.csv (photo, scene) where it has them, else by path.

    index.csv may have a third column, condition, which becomes the table's.
    """
    table, index = pd.DataFrame(rows, columns=["rgb", "depth"]), pd.DataFrame()
    if (folder / "index.csv").is_file():
        rule = "index.csv must have a photo and its scene in each row."
        index = _read_table(folder / "index.csv", rule).fillna("")
        if not {"photo", "scene"} <= set(index):
            columns = ", ".join(map(str, index))
            raise ValueError(f"{rule} Received: {columns} in {folder / 'index.csv'}.")
    named = {
        PurePosixPath(row["photo"]).parts[-2:]: row | {"scene": base_scene(row["scene"])}
        for row in index.to_dict("records")
    }
    found = [named.get(PurePosixPath(photo).parts[-2:], {}) for photo in table["rgb"]]
    table["scene"] = [
        row.get("scene") or spec.scene_of(photo)
        for row, photo in zip(found, table["rgb"], strict=True)
    ]
    if named and "condition" in index:
        table["condition"] = [row.get("condition", "") for row in found]
    return Pairs(root, table, spec)


def _measure(pairs: Pairs, index: int) -> tuple | str:
    """(size, minimum, median, maximum depth) of a pair, or what is wrong."""
    try:
        _, depth = read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
    except (OSError, ValueError) as error:
        return str(error)
    valid = depth[depth > 0]
    return depth.shape, float(valid.min()), float(np.median(valid)), float(valid.max())


def _summarise(pairs: Pairs, measured: list[tuple]) -> pd.DataFrame:
    sizes, low, median, high = zip(*measured, strict=True) if measured else ((), (), (), ())
    values = {
        "pairs": len(pairs),
        "scenes": pairs.table["scene"].nunique(),
        "checked": len(measured),
        "sizes": ", ".join(sorted({f"{height}x{width}" for height, width in sizes})),
        "dtype": pairs.spec.depth_dtype,
        "unit": pairs.spec.unit,
        "min": min(low, default=np.nan),
        "median": float(np.median(median)) if median else np.nan,
        "max": max(high, default=np.nan),
    }
    return pd.DataFrame([values], index=[pairs.spec.name])


def _csv_bytes(table: pd.DataFrame) -> bytes:
    text = table[["rgb", "depth"]].to_csv(header=False, index=False, lineterminator="\n")
    return text.encode()
