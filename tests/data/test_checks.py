import os
import re
import shutil
import struct

import cv2
import numpy as np

from depthlib.data.checks import check_pairs
from depthlib.data.dataset_file import make_spec
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
        ("1.jpg", "2.jpg", "3.png", "must be whole.*4.jpg", "5.png", "6.jpg"),
        found.values(),
        strict=True,
    ):
        assert re.search(name, problem)


def test_all_headers_are_read_and_what_looks_odd_is_decoded(tmp_path, write_pairs):
    names = [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(9)]
    write_pairs(tmp_path, names)
    (tmp_path / "rgb/1.jpg").write_bytes(b"")
    photo = tmp_path / "rgb/2.jpg"
    photo.write_bytes(photo.read_bytes()[:-40])
    depth = tmp_path / "depth/3.png"
    depth.write_bytes(depth.read_bytes()[:-30])
    shutil.copy(tmp_path / "rgb/4.jpg", tmp_path / "depth/4.png")
    cv2.imwrite(
        str(tmp_path / "depth/5.png"),
        np.linspace(900, 4000, 2560).reshape(40, 64).astype(np.uint16),
    )
    cv2.imwrite(str(tmp_path / "depth/6.png"), np.arange(48 * 64).reshape(48, 64).astype(np.uint8))
    (tmp_path / "depth/7.png").unlink()
    (tmp_path / "pairs.csv").write_text("".join(f"{a},{b}\n" for a, b in names))
    pairs = read_csv(tmp_path / "pairs.csv", make_spec("own", metres_per_count=0.001))
    sound, problems, summary = check_pairs(pairs, most=0)
    assert sound.table["rgb"].tolist() == ["rgb/0.jpg", "rgb/8.jpg"]
    found = dict(problems.to_numpy().tolist())
    for number, words in enumerate(
        ("0 bytes", "cut off", "cut off", "a JPEG in", "40x64", "of uint8", "7.png"), start=1
    ):
        assert re.search(words, found[f"rgb/{number}.jpg"]), (number, found)
    assert summary.loc["own", ["pairs", "scenes", "checked"]].tolist() == [2, "unknown", 0]
    assert summary.loc["own", "sizes"] == "48x64"


def test_a_sound_header_is_enough_unless_pixels_are_asked_for(tmp_path, write_pairs):
    names = [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(5)]
    write_pairs(tmp_path, names)
    cv2.imwrite(str(tmp_path / "depth/2.png"), np.zeros((48, 64), np.uint16))
    (tmp_path / "pairs.csv").write_text("".join(f"{a},{b}\n" for a, b in names))
    pairs = read_csv(tmp_path / "pairs.csv", make_spec("own", metres_per_count=0.001))
    counts = {most: len(check_pairs(pairs, most)[0]) for most in (0, 1, 3, None)}
    assert counts == {0: 5, 1: 5, 3: 4, None: 4}  # of 3, the middle one is read
    assert check_pairs(pairs, 3)[2]["checked"].tolist() == [2]


def test_a_photo_larger_than_its_map_in_one_shape_is_sound_by_its_header(tmp_path, write_pairs):
    write_pairs(tmp_path, [("rgb/1.jpg", "depth/1.png")])
    cv2.imwrite(str(tmp_path / "rgb/1.jpg"), np.zeros((96, 128, 3), np.uint8))
    (tmp_path / "pairs.csv").write_text("rgb/1.jpg,depth/1.png\n")
    pairs = read_csv(tmp_path / "pairs.csv", make_spec("own", metres_per_count=0.001))
    sound, problems, summary = check_pairs(pairs, most=0)
    assert len(sound) == 1 and problems.empty
    assert summary["checked"].tolist() == [0] and summary["sizes"].tolist() == ["48x64"]


def test_a_jpeg_that_is_called_a_png_is_found_by_its_header_alone(tiny_nyu):
    root = tiny_nyu(scenes=2, frames=2)
    depth = root / "nyu2_train/room_0002_out/2.png"
    _, data = cv2.imencode(".jpg", cv2.imread(str(depth), cv2.IMREAD_UNCHANGED))
    depth.write_bytes(data.tobytes())
    sound, problems, _ = check_pairs(read_csv(root / "nyu2_train.csv", NYU_TRAIN), most=0)
    assert len(sound) == 3
    assert "a JPEG in" in problems["problem"].iat[0]
