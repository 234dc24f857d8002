"""Calibration, scans and lists of KITTI: by hand, on the synthetic drive, on three real frames."""

import gzip
import shutil
from itertools import combinations

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from depthlib.data import images, kitti, specs
from depthlib.data.pairs import Pairs, check_pairs, find_pairs, read_csv
from depthlib.files import write_ours
from rendering import kitti_drive

# A camera of 32x48 pixels with focal length 100 and centre (24, 16), axes as the scanner's, turned:
# the scanner's x, y, z (ahead, left, up) are the camera's z, -x, -y.
CAMERAS = """calib_time: 09-Jan-2012 13:57:47
S_rect_02: 48 32
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_02: 100 0 24 0 0 100 16 0 0 0 1 0
S_rect_03: 48 32
P_rect_03: 100 0 24 -50 0 100 16 0 0 0 1 0.25
"""
SCANNER = "calib_time: 15-Mar-2012 11:37:16\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"
DRIVE = "made_up/made_up_drive_0001_sync"


@pytest.fixture
def day(tmp_path):
    """A function that writes a day's calibration, with replacements, and gives its folder."""

    def write(*replacements):
        for name, text in (("cam", CAMERAS), ("velo", SCANNER)):
            for old, new in replacements:
                text = text.replace(old, new)
            (tmp_path / f"calib_{name}_to_cam.txt").write_text(text)
        return tmp_path

    return write


@pytest.fixture
def drive(sample, tmp_path):
    """A copy of the synthetic drive's files alone."""
    source = sample.with_name("sample_kitti")
    return shutil.copytree(
        source, tmp_path / "kitti", ignore=shutil.ignore_patterns("proj_depth", "*.csv")
    )


def project(folder, *points, camera="02", **settings):
    """{(row, column): depth} of what some points (x, y, z) look like."""
    points = np.array([(*point, 0.5) for point in points], np.float32)
    depth_m = kitti.project(points, kitti.read_camera(folder, camera), **settings)
    assert depth_m.shape == (32, 48) and depth_m.dtype == np.float32
    rows, columns = np.nonzero(depth_m)
    found = zip(rows.tolist(), columns.tolist(), depth_m[rows, columns].tolist(), strict=True)
    return {(row, column): depth for row, column, depth in found}


def test_a_point_lands_on_the_pixel_worked_by_hand(day):
    # 0.5 m right and 0.2 m up at 10 m: u = 24 + 100 / 20 = 29, v = 16 - 100 / 50 = 14, and the
    # official tools take 1 off.
    assert project(day(), (10, -0.5, 0.2)) == {(13, 28): 10}
    assert project(day(), (10, -0.5, 0.2), first_pixel=0) == {(14, 29): 10}


def test_each_part_of_the_calibration_moves_the_point_as_worked_by_hand(day):
    # The right camera: u = (100 * 0.5 + 24 * 10 - 50) / 10.25, v = (-20 + 160) / 10.25.
    assert project(day(), (10, -0.5, 0.2), camera="03") == {(13, 22): 10.25}
    # The scanner 2 m behind the camera: u = 24 + 100 * 0.5 / 8 = 30.25, v = 16 - 2.5.
    moved = day(("T: 0 0 0", "T: 0 0 -2"))
    assert project(moved, (10, -0.52, 0.22)) == {(12, 29): 8}
    # A camera that is rectified by a quarter turn: (x, y) becomes (-y, x) = (0.2, 0.5).
    turned = day(("R_rect_00: 1 0 0 0 1 0 0 0 1", "R_rect_00: 0 -1 0 1 0 0 0 0 1"))
    assert project(turned, (10, -0.5, 0.2)) == {(20, 25): 10}


def test_of_points_on_one_pixel_the_nearest_stays_whatever_their_order(day):
    wall, car = (20, -1.0, 0.4), (10, -0.5, 0.2)
    assert project(day(), wall, car) == project(day(), car, wall) == {(13, 28): 10}


def test_what_is_behind_the_camera_or_beside_the_photo_is_dropped(day):
    behind = [(-10, -0.5, 0.2), (-10, 0.5, -0.2)]
    # u from 0.5 to 48.5 is the photo: at 10 m that is 2.35 m to the left, 2.45 m to the right.
    left, too_left = (10, 2.34, 0), (10, 2.36, 0)
    right, too_right = (10, -2.44, 0), (10, -2.46, 0)
    found = project(day(), *behind, left, too_left, right, too_right)
    assert found == {(15, 0): 10, (15, 47): 10}
    # Ahead of the scanner, and yet not of a camera that is 2 m further on.
    assert project(day(("T: 0 0 0", "T: 0 0 -2")), (1, -0.1, 0), (2, 0, 0)) == {}


def test_the_camera_knows_its_focal_length_and_size(day):
    camera = kitti.read_camera(day(("P_rect_02: 100 0 24", "P_rect_02: 101.5 0 24")))
    assert (camera.height, camera.width, camera.focal) == (32, 48, 101.5)
    assert camera.intrinsics.tolist() == [[101.5, 0, 24], [0, 100, 16], [0, 0, 1]]


def test_a_missing_calibration_is_named_with_where_to_get_it(day):
    folder = day()
    (folder / "calib_velo_to_cam.txt").unlink()
    with pytest.raises(FileNotFoundError, match="no .*calib_velo_to_cam.txt. Unpack .*cvlibs.net"):
        kitti.read_camera(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "P_rect_02",
            "P_rect_09",
            "say `P_rect_02:` and 12 numbers. Received: 0 numbers in .*cam_",
        ),
        ("T: 0 0 0", "T: 0 0", "say `T:` and 3 numbers. Received: 2 numbers in .*velo_to"),
        ("T: 0 0 0", "T: 0 0 none", "say `T:` and 3 numbers. Received: 0"),
        ("T: 0 0 0", "T: 0 0 nan", "say `T:` and 3 numbers"),
    ],
)
def test_a_calibration_that_lacks_a_matrix_is_named(day, old, new, message):
    with pytest.raises(ValueError, match=message):
        kitti.read_camera(day((old, new)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("S_rect_02: 48 32", "S_rect_02: 1e5 1e5", "at most 100,000,000 pixels. Received: .*_cam_"),
        ("S_rect_02: 48 32", "S_rect_02: -48 32", "above 0.* Received: -48 and 32 in .*cam_to_cam"),
        ("S_rect_02: 48 32", "S_rect_02: 48.5 32", "must be whole numbers"),
        ("S_rect_02: 48 32", "S_rect_02: inf 32", "say `S_rect_02:`"),
        ("P_rect_02: 100", "P_rect_02: 0", "A camera matrix must be .*cam_to_cam"),
        ("P_rect_02: 100", "P_rect_02: -100", "A camera matrix must be .*cam_to_cam"),
        ("P_rect_02: 100", "P_rect_02: 1e300", "at most 4 times each other.*cam_to_cam"),
        ("100 0 24 0", "100 0 2e9 0", "a principal point .*cam_to_cam"),
        ("R_rect_00: 1", "R_rect_00: 1e9", "R must be a rotation. .*cam_to_cam"),
        ("R: 0 -1", "R: 0 -2", "R must be a rotation. .*velo_to_cam"),
        ("T: 0 0 0", "T: 0 0 270", "within 100 m .*T of .*velo_to_cam"),  # of millimetres
    ],
)
def test_numbers_that_no_camera_has_are_refused_before_a_map_is_made(day, old, new, message):
    with pytest.raises(ValueError, match=message):
        kitti.read_camera(day((old, new)))


def test_a_calibration_that_is_no_text_is_named(day):
    folder = day()
    (folder / "calib_cam_to_cam.txt").write_bytes(b"\xff\xfe" + bytes(range(256)))
    with pytest.raises(ValueError, match="Received: 0 numbers in .*calib_cam_to_cam.txt"):
        kitti.read_camera(folder)


def test_a_scan_is_read_as_four_floats_a_point(tmp_path):
    points = np.arange(12, dtype="<f4").reshape(3, 4)
    (tmp_path / "a.bin").write_bytes(points.tobytes())
    read = kitti.read_scan(tmp_path / "a.bin")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, points)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "whole points of 16 bytes. Received: 0 bytes in .*a.bin"),
        (bytes(16 * 3 - 1), "whole points of 16 bytes. Received: 47 bytes in .*a.bin"),
        (
            np.full(8, np.nan, "<f4").tobytes(),
            "finite numbers. Received: 8 that are not in .*a.bin",
        ),
    ],
)
def test_a_scan_that_is_empty_cut_off_or_no_scan_is_named(tmp_path, data, message):
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        kitti.read_scan(tmp_path / "a.bin")


def test_a_frame_without_a_scan_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no .*177.bin. Some photos of KITTI have no scan"):
        kitti.read_scan(tmp_path / "0000000177.bin")


def test_eigens_lists_have_their_published_counts_and_share_no_drive():
    lists = {name: kitti.read_split(name) for name in ("train", "validation", "test")}
    count = {name: sum(map(len, split.values())) for name, split in lists.items()}
    assert count["test"] == 697 and len(lists["test"]) == 28
    assert count["train"] + count["validation"] == 23_158
    assert len(lists["train"]) + len(lists["validation"]) == 33
    for one, other in combinations(lists.values(), 2):
        assert not one.keys() & other.keys()
    improved = kitti.read_split("test_improved")
    assert sum(map(len, improved.values())) == 652
    assert all(frames <= lists["test"][drive] for drive, frames in improved.items())
    assert {0, 3, 63, 69} <= lists["test"]["2011_09_26_drive_0002"]
    assert 66 not in lists["test"]["2011_09_26_drive_0002"]


def test_eigens_lists_are_frame_by_frame_those_of_bts(shared):
    def read(lines):
        rows = [line.split() for line in lines]
        keys = [(row[0].split("/")[1].removesuffix("_sync"), int(row[0][-14:-4])) for row in rows]
        return set(keys), {key for key, row in zip(keys, rows, strict=True) if row[1] != "None"}

    def ours(*names):
        splits = [kitti.read_split(name) for name in names]
        return {(drive, n) for split in splits for drive, frames in split.items() for n in frames}

    folder = shared / "data/lists"
    test, improved = read((folder / "kitti_eigen_test_files_with_gt.txt").read_text().splitlines())
    assert (ours("test"), ours("test_improved")) == (test, improved)
    lines = (folder / "kitti_eigen_test_files_with_gt.txt").read_text().splitlines()
    order = [
        f"{drive}_sync/image_02/data/{frame:010d}.png" for drive, frame in kitti.read_order("test")
    ]
    assert order == [line.split()[0].partition("/")[2] for line in lines]
    with gzip.open(folder / "kitti_eigen_train_files_with_gt.txt.gz", "rt") as file:
        assert ours("train", "validation") == read(file)[0]


def test_an_unknown_list_is_refused_by_name():
    with pytest.raises(
        ValueError, match="train, validation, test, test_improved. Received: .*'tes"
    ):
        kitti.read_split("tests")


def test_no_frame_of_a_test_drive_gets_into_training_or_validation(tmp_path):
    names = {
        "train": ("2011_09_26_drive_0001", 5),
        "validation": ("2011_09_26_drive_0014", 5),
        "test": ("2011_09_26_drive_0002", 3),
        "other": ("2011_09_28_drive_0034", 0),
        "between two test frames": ("2011_09_26_drive_0002", 4),
        "before the first of a training drive": ("2011_09_26_drive_0001", 4),
    }
    for number, (drive, frame) in enumerate(names.values(), start=2):
        folder = tmp_path / drive[:10] / f"{drive}_sync"
        images.write_rgb(folder / f"image_02/data/{frame:010d}.png", np.zeros((8, 8, 3), np.uint8))
        depth_m = np.diag(np.full(8, number)).astype(np.float32)
        images.write_depth(
            folder / f"proj_depth/velodyne_raw/image_02/{frame:010d}.png",
            depth_m + np.eye(8, k=1, dtype=np.float32),
            specs.KITTI_RAW,
        )
    sides = kitti.split_pairs(find_pairs(tmp_path, specs.KITTI_RAW)[0])
    written = kitti.write_splits(sides)
    assert [path.rpartition("/")[2] for path in written] == [
        f"kitti_raw_{side}.csv" for side in ("train", "validation", "test", "other")
    ]
    for path, (side, (drive, frame)) in zip(written, names.items(), strict=False):
        pairs = read_csv(path, specs.KITTI_RAW)
        assert pairs.table["scene"].tolist() == [drive], side
        assert pairs.table["rgb"][0].endswith(f"{drive}_sync/image_02/data/{frame:010d}.png")
        images.read_pair(pairs.rgb_path(0), pairs.depth_path(0), pairs.spec)
    counts = kitti.count_splits(sides)
    assert counts["pairs"].tolist() == [1, 1, 1, 1]
    assert counts.at["test", "listed pairs"] == 697


@pytest.mark.parametrize("photo", ["photos/5.png", "2011_09_26_drive_0002_sync/5.png", ""])
def test_a_photo_that_no_drive_has_is_on_the_other_side(tmp_path, photo):
    table = pd.DataFrame({"rgb": [photo], "depth": ["5.png"], "scene": ["5"]})
    sides = kitti.split_pairs(Pairs(tmp_path, table, specs.KITTI_RAW))
    assert {side: len(pairs) for side, pairs in sides.items()} == {
        "train": 0, "validation": 0, "test": 0, "other": 1,
    }  # fmt: skip


def test_a_side_that_is_empty_now_leaves_no_list_of_before(drive):
    kitti.project_drives(drive)
    sides = kitti.split_pairs(find_pairs(drive, specs.KITTI_RAW)[0])
    stale = drive / "kitti_raw_train.csv"
    write_ours(stale, b"a.png,b.png\n")
    assert kitti.write_splits(sides) == [str(drive / "kitti_raw_other.csv")]
    assert not stale.exists()
    stale.write_text("a.png,c.png\n")  # by hand
    with pytest.raises(FileExistsError, match="kitti_raw_train.csv, which is not as depthlib last"):
        kitti.write_splits(sides)
    assert stale.read_text() == "a.png,c.png\n"


def test_the_synthetic_drive_projects_onto_its_own_geometry(drive):
    problems = kitti.project_drives(drive)
    assert problems.empty
    pairs, lonely = find_pairs(drive, specs.KITTI_RAW)
    assert len(pairs) == 3 and lonely.empty
    assert pairs.table["scene"].unique().tolist() == ["made_up_drive_0001"]
    camera = kitti.read_camera(drive / "made_up")
    for frame in range(3):
        _, truth = kitti_drive.draw(camera, kitti_drive.STEP * frame)
        _, depth_m = images.read_pair(pairs.rgb_path(frame), pairs.depth_path(frame), pairs.spec)
        hit = depth_m > 0
        assert 0.04 < hit.mean() < 0.1
        assert truth[hit].all(), "a point in the sky"
        # The scanner sees a little past edges, and half a pixel of road is some centimetres.
        wrong = np.abs(depth_m[hit] / truth[hit] - 1) > 0.05
        assert wrong.mean() < 0.03


def test_the_synthetic_drive_is_what_its_module_makes(drive, tmp_path):
    kitti_drive.write_synthetic(tmp_path / "again")
    for path in sorted((tmp_path / "again").rglob("*.*")):
        old = drive / path.relative_to(tmp_path / "again")
        if path.suffix == ".bin":
            one, other = kitti.read_scan(path), kitti.read_scan(old)
            np.testing.assert_allclose(one, other, atol=1e-4)
        elif path.suffix == ".png":
            difference = images.read_rgb(path).astype(int) - images.read_rgb(old)
            assert np.abs(difference).max() <= 1
        elif path.suffix == ".txt":
            assert path.read_text() == old.read_text()


def test_what_cannot_be_projected_is_listed_by_name_and_the_rest_is_done(drive):
    data = drive / DRIVE / "velodyne_points/data"
    shutil.copytree(drive / DRIVE, drive / "other_day/made_up_drive_0002_sync")
    for frame in range(3, 7):
        photo = drive / DRIVE / f"image_02/data/{frame:010d}.png"
        shutil.copy(drive / DRIVE / "image_02/data/0000000000.png", photo)
    whole = (data / "0000000000.bin").read_bytes()
    (data / "0000000003.bin").write_bytes(whole[:-5])  # within a point
    (data / "0000000004.bin").write_bytes(whole[:4096])  # between two, as a full disk leaves it
    (data / "0000000005.bin").write_bytes(np.tile(np.float32([-9, 1, 0, 0]), 9000).tobytes())
    problems = kitti.project_drives(drive).set_index("file")["problem"]
    folder = f"{DRIVE}/velodyne_points/data"
    assert problems.index.tolist() == [
        "other_day", *(f"{folder}/{frame:010d}.bin" for frame in (3, 4, 5)),
        f"{DRIVE}/image_02/data/0000000006.png",
    ]  # fmt: skip
    assert "no " in problems.iloc[0] and "calib_cam_to_cam.txt" in problems.iloc[0]
    assert "whole points of 16 bytes" in problems.iloc[1]
    assert "cut off: 4096 bytes" in problems.iloc[2]
    assert problems.iloc[3] == "no point falls on the photo"
    assert problems.iloc[4] == "no scan"
    pairs, lonely = find_pairs(drive, specs.KITTI_RAW)
    assert len(pairs) == 3
    assert (lonely["problem"] == "no depth map").sum() == 4 + 3  # the day without calibration too
    assert check_pairs(pairs)[1].empty


def test_a_folder_of_which_nothing_can_be_projected_says_why(drive, tmp_path):
    with pytest.raises(FileNotFoundError, match="no .*nowhere/<day>.*Download .*cvlibs.net"):
        kitti.project_drives(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="`workers` must be a whole number, at least 1"):
        kitti.project_drives(drive, workers=-1)
    (drive / "made_up/calib_velo_to_cam.txt").unlink()
    with pytest.raises(FileNotFoundError, match="3 photos in .*There is no .*calib_velo_to_cam"):
        kitti.project_drives(drive)


def test_an_interrupted_run_goes_on_and_threads_change_nothing(drive):
    kitti.project_drives(drive, workers=1)
    maps = sorted(drive.rglob("proj_depth/**/*.png"))
    before = [path.read_bytes() for path in maps]
    maps[1].unlink()
    times = [maps[0].stat().st_mtime_ns, maps[2].stat().st_mtime_ns]
    kitti.project_drives(drive, workers=4)
    assert [path.read_bytes() for path in maps] == before
    assert times == [maps[0].stat().st_mtime_ns, maps[2].stat().st_mtime_ns]


def test_maps_of_another_calibration_are_made_anew_and_those_without_a_digest_stay(drive):
    kitti.project_drives(drive)
    maps = sorted(drive.rglob("proj_depth/**/*.png"))
    digest = kitti.read_camera(drive / "made_up").digest
    assert Image.open(maps[0]).info["calibration"] == digest
    old = [images.read_depth(path, specs.KITTI_RAW) for path in maps]
    images.write_depth(maps[2], old[2], specs.KITTI_RAW)  # as the official archive has them
    calibration = drive / "made_up/calib_velo_to_cam.txt"
    lines = calibration.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("T:")]
    calibration.write_text("\n".join([*kept, "T: 0.5 -0.076 -0.27"]))
    assert kitti.project_drives(drive).empty
    new = [images.read_depth(path, specs.KITTI_RAW) for path in maps]
    assert Image.open(maps[0]).info["calibration"] != digest
    assert [np.array_equal(one, other) for one, other in zip(old, new, strict=True)] == [
        False, False, True,
    ]  # fmt: skip
    maps[0].write_bytes(b"")  # as a full disk leaves it
    kitti.project_drives(drive)
    np.testing.assert_array_equal(images.read_depth(maps[0], specs.KITTI_RAW), new[0])


def test_a_calibration_of_another_size_than_the_photos_is_refused(drive):
    photo = drive / DRIVE / "image_02/data/0000000001.png"
    height, width = images.read_rgb(photo).shape[:2]
    images.write_rgb(photo, np.zeros((height // 2, width // 2, 3), np.uint8))
    (problem,) = kitti.project_drives(drive).to_dict("records")
    assert problem["file"] == f"{DRIVE}/image_02/data/0000000001.png"
    assert (
        f"photos of {height}x{width}, this one is {height // 2}x{width // 2}" in problem["problem"]
    )
    for path in photo.parent.iterdir():
        images.write_rgb(path, np.zeros((height, width + 2, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match=f"of photos of {height}x{width}, this one is"):
        kitti.project_drives(drive)


def test_the_right_camera_has_maps_of_its_own(drive):
    shutil.copytree(drive / DRIVE / "image_02", drive / DRIVE / "image_03")
    for camera in ("02", "03"):
        kitti.project_drives(drive, camera)
    left, right = (
        find_pairs(drive, kitti.see_from(specs.KITTI_RAW, camera))[0] for camera in ("02", "03")
    )
    assert left.spec == specs.KITTI_RAW
    assert right.table["rgb"][0].endswith("image_03/data/0000000000.png")
    assert right.table["scene"].tolist() == left.table["scene"].tolist()
    one, other = (images.read_depth(side.depth_path(0), side.spec) for side in (left, right))
    # The truck's back at 29.8 m, 0.54 m between the cameras: 180 * 0.54 / 29.8 = 3.3 pixels.
    near = [np.nonzero(np.abs(depth_m - 29.8) < 0.4)[1].mean() for depth_m in (one, other)]
    assert near[0] - near[1] == pytest.approx(3.3, abs=1)


def test_the_official_annotated_maps_are_paired_with_the_raw_photos(drive):
    kitti.project_drives(drive)
    raw = drive / DRIVE / "proj_depth/velodyne_raw/image_02"
    archive = drive / "val/made_up_drive_0001_sync/proj_depth/groundtruth/image_02"
    archive.mkdir(parents=True)
    shutil.copy(raw / "0000000001.png", archive)
    pairs, lonely = find_pairs(drive, specs.KITTI_IMPROVED)
    assert pairs.table["rgb"].tolist() == [f"{DRIVE}/image_02/data/0000000001.png"]
    assert pairs.table["depth"][0].startswith("val/made_up_drive_0001_sync/proj_depth/groundtruth")
    assert len(lonely) == 2
    sides = kitti.split_pairs(pairs)
    assert kitti.write_splits(sides) == [str(drive / "kitti_improved_other.csv")]


def test_a_missing_csv_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="Make it with make_kitti_dataset.ipynb"):
        read_csv(tmp_path / "kitti_raw_train.csv", specs.KITTI_RAW)


@pytest.mark.parametrize("frame", [10, 60, 110])
def test_real_frames_project_to_the_maps_that_are_known(shared, frame):
    folder = shared / "data/kitti"
    day = folder / "raw/2011_09_26"
    camera = kitti.read_camera(day)
    assert (camera.height, camera.width, camera.focal) == (375, 1242, 721.5377)
    points = kitti.read_scan(
        day / f"2011_09_26_drive_0005_sync/velodyne_points/data/{frame:010d}.bin"
    )
    path = folder / f"train/2011_09_26_drive_0005/depth/{frame:010d}.png"
    known = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) / 256
    # Those maps count pixels from 0: the same pixels, and depth to half a count.
    here = kitti.project(points, camera, first_pixel=0)
    assert ((here > 0) == (known > 0)).all()
    assert np.abs(here - known).max() <= 0.5 / 256 + 1e-6
    official = kitti.project(points, camera)
    same = known[1:, 1:] > 0
    assert (np.abs(official[:-1, :-1] - known[1:, 1:])[same] <= 0.5 / 256 + 1e-6).all()
