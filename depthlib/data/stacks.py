"""Photos and depth maps together in files of arrays: NYU's labelled .mat, an .h5 a frame."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from depthlib.data.arrays import list_arrays

SUFFIXES = {".mat", ".h5", ".hdf5", ".npz"}
_PHOTOS = {"rgb", "image", "images", "color", "colour", "photo", "photos", "img"}
_MAPS = {"depth", "depths"}


@dataclass(frozen=True)
class Stack:
    """What a file holds: `photos` and `depth` name its arrays, `count` says how many in each.

    None: one photo and one map. `scenes` are the places' scenes, where the file says them.
    """

    photos: str
    depth: str
    count: int | None
    scenes: Sequence[str] = ()

    def pairs(self, file: str) -> Iterator[tuple[str, str, str]]:
        """The path of each photo and of its map, as `arrays` reads them, and its place."""
        if self.count is None:
            yield f"{file}/{self.photos}", f"{file}/{self.depth}", ""
        for place in range(self.count or 0):
            yield f"{file}/{self.photos}/{place}", f"{file}/{self.depth}/{place}", str(place)


def find_stacks(root: Path, files: Sequence[str]) -> dict[str, Stack]:
    """What those of the files under `root` hold that have both photos and depth.

    Of files of one kind in a folder that hold a frame each, the first is opened alone: they are
    many. Errors: those of `arrays.list_arrays`.
    """
    found: dict[str, Stack] = {}
    kinds: dict[tuple[str, str], Stack | None] = {}
    for name in files:
        path = PurePosixPath(name)
        kind = path.parent.as_posix(), path.suffix.lower()
        if kind[1] not in SUFFIXES:
            continue
        if kind not in kinds:
            kinds[kind] = _look_inside(root / name)
        stack = kinds[kind]
        if stack is not None and stack.count is not None and stack in found.values():
            stack = _look_inside(root / name)  # each has its own length
        if stack is not None:
            found[name] = stack
    return found


def _look_inside(file: Path) -> Stack | None:
    held = list_arrays(file)
    photos = _choose(held, _PHOTOS, colours=1)
    depth = _choose(held, _MAPS, colours=0)
    if photos is None or depth is None:
        return None
    (rgb, sizes), (name, shape) = photos, depth
    if len(sizes) == 4 and len(shape) == 3:
        same = sizes[0] == shape[0]
        return Stack(rgb, name, shape[0], _read_scenes(file, shape[0])) if same else None
    return Stack(rgb, name, None) if len(sizes) == 3 and len(shape) == 2 else None


def _choose(
    held: dict[str, tuple[tuple[int, ...], str]], words: set[str], colours: int
) -> tuple[str, tuple[int, ...]] | None:
    """The one array that is called so, and its shape without axes of 1."""
    for name, (shape, _) in held.items():
        kept = tuple(n for n in shape if n != 1)
        named = set(re.findall("[a-z]+", PurePosixPath(name).name.lower())) & words
        if named and len(kept) >= 2 + colours and (not colours or 3 in kept):
            return name, kept
    return None


def _read_scenes(file: Path, count: int) -> list[str]:
    """The scene of each place, where `scenes` lists them as NYU's labelled file does."""
    if file.suffix.lower() == ".npz":
        return []
    import h5py

    if not h5py.is_hdf5(file):
        return []
    with h5py.File(file, "r", locking=False) as opened:
        held = opened.get("scenes")
        if held is None or held.size != count or held.dtype.kind != "O":
            return []
        return ["".join(map(chr, opened[one][()].ravel())) for one in held[()].ravel()]
