import os

import numpy as np
import pytest
from PIL import Image

from depthlib.data.layouts import find_layout, nearest, side_of, summarise_left, time_of


@pytest.fixture
def folder(tmp_path):
    """A function that makes empty files and gives their folder."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def rows_of(layout):
    return layout.table[["rgb", "depth"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("photo", "depth"),
    [
        ("rgb/{}.jpg", "depth/{}.png"),  # two folders
        ("color/{}.JPG", "depth/{}.PNG"),  # ScanNet; a camera's upper case
        ("{}_rgb.png", "{}_depth.png"),  # one folder with suffixes
        ("seq-01/frame-{}.color.png", "seq-01/frame-{}.depth.png"),  # 7-Scenes
        ("den/rgb_{}.jpg", "den/sync_depth_{}.png"),  # BTS's NYU
        ("images/train/{}.jpg", "depth/train/{}.npy"),  # Ultralytics
        ("x/undistorted_color_images/{}.jpg", "x/undistorted_depth_images/{}.png"),  # Matterport
        ("{}/image_02/a.png", "{}/groundtruth_depth/a.png"),
        ("leftImg8bit/a/{}_leftImg8bit.png", "disparity/a/{}_disparity.png"),  # Cityscapes
        ("images/IMG_{}.jpg", "depth_maps/IMG_{}.tiff"),
        ("{}/{}.jpg", "{}/{}.exr"),  # told by format alone
        ("rgb/{}.jpeg", "depth/{}_depth.pfm"),
    ],
)
def test_pairs_of_the_usual_layouts_are_matched_by_name(folder, photo, depth):
    numbers = ("000001", "000002", "000010")
    names = [template.replace("{}", n) for n in numbers for template in (photo, depth)]
    layout = find_layout(folder(*names))
    expected = [[photo.replace("{}", n), depth.replace("{}", n)] for n in numbers]
    assert rows_of(layout) == expected
    assert layout.is_certain and layout.left.empty


def test_padded_numbers_match_those_that_are_not_and_so_do_names_that_share_their_last(folder):
    layout = find_layout(
        folder("color/1.jpg", "color/12.jpg", "depth/000001.png", "depth/00012.png")
    )
    assert rows_of(layout) == [
        ["color/1.jpg", "depth/000001.png"],
        ["color/12.jpg", "depth/00012.png"],
    ]
    assert layout.matched == {"the same number": 2} and not layout.is_certain


def test_names_that_share_only_their_last_number_match_and_are_less_certain(folder):
    layout = find_layout(folder("rgb/kitchen-7.jpg", "depth/sensor_0007.png"))
    assert rows_of(layout) == [["rgb/kitchen-7.jpg", "depth/sensor_0007.png"]]
    assert layout.matched == {"the last number": 1}


@pytest.mark.parametrize(
    ("photos", "maps"),
    [
        (["kitchen_1", "kitchen_3", "bath_1"], ["kitchen_1", "bath_1", "bath_3"]),
        (["1", "2", "a_3"], ["01", "02", "b_3"]),  # those with a partner have its number
        (["000000000004", "000000000005"], ["000000000004", "000000000006"]),  # counts, no times
        (["rot_-10", "rot_20"], ["rot_-10", "rot_-20"]),
        (["room_1", "room_2.05m"], ["room_1", "room_2.5m"]),
        (["20240101_120000_1", "20240101_120000_2"], ["20240101_120000_1", "20240102_130000_2"]),
    ],
    ids=["rooms", "numbers", "long counts", "signs", "decimals", "dates with counts"],
)
def test_what_is_left_of_files_that_match_by_name_has_no_partner(folder, photos, maps):
    root = folder(*(f"rgb/{name}.jpg" for name in photos), *(f"depth/{name}.png" for name in maps))
    layout = find_layout(root)
    paired = {row[1] for row in rows_of(layout)}
    alone = {f"rgb/{name}.jpg" for name in photos} - {row[0] for row in rows_of(layout)}
    alone |= {f"depth/{name}.png" for name in maps} - paired
    assert len(paired) == len(maps) - 1 and set(layout.left["file"]) == alone and len(alone) == 2


def test_decimals_of_times_are_no_whole_numbers(folder):
    times = {"1700000002.5": "1700000002.505", "1700000002.005": "1700000002.01"}
    times |= {"1700000002.1": "1700000002.1"}
    root = folder(
        *(f"rgb/{time}.jpg" for time in times), *(f"depth/{time}.png" for time in times.values())
    )
    due = sorted([f"rgb/{one}.jpg", f"depth/{other}.png"] for one, other in times.items())
    assert sorted(rows_of(find_layout(root))) == due


@pytest.mark.parametrize("way", ["{}_rgb/{}_depth", "rgb_{}/depth_{}", "a {}/b {}"])
def test_numbers_below_nought_are_others_than_those_above(folder, way):
    ours, theirs = way.split("/")
    numbers = ("-20", "-3", "3", "20")
    names = [f"rgb/{ours.format(n)}.jpg" for n in numbers]
    maps = [f"depth/{theirs.format(n)}.png" for n in numbers]
    layout = find_layout(folder(*names, *maps))
    assert sorted(rows_of(layout)) == sorted(map(list, zip(names, maps, strict=True)))


def test_each_folder_has_its_own_way_of_naming_pairs(folder):
    layout = find_layout(
        folder("a/rgb/x_1.jpg", "a/depth/x_1.png", "b/rgb/shot-7.jpg", "b/depth/map_0007.png")
    )
    assert layout.matched == {"the same name": 1, "the last number": 1} and layout.left.empty


def test_folders_of_other_names_beside_each_other_match_where_nothing_else_does(folder):
    names = ["a/lowres_wide/7_1.jpg", "a/lowres_depth/7_1.npy", "b/lowres_wide/7_1.jpg"]
    layout = find_layout(folder(*names))
    assert rows_of(layout) == [names[:2]] and not layout.is_certain
    layout = find_layout(folder("c/1.jpg", "c/1.npy"))  # which now says how files match
    assert rows_of(layout) == [["c/1.jpg", "c/1.npy"]]


def test_a_folder_with_masks_and_hidden_files_gives_its_pairs_and_says_what_is_left_out(folder):
    root = folder(
        "rgb/1.jpg", "depth/1.png", "masks/1.png", "rgb/._1.jpg", "rgb/2.jpg", "depth/3.png",
        "rgb/.ipynb_checkpoints/1-checkpoint.jpg", "__MACOSX/rgb/1.jpg", "Thumbs.db", ".DS_Store",
    )  # fmt: skip
    layout = find_layout(root)
    assert rows_of(layout) == [["rgb/1.jpg", "depth/1.png"]]
    assert dict(layout.left.to_numpy().tolist()) == {
        "rgb/2.jpg": "no depth map",
        "depth/3.png": "no photo",
        "masks/1.png": "a mask or another picture, no depth",
        "rgb/._1.jpg": "a hidden file",
        "rgb/.ipynb_checkpoints/1-checkpoint.jpg": "a hidden file",
        "__MACOSX/rgb/1.jpg": "a hidden file",
    }
    assert summarise_left(layout.left)["files"].sum() == 6


def test_the_users_words_come_before_names(folder):
    root = folder("left/1.png", "right/1.png", "z/1.png", "depth_old/1.png")
    assert rows_of(find_layout(root, "right", "z")) == [["right/1.png", "z/1.png"]]
    root = folder("a/1_c.png", "a/1_d.png", "b/1_c.png", "b/1_d.png")
    layout = find_layout(root, "{scene}/{frame}_c.png", "{scene}/{frame}_d.png")
    assert layout.table.to_numpy().tolist() == [
        ["a/1_c.png", "a/1_d.png", "a"],
        ["b/1_c.png", "b/1_d.png", "b"],
    ]
    assert rows_of(find_layout(root / "a", "*_c.png", "*_d.png")) == [["1_c.png", "1_d.png"]]
    assert rows_of(find_layout(root, "*/*_c.png", "*/*_d.png")) == rows_of(layout)


def test_folders_beside_the_one_given_are_joined_at_the_folder_that_holds_all(folder, tmp_path):
    folder("a/rgb/1.jpg", "b/1.png")
    layout = find_layout(tmp_path / "a", "rgb", "../b")
    assert (layout.root, rows_of(layout)) == (tmp_path, [["a/rgb/1.jpg", "b/1.png"]])
    layout = find_layout(tmp_path, str(tmp_path / "a/rgb"), str(tmp_path / "b"))
    assert rows_of(layout) == [["a/rgb/1.jpg", "b/1.png"]]


def test_pictures_of_one_channel_or_16_bits_are_depth_where_names_say_nothing(tmp_path):
    for name, array in {
        "a1.png": np.zeros((4, 6, 3), np.uint8),
        "b1.png": np.ones((4, 6), np.uint16),
        "b2.png": np.ones((4, 6), np.uint8),
        "a2.png": np.zeros((4, 6, 3), np.uint8),
    }.items():
        Image.fromarray(array).save(tmp_path / name)
    layout = find_layout(tmp_path)
    assert rows_of(layout) == [["a1.png", "b1.png"], ["a2.png", "b2.png"]]
    assert not layout.is_certain


def test_lists_of_times_are_joined_at_the_nearest_as_tums_tool_does(folder):
    times = ["1305031102.175304", "1305031102.211214", "1305031103.0"]
    root = folder(*(f"rgb/{t}.png" for t in times), "depth/a.png", "depth/b.png", "depth/c.png")
    (root / "rgb.txt").write_text("# time file\n" + "".join(f"{t} rgb/{t}.png\n" for t in times))
    depth = "1305031102.160407 depth/a.png\n1305031102.194330 depth/b.png\n1305031109 depth/c.png\n"
    (root / "depth.txt").write_text(depth + "1305031110 depth/gone.png\n")
    layout = find_layout(root)
    # By hand: 14.897 and 16.884 ms; .175304 is 19.026 ms from b, farther than from a.
    assert rows_of(layout) == [
        [f"rgb/{times[0]}.png", "depth/a.png"],
        [f"rgb/{times[1]}.png", "depth/b.png"],
    ]
    assert dict(layout.left.to_numpy().tolist()) == {
        f"rgb/{times[2]}.png": "no depth map within 0.02 s",
        "depth/c.png": "no photo within 0.02 s",
        "depth/gone.png": "not there",
    }
    assert len(find_layout(root, "rgb.txt", "depth.txt", tolerance=0.015).table) == 1


@pytest.mark.parametrize("name", ["../outside.png", "rgb/../../outside.png", "{root}/outside.png"])
@pytest.mark.parametrize("listing", ["rgb.txt", "depth.txt"])
def test_a_list_of_times_names_no_file_outside_its_folder(folder, name, listing):
    root = folder("set/rgb/1.png", "set/depth/1.png", "outside.png")
    for kind in ("rgb", "depth"):
        (root / "set" / f"{kind}.txt").write_text(f"1.0 {kind}/1.png\n")
    path = root / "set" / listing
    path.write_text(path.read_text() + f"2.0 {name.format(root=root)}\n")
    with pytest.raises(ValueError, match=rf"must stay in its folder. Received: .*{listing}"):
        find_layout(root / "set")


def test_names_that_are_times_match_the_nearest_whatever_their_unit(folder):
    root = folder(
        "rgb/1403636579763555584.png", "depth/1403636579.770.png", "depth/1403636579.9.png"
    )
    layout = find_layout(root)
    assert rows_of(layout) == [["rgb/1403636579763555584.png", "depth/1403636579.770.png"]]
    assert layout.matched == {"the nearest time within 0.02 s": 1}
    assert time_of("frame_1403636579763") == time_of("1403636579763000") == 1403636579.763
    assert time_of("rec_1403636579763.25") == pytest.approx(1403636579.76325, abs=1e-6)
    assert time_of("000123") is time_of("000000000005") is None
    for name in ("20240101120000250", "img20240101_120000_250", "2024-01-01 12.00.00.250"):
        assert time_of(name) == 1704110400.25
    assert time_of("20240101120000") == 1704110400  # neither ms nor µs of the year 2611
    assert time_of("20240101_120000_7") is None  # a count behind a date


@pytest.mark.parametrize(
    "names",
    [
        ("2024010112000{}123", "2024010112000{}123"),
        ("img2024010112000{}", "depth2024010112000{}"),
        ("20240101_12000{}_123", "20240101-12000{}_123"),
        ("IMG_20240101_12000{}_1", "DEP_20240101_12000{}_1"),
    ],
)
def test_frames_of_other_seconds_are_no_pairs_whatever_their_dates_look_like(folder, names):
    photo, depth = (f"{place}/{name}" for place, name in zip(("rgb", "depth"), names, strict=True))
    numbers = ((1, 4), (5, 9))
    files = [
        name for p, d in numbers for name in (f"{photo}.jpg".format(p), f"{depth}.png".format(d))
    ]
    with pytest.raises(FileNotFoundError, match="no two match"):
        find_layout(folder(*files))


def test_each_file_is_matched_once():
    ours, theirs = [(0.0, "a"), (0.010, "b")], [(0.011, "x"), (0.025, "y")]
    assert list(nearest(ours, theirs, 0.02)) == [("b", "x")]
    assert list(nearest(ours, theirs, 0.03)) == [("b", "x"), ("a", "y")]


@pytest.mark.parametrize(
    ("names", "words", "message"),
    [
        (["rgb/1.jpg", "depth/1.png", "disparity/1.png"], (), "must have one depth map.*Say which"),
        (["rgb/1.jpg", "rgb/1.png", "depth/1.png"], (), "must have one depth map"),
        (["rgb/1.jpg", "depth/2.npy"], (), "1 photos .such as rgb/1.jpg. and 1 maps.*no two match"),
        (["rgb/1.jpg"], ("rgb", "deep"), "a folder .rgb., a pattern.*Received: 'deep'"),
        (["rgb/1.jpg"], ("rgb", "*_z.png"), "fits none in"),
        (["rgb/1.jpg"], ("{room}/{frame}.jpg", "rgb"), "must have {frame}.*may have {scene}"),
        (["rgb/1.jpg"], ("rgb", "rgb"), "must be two files. Received: rgb/1.jpg for both"),
        (["rgb/1.jpg", "deep/1.txt"], ("rgb", "deep"), "hold pictures or maps. Received: .*deep"),
        (["notes.txt"], (), "folders with pictures: none"),
    ],
)
def test_what_cannot_be_matched_is_refused_with_what_to_say(folder, names, words, message):
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        find_layout(folder(*names), *words)


def test_names_that_a_csv_cannot_hold_are_left_out_with_the_reason(folder, tmp_path):
    names = ["12:30:05", "²", "a\\b", "c\rd"]
    folder(*(f"{place}/{n}.{s}" for n in names for place, s in (("rgb", "jpg"), ("depth", "png"))))
    for place in (b"rgb/\xfc.jpg", b"depth/\xfc.png"):
        (tmp_path / os.fsdecode(place)).touch()
    layout = find_layout(tmp_path)
    assert [rgb for rgb, _ in rows_of(layout)] == ["rgb/12:30:05.jpg", "rgb/².jpg"]
    assert len(layout.left) == 6 and layout.left["problem"].str.contains("rename it").all()


def test_links_that_go_round_and_a_missing_folder_are_no_trap(folder, tmp_path):
    root = folder("rgb/1.jpg", "depth/1.png")
    (root / "rgb/again").symlink_to(root)
    assert len(find_layout(root).table) == 1
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        find_layout(tmp_path / "missing")


def test_a_folder_says_the_side_of_a_split():
    sides = {"images/train/1.jpg": "train", "val/rgb/1.jpg": "val", "testing/a/1.jpg": "test"}
    sides |= {"train_rgb/1.jpg": "train", "test_images/1.jpg": "test", "valid_set/1.jpg": ""}
    assert {photo: side_of(photo) for photo in sides} == sides
    assert side_of("train_station/1.jpg") == side_of("rgb/test.jpg") == ""


@pytest.mark.parametrize(
    ("place", "pairs", "example"),
    [
        ("indoor_metric/7scenes_redkitchen", 50, "frame-000000_rgb.jpg"),
        ("indoor_metric/nyu_cafe", 40, "0001_rgb.jpg"),
        ("driving/driving_sparse_m256", 34, "rgb/driving_argoverse_stereo_1.jpg"),
        ("kitti/train/2011_09_26_drive_0005", 77, "image_02/0000000000.jpg"),
    ],
)
def test_real_folders_are_found_by_themselves(shared, place, pairs, example):
    layout = find_layout(shared / "data" / place)
    assert len(layout.table) == pairs and layout.left.empty and layout.is_certain
    assert layout.table["rgb"][0] == example
