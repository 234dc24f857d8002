"""A dataset that is decoded already: a folder to copy and train on, without its photos.

    pairs.csv  dataset.json  packed.json  <spec>-<height>x<width>-<key>/00000.npy, 00001.npy, ...

The shards are those of a cache (`cache.py`): whole files of a fixed number of pairs, each pair with
its checksum. packed.json lists the sizes at which the pairs are there, and what their pixels were
decoded by: the shards are counts, which mean other metres where dataset.json says another range.
"""

import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from depthlib.data.cache import (
    DecodedPairs,
    FilePairs,
    describe_pixels,
    name_cache,
    open_cache,
)
from depthlib.data.dataset_file import NAME, list_differing, refuse_another, write_dataset_file
from depthlib.data.images import check_confidence, read_size
from depthlib.data.mixed_pairs import settle_focal
from depthlib.data.pairs import PACKED, Pairs, format_pairs, read_csv, write_csv
from depthlib.data.scenes import KNOWN
from depthlib.data.specs import DatasetSpec
from depthlib.data.splits import group_unknown
from depthlib.files import check_ours, hold_folder, remove_left_of, write_bytes

CSV = "pairs.csv"
MOST = 10_000  # pixels of a side, as in a recipe
_ROW = ["rgb", "depth"]


@dataclass(frozen=True)
class Size:
    """A size at which pairs are packed, and the folder of their shards."""

    height: int
    width: int
    crop_border: bool
    folder: str = ""

    def __post_init__(self) -> None:
        if not all(type(side) is int and 1 <= side <= MOST for side in (self.height, self.width)):
            raise ValueError(
                f"A size must be HxW, whole pixels of 1 to {MOST}. Received: "
                f"{self.height!r}x{self.width!r}."
            )
        name = self.folder
        if name == ".." or Path(name).name != name or not name.isprintable():
            raise ValueError(f"A size must lie in a folder beside {PACKED}. Received: {name!r}.")

    def __str__(self) -> str:
        return f"{self.height}x{self.width}{', its border cut off' if self.crop_border else ''}"


class PackedPairs(DecodedPairs):
    """Some pairs of a packed dataset, as `open_packed` gives them.

    Without photos a damaged shard cannot be repaired: `gather` then raises ValueError.
    """

    def __init__(self, source: FilePairs, folder: Path, rows: np.ndarray):
        super().__init__(source, folder)
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `DecodedPairs.gather`: RGB and counts."""
        return super().gather(self.rows[np.asarray(rows, np.intp)])

    def gather_confidence(self, rows: Iterable[int]) -> np.ndarray:
        """As `DecodedPairs.gather_confidence`."""
        return super().gather_confidence(self.rows[np.asarray(rows, np.intp)])

    def refuse_damage(self, damage: dict[str, str]) -> None:
        """Errors: ValueError where there is any."""
        if damage:
            path, reason = next(iter(damage.items()))
            raise ValueError(
                f"A packed dataset must be whole. Received: {path}: {reason}, and {len(damage) - 1}"
                " others that are not. Copy them again."
            )

    def _repair(self, numbers: Iterable[int]) -> None:
        self.refuse_damage(self.find_damage(numbers))


def pack_pairs(
    pairs: Pairs,
    height: int,
    width: int,
    folder: Path | str,
    *,
    crop_border: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> int:
    """Packs the pairs at one size into `folder`, beside other sizes of them; how many there are.

    `crop_border`, `workers`: as in `open_cache`, which makes the shards, goes on where it was
    stopped, and makes those anew that are damaged. A warning names the sizes that were packed from
    files which have changed since. What training asks the photos for is kept in pairs.csv and
    dataset.json: which frames are alike where scenes are unknown, the photos' shape, their focal
    lengths, as shares of the width. Confidence maps are copied as they are, other views are left
    out. Errors: those of `open_cache`, `images.check_confidence` and `files.hold_folder`;
    FileExistsError for a folder of other pairs, or of one's own files of these names, also where
    `pack_pairs` wrote them and they were changed; ValueError for a folder in which photos or maps
    lie, for what is packed already, for pairs without depth, and for a side of more than MOST
    pixels.
    """
    folder, size = Path(folder), Size(height, width, crop_border)
    if (pairs.root / PACKED).exists() or folder.resolve() in _list_folders(pairs):
        raise ValueError(
            "A dataset must be packed from its photos into another folder, in which none of them "
            f"lies. Received: {pairs.root} into {folder}. Choose another folder."
        )
    if not pairs.spec.has_depth:
        raise ValueError(
            "A dataset must have depth to be packed. Received: photos with other views alone, of "
            f"{pairs.spec.name!r}. Keep its photos."
        )
    with hold_folder(folder):
        return _pack(pairs, size, folder, workers, progress)


def _pack(pairs: Pairs, size: Size, folder: Path, workers: int | None, progress: bool) -> int:
    pairs = pairs.select(np.flatnonzero(~pairs.table.duplicated(_ROW)))
    kept = _keep_what_photos_say(pairs)
    sizes = _find_sizes(kept, folder) if (folder / PACKED).exists() else []
    _refuse_own_files(kept, folder)
    for index in range(len(kept) if kept.has_confidence else 0):  # their photos will not be there
        check_confidence(kept.confidence_path(index), kept.rgb_path(index))
    cache = open_cache(
        pairs, size.height, size.width, folder, crop_border=size.crop_border, thorough=True,
        workers=workers, progress=progress,
    )  # fmt: skip
    for confidence, copy in _list_copies(kept, folder):
        if not copy.exists():
            write_bytes(copy, confidence.read_bytes())
    write_csv(kept, folder / CSV, elsewhere=True)
    if not (folder / NAME).exists():  # it may have another name
        write_dataset_file(kept.spec, folder / NAME)
    packed = [*sizes, replace(size, folder=cache.folder.name)]
    last = {replace(one, folder=""): one for one in packed}  # of a size, not of the photos before
    says = {
        "pairs": len(kept),
        "rows": kept.digest(),
        "pixels": _describe(kept.spec),
        "sizes": list(map(vars, last.values())),
    }
    text = json.dumps(says, indent=1)
    write_bytes(folder / PACKED, f"{text}\n".encode())
    remove_left_of(folder, lambda name: name in (CSV, NAME, PACKED))
    _warn_of_old(last.values(), pairs, folder)
    return len(pairs)


def _warn_of_old(sizes: Iterable[Size], pairs: Pairs, folder: Path) -> None:
    """Warns of sizes at which photos or maps, or what describes them, were others than now."""
    old = [
        str(size)
        for size in sizes
        if size.folder != name_cache(FilePairs(pairs, size.height, size.width, size.crop_border))
    ]
    if old:
        warnings.warn(
            f"{folder} has {'; '.join(old)} of photos, depth maps or a dataset.json that have "
            "changed since. Pack this again, too.",
            stacklevel=4,
        )


def open_packed(pairs: Pairs, height: int, width: int, crop_border: bool = False) -> PackedPairs:
    """The decoded pairs, in their order, from the packed dataset that is their root.

    Errors: ValueError for a size at which it is not packed, for pairs that are not in it, for
    another range of depth or border, also where dataset.json was changed since it was packed, for a
    shard that is missing or has another length, and for a packed.json that is none, or is of other
    rows than pairs.csv.
    """
    whole, sizes = _read(pairs.root)
    asked = Size(height, width, crop_border)
    size = next((one for one in sizes if replace(one, folder="") == asked), None)
    if size is None or describe_pixels(pairs.spec) != describe_pixels(whole.spec):
        raise ValueError(
            "A packed dataset must be used at a size, and with the range and border, at which it "
            f"was packed. Received: {asked} of `{pairs.spec.name}` for {pairs.root}, which has "
            f"{'; '.join(map(str, sizes))} of `{whole.spec.name}`. Pack it so, or use its photos."
        )
    places, asked_rows = (pd.MultiIndex.from_frame(one.table[_ROW]) for one in (whole, pairs))
    rows = places.get_indexer(asked_rows)
    if (rows < 0).any():
        raise ValueError(
            f"A packed dataset must hold all pairs. Received: {asked_rows[int(rows.argmin())][0]}, "
            f"which is not in {pairs.root / CSV}. Pack them again."
        )
    source = FilePairs(whole, height, width, crop_border)
    packed = PackedPairs(source, pairs.root / size.folder, rows)
    packed.refuse_damage(packed.find_damage(thorough=False))
    return packed


def check_packed(folder: Path | str) -> dict[str, str]:
    """Reads all of a packed dataset: what is wrong with which shard, by its path; {} where nothing.

    `folder`, or the pairs.csv in it.
    Errors: those of `read_csv`; ValueError for a packed.json that is none, or is of other rows or
    of pixels that dataset.json now describes otherwise.
    """
    folder, found = Path(folder), dict[str, str]()
    folder = folder.parent if folder.name == CSV else folder
    whole, sizes = _read(folder)
    for size in sizes:
        source = FilePairs(whole, size.height, size.width, size.crop_border)
        found |= DecodedPairs(source, folder / size.folder).find_damage()
    return found


def _find_sizes(kept: Pairs, folder: Path) -> list[Size]:
    """The sizes at which these pairs are packed. Errors: FileExistsError for others; `_read`'s."""
    if (folder / CSV).exists():
        whole, sizes = _read(folder)
        is_same, pixels = _rows(whole) == _rows(kept), _describe(whole.spec)
    else:  # which is written again
        sizes, rows, pixels = _read_list(folder, kept.spec)
        is_same = rows == kept.digest()
    if not is_same:
        raise FileExistsError(
            f"A packed dataset must be of the same pairs at all sizes. Received: {folder}, which "
            "holds other pairs. Choose another folder."
        )
    _refuse_other_pixels(pixels, kept.spec, kept.root, folder)
    return sizes


def _refuse_own_files(kept: Pairs, folder: Path) -> None:
    """Accepts a folder that has of the names that are written what would be written, or nothing.

    Errors: those of `refuse_another` and `check_ours`; FileExistsError.
    """
    check_ours(folder / CSV, format_pairs(kept))
    refuse_another(kept.spec, folder / NAME)
    for path, copy in _list_copies(kept, folder):
        if copy.exists() and copy.read_bytes() != path.read_bytes():
            raise FileExistsError(
                f"A file of one's own must not be written over. Received: {copy}, which is not "
                f"{path}. Remove it to have that again, or choose another folder."
            )


def _list_copies(kept: Pairs, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Each confidence map, and where its copy lies."""
    for index in range(len(kept) if kept.has_confidence else 0):
        path = kept.confidence_path(index)
        yield path, folder / path.relative_to(kept.root)


def _keep_what_photos_say(pairs: Pairs) -> Pairs:
    """The pairs with what training would look up in the photos."""
    pairs = group_unknown(pairs)
    spec, table = pairs.spec, pairs.table.drop(columns=[*pairs.views, *pairs.motions])
    if spec.focal_column:
        table = table.assign(**{spec.focal_column: settle_focal(pairs).table["focal_share"]})
    if spec.aspect is None:
        height, width = read_size(pairs.rgb_path(0))
        spec = replace(spec, aspect=width / height)
    scenes = "column:scene" if pairs.scenes == KNOWN else "unknown"
    return replace(pairs, table=table, spec=replace(spec, scenes=scenes))


def _list_folders(pairs: Pairs) -> set[Path]:
    """The root, the folders of photos, maps and views, and all folders that hold these."""
    names = {str(name) for column in pairs.files for name in pairs.table[column]} - {""}
    places = {(pairs.root / name).parent for name in names} | {pairs.root}
    resolved = {place.resolve() for place in places}
    return resolved.union(*(place.parents for place in resolved))


def _describe(spec: DatasetSpec) -> dict[str, Any]:
    """What the pixels were decoded by, as JSON gives it back; a name changes none."""
    fields = {field: value for field, value in describe_pixels(spec).items() if field != "name"}
    described: dict[str, Any] = json.loads(json.dumps(fields))
    return described


def _refuse_other_pixels(
    packed: dict[str, Any], spec: DatasetSpec, source: Path, folder: Path
) -> None:
    """Errors: ValueError where `source` says another `spec` than `folder` was packed by."""
    now = _describe(spec)
    changed = [
        f"{field}={now.get(field)} and {packed.get(field)}" for field in list_differing(packed, now)
    ]
    if changed:
        raise ValueError(
            "A packed dataset must mean the metres, and have the pixels, that it was packed with. "
            f"Received: {', '.join(changed)}, the first as {source} says now, the second as "
            f"{folder} was packed. Put that back; or say it in the dataset.json of the photos, and "
            "pack them into another folder."
        )


def _rows(pairs: Pairs) -> list[Any]:
    return pairs.table[_ROW].to_numpy().tolist()


def _read(folder: Path) -> tuple[Pairs, list[Size]]:
    """All pairs of a packed dataset, in the order of its shards, and its sizes."""
    whole = read_csv(folder / CSV)
    sizes, rows, pixels = _read_list(folder, whole.spec)
    if rows != whole.digest():  # what a row's pixels are, its place alone says
        raise ValueError(
            f"{folder / CSV} must keep its rows as `depthlib pack` wrote them. Received: others, "
            "or in another order. Copy it again; a CSV of some of them may lie beside it."
        )
    _refuse_other_pixels(pixels, whole.spec, folder / NAME, folder)
    return whole, sizes


def _read_list(folder: Path, spec: DatasetSpec) -> tuple[list[Size], Any, dict[str, Any]]:
    """What packed.json says: sizes, the digest of the rows, and by what pixels were decoded.

    spec: by what, where it says nothing of that, as earlier versions wrote none.
    """
    path = folder / PACKED
    try:
        says = json.loads(path.read_bytes())
        sizes, rows = [Size(**size) for size in says["sizes"]], says["rows"]
        pixels = dict(says.get("pixels", _describe(spec)))
        if not sizes:
            raise ValueError("no size")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path} must be what `depthlib pack` wrote. Received: {type(error).__name__}: {error}."
            " Remove it, and pack the dataset again."
        ) from error
    return sizes, rows, pixels
