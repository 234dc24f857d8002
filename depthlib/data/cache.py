"""Decode once: every pair at one size, in files that many processes read at once.

A cache is a folder `<spec>-<height>x<width>-<key>` of shards, 00000.npy and on, of a fixed number
of pairs. A shard is written whole or not at all, so what is left to do is what is missing. It is an
array of records (rgb, counts, crc32), which `np.load(path, mmap_mode="r")` opens as well. The key
covers the files and all that changes the pixels.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
import threading
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from io import BytesIO, FileIO
from itertools import islice
from math import gcd, prod
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from tqdm.auto import tqdm

from depthlib.data import images
from depthlib.data.arrays import file_of
from depthlib.data.pairs import Pairs
from depthlib.data.specs import DatasetSpec
from depthlib.data.views import Views, read_views
from depthlib.files import describe_state, hold_lock, replace_file

_FORMAT = 4  # raise it when the pixels or the files change
_SHARD = 1024  # pairs a file; a kill loses the work of one
_CHUNK = 16  # pairs a task
_TASK = 2**26  # bytes of a task, of which a few are in memory at once: large pairs are fewer
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_UNRELATED = (  # fields of a spec that do not change the pixels
    "photo", "depth", "protocol", "made_by", "focal", "aspect", "horizon", "empty_is_far", "scenes",
    "focal_column", "lower_is_nearer", "centre", "baseline",
)  # fmt: skip
_LATER = (
    "encoding", "pixels_per_count", "count_offset", "focal_baseline", "key", "most_outside",
)  # fmt: skip
# Fields that came later count where they are not the default, so that older caches stay.
USUAL = {field.name: field.default for field in fields(DatasetSpec) if field.name in _LATER}
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def metres_per_count(spec: DatasetSpec) -> float:
    """The depth of one count in a cache, metres (relative: shares); count 0 is invalid."""
    return spec.max_depth / 65535


def decode_pair(
    rgb_path: Path,
    depth_path: Path | None,
    spec: DatasetSpec,
    height: int,
    width: int,
    crop_border: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """A pair as the networks see it: RGB uint8 (height, width, 3), counts uint16 (height, width).

    Counts are in `metres_per_count(spec)`, without a map all 0. `crop_border` cuts off the spec's
    border first. Errors: those of `images.read_pair`, which name the file.
    """
    top, bottom, left, right = spec.border if crop_border else (0, 1, 0, 1)
    least = height / (bottom - top), width / (right - left)
    if depth_path is None:
        rgb = images.read_rgb(rgb_path)
        rgb = images.crop_border(rgb, spec.border) if crop_border else rgb
        return images.resize_rgb(rgb, height, width), np.zeros((height, width), np.uint16)
    rgb, depth = images.read_pair(rgb_path, depth_path, spec, least)
    if crop_border:
        rgb, depth = (images.crop_border(image, spec.border) for image in (rgb, depth))
    rgb = images.resize_rgb(rgb, height, width)
    depth = images.resize_depth(depth, height, width, spec.sparse)
    counts = np.rint(depth / np.float32(metres_per_count(spec))).clip(1, 65535)
    return rgb, np.where(depth > 0, counts, 0).astype(np.uint16)


def decode_confidence(
    path: Path, spec: DatasetSpec, height: int, width: int, crop_border: bool = False
) -> np.ndarray:
    """A confidence map as `decode_pair` has its depth, uint8 (height, width), 255 for certain.

    Errors: those of `images.read_stored`; ValueError for a map of other numbers.
    """
    confidence = images.read_stored(path)
    if confidence.dtype != np.uint8 or confidence.ndim != 2:
        raise ValueError(
            "A confidence map must have one channel of uint8, 255 for certain. Received: "
            f"{confidence.dtype} {confidence.shape} in {path}. Take the column out of the CSV, or "
            "write such a map."
        )
    if crop_border:
        confidence = images.crop_border(confidence, spec.border)
    return images.resize_grey(confidence, height, width)


@dataclass
class FilePairs:
    """Pairs that are decoded each time they are asked for; gives what `DecodedPairs` gives.

    `by_content`: a cache of them tells that a file has changed by its content, not by its size and
    time alone.
    """

    pairs: Pairs
    height: int
    width: int
    crop_border: bool = False
    by_content: bool = False
    # Rows whose confidence lies over its photo: each epoch asks for all of them again.
    _checked: set[int] = field(default_factory=set, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def metres_per_count(self) -> float:
        """The depth of one count."""
        return metres_per_count(self.pairs.spec)

    def gather(self, rows: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """RGB uint8 (rows, height, width, 3) and counts uint16 (rows, height, width).

        Errors: those of `decode_pair`; ValueError for packed pairs, which `open_cache` opens.
        """
        self.pairs.refuse_packed()
        size = (self.pairs.spec, self.height, self.width, self.crop_border)
        decoded = []
        for row in rows:
            depth_path = self.pairs.depth_path(row) if self.pairs.spec.has_depth else None
            decoded.append(decode_pair(self.pairs.rgb_path(row), depth_path, *size))
        rgb, counts = zip(*decoded, strict=True)
        return np.stack(rgb), np.stack(counts)

    @property
    def has_confidence(self) -> bool:
        """Whether there are confidence maps."""
        return self.pairs.has_confidence

    def gather_confidence(self, rows: Iterable[int]) -> np.ndarray:
        """Confidence, uint8 (rows, height, width), from its files; 255 where there are none.

        Errors: those of `decode_confidence` and `images.check_confidence`.
        """
        if not self.has_confidence:
            return np.full((len(list(rows)), self.height, self.width), 255, np.uint8)
        size = (self.pairs.spec, self.height, self.width, self.crop_border)
        is_packed = self.pairs.is_packed  # without photos, and checked before
        decoded = []
        for row in rows:
            path = self.pairs.confidence_path(row)
            if not is_packed and row not in self._checked:
                images.check_confidence(path, self.pairs.rgb_path(row))
                self._checked.add(row)
            decoded.append(decode_confidence(path, *size))
        return np.stack(decoded)

    @property
    def views(self) -> tuple[str, ...]:
        """Which other views there are of its photos: see `Pairs.views`."""
        return self.pairs.views

    def gather_views(self, rows: Iterable[int], names: Sequence[str]) -> Views:
        """These views of the photos, from their files: see `read_views`."""
        return read_views(self.pairs, rows, names, self.height, self.width, self.crop_border)


class DecodedPairs:
    """A cache, as `open_cache` gives it: what `FilePairs` gives, copied from its folder.

    Each read is checked. The first one of a pair compares its CRC-32; later ones compare the sum of
    its words with that of the first, which takes a thirtieth of the time and misses little more
    than words that change places within the pair.
    """

    def __init__(self, source: FilePairs, folder: Path):
        self.source = source
        self.folder = folder
        size = (source.height, source.width)
        self._record = np.dtype(
            [("rgb", "|u1", (*size, 3)), ("counts", "<u2", size), ("crc32", "<u4")]
        )
        self._chunk = max(1, min(_CHUNK, _TASK // self._record.itemsize))
        parts = _split(range(len(source)), _SHARD)
        self._shards = [self._describe_shard(number, rows) for number, rows in enumerate(parts)]
        self._sums = np.zeros(len(source), np.uint64)
        self._checked = np.zeros(len(source), bool)
        self._repairing = threading.Lock()

    def __len__(self) -> int:
        return len(self.source)

    @property
    def metres_per_count(self) -> float:
        """The depth of one count."""
        return self.source.metres_per_count

    def gather(self, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """RGB uint8 (rows, height, width, 3) and counts uint16 (rows, height, width).

        A damaged shard is decoded again, which a printed line says. Errors, which name the shard
        and what stands in the way: FileNotFoundError or ValueError where its photos are gone, bad
        or others than at the opening; OSError where it cannot be written.
        """
        rows = np.asarray(rows, np.intp)
        rgb, counts, sound = self._read(rows)
        if not sound.all():
            self._repair({row // _SHARD for row in rows[~sound].tolist()})
            rgb, counts, sound = self._read(rows)
        if not sound.all():
            raise OSError(
                errno.EIO,
                "A shard must be read as it was written. Received: other bytes, after it was "
                "decoded again. Check the disk, or choose another cache folder",
                str(self._shards[rows[~sound][0] // _SHARD].path),
            )
        return rgb, counts

    @property
    def has_confidence(self) -> bool:
        """Whether there are confidence maps."""
        return self.source.has_confidence

    def gather_confidence(self, rows: Iterable[int]) -> np.ndarray:
        """Confidence, as `FilePairs` gives it: 8-bit maps are quick to decode each time."""
        return self.source.gather_confidence(rows)

    @property
    def views(self) -> tuple[str, ...]:
        """Which other views there are of its photos."""
        return self.source.views

    def gather_views(self, rows: Iterable[int], names: Sequence[str]) -> Views:
        """Other views, as `FilePairs` gives them: small files are quick to decode each time."""
        return self.source.gather_views(rows, names)

    def find_damage(
        self, numbers: Iterable[int] | None = None, thorough: bool = True
    ) -> dict[str, str]:
        """What is wrong with which of these shards, None: all, by its path.

        `thorough` reads each pair, and compares it with its checksum.
        """
        numbers = range(len(self._shards)) if numbers is None else numbers
        found = self._find_damage(numbers, thorough)
        return {str(self._shards[number].path): damage for number, damage in found.items()}

    def complete(self, workers: int, progress: bool, thorough: bool = False) -> None:
        """Decodes the shards that are missing or have another header or length. Errors: `gather`'s.

        `thorough`: and those in which a pair has another checksum. Where none is, nothing is
        written: such a cache may be read-only.
        """
        damage = self._find_damage(range(len(self._shards)), thorough=False)
        if damage:
            self._decode(damage, workers, progress)
        if thorough:
            self._repair(number for number in range(len(self._shards)) if number not in damage)

    def _describe_shard(self, number: int, rows: range) -> "_Shard":
        header = BytesIO()
        np.lib.format.write_array_header_1_0(
            header,
            {
                "descr": np.lib.format.dtype_to_descr(self._record),
                "fortran_order": False,
                "shape": (len(rows),),
            },
        )
        return _Shard(self.folder / f"{number:05d}.npy", rows, header.getvalue())

    def _read(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Copies of RGB and counts, and of each row whether it is as it was written.

        Linux maps the surroundings of each page that is touched, so reading through a memory map
        would seem to fill the memory with the whole cache, and in random order it takes longer.
        """
        rgb = np.empty((len(rows), *self._record["rgb"].shape), np.uint8)
        counts = np.empty(rgb.shape[:3], "<u2")
        stored = np.empty((len(rows), 1), "<u4")
        lengths = np.zeros(len(rows), int)
        places = zip(*(part.tolist() for part in np.divmod(rows, _SHARD)), strict=True)
        for i, (number, place) in enumerate(places):
            shard = self._shards[number]
            start = len(shard.header) + place * self._record.itemsize
            try:
                lengths[i] = _read_at(
                    shard.file, start, [rgb[i].data, counts[i].data, stored[i].data]
                )
            except OSError:
                pass  # keeps the length 0; `_describe_damage` says why
        sums = _add_words(rgb) + _add_words(counts)
        checked = self._checked[rows]
        sound = (lengths == self._record.itemsize) & (~checked | (sums == self._sums[rows]))
        for i in np.flatnonzero(sound & ~checked).tolist():
            sound[i] = stored[i, 0] == self._checksum(rows[i], rgb[i], counts[i])
        if not checked.all():
            self._sums[rows[sound]] = sums[sound]  # other threads look at it after the next line
            self._checked[rows[sound]] = True
        return rgb, counts, sound

    def _checksum(self, row: int, rgb: np.ndarray, counts: np.ndarray) -> int:
        """The CRC-32 of a pair that stands in this row of this cache, and in no other."""
        name = f"{self.folder.name}/{row}".encode()
        return zlib.crc32(counts.data, zlib.crc32(rgb.data, zlib.crc32(name)))

    def _find_damage(self, numbers: Iterable[int], thorough: bool) -> dict[int, str]:
        """What is wrong with which of these shards; `thorough`: by the checksums too."""
        found = {number: self._describe_damage(number, thorough) for number in numbers}
        return {number: damage for number, damage in found.items() if damage}

    def _describe_damage(self, number: int, thorough: bool) -> str:
        shard = self._shards[number]
        due = len(shard.header) + len(shard.rows) * self._record.itemsize
        try:
            with _OpenFile(shard.path) as file:
                size = os.fstat(file.fileno()).st_size
                if size != due:
                    return f"it has {size} bytes, not {due}"
                if file.read(len(shard.header)) != shard.header:
                    return "its header tells of another shape or dtype"
        except OSError as error:
            return error.strerror or str(error)
        if thorough:
            self._forget(shard)
            for chunk in _split(shard.rows, self._chunk):
                sound = self._read(np.array(chunk))[2]
                if not sound.all():
                    return f"pair {chunk[int(sound.argmin())]} does not have its checksum"
        return ""

    def _forget(self, shard: "_Shard") -> None:
        """Lets the next read open the file anew, and compare checksums."""
        shard.__dict__.pop("file", None)
        self._checked[shard.rows.start : shard.rows.stop] = False

    def _repair(self, numbers: Iterable[int]) -> None:
        """Decodes damaged shards again, unless another thread has by now."""
        with self._repairing:
            damage = self._find_damage(numbers, thorough=True)
            if damage:
                self._decode(damage, os.cpu_count() or 1, progress=False, thorough=True)

    def _decode(
        self, damage: dict[int, str], workers: int, progress: bool, thorough: bool = False
    ) -> None:
        """Writes the shards that `damage` names, unless another process has by now."""
        # What is missing at the opening is no damage, but work that is left to do.
        broken = [
            f"{self._shards[number].path} is damaged: {reason}"
            for number, reason in damage.items()
            if thorough or self._shards[number].path.exists()
        ]
        for line in broken:
            print(f"{line}. Decoding its pairs again.", flush=True)
        try:
            with self._claim_folder(damage):
                if thorough and name_cache(self.source) != self.folder.name:
                    raise ValueError(
                        "Photos and depth maps must stay as they are while their cache is in use. "
                        f"Received: other ones in {self.source.pairs.root}. Open the cache anew."
                    )
                self._write(self._find_damage(damage, thorough), workers, progress)
        except (OSError, ValueError) as error:
            if not broken:
                raise
            explained = type(error)(
                f"{'; '.join(broken)}. Its pairs cannot be decoded again: {error}"
            )
            if isinstance(error, OSError) and isinstance(explained, OSError):
                explained.errno = error.errno
            raise explained from error

    @contextmanager
    def _claim_folder(self, numbers: Iterable[int]) -> Iterator[None]:
        """Lets one process write these shards. Errors: OSError where the folder is not for that."""
        waiting = f"Another process is decoding into {self.folder}; waiting for it."
        with ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                for number in numbers:
                    if self._shards[number].path.is_dir():
                        self._shards[number].path.rmdir()  # which keeps one that holds files
                lock = self.folder.with_name(f"{self.folder.name}.lock")
                stack.enter_context(hold_lock(lock, waiting))
            except OSError as error:
                raise OSError(
                    error.errno,
                    "A cache needs a folder that it can write and that holds nothing else. "
                    f"Received: {error.strerror or error}. Change that, or choose another cache "
                    "folder",
                    str(error.filename or self.folder),
                ) from error
            yield

    def _write(self, numbers: Iterable[int], workers: int, progress: bool) -> None:
        """Decodes these shards. Errors: OSError with ENOSPC on a full disk, its room given back."""
        for left_by_a_kill in self.folder.glob(".*.npy"):
            left_by_a_kill.unlink()
        shards = [self._shards[number] for number in numbers]
        due = sum(len(shard.rows) for shard in shards)
        needed = due * self._record.itemsize
        if needed > shutil.disk_usage(self.folder.parent).free:
            raise self._no_room(needed)
        chunks = [chunk for shard in shards for chunk in _split(shard.rows, self._chunk)]
        total = len(self)
        try:
            with (
                tqdm(total=total, initial=total - due, desc="decode", disable=not progress) as bar,
                closing(_map_in_order(self._decode_records, chunks, workers)) as results,
            ):
                for shard in shards:
                    self._forget(shard)  # Windows replaces no file that is open
                    with replace_file(shard.path) as temporary, temporary.open("wb") as file:
                        file.write(shard.header)
                        for records in islice(results, len(_split(shard.rows, self._chunk))):
                            file.write(records.data)
                            bar.update(len(records))
                    self._forget(shard)  # as another version of OpenCV may decode other pixels
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # What the run itself writes needs the room more than the start of a cache does.
            for shard in shards:
                shard.path.unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()  # which keeps a folder that holds other shards
            raise self._no_room(needed) from error

    def _decode_records(self, rows: range) -> np.ndarray:
        records = np.empty(len(rows), self._record)
        records["rgb"], records["counts"] = self.source.gather(rows)
        for row, record in zip(rows, records, strict=True):
            record["crc32"] = self._checksum(row, record["rgb"], record["counts"])
        return records

    def _no_room(self, needed: int) -> OSError:
        free = shutil.disk_usage(self.folder.parent).free
        return OSError(
            errno.ENOSPC,
            f"The cache must fit on the disk. Received: {needed / 1e9:.3f} GB of decoded images "
            f"and {free / 1e9:.3f} GB free. Make room, or choose another cache folder",
            str(self.folder.parent),
        )


@dataclass
class _Shard:
    """A file of records, the pairs that it holds, and the .npy header that it begins with."""

    path: Path
    rows: range
    header: bytes

    @cached_property
    def file(self) -> "_OpenFile":
        """Stays open: opening it for each batch would take as long as a quarter of the reading."""
        return _OpenFile(self.path)


class _OpenFile(FileIO):
    """Is closed when nothing holds it any more, and warns of nothing then.

    Something else in a file's place, such as a pipe, has no bytes, instead of a wait for them.
    """

    def __init__(self, path: Path):
        wait_not = getattr(os, "O_NONBLOCK", 0)  # which Windows has not, and no such pipes
        super().__init__(path, opener=lambda name, flags: os.open(name, flags | wait_not))

    def __del__(self) -> None:
        self.close()


def open_cache(
    pairs: Pairs,
    height: int,
    width: int,
    folder: Path | str,
    *,
    crop_border: bool = False,
    by_content: bool = False,
    thorough: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> DecodedPairs:
    """The decoded pairs, in their order, from a cache in `folder` that the first use builds.

    A file of another size or time is decoded anew. `by_content`: one of another content too, which
    takes reading every file at each opening; what keeps size and time (a copy that restores both,
    a disk of coarse times) is else not seen. `thorough`: what is there is read, and decoded again
    where its checksums say that it is damaged, which else the first use of a pair does.

    The build uses `workers` threads (None: one a core), goes on after the last whole shard of an
    interrupted one, and lets one process work while others wait. A whole cache may be read-only.
    Pairs of a packed dataset come from there: see `packed.open_packed`, also for its errors.
    Errors: FileNotFoundError or ValueError that names a missing or bad file; OSError with errno
    ENOSPC where the disk has no room; those of `DecodedPairs.gather` where a shard is damaged.
    """
    if pairs.is_packed:
        from depthlib.data.packed import open_packed  # here: it is made of caches

        return open_packed(pairs, height, width, crop_border)
    threads = count_threads(workers)
    source = FilePairs(pairs, height, width, crop_border, by_content)
    cache = DecodedPairs(source, Path(folder) / name_cache(source))
    cache.complete(threads, progress, thorough)
    return cache


def count_threads(workers: int | None) -> int:
    """How many threads work, None: one a core. Errors: ValueError for a number that is none."""
    if workers is None:
        return os.cpu_count() or 1
    if type(workers) is not int or workers < 1:
        raise ValueError(
            f"`workers` must be a whole number, at least 1. Received: workers={workers!r}. Leave "
            "it out for one a core."
        )
    return workers


def name_cache(source: FilePairs) -> str:
    """The name of the folder of a cache: another one once a file or the spec has changed."""
    name = source.pairs.spec.name
    return f"{name}-{source.height}x{source.width}-{_fingerprint(source)[:16]}"


def describe_pixels(spec: DatasetSpec) -> dict[str, Any]:
    """The fields of a spec that change the pixels of a cache, but for USUAL ones."""
    return {
        name: value
        for name, value in asdict(spec).items()
        if name not in _UNRELATED and not (name in USUAL and USUAL[name] == value)
    }


def _fingerprint(source: FilePairs) -> str:
    """A SHA-256 of the rows, what tells each file's state, and all that changes the pixels."""
    pairs = source.pairs
    settings = describe_pixels(pairs.spec) | {
        "format": _FORMAT,
        "size": (source.height, source.width),
        "crop": source.crop_border,
    }
    digest = hashlib.sha256(json.dumps(settings).encode())
    files = [name for name in ("rgb", "depth") if name in pairs.table]
    for name in pairs.table[files].to_numpy().ravel():
        file = file_of(pairs.root / name)
        if not file.exists():
            raise FileNotFoundError(
                f"There is no {pairs.root / name}. Put it back, or make the CSV again with "
                f"{pairs.spec.made_by}."
            )
        state = describe_state(file, source.by_content)
        digest.update(f"{name}\0{state}\n".encode())
    return digest.hexdigest()


def _split(rows: range, size: int) -> list[range]:
    """Parts of `size` rows; the last one may have fewer."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _read_at(file: FileIO, position: int, buffers: Sequence[memoryview]) -> int:
    """Fills `buffers` from there on, and gives how many bytes there were. Threads may share it."""
    if sys.platform != "win32":
        return os.preadv(file.fileno(), buffers, position)
    with FileIO(file.name) as own:
        own.seek(position)
        return sum(own.readinto(buffer) for buffer in buffers)


def _add_words(images: np.ndarray) -> np.ndarray:
    """The sum of each image's bytes, eight at a time where its size allows, modulo 2**64."""
    flat = images.reshape(len(images), prod(images.shape[1:]))
    word = gcd(8, flat.shape[1] * flat.itemsize)
    sums: np.ndarray = flat.view(f"u{word}").sum(axis=1, dtype=np.uint64)
    return sums


def _map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Generator[_Result, None, None]:
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
