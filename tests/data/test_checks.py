import os
import re
import shutil
import struct

from depthlib.data.checks import check_pairs
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN


def test_bad_files_and_duplicates_are_reported_and_left_out(tiny_nyu):
    root = tiny_nyu(scenes=2, frames=3)
    (root / "nyu2_train/room_0001_out/1.png").write_bytes(b"")
    photo = root / "nyu2_train/room_0001_out/2.jpg"
    photo.write_bytes(photo.read_bytes()[:200])
    shutil.copy(root / "nyu2_test/00000_depth.png", root / "nyu2_train/room_0002_out/3.png")
    pairs = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
    pairs = pairs.select([*range(6), 4])
    sound, problems, summary = check_pairs(pairs)
    kept = sound.table["rgb"].tolist()
    assert kept == [f"nyu2_train/room_000{name}.jpg" for name in ("1_out/3", "2_out/1", "2_out/2")]
    found = dict(problems.to_numpy().tolist())
    assert found["nyu2_train/room_0002_out/2.jpg"] == "duplicate row"
    assert "0 bytes" in found["nyu2_train/room_0001_out/1.jpg"]
    assert "cut off" in found["nyu2_train/room_0001_out/2.jpg"]
    assert "1 of uint16" in found["nyu2_train/room_0002_out/3.jpg"]
    assert summary.loc["nyu_train", ["pairs", "scenes", "checked"]].tolist() == [3, 2, 3]
    assert 1 < summary.loc["nyu_train", "median"] < 9


def test_a_check_goes_on_past_files_of_any_kind_and_names_each(tiny_nyu):
    root = tiny_nyu(scenes=2, frames=6)
    room = root / "nyu2_train/room_0001_out"
    for name in ("1.jpg", "2.jpg", "3.png", "4.jpg", "5.png", "6.jpg"):
        (room / name).unlink()
    (room / "1.jpg").mkdir()
    os.mkfifo(room / "2.jpg")
    (room / "3.png").symlink_to(room / "3.png")
    sides = struct.pack(">II", 60_000, 60_000)  # a PNG's header and nothing else
    (room / "4.jpg").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + sides + bytes(200))
    (room / "5.png").symlink_to("/dev/zero")
    (room / "6.jpg").symlink_to(room / "absent.jpg")
    pairs = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
    sound, problems, summary = check_pairs(pairs)
    assert len(sound) == summary.loc["nyu_train", "checked"] == 6
    found = dict(problems.to_numpy().tolist())
    assert list(found) == [f"nyu2_train/room_0001_out/{frame}.jpg" for frame in range(1, 7)]
    for name, problem in zip(
        ("1.jpg", "2.jpg", "3.png", "60000x60000 in .*4.jpg", "5.png", "6.jpg"),
        found.values(),
        strict=True,
    ):
        assert re.search(name, problem)
