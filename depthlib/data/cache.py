"""Decode once: every pair at one size, in memory-mapped arrays that later runs open at once.

A cache is a folder `<spec>-<height>x<width>-<key>` with rgb.npy, counts.npy and manifest.json. It
is built under the name `….partial` and renamed when it is whole, so a folder without that ending
is whole whatever happened. The key covers the files and all that changes the pixels.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from tqdm.auto import tqdm

from depthlib.data import images
from depthlib.data.pairs import Pairs
from depthlib.data.specs import DatasetSpec
from depthlib.files import hold_lock, write_bytes

_FORMAT = 3  # raise it when the pixels or the files change
_MANIFEST = "manifest.json"
_JOURNAL = "done"  # how many pairs of a partial cache are on the disk
_CHUNK = 16  # pairs a task
_SYNC = 1.0  # seconds between two notes of what is on the disk; a kill loses as much
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def metres_per_count(spec: DatasetSpec) -> float:
    """The depth of one count in a cache, metres (relative: shares); count 0 is invalid."""
    return spec.max_depth / 65535


def decode_pair(
    rgb_path: Path,
    depth_path: Path,
    spec: DatasetSpec,
    height: int,
    width: int,
    crop_border: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """A pair as the networks see it: RGB uint8 (height, width, 3), counts uint16 (height, width).

    Counts are in `metres_per_count(spec)`. `crop_border` cuts off the spec's border first. Errors:
    those of `images.read_pair`, which name the file.
    """
    top, bottom, left, right = spec.border if crop_border else (0, 1, 0, 1)
    least = height / (bottom - top), width / (right - left)
    rgb, depth = images.read_pair(rgb_path, depth_path, spec, least)
    if crop_border:
        rgb, depth = (images.crop_border(image, spec.border) for image in (rgb, depth))
    rgb = images.resize_rgb(rgb, height, width)
    depth = images.resize_depth(depth, height, width, spec.sparse)
    counts = np.rint(depth / np.float32(metres_per_count(spec))).clip(1, 65535)
    return rgb, np.where(depth > 0, counts, 0).astype(np.uint16)


@dataclass
class FilePairs:
    """Pairs that are decoded each time they are asked for; gives what `DecodedPairs` gives."""

    pairs: Pairs
    height: int
    width: int
    crop_border: bool = False

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def metres_per_count(self) -> float:
        """The depth of one count."""
        return metres_per_count(self.pairs.spec)

    def gather(self, rows: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """RGB uint8 (rows, height, width, 3) and counts uint16 (rows, height, width)."""
        size = (self.pairs.spec, self.height, self.width, self.crop_border)
        decoded = [
            decode_pair(self.pairs.rgb_path(row), self.pairs.depth_path(row), *size) for row in rows
        ]
        rgb, counts = zip(*decoded, strict=True)
        return np.stack(rgb), np.stack(counts)


@dataclass
class DecodedPairs:
    """A cache: RGB uint8 (n, height, width, 3), depth as counts uint16 (n, height, width).

    Both are memory-mapped and read only; `metres_per_count` is the depth of one count.
    """

    rgb: np.memmap
    counts: np.memmap
    metres_per_count: float

    def __len__(self) -> int:
        return len(self.rgb)

    def gather(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies: RGB uint8 (rows, height, width, 3) and counts uint16 (rows, height, width)."""
        return _read_rows(self.rgb, rows), _read_rows(self.counts, rows)


def open_cache(
    pairs: Pairs,
    height: int,
    width: int,
    folder: Path | str,
    *,
    crop_border: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> DecodedPairs:
    """The decoded pairs, in their order, from a cache in `folder` that the first use builds.

    The build uses `workers` threads (None: one a core), goes on where an interrupted one stopped,
    and lets one process work while others wait. Errors: FileNotFoundError or ValueError that names
    a missing or bad file; OSError with errno ENOSPC where the disk has no room.
    """
    source = FilePairs(pairs, height, width, crop_border)
    spec_name = pairs.spec.name
    cache = Path(folder) / f"{spec_name}-{height}x{width}-{_fingerprint(source)[:16]}"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        waiting = f"Another process is decoding into {cache}; waiting for it."
        with hold_lock(cache.with_name(f"{cache.name}.lock"), waiting):
            if not cache.exists():
                _build(source, cache, workers or os.cpu_count() or 1, progress)
    manifest = json.loads((cache / _MANIFEST).read_text())
    rgb, counts = (np.load(cache / name, mmap_mode="r") for name in ("rgb.npy", "counts.npy"))
    return DecodedPairs(rgb, counts, manifest["unit"])


def _read_rows(array: np.memmap, rows: np.ndarray) -> np.ndarray:
    """Copies `array[rows]` from its file.

    Linux maps the surroundings of each page that is touched, so reading through the map would seem
    to fill the memory with the whole cache, and in random order it takes longer.
    """
    copies = np.empty((len(rows), *array.shape[1:]), array.dtype)
    with Path(array.filename).open("rb", buffering=0) as file:
        for copy, row in zip(copies, rows.tolist(), strict=True):
            file.seek(array.offset + row * array.strides[0])
            file.readinto(copy)
    return copies


def _fingerprint(source: FilePairs) -> str:
    """A SHA-256 of the rows, each file's size and time, and all that changes the pixels."""
    pairs = source.pairs
    settings = asdict(pairs.spec) | {
        "format": _FORMAT,
        "size": (source.height, source.width),
        "crop": source.crop_border,
    }
    view = ("focal", "aspect", "horizon")
    for unrelated in ("photo", "depth", "protocol", "made_by", *view, "empty_is_far"):
        del settings[unrelated]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for name in pairs.table[["rgb", "depth"]].to_numpy().ravel():
        try:
            state = (pairs.root / name).stat()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"There is no {pairs.root / name}. Put it back, or make the CSV again with "
                f"{pairs.spec.made_by}."
            ) from error
        digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _build(source: FilePairs, cache: Path, workers: int, progress: bool) -> None:
    partial = cache.with_name(f"{cache.name}.partial")
    partial.mkdir(exist_ok=True)
    held = sum(file.stat().st_size for file in partial.iterdir())
    if _size(source) - held > shutil.disk_usage(partial).free:
        raise _no_room(source, cache)
    manifest = {
        "format": _FORMAT,
        "spec": asdict(source.pairs.spec),
        "shape": (len(source), source.height, source.width),
        "crop_border": source.crop_border,
        "unit": metres_per_count(source.pairs.spec),
    }
    try:
        _decode_all(source, partial, workers, progress)
        write_bytes(partial / _MANIFEST, json.dumps(manifest, indent=2).encode())
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # What the run itself writes needs the room more than the start of a cache does.
        shutil.rmtree(partial)
        raise _no_room(source, cache) from error
    partial.rename(cache)
    (cache / _JOURNAL).unlink()


def _decode_all(source: FilePairs, partial: Path, workers: int, progress: bool) -> None:
    """Appends decoded pairs in order, from where an earlier build came to."""
    journal = partial / _JOURNAL
    done = int(journal.read_text()) if journal.exists() else 0
    total = len(source)
    chunks = [range(i, min(i + _CHUNK, total)) for i in range(done, total, _CHUNK)]
    size = (total, source.height, source.width)
    with (
        _open_array(partial / "rgb.npy", np.uint8, (*size, 3), done) as rgb_file,
        _open_array(partial / "counts.npy", np.uint16, size, done) as counts_file,
        tqdm(total=total, initial=done, desc="decode", disable=not progress) as bar,
        closing(_map_in_order(source.gather, chunks, workers)) as results,
    ):
        files, noted = (rgb_file, counts_file), time.monotonic()
        try:
            for chunk, arrays in zip(chunks, results, strict=True):
                for file, array in zip(files, arrays, strict=True):
                    file.write(array)
                done = chunk.stop
                bar.update(len(chunk))
                if time.monotonic() > noted + _SYNC:
                    _note(journal, files, done)
                    noted = time.monotonic()
        finally:  # a bad file, too, leaves what came before it
            _note(journal, files, done)


def _note(journal: Path, files: Iterable[BinaryIO], done: int) -> None:
    """Writes how many pairs are done, after they are on the disk."""
    for file in files:
        file.flush()
        os.fsync(file.fileno())
    write_bytes(journal, str(done).encode())


def _open_array(path: Path, dtype: type, shape: tuple[int, ...], rows: int) -> BinaryIO:
    """A .npy file of which `rows` rows are kept, to be written on from there.

    Written with `write`, not through a memory map, where a full disk would end the process.
    """
    path.touch()
    file = path.open("r+b")
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    file.seek(rows * int(np.prod(shape[1:])) * np.dtype(dtype).itemsize, os.SEEK_CUR)
    file.truncate()
    return file


def _map_in_order(function: Callable, items: Iterable, workers: int) -> Iterator:
    """The results in the order of `items`, with few of them in memory at a time."""
    items = iter(items)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # our threads do not share the cores with OpenCV's
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = deque(pool.submit(function, item) for item in islice(items, 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(items, 1))
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _size(source: FilePairs) -> int:
    return len(source) * source.height * source.width * (3 + 2)


def _no_room(source: FilePairs, cache: Path) -> OSError:
    free = shutil.disk_usage(cache.parent).free
    return OSError(
        errno.ENOSPC,
        f"The cache must fit on the disk. Received: {_size(source) / 1e9:.3f} GB of decoded images "
        f"and {free / 1e9:.3f} GB free. Make room, or choose another cache folder",
        str(cache.parent),
    )
