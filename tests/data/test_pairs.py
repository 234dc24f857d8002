import os
import time
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest

from depthlib.data.cache import open_cache
from depthlib.data.dataset_file import make_spec, write_dataset_file
from depthlib.data.images import read_pair, write_rgb
from depthlib.data.pairs import (
    Pairs,
    check_pairs,
    find_pairs,
    read_csv,
    split_by_scene,
    write_csv,
)
from depthlib.data.specs import NYU_LABELLED, NYU_TEST, NYU_TRAIN, ROADS


def test_pairs_are_found_in_natural_order(tiny_nyu):
    pairs, lonely = find_pairs(tiny_nyu(scenes=2, frames=11), NYU_TRAIN)
    names = [path.rsplit("/")[-1] for path in pairs.table["rgb"]]
    assert names == [f"{n}.jpg" for n in range(1, 12)] * 2
    assert lonely.empty


def test_what_has_no_partner_is_listed_by_name_and_left_out(tiny_nyu):
    root = tiny_nyu(scenes=2, frames=2)
    (root / "nyu2_train/room_0001_out/1.png").unlink()
    (root / "nyu2_train/room_0002_out/2.jpg").unlink()
    pairs, lonely = find_pairs(root, NYU_TRAIN)
    assert len(pairs) == 2
    assert lonely.to_numpy().tolist() == [
        ["nyu2_train/room_0001_out/1.jpg", "no depth map"],
        ["nyu2_train/room_0002_out/2.png", "no photo"],
    ]


def test_all_photos_of_a_scene_may_share_a_map_and_have_their_conditions(tmp_path):
    for name in ("a/clear.jpg", "a/fog.jpg", "a/depth.png", "b/clear.jpg", "c/depth.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = "photo,scene,condition", "a/clear.jpg,a,clear", "a/fog.jpg,a,fog", "b/clear.jpg,b,clear"
    (tmp_path / "index.csv").write_text("\n".join(rows))
    pairs, lonely = find_pairs(tmp_path, ROADS)
    assert pairs.table.to_numpy().tolist() == [
        ["a/clear.jpg", "a/depth.png", "a", "clear"],
        ["a/fog.jpg", "a/depth.png", "a", "fog"],
    ]
    assert lonely.to_numpy().tolist() == [
        ["b/clear.jpg", "no depth map"],
        ["c/depth.png", "no photo"],
    ]
    write_csv(pairs, tmp_path / "road.csv")
    assert (tmp_path / "road.csv").read_text().splitlines()[0] == "a/clear.jpg,a/depth.png"
    again = read_csv(tmp_path / "road.csv", ROADS)
    assert again.table["condition"].tolist() == ["clear", "fog"]
    assert again.select([1]).table["condition"].tolist() == ["fog"]


def test_a_missing_folder_and_one_without_pairs_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_pairs(tmp_path / "missing", NYU_TRAIN)
    with pytest.raises(FileNotFoundError, match="has none"):
        find_pairs(tmp_path, NYU_TRAIN)


def test_the_csv_is_the_same_bytes_every_time_and_reads_back(tiny_nyu):
    root = tiny_nyu()
    expected = (root / "nyu2_train.csv").read_bytes()
    pairs, _ = find_pairs(root, NYU_TRAIN)
    write_csv(pairs, root / "nyu2_train.csv")
    assert (root / "nyu2_train.csv").read_bytes() == expected
    again = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
    assert again.digest() == pairs.digest()
    assert again.rgb_path(0) == root / "nyu2_train/room_0001_out/1.jpg"
    assert again.table["scene"].tolist() == pairs.table["scene"].tolist()


def test_the_samples_csvs_are_what_make_dataset_writes(sample):
    for name, spec in (("nyu2_train.csv", NYU_TRAIN), ("nyu2_test.csv", NYU_TEST)):
        pairs, lonely = find_pairs(sample, spec)
        assert lonely.empty
        assert pairs.digest() == read_csv(sample / name, spec).digest()


def test_the_archives_own_csv_whose_paths_start_with_data_is_read(tiny_nyu):
    root = tiny_nyu()
    moved = root.rename(root.parent / "data")
    rows = (moved / "nyu2_test.csv").read_text().replace("nyu2_test/", "data/nyu2_test/")
    (moved / "nyu2_test.csv").write_text(rows)
    pairs = read_csv(moved / "nyu2_test.csv", NYU_TEST)
    assert pairs.rgb_path(1) == root.parent / "data/nyu2_test/00001_colors.png"
    assert pairs.depth_path(1).exists()


def test_index_csv_says_the_scenes_of_test_photos(tiny_nyu):
    root = tiny_nyu(tests=2)
    (root / "index.csv").write_text("photo,scene\nnyu2_test/00000_colors.png,office_0003a\n")
    pairs = read_csv(root / "nyu2_test.csv", NYU_TEST)
    assert pairs.table["scene"].tolist() == ["office_0003", "00001"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rgb,depth"),
        ("1.jpg\n2.jpg\n", "1 columns"),
        ("1.jpg,\n", "empty field"),
        ("../other/1.jpg,1.png\n", "stay in its folder. Received: '../other/1.jpg'"),
        ("/etc/1.jpg,1.png\n", "stay in its folder"),
        ("C:/1.jpg,1.png\n", "stay in its folder"),
        ("a\\..\\..\\1.jpg,1.png\n", "stay in its folder"),
        ("1.jpg,\0.png\n", r"stay in its folder. Received: '\\x00.png' in .*pairs.csv"),
    ],
)
def test_a_csv_that_is_empty_malformed_or_leaves_its_folder_is_refused(tmp_path, text, message):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_csv(tmp_path / "pairs.csv", NYU_TRAIN)


def test_a_photo_is_not_its_own_depth(tiny_nyu):
    path = tiny_nyu() / "nyu2_train.csv"
    rgb, _ = path.read_text().splitlines()[1].split(",")
    with path.open("a") as file:
        file.write(f"{rgb},./{rgb}\n")
    row = len(path.read_text().splitlines())
    with pytest.raises(ValueError, match=f"{rgb} as rgb and as depth, in row {row} of .*.csv"):
        read_csv(path, NYU_TRAIN)


@pytest.mark.parametrize("suffix", [".gz", ".zip", ".xz", ".bz2", ".zst", ".tar"])
def test_a_csv_is_text_whatever_its_name(tmp_path, suffix):
    (tmp_path / "1.jpg").touch()
    path = tmp_path / f"pairs.csv{suffix}"
    path.write_text("1.jpg,1.png\n")
    assert len(read_csv(path, NYU_TRAIN)) == 1
    path.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(ValueError, match="must hold `rgb,depth` rows. Received: .*pairs.csv"):
        read_csv(path, NYU_TRAIN)


def test_a_field_more_in_each_row_of_the_index_moves_no_scene(tiny_nyu):
    root = tiny_nyu(tests=2)
    (root / "index.csv").write_text("photo,scene\nnyu2_test/00000_colors.png,office_0003a,\n")
    assert read_csv(root / "nyu2_test.csv", NYU_TEST).table["scene"].iloc[0] == "office_0003"


def test_a_missing_csv_or_first_photo_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.csv.*make_dataset.ipynb"):
        read_csv(tmp_path / "missing.csv", NYU_TRAIN)
    (tmp_path / "pairs.csv").write_text("1.jpg,1.png\n")
    with pytest.raises(FileNotFoundError, match="1.jpg, the first photo of .*pairs.csv"):
        read_csv(tmp_path / "pairs.csv", NYU_TRAIN)


def test_a_csv_is_written_only_beside_its_images(tiny_nyu, tmp_path):
    pairs, _ = find_pairs(tiny_nyu(), NYU_TRAIN)
    with pytest.raises(ValueError, match="into the folder of its images"):
        write_csv(pairs, tmp_path / "elsewhere.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "index.csv: No columns"),
        (b"photo,room\na.jpg,den\n", "Received: photo, room in .*index.csv"),
        (b"photo,scene\na,b,c,d\ne,f\n,\xff", "index.csv"),
        (b"photo,scene\n\xff\xfe,b\n", "index.csv"),
    ],
)
def test_an_index_that_cannot_be_read_is_refused_by_name(tiny_nyu, content, message):
    root = tiny_nyu()
    (root / "index.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"must have a photo and its scene.*{message}"):
        read_csv(root / "nyu2_train.csv", NYU_TRAIN)


def test_a_photo_without_a_scene_in_the_index_has_that_of_its_folder(tiny_nyu):
    root = tiny_nyu(tests=2)
    (root / "index.csv").write_text("photo,scene\nnyu2_test/00000_colors.png,\n,den\n")
    pairs = read_csv(root / "nyu2_test.csv", NYU_TEST)
    assert pairs.table["scene"].tolist() == ["00000", "00001"]


def test_a_csv_that_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pairs.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pairs.csv", "folder.csv"):
        with pytest.raises(FileNotFoundError, match=f"There is no file .*{name}"):
            read_csv(tmp_path / name, NYU_TRAIN)


def test_all_of_nyu_is_listed_written_read_and_split_without_reading_an_image(tmp_path):
    for folder in range(284):
        room = tmp_path / f"nyu2_train/room_{folder // 2:04d}{'ab'[folder % 2]}_out"
        room.mkdir(parents=True)
        for frame in range(50688 // 284 + (folder < 50688 % 284)):
            (room / f"{frame + 1}.jpg").touch()
            (room / f"{frame + 1}.png").touch()
    started = time.process_time()
    pairs, _ = find_pairs(tmp_path, NYU_TRAIN)
    write_csv(pairs, tmp_path / "nyu2_train.csv")
    training, validation = split_by_scene(
        read_csv(tmp_path / "nyu2_train.csv", NYU_TRAIN), 0, counts=(20_000, 5_000)
    )
    print(f"{time.process_time() - started:.1f} s for {len(pairs)} pairs")
    assert (len(pairs), len(training), len(validation)) == (50_688, 20_000, 5_000)


OWN = make_spec("own", metres_per_count=0.001)


def test_a_spec_is_a_name_a_file_the_file_beside_the_csv_or_what_paths_say(tiny_nyu, tmp_path):
    root = tiny_nyu()
    assert read_csv(root / "nyu2_train.csv").spec is NYU_TRAIN
    assert read_csv(root / "nyu2_test.csv", "nyu_test").spec is NYU_TEST
    write_dataset_file(replace(OWN, max_depth=7.5), tmp_path / "room.json")
    for spec in (tmp_path / "room.json", str(tmp_path / "room.json")):
        assert read_csv(root / "nyu2_test.csv", spec).spec.max_depth == 7.5
    write_dataset_file(OWN, root / "dataset.json")
    assert read_csv(root / "nyu2_test.csv").spec == OWN
    write_dataset_file(replace(OWN, name="mine"), root / "nyu2_test.json")
    assert read_csv(root / "nyu2_test.csv").spec.name == "mine"


def test_depth_of_which_nothing_says_how_it_is_stored_is_refused_with_a_file_to_write(tmp_path):
    (tmp_path / "odd.csv").write_text("a.jpg,b.png\n")
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ValueError, match="must be said") as caught:
        read_csv(tmp_path / "odd.csv")
    example = str(caught.value).partition("such as\n")[2].partition("(0.001")[0]
    assert len(example.strip().splitlines()) == 5
    (tmp_path / "dataset.json").write_text(example)
    assert read_csv(tmp_path / "odd.csv").spec.metres_per_count == 0.001
    with pytest.raises(ValueError, match="`spec` must be one of nyu_train"):
        read_csv(tmp_path / "odd.csv", "nyu")
    with pytest.raises(FileNotFoundError, match="no file .*gone.json"):
        read_csv(tmp_path / "odd.csv", tmp_path / "gone.json")


@pytest.mark.parametrize("name", ["pairs.csv", "index.csv"])
def test_a_csv_with_a_heading_beside_two_folders_is_read_whatever_its_name(
    tmp_path, write_pairs, name
):
    write_pairs(tmp_path, [("rgb/1.jpg", "depth/1.png")])
    (tmp_path / name).write_text("rgb,depth\nrgb/1.jpg, depth/1.png\n")
    pairs = read_csv(tmp_path / name, OWN)
    assert pairs.table[["rgb", "depth"]].to_numpy().tolist() == [["rgb/1.jpg", "depth/1.png"]]
    assert pairs.scenes == "unknown" and pairs.load()[1][0].shape == (48, 64)
    if name == "index.csv":
        (tmp_path / "b.csv").write_text("rgb/1.jpg,depth/1.png\n")
        assert len(read_csv(tmp_path / "b.csv", OWN)) == 1


def test_a_list_of_bts_has_rooms_by_its_folders_and_stays_in_its_folder(tmp_path):
    names = [f"{room}/{kind}_0{n}" for room in ("den_1a", "den_1b", "attic_2") for n in (1, 2)
             for kind in ("rgb",)]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jpg").touch()
    lines = [f"/{n}.jpg /{n.replace('rgb', 'sync_depth')}.png 518.8579\n" for n in names]
    (tmp_path / "list.txt").write_text("".join(lines))
    pairs = read_csv(tmp_path / "list.txt", NYU_TRAIN)
    assert (pairs.scenes, sorted(set(pairs.table["scene"]))) == ("known", ["attic_2", "den_1"])
    assert pairs.rgb_path(0) == tmp_path / "den_1a/rgb_01.jpg"
    own = replace(OWN, focal_column="focal", scenes="folder")
    assert read_csv(tmp_path / "list.txt", own).table["focal"].tolist() == [518.8579] * 6
    for changed in ({"focal_column": "lens"}, {"scenes": "column:lens"}):
        said = "must have a column 'lens'.*Received: rgb, depth, focal.*The CSV is .*list.txt"
        with pytest.raises(ValueError, match=said):
            read_csv(tmp_path / "list.txt", replace(OWN, **changed))
    with pytest.warns(UserWarning, match='nothing asks for.*"focal_column": "focal"'):
        read_csv(tmp_path / "list.txt", replace(own, focal_column=None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_csv(tmp_path / "list.txt", replace(own, focal_column=None, focal=0.8))
    (tmp_path / "rooms.csv").write_text("Room,Photo,Depth\nden 1,den_1a/rgb_01.jpg,x.png\n")
    rooms = read_csv(tmp_path / "rooms.csv", replace(OWN, scenes="column:Room"))
    assert rooms.table["scene"].tolist() == ["den 1"]


def test_a_csv_elsewhere_finds_its_photos_where_the_user_says(tmp_path, write_pairs, monkeypatch):
    data, csv = tmp_path / "input/set", tmp_path / "working/pairs.csv"
    write_pairs(data, [("rgb/1.jpg", "depth/1.png")])
    pairs, _ = find_pairs(data, replace(OWN, photo="rgb/{frame}.*", depth="depth/{frame}.png"))
    write_csv(pairs, csv, elsewhere=True)
    with pytest.raises(FileNotFoundError, match="name their folder by `root`.*DEPTHLIB_DATA"):
        read_csv(csv, OWN)
    assert read_csv(csv, OWN, root=data).rgb_path(0) == data / "rgb/1.jpg"
    csv.write_text(f"{data}/rgb/1.jpg,{data}/depth/1.png\n")
    with pytest.raises(ValueError, match="must stay in its folder"):
        read_csv(csv, OWN)
    for root in (data, "/"):
        pairs = read_csv(csv, OWN, root=root)
        assert (pairs.root, pairs.rgb_path(0)) == (Path(root), data / "rgb/1.jpg")
    monkeypatch.setenv("DEPTHLIB_DATA", str(data))
    assert read_csv(csv, OWN).table["rgb"][0] == "rgb/1.jpg"
    csv.write_text("../set/rgb/1.jpg,../set/depth/1.png\n")
    with pytest.raises(ValueError, match="must stay in its folder"):
        read_csv(csv, OWN, root=data)


@pytest.mark.parametrize(("counts", "median"), [(5000, "6.1"), (1000, None), (256, None)])
def test_what_paths_alone_say_is_compared_with_the_maps(tmp_path, counts, median):
    rng, lines = np.random.default_rng(0), ["rgb,depth"]
    table = np.linspace(1.5, 0.9, 48)[:, None] + np.zeros((48, 64))
    (tmp_path / "den").mkdir()
    for number in range(6):
        write_rgb(tmp_path / f"den/{number}_rgb.png", np.zeros((48, 64, 3), np.uint8))
        depth = table + rng.uniform(0, 0.05, table.shape)
        cv2.imwrite(str(tmp_path / f"den/{number}_depth.png"), np.rint(depth * counts).astype("u2"))
        lines.append(f"den/{number}_rgb.png,den/{number}_depth.png")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        pairs = read_csv(tmp_path / "list.csv")
    assert pairs.spec.name == "indoor_millimetre"
    said = " ".join(str(each.message) for each in told)
    assert (f"nearer than {median}" in said and "write dataset.json" in said) == bool(median)
    with warnings.catch_warnings(action="error"):
        read_csv(tmp_path / "list.csv", "indoor_millimetre")


def test_where_photos_of_these_names_are_in_several_folders_the_user_says_which(
    tmp_path, write_pairs, monkeypatch
):
    names = [("rgb/1.jpg", "depth/1.png")]
    home, there = (write_pairs(tmp_path / place, names) for place in ("home", "there"))
    csv = home / "work" / "pairs.csv"
    csv.parent.mkdir()
    csv.write_text("rgb,depth\nrgb/1.jpg,depth/1.png\n")
    assert read_csv(csv, OWN).root == home  # as the archive has it
    monkeypatch.setenv("DEPTHLIB_DATA", str(there))
    with pytest.raises(ValueError, match="in one folder.*in .*there .*and in .*home. Give --root"):
        read_csv(csv, OWN)
    assert read_csv(csv, OWN, root=there).root == there
    monkeypatch.setenv("DEPTHLIB_DATA", str(csv.parent / ".."))
    assert read_csv(csv, OWN).root.resolve() == home
    monkeypatch.setenv("DEPTHLIB_DATA", str(there))
    write_pairs(csv.parent, names)
    assert read_csv(csv, OWN).root == csv.parent  # beside their list


def test_pairs_of_an_own_layout_are_written_with_their_scenes_and_read_back(tmp_path):
    names = ["12:30:05", "²", "#1", "a,b"]
    for name in names:
        for place in ("a", "b"):
            (tmp_path / place).mkdir(exist_ok=True)
            (tmp_path / place / f"{name}.jpg").touch()
            (tmp_path / place / f"{name}.npy").touch()
    spec = replace(OWN, photo="{scene}/{frame}.jpg", depth="{scene}/{frame}.npy",
                   scenes="column:scene")  # fmt: skip
    table = pd.DataFrame({
        "rgb": [f"{p}/{n}.jpg" for p in "ab" for n in names],
        "depth": [f"{p}/{n}.npy" for p in "ab" for n in names],
        "scene": [f"room {p}" for p in "ab" for n in names],
    })  # fmt: skip
    pairs = Pairs(tmp_path, table, spec)
    write_csv(pairs, tmp_path / "pairs.csv")
    again = read_csv(tmp_path / "pairs.csv", spec)
    assert again.table.equals(table) and again.scenes == "known"
    unlistable = replace(pairs, table=table.assign(rgb="a\rb.jpg"))
    with pytest.raises(ValueError, match=r"name its files. Received: 'a\\rb.jpg'.*rename"):
        write_csv(unlistable, tmp_path / "pairs.csv")


def test_hidden_files_are_no_pairs_and_names_that_no_csv_holds_are_left_out(tiny_nyu):
    root = tiny_nyu(scenes=1, frames=3)
    room = root / "nyu2_train/room_0001_out"
    for suffix in ("jpg", "png"):
        (room / f"._1.{suffix}").touch()
        (room / f"3.{suffix}").rename(room / f"3\\x.{suffix}")
        hidden = root / "nyu2_train/.ipynb_checkpoints"
        hidden.mkdir(exist_ok=True)
        (hidden / f"1.{suffix}").touch()
    pairs, left = find_pairs(root, NYU_TRAIN)
    assert [Path(name).name for name in pairs.table["rgb"]] == ["1.jpg", "2.jpg"]
    assert len(left) == 2 and left["problem"].str.contains("backslash").all()


NYU_SCENES = ["kitchen_0004", "kitchen_0004", "cafe_0001a", "cafe_0001b"]


@pytest.fixture
def labelled(tmp_path):
    """A folder with a small nyu_depth_v2_labeled.mat, in the layout of NYU's own, v7.3."""
    rng = np.random.default_rng(0)
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = rng.integers(0, 256, (4, 3, 48, 32), np.uint8)
        depths = np.linspace(3, 1, 32) + rng.uniform(0, 0.3, (4, 48, 32))
        file["depths"], file["rawDepths"] = depths.astype("f4"), depths.astype("f4")
        scenes = file.create_dataset("scenes", (1, 4), h5py.ref_dtype)
        for place, name in enumerate(NYU_SCENES):
            cell = np.array([[ord(letter)] for letter in name], np.uint16)
            scenes[0, place] = file.create_dataset(f"#refs#/{place}", data=cell).ref
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return tmp_path


def test_nyus_labelled_set_is_read_by_name_without_unpacking(labelled):
    pairs, left = find_pairs(labelled, NYU_LABELLED)
    assert left.empty and len(pairs) == 4
    assert pairs.table["rgb"][3] == "nyu_depth_v2_labeled.mat/images/3"
    assert pairs.table["scene"].tolist() == ["kitchen_0004"] * 2 + ["cafe_0001"] * 2
    rgb, depth = read_pair(pairs.rgb_path(1), pairs.depth_path(1), pairs.spec)
    with h5py.File(labelled / "nyu_depth_v2_labeled.mat") as file:
        np.testing.assert_array_equal(rgb, file["images"][1].T)
        np.testing.assert_array_equal(depth, file["depths"][1].T)
    assert depth.shape == (32, 48)
    good, problems, summary = check_pairs(pairs)
    assert len(good) == 4 and problems.empty and summary["sizes"].item() == "32x48"
    write_csv(pairs, labelled / "nyu.csv")
    again = read_csv(labelled / "nyu.csv", "nyu_labelled")
    assert again.table.equals(pairs.table)
    training, validation = split_by_scene(pairs, 0, 0.5)
    assert len(training) == len(validation) == 2


def test_a_cache_of_a_file_of_arrays_is_made_anew_when_the_file_changes(labelled, tmp_path):
    pairs, _ = find_pairs(labelled, NYU_LABELLED)
    held = open_cache(pairs, 32, 48, tmp_path / "cache", progress=False)
    rgb, counts = held.gather([0, 3])
    depth = read_pair(pairs.rgb_path(3), pairs.depth_path(3), pairs.spec)[1]
    # 10 m in 65535 counts: rounding loses 0.08 mm at most.
    assert np.abs(counts[1] * held.metres_per_count - depth).max() <= 10 / 65535 / 2 + 1e-6
    os.utime(labelled / "nyu_depth_v2_labeled.mat", (1, 1))
    assert open_cache(pairs, 32, 48, tmp_path / "cache", progress=False).folder != held.folder


def test_a_photo_without_a_scene_in_its_file_is_refused(labelled):
    with h5py.File(labelled / "nyu_depth_v2_labeled.mat", "r+") as file:
        file.move("scenes", "places")
    with pytest.raises(ValueError, match="labeled.mat, `scenes`"):
        find_pairs(labelled, NYU_LABELLED)


def test_confidence_maps_are_listed_read_and_written_and_numbers_are_none(tiny_nyu, tmp_path):
    root = tiny_nyu(scenes=2, frames=1)
    rows = [f"nyu2_train/room_{n:04d}_out/1" for n in (1, 2)]
    text = "rgb,depth,{}\n" + "".join(f"{row}.jpg,{row}.png,{{}}\n" for row in rows)
    csv = root / "mine.csv"
    csv.write_text(text.format("Confidence", "conf\\1.png", "conf/2.png"))
    pairs = read_csv(csv, NYU_TRAIN)
    assert pairs.has_confidence and pairs.confidence_path(0) == root / "conf/1.png"
    assert pairs.digest() != read_csv(root / "nyu2_train.csv", NYU_TRAIN).digest()
    write_csv(pairs, root / "again.csv")
    assert read_csv(root / "again.csv", NYU_TRAIN).table.equals(pairs.table)
    csv.write_text(text.format("confidence", "0.5", "0.9"))
    assert not read_csv(csv, NYU_TRAIN).has_confidence
    csv.write_text(text.format("confidence", "../1.png", "conf/2.png"))
    with pytest.raises(ValueError, match=r"\.\./1\.png"):
        read_csv(csv, NYU_TRAIN)
