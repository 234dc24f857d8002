"""Which scene each pair shows: by path, by column, by index.csv; else frames that look alike."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.csv_tables import read_index
from depthlib.data.specs import DatasetSpec, base_scene
from depthlib.files import natural_key

KNOWN = "known"  # each pair's scene is told
GROUPED = "grouped"  # scenes are unknown, and frames that look alike are taken as one
UNKNOWN = "unknown"  # each photo is taken as a scene of its own

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


def tell_scenes(
    table: pd.DataFrame, folder: Path, spec: DatasetSpec, index: bool = True
) -> tuple[pd.DataFrame, str]:
    """The table with a column scene, and condition where index.csv has it; KNOWN or the like.

    table: rgb, depth and what else a CSV has. A column scene comes first, then what `spec.scenes`
    says; of templates, `folder`/index.csv where `index`, then {scene}, then the folders in which
    the paths differ. Errors: ValueError for a column that is not there.
    """
    photos = [str(photo) for photo in table["rgb"]]
    named, way = _read_named(folder if index else None), spec.scenes
    rows = [named.get(PurePosixPath(photo).parts[-2:], {}) for photo in photos]
    if way.startswith("column:"):
        scenes = _take_column(table, way.removeprefix("column:"), spec)
    elif "scene" in table:
        scenes = [str(scene) for scene in table["scene"]]
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
    if any("condition" in row for row in named.values()):
        table["condition"] = [row.get("condition", "") for row in rows]
    return table, source


def scenes_by_folder(photos: Sequence[str]) -> list[str]:
    """The scene of each POSIX path: its part of the first folder level on which they differ.

    Levels that say what a file is (rgb, depth) or its side of a split do not count. "" for all
    where the folders tell nothing.
    """
    places = [_places(photo) for photo in photos]
    for level in range(max(map(len, places), default=0)):
        names = [place[level] if level < len(place) else "" for place in places]
        if len({base_scene(name) for name in names}) > 1:
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
    numbers follow each other in one folder, by NEXT_FRAME. A photo that cannot be read is alone.
    """
    hashes = hash_photos([root / photo for photo in photos])
    order = sorted(range(len(photos)), key=lambda row: natural_key(photos[row]))
    groups = list(range(len(photos)))
    links = [*_follow(photos, order, hashes), *find_near_copies(hashes, hashes)]
    for one, other in links:
        a, b = sorted((_find_root(groups, one), _find_root(groups, other)))
        groups[b] = a
    first: dict[int, str] = {}
    for row in order:
        first.setdefault(_find_root(groups, row), PurePosixPath(photos[row]).stem)
    names = [first[_find_root(groups, row)] for row in range(len(photos))]
    return _tell_apart(names, [_find_root(groups, row) for row in range(len(photos))])


def hash_photos(paths: Sequence[Path]) -> np.ndarray:
    """A hash of each photo, uint64 (photos, 4): where it grows brighter to the right.

    A photo that cannot be read has 0 throughout. Source: Krawetz, "Kind of Like That", 2013.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = tqdm(
            pool.map(_hash, paths), "compare", len(paths), disable=len(paths) < 500, leave=False
        )
        return np.array(list(hashes), np.uint64).reshape(-1, HASH_SIDE**2 // 64)


def find_near_copies(ones: np.ndarray, others: np.ndarray) -> Iterator[tuple[int, int]]:
    """The (row of `ones`, row of `others`) whose hashes differ by NEAR_COPY bits at most."""
    seen = np.any(others != 0, axis=1)
    for start in range(0, len(ones), 256):
        part = ones[start : start + 256]
        distance = np.zeros((len(part), len(others)), np.uint16)
        for word in range(ones.shape[1]):
            distance += np.bitwise_count(part[:, word, None] ^ others[None, :, word])
        seen_too = np.any(part != 0, axis=1)
        near = (distance <= NEAR_COPY) & seen & seen_too[:, None]
        for row, column in zip(*np.nonzero(near), strict=True):
            yield start + int(row), int(column)


def _follow(
    photos: Sequence[str], order: Sequence[int], hashes: np.ndarray
) -> Iterator[tuple[int, int]]:
    """Photos whose numbers follow each other in their folder, by its usual step, and look alike."""
    folders: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for row in order:
        path = PurePosixPath(photos[row])
        match = re.fullmatch(r"(.*?)(\d+)\D*", path.stem)
        if match:
            folders[str(path.parent), match[1]].append((int(match[2]), row))
    for frames in folders.values():
        steps = [b[0] - a[0] for a, b in zip(frames, frames[1:], strict=False)]
        usual = sorted(steps)[len(steps) // 2] if steps else 0
        for (_, one), (_, other), step in zip(frames, frames[1:], steps, strict=False):
            if step > max(usual, 1) or not (hashes[one].any() and hashes[other].any()):
                continue
            if int(np.bitwise_count(hashes[one] ^ hashes[other]).sum()) <= NEXT_FRAME:
                yield one, other


def _hash(path: Path) -> np.ndarray:
    try:  # a pipe would never answer
        data = np.fromfile(path, np.uint8) if path.is_file() else np.empty(0, np.uint8)
        grey = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_4)
    except (OSError, cv2.error):
        grey = None
    if grey is None:
        return np.zeros(HASH_SIDE**2 // 64, np.uint64)
    cells = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).view(np.uint64)


def _find_root(groups: list[int], row: int) -> int:
    while groups[row] != row:
        groups[row] = groups[groups[row]]
        row = groups[row]
    return row


def _tell_apart(names: list[str], groups: list[int]) -> list[str]:
    """The names, with a number where two groups have one name."""
    taken: dict[str, dict[int, int]] = defaultdict(dict)
    found = []
    for name, group in zip(names, groups, strict=True):
        number = taken[name].setdefault(group, len(taken[name]))
        found.append(f"{name}+{number}" if number else name)
    return found


def _places(photo: str) -> list[str]:
    """The folders of a path that may say where it was taken."""
    return [part for part in PurePosixPath(photo).parts[:-1] if not is_role(part)]


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
    if name.lower() not in table:
        raise ValueError(
            f"The CSV of `{spec.name}` must have a column {name!r}, which tells its scenes. "
            f"Received: {', '.join(map(str, table))}. Add it to its heading, or change `scenes`."
        )
    return [str(scene) for scene in table[name.lower()]]


def _read_named(folder: Path | None) -> dict[tuple[str, ...], dict[str, str]]:
    """What `folder`/index.csv says of photos, by the last two parts of their paths."""
    path = folder and folder / "index.csv"
    if not path or not path.is_file():
        return {}
    index = read_index(path)
    rows = [] if index is None else index.to_dict("records")
    texts = ({str(name): str(value) for name, value in row.items()} for row in rows)
    return {PurePosixPath(row["photo"]).parts[-2:]: row for row in texts}
