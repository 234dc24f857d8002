import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from depthlib.data import cache
from depthlib.data.cache import DecodedPairs, FilePairs, decode_pair, metres_per_count, open_cache
from depthlib.data.pairs import read_csv
from depthlib.data.specs import KITTI, NYU_TEST, NYU_TRAIN

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
cache.decode_pair, cache._CHUNK, cache._SYNC = decode_slowly, 1, 0
pairs = read_csv(Path(sys.argv[1]), NYU_TRAIN)
print("started", flush=True)
cache.open_cache(pairs, 32, 48, sys.argv[2], workers=2, progress=False)
"""


@pytest.fixture
def pairs(tiny_nyu):
    return read_csv(tiny_nyu(scenes=3, frames=4) / "nyu2_train.csv", NYU_TRAIN)


@pytest.fixture
def decoded(monkeypatch):
    """The photos decoded so far, with chunks of one pair."""
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


def test_a_missing_file_is_named_before_anything_is_decoded(pairs, tmp_path, decoded):
    pairs.depth_path(5).unlink()
    with pytest.raises(FileNotFoundError, match=r"room_0002_out/2\.png.*make_dataset"):
        open_small(pairs, tmp_path / "cache")
    assert not decoded


def test_a_bad_file_is_named_and_what_was_decoded_is_kept(pairs, tmp_path, decoded):
    bad = pairs.rgb_path(8)
    whole, state = bad.read_bytes(), bad.stat()
    bad.write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
    os.utime(bad, ns=(state.st_mtime_ns, state.st_mtime_ns))
    threads = cv2.getNumThreads()
    with pytest.raises(ValueError, match="room_0003_out/1.jpg"):
        open_small(pairs, tmp_path / "cache", workers=1)
    assert cv2.getNumThreads() == threads
    assert not [folder for folder in (tmp_path / "cache").iterdir() if folder.suffix == ""]
    bad.write_bytes(whole)
    os.utime(bad, ns=(state.st_mtime_ns, state.st_mtime_ns))
    decoded.clear()
    held = everything(open_small(pairs, tmp_path / "cache", workers=1))
    assert decoded == [pairs.rgb_path(row) for row in range(8, 12)]
    assert (held[0] == everything(FilePairs(pairs, *SIZE))[0]).all()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_build_is_finished_by_one_of_two_processes(pairs, tmp_path):
    folder, log = tmp_path / "cache", tmp_path / "log"

    def start():
        command = [sys.executable, "-c", BUILD, pairs.root / "nyu2_train.csv", folder, log]
        project = Path(cache.__file__).parents[2]
        return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)

    with start() as victim:
        assert victim.stdout.readline() == "started\n"
        wait_until(lambda: any(int(done.read_text()) >= 4 for done in folder.glob("*/done")))
        victim.kill()
    assert [path.suffix for path in folder.iterdir() if path.is_dir()] == [".partial"]
    before = log.read_text().splitlines()
    assert 4 <= len(before) < 12

    with start() as one, start() as other:
        outputs = one.communicate()[0], other.communicate()[0]
        assert (one.returncode, other.returncode) == (0, 0)
    after = log.read_text().splitlines()[len(before) :]
    assert len(after) == len(set(after)) <= 8  # none twice, and not what the victim had written
    assert sum("Another process" in output for output in outputs) <= 1
    held, fresh = open_small(pairs, folder), FilePairs(pairs, *SIZE)
    assert all((a == b).all() for a, b in zip(everything(held), everything(fresh), strict=True))


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
    # The kernel refuses the write as a full disk would: the third photo of 4608 bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="Make room") as caught:
            open_small(pairs, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.ENOSPC
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert len(open_small(pairs, tmp_path / "cache")) == 12


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux' /proc")
def test_reading_a_large_cache_leaves_the_process_small(tmp_path):
    arrays = []
    for name, shape, dtype in (
        ("rgb", (5000, 128, 128, 3), np.uint8),
        ("counts", (5000, 128, 128), np.uint16),
    ):
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", dtype, shape)  # a sparse file
        arrays.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    source = DecodedPairs(*arrays, metres_per_count=1e-4)

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = most = resident()
    for start in range(0, 5000, 50):
        source.gather(np.arange(start, start + 50))
        most = max(most, resident())
    assert most - before < 100e6  # of 410 MB read
