"""Which scene each pair shows: by path, by column, by index.csv; else frames that look alike."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.arrays import file_of, is_array, is_container, read_names
from depthlib.data.csv_tables import find_column, read_index
from depthlib.data.decoding import read_sides
from depthlib.data.specs import DatasetSpec, base_scene
from depthlib.files import natural_key

KNOWN = "known"  # each pair's scene is told
GROUPED = "grouped"  # scenes are unknown, and frames that look alike are taken as one
UNKNOWN = "unknown"  # each photo is taken as a scene of its own
# How a user makes them known, for what says that they are not.
TELL = 'give the CSV a column scene, and its dataset.json "scenes": "column:scene"'

# Folders of these names say what a file is, or its side of a split, not where it was taken.
ROLE_WORDS = {
    "rgb": {
        "rgb", "rgbs", "color", "colors", "colour", "colours", "image", "images", "img", "imgs",
        "photo", "photos", "picture", "pictures", "left", "leftimg8bit", "cam", "camera", "frames",
        "jpg", "jpeg", "input", "inputs",
    },
    "depth": {
        "depth", "depths", "depthmap", "depthmaps", "map", "maps", "disparity", "disparities",
        "disp", "gt", "groundtruth", "lidar", "truth", "target", "targets", "z",
    },
    "other": {
        "mask", "masks", "seg", "segmentation", "semantic", "semantics", "instance", "instances",
        "label", "labels", "normal", "normals", "confidence", "conf", "pose", "poses", "ir",
        "infrared", "right", "preview", "previews", "vis", "thumb", "thumbs", "thumbnails",
        "albedo", "flow", "calib", "intrinsics",
    },
}  # fmt: skip
SPLIT_WORDS = {"train", "training", "val", "valid", "validation", "test", "testing"}
_FILLERS = {
    "data", "raw", "sync", "out", "undistorted", "filtered", "aligned", "registered", "png",
    "16bit", "8bit", "mm",
}  # fmt: skip

HASH_SIDE = 16  # a hash has its square in bits
# Of 1.9 million pairs of NYU's, Places' and 530 houses' photos none was nearer than 55 of 256 bits;
# frames of KITTI .1 s apart are 41 in the median, 66 at most. Frames that follow each other in
# number need less: of photos of other rooms beside each other, fewer than 1 % are within 80.
NEAR_COPY = 50
NEXT_FRAME = 80
REACH = 5000  # photos that each is compared with: all with all of 50,000 would take minutes
MANY = 8  # photos: of fewer, one each may be rooms
_CHUNK = 256


def tell_scenes(
    table: pd.DataFrame, folder: Path, spec: DatasetSpec, index: bool = True
) -> tuple[pd.DataFrame, str]:
    """The table with a column scene, and condition where index.csv has it; KNOWN or the like.

    table: rgb, depth and what else a CSV has. A column scene comes first, then what `spec.scenes`
    says; of templates, `folder`/index.csv where `index`, then {scene}, then the folders in which
    the paths differ. Errors: ValueError for a column that is not there.
    """
    photos = [str(photo) for photo in table["rgb"]]
    rows, way = _look_up(photos, folder if index else None), spec.scenes
    if way.startswith("column:"):
        scenes = _take_column(table, way.removeprefix("column:"), spec)
    elif "scene" in table:
        scenes = [str(scene) for scene in table["scene"]]
    elif way.startswith("array:"):
        scenes = _read_array(photos, folder, way.removeprefix("array:"))
    elif way == "unknown":
        scenes = [""] * len(photos)
    elif way == "folder":
        scenes = ["/".join(_places(photo)) for photo in photos]
    else:
        template = spec.photo if way == "template" else way
        keys = [spec.key_of(photo, template) or ("", "") for photo in photos]
        scenes = [row.get("scene") or key[0] for row, key in zip(rows, keys, strict=True)]
        if not any(scenes):
            scenes = scenes_by_folder(photos)
    source = KNOWN if all(scenes) else UNKNOWN
    if way == "unknown" and source == KNOWN:
        source = GROUPED
    scene = [base_scene(s) if s else spec.scene_of(p) for s, p in zip(scenes, photos, strict=True)]
    table = table.assign(scene=scene)
    if any("condition" in row for row in rows):
        table["condition"] = [row.get("condition", "") for row in rows]
    return table, source


def _read_array(photos: Sequence[str], folder: Path, name: str) -> list[str]:
    """The scene of each photo in a stack: what the array `name` of its file has at its place.

    Errors: ValueError for a photo that is in no such file, or beyond the array's end.
    """
    names: dict[Path, list[str]] = {}
    scenes = []
    for photo in photos:
        paths = [root / photo for root in (folder, folder.parent)]
        file, place = file_of(next(filter(is_array, paths), paths[0])), PurePosixPath(photo).name
        if file not in names:
            names[file] = read_names(file, name) if is_array(file) else []
        if not place.isdecimal() or int(place) >= len(names[file]):
            raise ValueError(
                f"A photo must have its scene in the array {name!r} of its file. Received: {photo} "
                f"in {folder}, without. Change `scenes`."
            )
        scenes.append(names[file][int(place)])
    return scenes


def scenes_by_folder(photos: Sequence[str]) -> list[str]:
    """The scene of each POSIX path: its part of the first folder level on which they differ.

    Levels that say what a file is (rgb, depth) or its side of a split do not count, nor does one
    where each of MANY photos has a folder of its own, as SUN RGB-D's have. "" for all where the
    folders tell nothing.
    """
    places = [_places(photo) for photo in photos]
    for level in range(max(map(len, places), default=0)):
        names = [place[level] if level < len(place) else "" for place in places]
        found = len({base_scene(name) for name in names})
        if found > 1 and not found == len(photos) >= MANY:
            return names if all(names) else [""] * len(photos)
    return [""] * len(photos)


def describe_scenes(source: str, scenes: int) -> str:
    """How many scenes there are, or that they are unknown, in few words for a table."""
    if source == KNOWN:
        return f"{scenes} scene{'s' * (scenes != 1)}"
    if source == GROUPED:
        return f"scenes unknown, {scenes} groups of like frames"
    return "scenes unknown"


def group_frames(root: Path, photos: Sequence[str]) -> list[str]:
    """A group for each photo, named by its first one: frames of one video, and near-copies.

    Two photos are in one group where their hashes differ by NEAR_COPY bits at most; where their
    numbers follow each other in one folder, by NEXT_FRAME. Equal hashes are found anywhere, others
    among the REACH that follow in natural order. A photo that cannot be read is alone.
    """
    order = sorted(range(len(photos)), key=lambda row: natural_key(photos[row]))
    names = [photos[row] for row in order]
    hashes = hash_photos([root / name for name in names])
    distinct, first, kinds = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))  # of each distinct hash, by the first photo that has it
    kinds, distinct = place[kinds.ravel()], distinct[np.argsort(first)]
    parents = np.arange(len(distinct))

    def join(members: np.ndarray) -> None:
        roots = _find_roots(parents, members)
        parents[roots] = parents[members] = roots.min()

    for one, other in _follow(names, hashes):
        join(kinds[[one, other]])
    for start in range(0, len(distinct), _CHUNK):
        window = distinct[start : start + _CHUNK + REACH]
        near = _are_near(window[:_CHUNK], window)
        for row in np.flatnonzero(near.sum(axis=1) > 1):
            join(start + np.flatnonzero(near[row]))
    groups = _find_roots(parents, kinds)
    unread = ~np.any(hashes != 0, axis=1)
    groups[unread] = len(distinct) + np.flatnonzero(unread)
    found = np.empty(len(names), object)
    found[order] = _name_groups(names, groups.tolist())
    return found.tolist()


def hash_photos(paths: Sequence[Path]) -> np.ndarray:
    """A hash of each photo, uint64 (photos, 4): where it grows brighter to the right.

    A photo that cannot be read has 0 throughout. Source: Krawetz, "Kind of Like That", 2013.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = tqdm(
            pool.map(_hash, paths), "compare", len(paths), disable=len(paths) < 500, leave=False
        )
        return np.array(list(hashes), np.uint64).reshape(-1, HASH_SIDE**2 // 64)


def find_near_copies(ones: np.ndarray, others: np.ndarray) -> list[int]:
    """The rows of `ones` that differ from one of `others` by NEAR_COPY bits at most."""
    chunks = range(0, len(ones), _CHUNK)
    near = [_are_near(ones[start : start + _CHUNK], others).any(axis=1) for start in chunks]
    return np.flatnonzero(np.concatenate(near)).tolist() if near else []


def _are_near(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of `ones` is a near-copy of each of `others`; what was not read is of none.

    uint64 (ones, words) and (others, words) in, bool (ones, others) out.
    """
    distance = np.zeros((len(ones), len(others)), np.uint16)
    for word in range(ones.shape[1]):
        distance += np.bitwise_count(ones[:, word, None] ^ others[None, :, word])
    read = [np.any(hashes != 0, axis=1) for hashes in (ones, others)]
    return (distance <= NEAR_COPY) & read[0][:, None] & read[1]


def _find_roots(parents: np.ndarray, members: np.ndarray) -> np.ndarray:
    roots = parents[members]
    while (parents[roots] != roots).any():
        roots = parents[roots]
    return roots


def _follow(photos: Sequence[str], hashes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Photos whose numbers follow each other in their folder, by its usual step, and look alike."""
    folders: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for row, photo in enumerate(photos):
        path = PurePosixPath(photo)
        match = re.fullmatch(r"(.*?)(\d+)\D*", path.stem)
        if match and hashes[row].any():
            folders[str(path.parent), match[1]].append((int(match[2]), row))
    for frames in folders.values():
        steps = [b[0] - a[0] for a, b in zip(frames, frames[1:], strict=False)]
        usual = sorted(steps)[len(steps) // 2] if steps else 0
        for (_, one), (_, other), step in zip(frames, frames[1:], steps, strict=False):
            distance = np.bitwise_count(hashes[one] ^ hashes[other]).sum()
            if step <= max(usual, 1) and distance <= NEXT_FRAME:
                yield one, other


def _hash(path: Path) -> np.ndarray:
    try:
        read_sides(path)  # refuses a pipe, and what claims more than the memory holds
        grey = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    except (OSError, ValueError, cv2.error):
        grey = None
    if grey is None:
        return np.zeros(HASH_SIDE**2 // 64, np.uint64)
    cells = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).view(np.uint64)


def _name_groups(photos: Sequence[str], groups: Sequence[int]) -> list[str]:
    """A name for each photo's group: its first one's, with a number where two have one name."""
    named: dict[int, str] = {}
    taken: Counter[str] = Counter()
    for photo, group in zip(photos, groups, strict=True):
        if group not in named:
            name = PurePosixPath(photo).stem
            named[group] = f"{name}+{taken[name]}" if taken[name] else name
            taken[name] += 1
    return [named[group] for group in groups]


def _places(photo: str) -> list[str]:
    """The folders of a path that may say where it was taken; so may a file that holds a stack."""
    *folders, name = PurePosixPath(photo).parts
    stacked = name.isdecimal()
    return [f for f in folders if not is_role(f) and (stacked or not is_container(f))]


def is_role(folder: str) -> bool:
    """Whether a folder's name says what its files are, or their side of a split, and no place."""
    words = split_words(folder)
    known = set().union(*ROLE_WORDS.values(), _FILLERS, SPLIT_WORDS)
    return (
        bool(words)
        and all(word in known or word.isdecimal() for word in words)
        and not all(word.isdecimal() for word in words)
    )


def split_words(name: str) -> list[str]:
    """The words of a name in lower case: leftImg8bit_trainvaltest, image_02, frame-0001.color."""
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _take_column(table: pd.DataFrame, name: str, spec: DatasetSpec) -> list[str]:
    column = find_column(table, name)
    if column is None:
        raise ValueError(
            f"The CSV of `{spec.name}` must have a column {name!r}, which tells its scenes. "
            f"Received: {', '.join(map(str, table))}. Add it to its heading, or change `scenes`."
        )
    return [str(scene) for scene in table[column]]


def _look_up(photos: Sequence[str], folder: Path | None) -> list[dict[str, str]]:
    """What `folder`/index.csv says of each photo, as it names it or by a longer or shorter path.

    Errors: ValueError where it says different things of a photo.
    """
    path = folder and folder / "index.csv"
    index = read_index(path) if path and path.is_file() else None
    if index is None:
        return [{} for _ in photos]
    named: dict[tuple[str, ...], list[tuple[tuple[str, ...], dict[str, str]]]] = defaultdict(list)
    for row in index.to_dict("records"):
        parts = PurePosixPath(row["photo"].replace("\\", "/")).parts
        kept = [name for name in ("scene", "condition") if name in row]
        named[parts[-2:]].append((parts, {name: str(row[name]) for name in kept}))
    found = []
    for photo in photos:
        parts = PurePosixPath(photo).parts
        rows = [row for of, row in named.get(parts[-2:], []) if _are_one_path(of, parts)]
        if any(row != rows[0] for row in rows):
            raise ValueError(
                f"index.csv must say one thing of a photo. Received: {len(rows)} rows that may "
                f"be of {photo} in {path}. Name photos there by their whole path in the folder."
            )
        found.append(rows[0] if rows else {})
    return found


def _are_one_path(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    length = min(len(one), len(other))
    return one[-length:] == other[-length:]
