import struct
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib.data.dataset_file import make_spec
from depthlib.data.scenes import (
    describe_scenes,
    find_near_copies,
    group_frames,
    hash_photos,
    is_role,
    scenes_by_folder,
    tell_scenes,
)
from depthlib.data.specs import NYU_TRAIN

OWN = make_spec("own", metres_per_count=0.001)


def rows(*photos, **columns):
    return pd.DataFrame({"rgb": photos, "depth": [f"{p}.png" for p in photos], **columns})


@pytest.mark.parametrize(
    ("photos", "scenes"),
    [
        # BTS's list of NYU: its folders are rooms, of which a and b are one
        (["kitchen_0028b/rgb_1.jpg", "kitchen_0028a/rgb_1.jpg", "den_1/rgb_1.jpg"],
         ["kitchen_0028", "kitchen_0028", "den_1"]),
        # ScanNet: scene0000_00 and _01 are scans of one room
        (["scene0000_00/color/0.jpg", "scene0000_01/color/0.jpg", "scene0001_00/color/0.jpg"],
         ["scene0000", "scene0000", "scene0001"]),
        # 7-Scenes: two sequences of one room
        (["chess/seq-01/f.color.png", "chess/seq-02/f.color.png", "fire/seq-01/f.color.png"],
         ["chess", "chess", "fire"]),
        (["images/train/den/1.jpg", "images/val/attic/1.jpg"], ["den", "attic"]),
        (["sequences/00/image_2/1.png", "sequences/01/image_2/1.png"], ["00", "01"]),
    ],
)  # fmt: skip
def test_scenes_are_the_first_level_of_folders_that_differ(tmp_path, photos, scenes):
    for spec in (replace(OWN, scenes="template"), NYU_TRAIN):
        table, source = tell_scenes(rows(*photos), tmp_path, spec)
        assert (table["scene"].tolist(), source) == (scenes, "known")


@pytest.mark.parametrize(
    "template",
    ["kv2/{}_resize/image/1.jpg", "{}.npz/image", "den/{}.h5/rgb", "core_{}.mat/data/rgb"],
)
def test_a_folder_or_file_for_each_photo_is_no_scene(tmp_path, template):
    photos = [template.format(number) for number in range(8)]
    _, source = tell_scenes(rows(*photos), tmp_path, replace(OWN, scenes="template"))
    assert source == "unknown"


def test_a_file_that_holds_a_stack_is_a_scene(tmp_path):
    photos = [f"{room}.h5/rgb/{place}" for room in ("attic", "den") for place in range(4)]
    table, source = tell_scenes(rows(*photos), tmp_path, replace(OWN, scenes="template"))
    assert (table["scene"].nunique(), source) == (2, "known")


def test_frames_whose_folders_say_nothing_are_never_taken_as_known_scenes(tmp_path):
    for photos in (["rgb/1.jpg", "rgb/2.jpg"], ["a.jpg", "b.jpg"], ["train/1.jpg", "test/1.jpg"]):
        table, source = tell_scenes(rows(*photos), tmp_path, NYU_TRAIN)
        assert source == "unknown" and table["scene"].is_unique
        assert describe_scenes(source, 2) == "scenes unknown"


def test_a_spec_says_how_scenes_are_told(tmp_path):
    table = rows("x/a_1.jpg", "x/b_1.jpg", "y/b_2.jpg", room=["r", "r", "s"])

    def tell(scenes, table=table):
        told, source = tell_scenes(table, tmp_path, replace(OWN, scenes=scenes))
        return told["scene"].tolist(), source

    assert tell("folder") == (["x", "x", "y"], "known")
    assert tell("column:Room") == (["r", "r", "s"], "known")
    assert tell("{scene}_{frame}.jpg") == (["a", "b", "b"], "known")
    assert tell("unknown")[1] == "unknown"
    assert tell("unknown", table.assign(scene=["1", "1", "2"])) == (["1", "1", "2"], "grouped")
    assert tell("template", table.assign(scene=["1", "1", "2"])) == (["1", "1", "2"], "known")
    with pytest.raises(ValueError, match="must have a column 'site'.*Received: rgb, depth, room"):
        tell("column:site")


def test_one_photo_without_a_scene_makes_scenes_unknown(tmp_path):
    (tmp_path / "index.csv").write_text("photo,scene\nrgb/1.jpg,den\n")
    table, source = tell_scenes(rows("rgb/1.jpg", "rgb/2.jpg"), tmp_path, NYU_TRAIN)
    assert (table["scene"].tolist(), source) == (["den", "rgb/2.jpg"], "unknown")


FLATS = ["flat1/rgb/0.jpg", "flat2/rgb/0.jpg"]


@pytest.mark.parametrize(
    ("named", "listed"),
    [
        ("{}", "{}"), ("./{}", "{}"), ("{}", "data/{}"), ("data/{}", "{}"), ("/mnt/{}", "{}"),
        ("data\\{}", "{}"),
    ],
)  # fmt: skip
def test_equal_names_in_folders_have_the_scenes_of_their_own_paths(tmp_path, named, listed):
    lines = [named.format(photo) for photo in FLATS]
    (tmp_path / "index.csv").write_text(f"photo,scene\n{lines[0]},kitchen\n{lines[1]},bath\n")
    photos = [listed.format(photo) for photo in [*FLATS, "flat3/rgb/0.jpg"]]
    table, source = tell_scenes(rows(*photos), tmp_path, NYU_TRAIN)
    assert table["scene"].tolist()[:2] == ["kitchen", "bath"]
    assert table["scene"].iat[2] not in ("kitchen", "bath") and source == "unknown"


@pytest.mark.parametrize("lines", [FLATS, [FLATS[0], FLATS[0]], ["rgb/0.jpg", "rgb/0.jpg"]])
def test_an_index_that_says_two_things_of_a_photo_is_refused(tmp_path, lines):
    (tmp_path / "index.csv").write_text(f"photo,scene\n{lines[0]},kitchen\n{lines[1]},bath\n")
    with pytest.raises(ValueError, match="2 rows that may be of .*rgb/0.jpg in .*index.csv"):
        tell_scenes(rows("rgb/0.jpg" if lines == FLATS else FLATS[0]), tmp_path, NYU_TRAIN)
    (tmp_path / "index.csv").write_text(f"photo,scene\n{lines[0]},bath\n{lines[1]},bath\n")
    assert tell_scenes(rows("rgb/0.jpg"), tmp_path, NYU_TRAIN)[0]["scene"].tolist() == ["bath"]


def test_folders_that_say_what_a_file_is_are_no_places():
    assert all(map(is_role, ("rgb", "image_02", "leftImg8bit", "depth_maps", "sync_depth", "val")))
    assert not any(map(is_role, ("00", "den", "image_den", "test_room", "scene_01", "")))
    assert scenes_by_folder(["rgb/1.jpg"]) == [""]


def test_frames_of_a_video_and_near_copies_are_one_group(tmp_path, write_pairs):
    first = [f"rgb/{n:04d}.jpg" for n in range(1, 5)]
    second = [f"rgb/{n:04d}.jpg" for n in range(50, 53)]
    for like, photos in ((7, first), (8, second)):
        write_pairs(tmp_path, [(p, f"depth/{p}.png") for p in photos], like)
    (tmp_path / "rgb/broken.jpg").write_bytes(b"no image")
    (tmp_path / "a copy.jpg").write_bytes((tmp_path / first[2]).read_bytes())
    photos = [*second, *first, "rgb/broken.jpg", "a copy.jpg"]
    groups = group_frames(tmp_path, photos)
    assert groups == [*["0050"] * 3, *["a copy"] * 4, "broken", "a copy"]


def test_groups_whose_first_photos_have_one_name_have_names_of_their_own(tmp_path, write_pairs):
    photos = ["a/1.png", "b/1.png", "c/1.png"]
    write_pairs(tmp_path, [(photo, f"{photo}.png") for photo in photos])
    assert group_frames(tmp_path, photos) == ["1", "1+1", "1+2"]


def test_no_photos_of_two_rooms_are_near_copies_and_frames_of_a_drive_are(shared):
    rooms = sorted((shared / "data/nyu/nyu2_test").glob("*.jpg"))[::4]
    hashes = hash_photos(rooms)
    assert len(rooms) > 70 and find_near_copies(hashes[::2], hashes[1::2]) == []
    assert find_near_copies(hashes[:3], hashes[1:]) == [1, 2]
    drive = sorted((shared / "data/stereo/kitti_0005/image_02").glob("*.jpg"))[:40]
    names = [photo.name for photo in drive]
    assert len(set(group_frames(drive[0].parent, names))) == 1


def test_what_is_no_photo_is_near_to_nothing(tmp_path):
    hashes = hash_photos([tmp_path / "gone.jpg", tmp_path])
    assert hashes.dtype == np.uint64 and hashes.shape == (2, 4) and not hashes.any()
    assert find_near_copies(hashes, hashes) == []


def test_a_photo_that_claims_too_many_pixels_has_no_hash_and_is_not_decoded(tmp_path, monkeypatch):
    sides = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + sides + bytes(200))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    assert not hash_photos([tmp_path / "a.png"]).any()
