import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
import weakref
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from depthlib.data import cache
from depthlib.data.cache import FilePairs, count_threads, decode_pair, metres_per_count, open_cache
from depthlib.data.pairs import read_csv
from depthlib.data.specs import KITTI, NYU_TEST, NYU_TRAIN
from depthlib.files import replace_file

SIZE = (32, 48)
# Builds a cache in another process, slowly, and writes each pair it decodes into a log.
BUILD = """
import sys, time
from pathlib import Path
from depthlib.data import cache
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
decode, log = cache.decode_pair, Path(sys.argv[3])
def decode_slowly(rgb_path, *rest):
    time.sleep(0.05)
    with log.open("a") as file:
        file.write(f"{rgb_path}\\n")
    return decode(rgb_path, *rest)
cache.decode_pair, cache._CHUNK, cache._SHARD = decode_slowly, 1, 1
pairs = read_csv(Path(sys.argv[1]), NYU_TRAIN)
print("started", flush=True)
cache.open_cache(pairs, 32, 48, sys.argv[2], workers=2, progress=False)
"""
# Opens a whole cache as a user who may not write it, from the folder that holds it and the photos.
READ = """
import os, sys
import depthlib
import numpy as np
from depthlib.data import cache
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)  # nobody
cache._SHARD = 5
pairs = read_csv("tiny_nyu/nyu2_train.csv", NYU_TRAIN)
held, fresh = cache.open_cache(pairs, 32, 48, "cache"), cache.FilePairs(pairs, 32, 48)
rows = np.arange(len(pairs))
for one, other in zip(held.gather(rows), fresh.gather(rows), strict=True):
    assert (one == other).all()
print("read")
"""


@pytest.fixture
def pairs(tiny_nyu):
    return read_csv(tiny_nyu(scenes=3, frames=4) / "nyu2_train.csv", NYU_TRAIN)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Shards of 5 pairs: three for the 12 pairs, and the last one is smaller."""
    monkeypatch.setattr(cache, "_SHARD", 5)


@pytest.fixture
def decoded(monkeypatch):
    """The photos decoded so far, one a task."""
    paths = []

    def decode_and_note(rgb_path, *rest):
        paths.append(rgb_path)
        return decode_pair(rgb_path, *rest)

    monkeypatch.setattr(cache, "decode_pair", decode_and_note)
    monkeypatch.setattr(cache, "_CHUNK", 1)
    return paths


def open_small(pairs, folder, **settings):
    return open_cache(pairs, *SIZE, folder, progress=False, **settings)


def everything(source):
    return source.gather(np.arange(len(source)))


def is_right(held, pairs):
    fresh = everything(FilePairs(pairs, *SIZE))
    return all((a == b).all() for a, b in zip(everything(held), fresh, strict=True))


def shards_in(folder):
    return sorted(folder.glob("*/[0-9]*.npy"))


@pytest.mark.parametrize(("room", "most"), [(0, 1), (3, 3), (100, 5)])
def test_large_pairs_are_decoded_few_at_a_time(pairs, tmp_path, monkeypatch, room, most):
    monkeypatch.setattr(cache, "_TASK", room * (SIZE[0] * SIZE[1] * 5 + 4))  # bytes of a pair
    gather, asked = FilePairs.gather, []

    def watch(self, rows):
        asked.append(len(rows))
        return gather(self, rows)

    monkeypatch.setattr(FilePairs, "gather", watch)
    held = open_small(pairs, tmp_path)  # in shards of 5
    assert max(asked) == most and sum(asked) == len(pairs)
    assert held.find_damage() == {}


def test_a_pair_is_averaged_over_its_pixels_and_counted_in_the_unit(tmp_path):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    stored = rng.integers(20, 256, (64, 96), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    cv2.imwrite(str(tmp_path / "b.png"), stored)
    small, counts = decode_pair(tmp_path / "a.png", tmp_path / "b.png", NYU_TRAIN, *SIZE)
    assert small.dtype == np.uint8 and counts.dtype == np.uint16

    def average(image):
        return image.astype(float).reshape(32, 2, 48, 2, -1).mean((1, 3))

    assert np.abs(small - average(rgb)).max() <= 0.5
    depth_m = average(stored)[..., 0] * 10 / 255
    assert np.abs(counts * (10 / 65535) - depth_m).max() < 10 / 65535


def test_a_valid_depth_never_becomes_invalid_by_rounding(tmp_path):
    spec = replace(
        NYU_TEST,
        min_depth=1e-3,
        max_depth=1000.0,
        median_range=(0, 1000),
        coverage_range=(0, 1),
    )
    stored = np.ones((32, 48), np.uint16)
    stored[0], stored[1] = 0, 60000
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 48, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), stored)
    _, counts = decode_pair(tmp_path / "a.png", tmp_path / "b.png", spec, *SIZE)
    assert (counts[2:] == 1).all()  # 1 mm is a fifteenth of a count
    assert (counts[0] == 0).all()
    assert (counts[1] == round(60 / metres_per_count(spec))).all()


def test_a_single_laser_point_survives_a_smaller_size(tmp_path):
    stored = np.zeros((64, 96), np.uint16)
    stored[10, 20], stored[50, 70:80:2] = 5 * 256, 20 * 256
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 96, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), stored)
    _, counts = decode_pair(tmp_path / "a.png", tmp_path / "b.png", KITTI, *SIZE)
    assert np.argwhere(counts).tolist() == [[5, 10], *([25, 35 + i] for i in range(5))]
    assert counts[5, 10] * metres_per_count(KITTI) == pytest.approx(5, abs=1e-3)


def test_a_wide_frame_keeps_its_whole_field_of_view(tmp_path):
    stored, photo = np.zeros((75, 248), np.uint16), np.zeros((75, 248, 3), np.uint8)
    stored[::8, ::3] = 20 * 256
    stored[40, [0, -1]], stored[[0, -1], 100] = 5 * 256, 9 * 256
    photo[:, :4], photo[:, -4:] = 255, 255
    cv2.imwrite(str(tmp_path / "a.png"), photo)
    cv2.imwrite(str(tmp_path / "b.png"), stored)
    rgb, counts = decode_pair(tmp_path / "a.png", tmp_path / "b.png", KITTI, 32, 96)
    depth_m = counts * metres_per_count(KITTI)
    corners = depth_m[40 * 32 // 75, [0, -1]], depth_m[[0, -1], 100 * 96 // 248]
    np.testing.assert_allclose(corners, [[5, 5], [9, 9]], atol=1e-3)
    assert (rgb[:, [0, -1]] == 255).all() and not rgb[:, 3:-3].any()


@pytest.mark.parametrize("crop_border", [False, True])
def test_the_cache_gives_what_the_files_give_bit_for_bit(pairs, tmp_path, crop_border):
    held = everything(open_small(pairs, tmp_path / "cache", crop_border=crop_border))
    fresh = everything(FilePairs(pairs, *SIZE, crop_border))
    for one, other in zip(held, fresh, strict=True):
        assert one.dtype == other.dtype and (one == other).all()
    assert held[0].shape == (12, *SIZE, 3) and held[1].shape == (12, *SIZE)
    assert type(held[0]) is np.ndarray and held[1].dtype == np.uint16


def test_the_second_use_decodes_nothing(pairs, tmp_path, decoded):
    open_small(pairs, tmp_path / "cache")
    assert len(decoded) == 12
    open_small(pairs, tmp_path / "cache")
    assert len(decoded) == 12


def test_whatever_changes_the_pixels_makes_another_cache(pairs, tmp_path, decoded):
    folder = tmp_path / "cache"

    def is_new(pairs=pairs, height=32, **settings):
        before = len(decoded)
        open_cache(pairs, height, 48, folder, progress=False, **settings)
        return len(decoded) > before

    assert is_new()
    assert is_new(height=64)
    assert is_new(crop_border=True)
    assert is_new(pairs.select([1, 0]))
    assert is_new(replace(pairs, spec=replace(NYU_TRAIN, max_depth=9.0)))
    assert not is_new(replace(pairs, spec=replace(NYU_TRAIN, protocol="full")))
    os.utime(pairs.depth_path(3), (1, 1))
    assert is_new()
    assert not is_new()


def test_an_edit_that_keeps_size_and_time_is_seen_by_content(pairs, tmp_path, decoded):
    path = pairs.depth_path(0)
    before, times = path.read_bytes(), path.stat()
    others = {
        by_content: open_cache(
            pairs, *SIZE, tmp_path / "cache", by_content=by_content, progress=False
        )
        for by_content in (False, True)
    }
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), depth // 2)
    path.write_bytes(path.read_bytes()[: len(before)].ljust(len(before), b"\0"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == len(before) and path.read_bytes() != before
    for by_content, old in others.items():
        new = open_cache(pairs, *SIZE, tmp_path / "cache", by_content=by_content, progress=False)
        assert (new.folder == old.folder) != by_content
    fresh = FilePairs(pairs, *SIZE).gather([0])
    np.testing.assert_array_equal(new.gather([0])[1], fresh[1])


def test_a_missing_file_is_named_before_anything_is_decoded(pairs, tmp_path, decoded):
    pairs.depth_path(5).unlink()
    with pytest.raises(FileNotFoundError, match=r"room_0002_out/2\.png.*make_dataset"):
        open_small(pairs, tmp_path / "cache")
    assert not decoded


def test_a_bad_file_is_named_and_the_shards_before_it_are_kept(pairs, tmp_path, decoded):
    spoil, restore = spoiler(pairs.rgb_path(8))
    spoil()
    threads = cv2.getNumThreads()
    with pytest.raises(ValueError, match="room_0003_out/1.jpg"):
        open_small(pairs, tmp_path / "cache", workers=1)
    assert cv2.getNumThreads() == threads
    assert [path.name for path in tmp_path.glob("cache/*/*")] == ["00000.npy"]
    restore()
    decoded.clear()
    held = open_small(pairs, tmp_path / "cache", workers=1)
    assert decoded == [pairs.rgb_path(row) for row in range(5, 12)]
    assert is_right(held, pairs)


def spoiler(path):
    """Two functions: one cuts a photo so that its size and time stay, one puts it back."""
    whole, state = path.read_bytes(), path.stat()

    def write(data):
        path.write_bytes(data)
        os.utime(path, ns=(state.st_mtime_ns, state.st_mtime_ns))

    return (
        lambda: write(whole[: len(whole) // 2].ljust(len(whole), b"\0")),
        lambda: write(whole),
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_build_is_finished_by_one_of_two_processes(pairs, tmp_path):
    folder, log = tmp_path / "cache", tmp_path / "log"

    def start():
        command = [sys.executable, "-c", BUILD, pairs.root / "nyu2_train.csv", folder, log]
        project = Path(cache.__file__).parents[2]
        return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)

    with start() as victim:
        assert victim.stdout.readline() == "started\n"
        wait_until(lambda: len(shards_in(folder)) >= 4)
        victim.kill()
    kept = len(shards_in(folder))
    before = log.read_text().splitlines()
    assert 4 <= len(before) < 12

    with start() as one, start() as other:
        outputs = one.communicate()[0], other.communicate()[0]
        assert (one.returncode, other.returncode) == (0, 0)
    after = log.read_text().splitlines()[len(before) :]
    assert len(after) == len(set(after)) == 12 - kept  # none twice, and not what was kept
    assert sum("Another process" in output for output in outputs) <= 1
    assert len(list(folder.glob("*/*"))) == 12  # nor what the victim had begun
    cache._SHARD = 1  # as in the processes; the fixture puts it back
    assert is_right(open_small(pairs, folder), pairs)


def wait_until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.02)
    pytest.fail("waited 12 s in vain")


def test_a_disk_without_room_is_refused_before_it_is_full(pairs, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 5000, 5000))
    with pytest.raises(OSError, match=r"Received: 0\.000 GB .* 0\.000 GB free") as caught:
        open_small(pairs, tmp_path / "cache")
    assert caught.value.errno == errno.ENOSPC


def test_a_disk_that_fills_up_gives_an_error_and_its_room_back(pairs, tmp_path, decoded):
    resource = pytest.importorskip("resource", reason="file size limits are for Unix")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses the write as a full disk would: at the second pair of 7684 bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="Make room") as caught:
            open_small(pairs, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.ENOSPC
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert len(open_small(pairs, tmp_path / "cache")) == 12


def test_a_disk_that_fills_up_keeps_what_an_earlier_build_wrote(pairs, tmp_path, monkeypatch):
    open_small(pairs, tmp_path / "cache")
    first, *others = shards_in(tmp_path / "cache")
    for path in others:
        path.unlink()

    @contextmanager
    def fill_up(path):
        with replace_file(path) as temporary:
            yield temporary
            if path == others[1]:
                raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, "replace_file", fill_up)
    with pytest.raises(OSError, match="Make room") as caught:
        open_small(pairs, tmp_path / "cache")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.glob("cache/*/*")) == [first]


def overwrite(path, position, data):
    with path.open("r+b") as file:
        file.seek(position, os.SEEK_SET if position >= 0 else os.SEEK_END)
        file.write(data)


def flip(path, position, bit=0):
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def swap_pairs(path):
    shard = np.load(path)
    shard[[0, 1]] = shard[[1, 0]]
    np.save(path, shard)


def save_records(path, shape=(5,), size=SIZE, counts="<u2"):
    fields = [("rgb", "|u1", (*size, 3)), ("counts", counts, size), ("crc32", "<u4")]
    np.save(path, np.zeros(shape, fields))


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


HEADER = 192  # bytes
PAIR = 32 * 48 * 5 + 4
# Each changes the first of three shards.
DAMAGE = {
    "cut in a pair": lambda path: os.truncate(path, HEADER + 2 * PAIR + 100),
    "cut between pairs": lambda path: os.truncate(path, HEADER + 2 * PAIR),
    "cut in its header": lambda path: os.truncate(path, 50),
    "cut by a byte": lambda path: os.truncate(path, HEADER + 5 * PAIR - 1),
    "empty": lambda path: os.truncate(path, 0),
    "longer": lambda path: overwrite(path, HEADER + 5 * PAIR, b"more"),
    "twice": lambda path: path.write_bytes(2 * path.read_bytes()),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a block of zeros": lambda path: overwrite(path, HEADER + PAIR + 512, bytes(512)),
    "a pair of zeros": lambda path: overwrite(path, HEADER + PAIR, bytes(PAIR)),
    "the end of zeros": lambda path: overwrite(path, -1000, bytes(1000)),
    "a bit of a photo": lambda path: flip(path, HEADER + 1000, 7),
    "a bit of a depth": lambda path: flip(path, HEADER + 32 * 48 * 3 + 1, 7),
    "a bit of a checksum": lambda path: flip(path, HEADER + PAIR - 1),
    "a bit of the magic": lambda path: flip(path, 0),
    "a bit of the header": lambda path: flip(path, 60),
    "text": lambda path: path.write_text("not an array"),
    "fewer pairs": lambda path: save_records(path, shape=(4,)),
    "another shape": lambda path: save_records(path, size=(48, 32)),
    "another size": lambda path: save_records(path, size=(64, 48)),
    "another dtype": lambda path: save_records(path, counts="<i2"),
    "a wider dtype": lambda path: save_records(path, counts="<f4"),
    "records of zeros": save_records,
    "a plain array": lambda path: np.save(path, np.zeros((5, *SIZE, 3), np.uint8)),
    "pairs in another order": swap_pairs,
    "another shard": lambda path: shutil.copy(path.with_name("00001.npy"), path),
    "a folder": replace_by_folder,
    "a pipe": replace_by_pipe,
}


@pytest.mark.parametrize("moment", ["closed", "open", "read"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_shard_is_named_and_decoded_again(pairs, tmp_path, capsys, damage, moment):
    held = open_small(pairs, tmp_path / "cache")
    path = shards_in(tmp_path / "cache")[0]
    if moment == "read":
        everything(held)
    damage(path)
    if moment != "closed":  # a header or an end that no read needs is found by the next opening
        assert is_right(held, pairs)
    assert is_right(open_small(pairs, tmp_path / "cache"), pairs)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and re.fullmatch(f"{path} is damaged: .+ Decoding .+ again.", lines[0])
    assert is_right(open_small(pairs, tmp_path / "cache"), pairs)
    assert not capsys.readouterr().out
    assert len(list(path.parent.iterdir())) == 3


def test_only_the_damaged_shards_are_decoded_again(pairs, tmp_path, decoded):
    held = open_small(pairs, tmp_path / "cache", workers=1)
    decoded.clear()
    flip(shards_in(tmp_path / "cache")[1], 5000)
    os.truncate(shards_in(tmp_path / "cache")[2], 0)
    everything(held)
    assert sorted(decoded) == [pairs.rgb_path(row) for row in range(5, 12)]


def test_a_shard_that_goes_missing_is_decoded_again(pairs, tmp_path, capsys):
    held = open_small(pairs, tmp_path / "cache")
    path = shards_in(tmp_path / "cache")[1]
    path.unlink()
    assert is_right(held, pairs)
    assert f"{path} is damaged: No such file" in capsys.readouterr().out
    path.unlink()
    assert is_right(open_small(pairs, tmp_path / "cache"), pairs)


def test_a_cache_that_is_removed_while_it_is_read_is_read_on(pairs, tmp_path, capsys):
    held = open_small(pairs, tmp_path / "cache")
    everything(held)
    shutil.rmtree(tmp_path / "cache")
    assert is_right(held, pairs)
    assert is_right(open_small(pairs, tmp_path / "cache"), pairs)
    assert not capsys.readouterr().out


def test_a_shard_that_another_process_has_decoded_anew_is_taken(pairs, tmp_path, capsys):
    held, other = (open_small(pairs, tmp_path / "cache") for _ in range(2))
    path = shards_in(tmp_path / "cache")[0]
    everything(held)
    everything(other)
    flip(path, 1000)
    assert is_right(other, pairs)
    capsys.readouterr()
    assert is_right(held, pairs)
    assert not capsys.readouterr().out


def test_files_are_closed_with_their_cache(pairs, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        held = open_small(pairs, tmp_path / "cache")
        everything(held)
        file = weakref.ref(held._shards[0].file)
        del held
    assert file() is None


def test_a_shard_of_another_cache_is_not_taken_for_this_ones(pairs, tmp_path, capsys):
    held = open_small(pairs, tmp_path / "cache")
    other = open_small(pairs.select(range(11, -1, -1)), tmp_path / "other")
    shutil.copy(shards_in(other.folder.parent)[0], shards_in(held.folder.parent)[0])
    assert is_right(open_small(pairs, tmp_path / "cache"), pairs)
    assert "does not have its checksum" in capsys.readouterr().out


def test_threads_that_meet_damage_together_decode_it_once(pairs, tmp_path, capsys):
    held = open_small(pairs, tmp_path / "cache")
    os.truncate(shards_in(tmp_path / "cache")[0], 1000)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: is_right(held, pairs), range(8)))
    assert capsys.readouterr().out.count("is damaged") == 1


def test_damage_whose_photos_are_gone_names_both(pairs, tmp_path):
    held = open_small(pairs, tmp_path / "cache")
    os.truncate(shards_in(tmp_path / "cache")[0], 1000)
    pairs.rgb_path(2).unlink()
    with pytest.raises(FileNotFoundError, match=r"00000\.npy is damaged.*room_0001_out/3\.jpg"):
        held.gather([3])
    assert len(held.gather([7])[0]) == 1  # what is whole is still read


def test_damage_whose_photos_have_become_bad_names_both(pairs, tmp_path):
    held = open_small(pairs, tmp_path / "cache")
    flip(shards_in(tmp_path / "cache")[0], 1000)
    spoiler(pairs.rgb_path(2))[0]()
    with pytest.raises(ValueError, match=r"00000\.npy is damaged.*room_0001_out/3\.jpg"):
        everything(held)
    with pytest.raises(ValueError, match=r"room_0001_out/3\.jpg"):  # still not taken for whole
        everything(open_small(pairs, tmp_path / "cache"))


def test_damage_whose_photos_are_others_now_is_not_filled_with_those(pairs, tmp_path):
    held = open_small(pairs, tmp_path / "cache")
    os.truncate(shards_in(tmp_path / "cache")[0], 1000)
    shutil.copy(pairs.rgb_path(9), pairs.rgb_path(2))
    with pytest.raises(ValueError, match=r"00000\.npy is damaged.*Received: other ones in .*tiny"):
        everything(held)


def test_damage_on_a_full_disk_is_told_with_the_shard(pairs, tmp_path, monkeypatch):
    held = open_small(pairs, tmp_path / "cache")
    os.truncate(shards_in(tmp_path / "cache")[0], 1000)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 0))
    for read in (lambda: everything(held), lambda: open_small(pairs, tmp_path / "cache")):
        with pytest.raises(OSError, match=r"00000\.npy is damaged.*Make room") as caught:
            read()
        assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("above", [0, 1, 2])
def test_what_is_not_the_caches_own_stays_and_is_named(pairs, tmp_path, above):
    open_small(pairs, tmp_path / "cache")
    shard = shards_in(tmp_path / "cache")[1]
    path = kept = [shard, *shard.parents][above]  # or its folder, or the folder of all caches
    if path.is_dir():
        shutil.rmtree(path)
    else:
        replace_by_folder(path)
        kept = path / "mine"
    kept.write_text("mine")
    with pytest.raises(OSError, match=f"holds nothing else.*choose another.*{path}"):
        open_small(pairs, tmp_path / "cache")
    assert kept.read_text() == "mine"


def test_a_disk_that_keeps_other_bytes_is_an_error(pairs, tmp_path, monkeypatch):
    held = open_small(pairs, tmp_path / "cache")

    @contextmanager
    def write_wrongly(path):
        with replace_file(path) as temporary:
            yield temporary
        flip(path, 1000)

    monkeypatch.setattr(cache, "replace_file", write_wrongly)
    flip(shards_in(tmp_path / "cache")[0], 1000)
    with pytest.raises(OSError, match=r"Check the disk.*00000\.npy"):
        everything(held)


def test_a_shard_is_an_array_that_numpy_maps(pairs, tmp_path):
    open_small(pairs, tmp_path / "cache")
    shards = [np.load(path, mmap_mode="r") for path in shards_in(tmp_path / "cache")]
    assert [len(shard) for shard in shards] == [5, 5, 2]
    rgb, counts = everything(FilePairs(pairs, *SIZE))
    assert (np.concatenate([shard["rgb"] for shard in shards]) == rgb).all()
    assert (np.concatenate([shard["counts"] for shard in shards]) == counts).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 9), (2, 66)])
def test_any_size_is_checked(pairs, tmp_path, capsys, size):
    held = open_cache(pairs, *size, tmp_path / "cache", progress=False)
    fresh = everything(FilePairs(pairs, *size))
    for position in range(HEADER, HEADER + 5 * (5 * size[0] * size[1] + 4), 61):
        held.gather(range(1, 12))
        flip(shards_in(tmp_path / "cache")[0], position)
        assert all((a == b).all() for a, b in zip(everything(held), fresh, strict=True))
        assert capsys.readouterr().out.count("is damaged") == 1


def test_rows_come_in_any_order_and_more_than_once(pairs, tmp_path):
    held, fresh = open_small(pairs, tmp_path / "cache"), FilePairs(pairs, *SIZE)
    rows = [11, 0, 5, 5, 4, 0]
    for _ in range(2):
        for one, other in zip(held.gather(rows), fresh.gather(rows), strict=True):
            assert (one == other).all()
    assert [len(array) for array in held.gather([])] == [0, 0]


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="Windows has no other user to be")
def test_a_whole_cache_is_read_by_who_cannot_write_it(pairs, tmp_path):
    open_small(pairs, tmp_path / "cache")
    cache_folder = shards_in(tmp_path / "cache")[0].parent
    tmp_path.chmod(0o755)

    def read():
        # From inside, because nobody may enter the folders above.
        command = [sys.executable, "-c", READ]
        environment = os.environ | {"PYTHONPATH": str(Path(cache.__file__).parents[2])}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    for folder in (cache_folder, cache_folder.parent):
        folder.chmod(0o555)
    try:
        done = read()
        assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr
        flip(cache_folder / "00001.npy", 1000)
        done = read()
        assert "00001.npy is damaged: pair 5" in done.stdout
        last = done.stderr.splitlines()[-1]
        assert re.match(r"PermissionError: .*00001\.npy is damaged.*choose another cache", last)
    finally:
        for folder in (cache_folder, cache_folder.parent):
            folder.chmod(0o755)


class BlankPairs(FilePairs):
    """Pairs without content, which cost nothing to decode."""

    def gather(self, rows):
        size = (len(rows), self.height, self.width)
        return np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint16)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux' /proc")
def test_building_and_reading_a_large_cache_leave_the_process_small(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_SHARD", 1000)
    monkeypatch.setattr(cache, "FilePairs", BlankPairs)

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = most = resident()
    large = pairs.select(np.arange(3000) % 12)
    source = open_cache(large, 128, 128, tmp_path, progress=False, workers=2)
    for start in (*range(0, 3000, 50), *range(0, 3000, 50)):
        source.gather(np.arange(start, start + 50))
        most = max(most, resident())
    assert most - before < 60e6  # of 246 MB that were written and read twice


@pytest.mark.parametrize("workers", [-1, 0, 1.5, "two", True])
def test_a_number_of_threads_that_is_none_is_refused(workers):
    with pytest.raises(ValueError, match=f"`workers` must be .* Received: workers={workers!r}. "):
        count_threads(workers)
