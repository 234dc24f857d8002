"""Arrays in files that are no images: .npy, .npz, .mat, .h5, .exr; measured before they are loaded.

A file may hold several. A path into it names one, as if the file were a folder: `00001.h5/depth`,
and of a stack its place too: `nyu_depth_v2_labeled.mat/depths/12`.
"""

import math
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from depthlib.data.specs import DTYPES
from depthlib.files import check_hdf5, check_hdf5_array

SUFFIXES = (".npy", ".npz", ".mat", ".h5", ".hdf5", ".exr")

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LEAST = 8  # rows and columns of a map; calibrations and poses have fewer
_NUMBERS = re.compile(r"[<>]?[iuf][1248]|u?int\d+|float\d+")  # as NumPy calls them
_DEPTH_CHANNEL = re.compile(r"(?:^|\.)(?:z|v|y|depth)$", re.IGNORECASE)


class _Stored(NamedTuple):
    """The arrays of an open file: each one's shape and dtype by name, and what loads one."""

    held: dict[str, tuple[tuple[int, ...], str]]
    load: Any  # (name, place of a stack or None) -> array
    turned: bool = False  # MATLAB's columns come first in HDF5


def file_of(path: Path | str) -> Path:
    """The file on the disk that a path names or leads into."""
    path = Path(path)
    places = (place for place in path.parents if place.suffix.lower() in SUFFIXES)
    return next((place for place in places if place.is_file()), path)


def is_array(path: Path | str) -> bool:
    """Whether a path names a file of arrays, or leads into one."""
    return file_of(path).suffix.lower() in SUFFIXES


def read_array(path: Path | str, key: str | None, max_pixels: int) -> np.ndarray:
    """An array of numbers (height, width) or (height, width, 3), as it is stored.

    `key` names one of several; without it there must be one alone that may be a map. Axes of
    length 1 are left out, MATLAB's order of them in HDF5 is turned, and colours come last.
    Errors: FileNotFoundError; OSError for what is no regular file; ValueError that names the file
    where it is damaged or holds Python objects, for a key that it lacks, which lists those that it
    has, and for more than `max_pixels`.
    """
    path = Path(path)
    file = file_of(path)
    inner = PurePosixPath(path.relative_to(file).as_posix() if path != file else "", key or "")
    with _open(file) as stored:
        name, place = choose_array(stored.held, file, inner)
        shape, dtype = stored.held[name]
        kept = [n for n in (shape if place is None else shape[1:]) if n != 1]
        pixels = math.prod(kept) // (3 if len(kept) == 3 and 3 in kept else 1)
        size = "x".join(map(str, shape))
        if len(kept) not in (2, 3) or (len(kept) == 3 and 3 not in (kept[0], kept[-1])):
            raise ValueError(
                "An array must be a map of rows and columns, or a photo of three colours. "
                f"Received: `{name}`, {size}, in {file}. Name another one by `key`, or one map of "
                "a stack by its place, as in file.h5/depths/0."
            )
        if not _NUMBERS.fullmatch(dtype):
            raise ValueError(
                f"An array must be of numbers. Received: `{name}`, {dtype}, in {file}. Save it as "
                "float32."
            )
        if not 0 < pixels <= max_pixels:
            raise ValueError(
                f"A map must have 1 to {max_pixels:,} pixels. Received: `{name}`, {size}, in "
                f"{file}. Make it smaller, or raise `max_pixels`."
            )
        array = np.asarray(stored.load(name, place)).reshape(kept)
    if stored.turned:
        array = array.T
    if array.ndim == 3 and array.shape[2] != 3:
        array = np.moveaxis(array, 0, 2)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def list_arrays(path: Path | str) -> dict[str, tuple[tuple[int, ...], str]]:
    """The shape and dtype of each array in a file, by name. Errors: those of `read_array`."""
    with _open(Path(path)) as stored:
        return stored.held


def find_paths(folder: Path, pattern: str) -> Iterator[Path]:
    """What fits a glob pattern in `folder`, also in files of arrays: the places of their stacks."""
    parts = PurePosixPath(pattern).parts
    inside = next((i for i, part in enumerate(parts[:-1]) if is_container(part)), None)
    if inside is None:
        yield from folder.glob(pattern)
        return
    stack = PurePosixPath(*parts[inside + 1 :])
    for file in folder.glob("/".join(parts[: inside + 1])):
        if not file.is_file():
            yield from file.glob(stack.as_posix())
            continue
        for name, (shape, _) in list_arrays(file).items():
            if fnmatchcase(name, stack.as_posix()):
                yield file / name
            elif stack.name == "*" and fnmatchcase(name, stack.parent.as_posix()):
                yield from (file / name / str(place) for place in range(shape[0]))


def is_container(name: str) -> bool:
    """Whether a file of this name may hold several arrays."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def read_names(file: Path, name: str) -> list[str]:
    """The texts of an array in an HDF5 file, MATLAB's cells as well.

    Errors: ValueError that names the file where it has no such array, or is damaged.
    """
    try:
        import h5py

        with h5py.File(file, "r", locking=False) as opened:
            check_hdf5(opened)
            if "#" in name:
                raise ValueError("MATLAB's cells have no names of their own")
            values = opened[name][()].ravel().tolist()
            if opened[name].dtype == h5py.ref_dtype:
                cells = [opened[value] for value in values]
                for cell in cells:
                    check_hdf5_array(name, cell)
                return ["".join(map(chr, cell[()].ravel())) for cell in cells]
            return [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values]
    except ModuleNotFoundError as error:
        raise ValueError(f"{file} needs `pip install h5py`.") from error
    except Exception as error:  # whatever h5py makes of a missing name, and of damaged bytes
        raise ValueError(
            f"A file must hold the names of its scenes. Received: {file}, `{name}`: {error}."
        ) from error


def choose_array(
    held: dict[str, tuple[tuple[int, ...], str]], file: Path, inner: PurePosixPath
) -> tuple[str, int | None]:
    """Which of the arrays in `file`, as `list_arrays` gives them, and which place in a stack.

    `inner` is the path in the file; where it is empty, one alone must be like a map, or be called
    depth. Errors: ValueError that lists the arrays.
    """
    name, last = inner.as_posix(), inner.name
    listed = ", ".join(f"{key} ({'x'.join(map(str, held[key][0]))})" for key in [*held][:12])
    if name in held:
        return name, None
    if last.isdecimal() and (stack := inner.parent.as_posix()) in held:
        count = [*held[stack][0], 0][0]
        if int(last) < count:
            return stack, int(last)
        raise ValueError(
            f"A place in `{stack}` of {file} must be from 0 to {count - 1}. Received: {last}."
        )
    if name == ".":  # not said
        maps = [
            key
            for key, (shape, _) in held.items()
            if len(kept := [n for n in shape if n != 1]) == 2 and min(kept) >= _LEAST
        ]
        maps = maps if len(maps) == 1 else [key for key in held if _DEPTH_CHANNEL.search(key)]
        if len(maps) == 1 or len(held) == 1:
            return (maps or [*held])[0], None
    said = "without a `key`" if name == "." else f"`{name}`"
    raise ValueError(
        "A file of several arrays needs a `key` that names one. Received: "
        f"{said} for {file}, which holds {listed or 'none'}. Write it into dataset.json."
    )


@contextmanager
def _open(file: Path) -> Iterator[_Stored]:
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(f"A depth file must be a regular file. Received: {file}. Leave it out.")
    kind = file.suffix.lower()
    try:
        with file.open("rb") as opened:
            begin = opened.read(520)
        if not begin:
            raise ValueError("it is empty")
        if kind in (".npy", ".npz"):
            stored, close = _open_numpy(file, begin)
        elif kind == ".exr":
            stored, close = _open_exr(file)
        elif kind != ".mat" or _HDF5 in (begin[:8], begin[512:]):  # MATLAB's own header is before
            stored, close = _open_hdf5(file, turned=kind == ".mat")
        else:
            stored, close = _open_mat(file)
    except ModuleNotFoundError as error:
        package = {"yaml": "pyyaml", "OpenEXR": "openexr"}.get(str(error.name), error.name)
        raise ValueError(f"{file} needs `pip install {package}`.") from error
    except Exception as error:  # whatever the libraries make of damaged bytes
        raise _damaged(file, error) from error

    def load(name: str, place: int | None) -> Any:
        try:
            return stored.load(name, place)
        except Exception as error:
            raise _damaged(file, error) from error

    try:
        yield stored._replace(load=load)
    finally:
        close()


def _damaged(file: Path, error: Exception) -> ValueError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    if isinstance(error, MemoryError):
        return ValueError(f"An array must fit into memory. Received: {file}: {reason}.")
    return ValueError(
        "A depth file must be whole and hold arrays of numbers. Received: "
        f"{file}: {reason}. Copy or download it again, or save it as .npy of float32."
    )


def _open_numpy(file: Path, begin: bytes) -> tuple[_Stored, Callable[[], None]]:
    if begin.startswith(b"\x93NUMPY"):
        array = np.load(file, mmap_mode="r", allow_pickle=False)  # maps it, and loads nothing
        held = {".": (array.shape, str(array.dtype))}
        return _Stored(held, lambda name, place: array if place is None else array[place]), _nothing
    archive = zipfile.ZipFile(file)
    members = {name.removesuffix(".npy"): name for name in archive.namelist()}
    held = {}
    for name, member in members.items():
        with archive.open(member) as opened:
            version = np.lib.format.read_magic(opened)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, _, dtype = read(opened)
            held[name] = (shape, str(dtype))

    def load(name: str, place: int | None) -> np.ndarray:
        with archive.open(members[name]) as opened:
            array = np.lib.format.read_array(opened, allow_pickle=False)
        return array if place is None else array[place]

    return _Stored(held, load), archive.close


def _open_hdf5(file: Path, turned: bool) -> tuple[_Stored, Callable[[], None]]:
    import h5py

    opened = h5py.File(file, "r", locking=False)  # a read-only disk takes no lock
    check_hdf5(opened)
    held: dict[str, tuple[tuple[int, ...], str]] = {}

    def note(group: Any, prefix: str) -> None:
        for name in group:
            if name.startswith("#"):  # MATLAB's cells, thousands of them
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                note(item, f"{prefix}{name}/")
            elif isinstance(item, h5py.Dataset) and item.shape:
                held[prefix + name] = (item.shape, str(item.dtype))

    note(opened, "")
    return (
        _Stored(held, lambda name, place: opened[name][() if place is None else place], turned),
        opened.close,
    )


def _open_mat(file: Path) -> tuple[_Stored, Callable[[], None]]:
    """MATLAB's files up to version 7.2; the fields of a struct are `struct/field`."""
    from scipy.io import loadmat, whosmat

    held, structs = {}, {}
    for name, shape, kind in whosmat(str(file)):
        if kind == "struct" and math.prod(shape) == 1:
            structs[name] = loadmat(file, variable_names=[name])[name].flat[0]
            for field in structs[name].dtype.names or ():
                value = np.asarray(structs[name][field])
                held[f"{name}/{field}"] = (value.shape, str(value.dtype))
        else:
            dtype = {"double": "float64", "single": "float32"}.get(kind, kind)
            held[name] = (shape, dtype if dtype in DTYPES else "object")

    def load(name: str, place: int | None) -> np.ndarray:
        struct, _, field = name.partition("/")
        if field:
            array = structs[struct][field]
        else:
            array = loadmat(file, variable_names=[name])[name]
        return array if place is None else array[place]

    return _Stored(held, load), _nothing


def _open_exr(file: Path) -> tuple[_Stored, Callable[[], None]]:
    import OpenEXR

    part = OpenEXR.File(str(file), separate_channels=True, header_only=True).parts[0]
    low, high = part.header["dataWindow"]
    shape: tuple[int, ...] = tuple(int(n) + 1 for n in (high - low)[::-1])
    held = {channel.name: (shape, "float32") for channel in part.header["channels"]}

    def load(name: str, place: int | None) -> np.ndarray:
        opened = OpenEXR.File(str(file), separate_channels=True)
        pixels: np.ndarray = opened.parts[0].channels[name].pixels
        return pixels

    return _Stored(held, load), _nothing


def _nothing() -> None:
    pass
