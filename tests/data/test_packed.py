import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib.__main__ import main
from depthlib.data import cache
from depthlib.data.cache import FilePairs, open_cache
from depthlib.data.dataset_file import make_spec, write_dataset_file
from depthlib.data.mixed_pairs import settle_focal
from depthlib.data.packed import check_packed, open_packed, pack_pairs
from depthlib.data.pairs import read_csv, split_by_scene
from depthlib.data.specs import NYU_TRAIN
from depthlib.evaluation import fit_trivial_baselines
from depthlib.files import hold_folder

SIZE = (32, 48)
# Reads random pairs for a while and compares each with the first process' bytes.
READ = """
import sys, time, zlib
import cv2
import numpy as np
from depthlib.data import cache
from depthlib.data.pairs import read_csv
cache._SHARD = 5
pairs = read_csv(sys.argv[1])
held = cache.open_cache(pairs, 32, 48, sys.argv[2], progress=False)
rng, end = np.random.default_rng(int(sys.argv[3])), None
print("open", flush=True)
sums = set()
while end is None or time.monotonic() < end:
    rows = rng.permutation(len(pairs))
    rgb, counts = held.gather(rows)
    order = np.argsort(rows)
    sums.add((zlib.crc32(rgb[order].tobytes()), zlib.crc32(counts[order].tobytes())))
    end = end or time.monotonic() + 1
assert len(sums) == 1
print(*sums.pop())
"""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Shards of 5 pairs: three for the 12 pairs, and the last one is smaller."""
    monkeypatch.setattr(cache, "_SHARD", 5)


@pytest.fixture
def pairs(tiny_nyu):
    return read_csv(tiny_nyu(scenes=3, frames=4) / "nyu2_train.csv", NYU_TRAIN)


@pytest.fixture
def packed(pairs, tmp_path):
    """A packed dataset whose photos are gone, and what they were decoded to."""
    fresh = FilePairs(pairs, *SIZE).gather(range(len(pairs)))
    assert pack_pairs(pairs, *SIZE, tmp_path / "made", progress=False) == 12
    shutil.move(tmp_path / "made", tmp_path / "elsewhere")
    shutil.rmtree(pairs.root)
    return tmp_path / "elsewhere", fresh


def is_same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def test_what_was_packed_is_trained_on_without_its_photos(pairs, packed, tmp_path):
    folder, fresh = packed
    read = read_csv(folder / "pairs.csv")
    assert read.table[["rgb", "depth", "scene"]].equals(pairs.table[["rgb", "depth", "scene"]])
    assert (read.scenes, read.spec.aspect) == ("known", 4 / 3)  # as NYU has it
    held = open_cache(read, *SIZE, tmp_path / "cache")
    assert is_same(held.gather(range(12)), fresh) and len(held) == 12
    assert held.metres_per_count == FilePairs(pairs, *SIZE).metres_per_count
    sides = split_by_scene(read, seed=3, validation=0.3)
    for side, before in zip(sides, split_by_scene(pairs, seed=3, validation=0.3), strict=True):
        assert side.table["rgb"].tolist() == before.table["rgb"].tolist()
        chosen = read.table.index[read.table["rgb"].isin(side.table["rgb"])].to_numpy()
        part = open_cache(side, *SIZE, tmp_path / "cache")
        assert len(part) == len(side) == len(chosen)
        rows = np.arange(len(side))[::-1]
        assert is_same(part.gather(rows), [images[chosen[::-1]] for images in fresh])
    assert not (tmp_path / "cache").exists()


def test_a_copy_that_may_not_be_written_and_one_from_a_tar_are_read(packed, tmp_path):
    folder, fresh = packed
    archive = shutil.make_archive(str(tmp_path / "archive"), "tar", folder)
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    for path in (tmp_path / "unpacked").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    read = read_csv(tmp_path / "unpacked" / "pairs.csv")
    assert is_same(open_cache(read, *SIZE, tmp_path / "cache").gather(range(12)), fresh)
    assert check_packed(tmp_path / "unpacked") == {}


def test_several_sizes_lie_in_one_folder_and_others_are_refused(pairs, tmp_path):
    out, csv = tmp_path / "out", tmp_path / "out" / "pairs.csv"
    for size in (SIZE, (16, 16), SIZE):
        pack_pairs(pairs, *size, out, progress=False)
    read = read_csv(csv)
    for size in (SIZE, (16, 16)):
        assert is_same(open_packed(read, *size).gather([7]), FilePairs(pairs, *size).gather([7]))
    deeper = replace(read, spec=replace(read.spec, max_depth=20.0))
    for asked, size in ((read, (32, 32)), (deeper, SIZE)):
        with pytest.raises(ValueError, match="at a size.*which has 32x48; 16x16 of `nyu"):
            open_packed(asked, *size)
    with pytest.raises(ValueError, match="Received: 32x48, its border cut off"):
        open_packed(read, *SIZE, crop_border=True)
    with pytest.raises(FileExistsError, match="of the same pairs at all sizes. Received: .*out"):
        pack_pairs(pairs.select([1, 2]), 8, 8, out, progress=False)
    other = read.table.assign(rgb="other.jpg")
    with pytest.raises(ValueError, match="must hold all pairs. Received: other.jpg"):
        open_packed(replace(read, table=other), *SIZE)
    for source, target in ((pairs, pairs.root), (read, tmp_path / "again")):
        with pytest.raises(ValueError, match="must be packed from its photos into another folder"):
            pack_pairs(source, *SIZE, target, progress=False)


@pytest.mark.parametrize(
    "place", [".", "nyu2_train", "nyu2_train/room_0001_out", "..", "link", "views"]
)
def test_nothing_is_packed_among_photos(pairs, place):
    (pairs.root / "link").symlink_to(pairs.root / "nyu2_train")
    views = ["views/1.jpg", *[""] * (len(pairs) - 1)]
    pairs = replace(pairs, table=pairs.table.assign(right=views))
    before = sorted(pairs.root.parent.rglob("*"))
    with pytest.raises(ValueError, match="into another folder, in which none of them lies"):
        pack_pairs(pairs, *SIZE, pairs.root / place, progress=False)
    assert sorted(pairs.root.parent.rglob("*")) == before


def test_a_folder_beside_the_photos_of_a_dataset_is_packed_into(pairs):
    assert pack_pairs(pairs, 8, 8, pairs.root / "nyu2_train/packed", progress=False) == 12
    assert check_packed(pairs.root / "nyu2_train/packed") == {}


def test_what_needs_photos_says_that_packed_pairs_have_none(packed, tmp_path):
    folder, _ = packed
    read = read_csv(folder / "pairs.csv")
    words = ["evaluate", "light", "--data", str(folder / "pairs.csv")]
    rule = f"packed dataset has left behind. Received: {folder}. Use the CSV of the photos"
    with pytest.raises(SystemExit, match=rule):
        main(words)
    with pytest.raises(SystemExit, match=rule):
        main([words[0], "--depth", str(tmp_path), *words[2:]])
    for use in (read.load, lambda: FilePairs(read, *SIZE).gather([0])):
        with pytest.raises(ValueError, match=rule):
            use()
    with pytest.raises(ValueError, match=rule):
        fit_trivial_baselines(read)


@pytest.mark.parametrize("damage", ["bit", "end", "missing", "swapped"])
def test_a_damaged_copy_is_told_and_never_read(packed, tmp_path, damage, capsys):
    folder, _ = packed
    first, second, _ = sorted(folder.glob("*/*.npy"))
    data = bytearray(second.read_bytes())
    if damage == "bit":
        data[len(data) // 2] ^= 4
    if damage == "end":
        del data[-1]
    if damage == "swapped":
        data = first.read_bytes()
    second.unlink() if damage == "missing" else second.write_bytes(data)
    assert list(check_packed(folder)) == list(check_packed(folder / "pairs.csv")) == [str(second)]
    assert main(["pack", str(folder), "--check"]) == 1
    assert f"{second}: " in capsys.readouterr().out
    read = read_csv(folder / "pairs.csv")
    with pytest.raises(ValueError, match=f"must be whole. Received: {second}: .*Copy them again"):
        open_cache(read, *SIZE, tmp_path / "cache").gather(range(12))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"sizes": [{"height": 1}]}', '{"sizes": 3}', '{"sizes": [], "rows": ""}']
)
def test_another_file_of_that_name_is_refused(packed, text):
    folder, _ = packed
    (folder / "packed.json").write_text(text)
    with pytest.raises(ValueError, match="packed.json must be what `depthlib pack` wrote"):
        check_packed(folder)


@pytest.mark.parametrize(
    "changed",
    [
        {"height": -32},
        {"height": 32.5},
        {"height": "32"},
        {"height": True},
        {"width": 10**12},
        {"folder": 5},
        {"folder": ".."},
        {"folder": "../elsewhere"},
        {"folder": "/etc"},
        {"folder": "a\0b"},
        {"folder": "\ud800"},
    ],
)
def test_a_size_that_cannot_be_is_refused(packed, changed):
    path = packed[0] / "packed.json"
    says = json.loads(path.read_text())
    says["sizes"][0] |= changed
    path.write_text(json.dumps(says))
    with pytest.raises(ValueError, match="packed.json must be what `depthlib pack` wrote"):
        check_packed(packed[0])


@pytest.mark.parametrize("change", ["sorted", "another"])
def test_rows_in_another_order_are_refused_as_their_place_says_whose_pixels(
    packed, tmp_path, change
):
    folder, _ = packed
    heading, *rows = (folder / "pairs.csv").read_text().splitlines()
    rows = rows[::-1] if change == "sorted" else [rows[0].replace("1.", "0."), *rows[1:]]
    (folder / "pairs.csv").write_text("\n".join([heading, *rows]))
    with pytest.raises(ValueError, match="pairs.csv must keep its rows"):
        check_packed(folder)
    with pytest.raises(ValueError, match="pairs.csv must keep its rows"):
        open_cache(read_csv(folder / "pairs.csv"), *SIZE, tmp_path / "cache")


def test_a_pack_without_its_list_is_made_whole_by_packing_again(pairs, tmp_path):
    folder = tmp_path / "packed"
    pack_pairs(pairs, 16, 24, folder, progress=False)
    pack_pairs(pairs, *SIZE, folder, progress=False)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "pairs.csv").unlink()
    with pytest.raises(FileNotFoundError, match="pairs.csv"):
        check_packed(folder)
    with pytest.raises(FileExistsError, match="same pairs at all sizes. Received: .*packed, which"):
        pack_pairs(pairs.select(range(6)), *SIZE, folder, progress=False)
    pack_pairs(pairs, *SIZE, folder, progress=False)
    assert not check_packed(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def change_dataset_file(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"max_depth": 20.0},
        {"min_depth": 0.5},
        {"metres_per_count": 0.001},
        {"border": [0.1, 0.9, 0.1, 0.9]},
        {"invalid_counts": [7]},
    ],
)
def test_a_packed_dataset_whose_description_changed_is_refused(packed, tmp_path, changes):
    folder, _ = packed
    ((field, value),) = changes.items()
    change_dataset_file(folder / "dataset.json", **changes)
    rule = f"Received: .*{field}={re.escape(str(value))} and .*Put that back"
    with pytest.raises(ValueError, match=rule):
        check_packed(folder)
    with pytest.raises(ValueError, match=rule):
        open_cache(read_csv(folder / "pairs.csv"), *SIZE, tmp_path / "cache")
    with pytest.raises(SystemExit, match=rule):
        main(["pack", str(folder), "--check"])


def test_what_changes_no_pixel_may_be_corrected_in_a_packed_dataset(packed, tmp_path):
    folder, fresh = packed
    change_dataset_file(folder / "dataset.json", name="mine", focal=0.9, horizon=0.4)
    read = read_csv(folder / "pairs.csv")
    assert is_same(open_cache(read, *SIZE, tmp_path / "cache").gather(range(12)), fresh)
    assert check_packed(folder) == {}


def test_a_dataset_that_was_packed_before_its_range_was_noted_opens(packed, tmp_path):
    folder, fresh = packed
    path = folder / "packed.json"
    says = json.loads(path.read_text())
    assert says.pop("pixels")["max_depth"] == 10.0
    path.write_text(json.dumps(says))
    assert check_packed(folder) == {}
    read = read_csv(folder / "pairs.csv")
    assert is_same(open_cache(read, *SIZE, tmp_path / "cache").gather(range(12)), fresh)


def test_photos_that_are_described_otherwise_are_not_packed_beside_their_first_size(
    pairs, tmp_path
):
    pack_pairs(pairs, *SIZE, tmp_path / "out", progress=False)
    before = (tmp_path / "out/dataset.json").read_bytes()
    deeper = replace(pairs, spec=replace(pairs.spec, max_depth=20.0))
    with pytest.raises(ValueError, match=r"max_depth=20.0 and 10.0, .*into another folder"):
        pack_pairs(deeper, 16, 24, tmp_path / "out", progress=False)
    assert (tmp_path / "out/dataset.json").read_bytes() == before
    assert check_packed(tmp_path / "out") == {}


def test_a_side_that_is_too_long_is_refused_before_anything_is_decoded(pairs, tmp_path):
    with pytest.raises(ValueError, match="whole pixels of 1 to 10000. Received: 10001x8"):
        pack_pairs(pairs, 10_001, 8, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_focal_lengths_and_groups_of_like_frames_are_kept(write_pairs, tmp_path):
    names = [(f"{number}.jpg", f"{number}.png") for number in range(6)]
    root = write_pairs(tmp_path / "den", names)
    write_pairs(root, names[:3], like=1)
    focal = [60.0, 50, 40, 60, 70, 80]
    table = pd.DataFrame(names, columns=["rgb", "depth"]).assign(focal=focal)
    table.to_csv(root / "labels.csv", index=False)
    spec = make_spec("den", metres_per_count=1e-3, focal_column="focal")
    write_dataset_file(spec, root / "dataset.json")
    before = read_csv(root / "labels.csv")
    pack_pairs(before, *SIZE, tmp_path / "out", progress=False)
    settled = settle_focal(before)
    shutil.rmtree(root)
    after = read_csv(tmp_path / "out/pairs.csv")
    assert (after.scenes, after.table["scene"].nunique()) == ("grouped", 4)
    assert after.spec.aspect == 64 / 48
    again = settle_focal(after)
    np.testing.assert_allclose(again.table["focal_share"], np.array(focal) / 64)
    np.testing.assert_allclose(again.table["focal_share"], settled.table["focal_share"])
    assert again.spec.focal == pytest.approx(settled.spec.focal)


@pytest.mark.parametrize("way", ["cache", "packed"])
def test_four_processes_read_one_cache_while_one_of_them_is_killed(pairs, tmp_path, way, project):
    csv, folder = pairs.root / "nyu2_train.csv", tmp_path / "cache"
    write_dataset_file(NYU_TRAIN, csv.with_suffix(".json"))
    if way == "packed":
        pack_pairs(pairs, *SIZE, tmp_path / "packed", progress=False)
        csv, folder = tmp_path / "packed/pairs.csv", tmp_path / "packed"
    else:
        open_cache(pairs, *SIZE, folder, progress=False)
    shards = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*/*.npy")}
    words = [sys.executable, "-c", READ, csv, folder]
    readers = [
        subprocess.Popen([*words, str(number)], stdout=subprocess.PIPE, text=True, cwd=project)
        for number in range(4)
    ]
    assert [reader.stdout.readline() for reader in readers] == ["open\n"] * 4
    os.kill(readers[1].pid, signal.SIGKILL)
    said = [reader.communicate()[0] for reader in readers]
    assert [reader.returncode for reader in readers] == [0, -signal.SIGKILL, 0, 0]
    assert said[0] and said[0] == said[2] == said[3] and "Decoding" not in "".join(said)
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*/*.npy")}
    assert after == shards and len(shards) == 3


@pytest.fixture
def trusted(pairs):
    """The pairs with confidence maps."""
    names = [f"confidence/{number}.png" for number in range(len(pairs))]
    (pairs.root / "confidence").mkdir()
    for name in names:
        cv2.imwrite(str(pairs.root / name), np.full(SIZE, 255, np.uint8))
    return replace(pairs, table=pairs.table.assign(confidence=names))


@pytest.mark.parametrize("name", ["pairs.csv", "dataset.json", "confidence/1.png", "packed.json"])
def test_a_file_of_ones_own_is_never_written_over(trusted, tmp_path, name):
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'{"metres_per_count": 0.0002}')
    with pytest.raises((FileExistsError, ValueError), match=f"{name}.* ([Cc]hoose another|Remove)"):
        pack_pairs(trusted, *SIZE, tmp_path / "out", progress=False)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]


CHANGED = {
    "confidence/2.png": lambda path: cv2.imwrite(str(path), np.zeros(SIZE, np.uint8)),
    "dataset.json": lambda path: change_dataset_file(path, focal=0.9),
    "dataset.json of a road": lambda path: change_dataset_file(path, horizon=0.4),
    "pairs.csv": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "packed.json": lambda path: path.write_text("{}"),
}


@pytest.mark.parametrize("size", [SIZE, (16, 24)])
@pytest.mark.parametrize("what", CHANGED)
def test_what_was_changed_in_a_packed_folder_stays_when_it_is_packed_again(
    trusted, tmp_path, what, size
):
    out, (name, *_) = tmp_path / "out", what.split()
    pack_pairs(trusted, *SIZE, out, progress=False)
    CHANGED[what](out / name)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises((FileExistsError, ValueError), match=f"{name}.*(another folder|Remove it)"):
        pack_pairs(trusted, *size, out, progress=False)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_packed_dataset_keeps_the_name_that_it_was_given(trusted, tmp_path):
    out = tmp_path / "out"
    pack_pairs(trusted, *SIZE, out, progress=False)
    change_dataset_file(out / "dataset.json", name="mine")
    pack_pairs(trusted, 16, 24, out, progress=False)
    assert read_csv(out / "pairs.csv").spec.name == "mine" and check_packed(out) == {}


def test_a_copy_that_was_removed_is_there_again(trusted, tmp_path):
    out = tmp_path / "out"
    pack_pairs(trusted, *SIZE, out, progress=False)
    cv2.imwrite(str(trusted.confidence_path(2)), np.full(SIZE, 9, np.uint8))
    with pytest.raises(FileExistsError, match="out/confidence/2.png.* Remove it to have that"):
        pack_pairs(trusted, *SIZE, out, progress=False)
    (out / "confidence/2.png").unlink()
    pack_pairs(trusted, *SIZE, out, progress=False)
    assert cv2.imread(str(out / "confidence/2.png"), -1).max() == 9


def test_the_command_packs_and_says_what_it_needs(pairs, tmp_path, capsys):
    csv, out = pairs.root / "nyu2_train.csv", tmp_path / "out"
    words = ["pack", str(csv), "--spec=nyu_train", f"--out={out}"]
    assert main([*words, "--size=32x48"]) == 0
    assert f"{out}: 12 pairs of 32x48" in capsys.readouterr().out
    assert main(["pack", str(out), "--check"]) == 0
    for more in ("--size=32x48", f"--out={out}", "--crop-border", "--root=in"):
        with pytest.raises(SystemExit, match=f"Received: {more.split('=')[0]} beside --check"):
            main(["pack", str(out), "--check", more])
    for size in ("32", "0x48", "-1x4", "32x48x3", " "):
        with pytest.raises(SystemExit, match="Give --size HxW and --out FOLDER. Received: size="):
            main([*words, f"--size={size}"])


def test_confidence_maps_are_packed_too_and_follow_their_pairs(pairs, tmp_path):
    names = [f"confidence/{number}.png" for number in range(len(pairs))]
    (pairs.root / "confidence").mkdir()
    for number, name in enumerate(names):
        cv2.imwrite(str(pairs.root / name), np.full(SIZE, 20 * number, np.uint8))
    trusted = replace(pairs, table=pairs.table.assign(confidence=names))
    pack_pairs(trusted, *SIZE, tmp_path / "packed", progress=False)
    shutil.rmtree(pairs.root)
    kept = read_csv(tmp_path / "packed/pairs.csv").select([7, 2, 9])
    confidence = open_packed(kept, *SIZE).gather_confidence([2, 0, 1])
    assert confidence.shape == (3, *SIZE)
    assert [int(one.mean()) for one in confidence] == [180, 140, 40]


def test_a_confidence_map_of_another_shape_is_not_packed(pairs, tmp_path):
    names = ["confidence.png"] * len(pairs)
    height, width = cv2.imread(str(pairs.rgb_path(0))).shape[:2]
    cv2.imwrite(str(pairs.root / names[0]), np.full((width, height), 255, np.uint8))
    turned = replace(pairs, table=pairs.table.assign(confidence=names))
    with pytest.raises(ValueError, match=f"its confidence map in .*{width}x{height} in .*nce.png"):
        pack_pairs(turned, *SIZE, tmp_path / "packed", progress=False)
    assert not (tmp_path / "packed").exists()


def test_photos_that_changed_are_packed_again_and_trained_on(pairs, tmp_path):
    out = tmp_path / "out"
    pack_pairs(pairs, *SIZE, out, progress=False)
    pack_pairs(pairs, 16, 24, out, progress=False)
    before = open_packed(read_csv(out / "pairs.csv"), *SIZE).gather([0])[0].mean()
    other = cv2.imread(str(pairs.rgb_path(0))) // 2
    cv2.imwrite(str(pairs.rgb_path(0)), other)
    os.utime(pairs.rgb_path(0), (1, 1))
    for _ in range(2):
        with pytest.warns(UserWarning, match="has 16x24 of photos.* have changed since. Pack this"):
            pack_pairs(pairs, *SIZE, out, progress=False)
        after = open_packed(read_csv(out / "pairs.csv"), *SIZE).gather([0])[0]
        assert after.mean() < 0.7 * before
    assert len(json.loads((out / "packed.json").read_text())["sizes"]) == 2
    with warnings.catch_warnings(action="error"):
        pack_pairs(pairs, 16, 24, out, progress=False)
    assert open_packed(read_csv(out / "pairs.csv"), 16, 24).gather([0])[0].mean() < 0.7 * before


@pytest.mark.parametrize("what", ["a map", "its time", "a photo beside"])
def test_sizes_that_were_packed_of_other_files_are_named(pairs, tmp_path, what):
    out = tmp_path / "out"
    for size in ((16, 24), (8, 12)):
        pack_pairs(pairs, *size, out, progress=False)
    path = pairs.depth_path(3)
    if what == "a map":
        cv2.imwrite(str(path), cv2.imread(str(path), -1) // 2)
    if what == "a photo beside":
        (pairs.root / "mine.png").write_bytes(path.read_bytes())
    else:
        os.utime(path, (1, 1))
    with warnings.catch_warnings(record=True, action="always") as said:
        pack_pairs(pairs, *SIZE, out, progress=False)
    told = [f"{out} has 16x24; 8x12 of " in str(one.message) for one in said]
    assert told == ([] if what == "a photo beside" else [True])


@pytest.mark.parametrize("damage", ["bit", "end", "missing", "swapped"])
def test_a_damaged_pack_is_whole_once_it_is_packed_again(pairs, tmp_path, damage, capsys):
    out = tmp_path / "out"
    pack_pairs(pairs, *SIZE, out, progress=False)
    assert "damaged" not in capsys.readouterr().out
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    first, second, _ = sorted(out.glob("*/*.npy"))
    data = bytearray(before[second])
    if damage == "bit":
        data[len(data) // 2] ^= 4
    second.write_bytes({"end": data[:-1], "swapped": before[first]}.get(damage, data))
    if damage == "missing":
        second.unlink()
    (out / ".pairs-depthlib-01234567.csv").touch()  # of a process that was killed
    pack_pairs(pairs, *SIZE, out, progress=False)
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()} == before
    assert check_packed(out) == {}
    assert (f"{second} is damaged" in capsys.readouterr().out) == (damage != "missing")


@pytest.mark.parametrize("name", ["packed.json", "pairs.csv", "dataset.json"])
def test_a_damaged_list_of_a_pack_ends_packing_or_is_written_anew(pairs, tmp_path, name):
    out = tmp_path / "out"
    pack_pairs(pairs, *SIZE, out, progress=False)
    before = (out / name).read_bytes()
    (out / name).write_bytes(before[: len(before) // 2])
    with pytest.raises((ValueError, OSError), match=name):
        pack_pairs(pairs, *SIZE, out, progress=False)
    (out / name).unlink()
    if name == "packed.json":  # as the error says
        pack_pairs(pairs, *SIZE, out, progress=False)
        assert (out / name).read_bytes() == before


def test_two_do_not_pack_into_one_folder_at_once(pairs, tmp_path):
    with hold_folder(tmp_path / "out"):
        with pytest.raises(BlockingIOError, match="Another process holds .*out"):
            pack_pairs(pairs, *SIZE, tmp_path / "out", progress=False)


def test_a_list_that_was_changed_by_hand_is_not_written_over(pairs, tmp_path):
    out = tmp_path / "out"
    pack_pairs(pairs, *SIZE, out, progress=False)
    table = pd.read_csv(out / "pairs.csv").assign(scene="den")
    table.to_csv(out / "pairs.csv", index=False)
    before = (out / "pairs.csv").read_bytes()
    with pytest.raises(FileExistsError, match="pairs.csv, which is not as depthlib last wrote it"):
        pack_pairs(pairs, 16, 24, out, progress=False)
    assert (out / "pairs.csv").read_bytes() == before
