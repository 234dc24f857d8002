import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from depthlib.data.dataset import (
    add_focal,
    check_dataset,
    describe_sides,
    find_dataset,
    set_test_aside,
    write_dataset,
)
from depthlib.data.dataset_file import read_dataset_file
from depthlib.data.mixed_pairs import settle_focal
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TEST, NYU_TRAIN

SPEC = "indoor_millimetre"


@pytest.fixture
def rooms(tmp_path, write_pairs):
    """A folder of three rooms with three pairs each, in rgb/ and depth/."""
    names = [
        (f"{room}/rgb/{n}.jpg", f"{room}/depth/{n}.png")
        for room in ("attic", "bath", "den")
        for n in (1, 2, 3)
    ]
    return write_pairs(tmp_path / "rooms", names)


def test_nyus_own_folder_is_known_and_its_csvs_are_as_they_were(tiny_nyu, tmp_path):
    root = tiny_nyu(scenes=2)
    before = {path.name: path.read_bytes() for path in root.glob("*.csv")}
    dataset = find_dataset(root)
    assert [pairs.spec for pairs in dataset.sides.values()] == [NYU_TRAIN, NYU_TEST]
    written = write_dataset(check_dataset(dataset, 2000)[0])
    assert {path.name: path.read_bytes() for path in written} == before
    assert "certain: nyu_train" in dataset.notes[0]


def test_what_is_written_of_two_folders_is_read_back_without_a_word(rooms):
    dataset = add_focal(find_dataset(rooms, spec=SPEC), "48px")
    assert write_dataset(dataset) == [rooms / "pairs.csv", rooms / "dataset.json"]
    assert (rooms / "pairs.csv").read_text().splitlines()[:2] == [
        "rgb,depth,scene",
        "attic/rgb/1.jpg,attic/depth/1.png,attic",
    ]
    pairs = read_csv(rooms / "pairs.csv")
    assert (pairs.spec, pairs.scenes) == (dataset.first.spec, "known")
    assert (pairs.spec.name, pairs.spec.focal) == ("rooms", 0.75)
    assert pairs.digest() == dataset.first.digest()


def test_a_folder_of_the_longest_name_that_there_is_has_a_dataset_with_a_shorter_one(rooms):
    folder = rooms.rename(rooms.with_name("ö" * 120))
    write_dataset(find_dataset(folder, spec=SPEC))
    assert read_csv(folder / "pairs.csv").spec.name == "ö" * 50


def test_scenes_on_both_sides_that_folders_say_are_counted(tmp_path, write_pairs):
    names = [("train", "den"), ("train", "attic"), ("test", "den"), ("test", "bath")]
    root = write_pairs(tmp_path, [(f"{s}/{r}/rgb/1.jpg", f"{s}/{r}/depth/1.png") for s, r in names])
    (note,) = [n for n in find_dataset(root, spec=SPEC).notes if n.startswith("Sides")]
    assert "1 of 2 photos of test show a scene of train" in note


def test_what_is_said_the_second_time_is_written_too(rooms):
    (rooms / "dataset.json").write_text('{"metres_per_count": 0.001, "focal": 0.8}')
    words = {"photos": "{scene}/rgb/{frame}.jpg", "depth": "{scene}/depth/{frame}.png"}
    for focal in (None, "48px"):
        written = write_dataset(add_focal(find_dataset(rooms, **words), focal))
        pairs = read_csv(written[0])
        assert (pairs.scenes, pairs.spec.focal) == ("known", 0.75 if focal else 0.8)
    assert read_csv(write_dataset(find_dataset(rooms, spec="nyu_test"))[0]).spec.border[0] > 0


@pytest.mark.parametrize(
    "text", ["image_id,label\n1,cat\n", "rgb,depth\nrgb/1.png,depth/1.png\n", "rgb/1.png,d/1.png\n"]
)
def test_a_table_of_ones_own_is_not_written_over(rooms, tmp_path, text):
    (rooms / "pairs.csv").write_text(text)
    dataset = find_dataset(rooms, spec=SPEC)
    with pytest.raises(FileExistsError, match="must not be written over. Received: .*pairs.csv"):
        write_dataset(dataset)
    assert (rooms / "pairs.csv").read_text() == text and not (rooms / "dataset.json").exists()
    for _ in range(2):  # what it wrote itself it writes anew
        assert len(read_csv(write_dataset(dataset, tmp_path / "out")[0], root=rooms)) == 9


def test_a_table_that_was_changed_by_hand_stays_and_one_that_was_not_follows_its_folder(
    tmp_path, write_pairs
):
    names = [
        (f"{place}/rgb/{n}.jpg", f"{place}/depth/{n}.png")
        for place in ("train/den", "train/attic", "test/bath", "test/hall")
        for n in (1, 2)
    ]
    root = write_pairs(tmp_path, names[:7])
    write_dataset(find_dataset(root, spec=SPEC))
    write_pairs(tmp_path, names)
    write_dataset(find_dataset(root, spec=SPEC))
    assert len(read_csv(root / "test.csv")) == 4
    write_pairs(tmp_path, [("train/den/rgb/9.jpg", "train/den/depth/9.png")])
    chosen = (root / "test.csv").read_bytes() + b"# without 0, which is blurred\n"
    (root / "test.csv").write_bytes(chosen)
    with pytest.raises(FileExistsError, match="test.csv, which is not as depthlib last wrote it"):
        write_dataset(find_dataset(root, spec=SPEC))
    assert (root / "test.csv").read_bytes() == chosen
    assert len(read_csv(root / "train.csv")) == 4  # nor is a part of it written


LAYOUTS = {
    "rooms as folders": ["{room}/rgb/{n}.jpg", "{room}/depth/{n}.png"],
    "rooms below sides": ["train/{room}/rgb/{n}.jpg", "train/{room}/depth/{n}.png"],
    "names of words": ["rgb/kitchen_{n}.jpg", "depth/kitchen_{n}.png"],
    "names of frames": ["rgb/frame-{n:06d}.jpg", "depth/frame-{n:06d}.png"],
    "numbers": ["rgb/{n}.jpg", "depth/{n}.png"],
    "one folder": ["{n}_rgb.png", "{n}_depth.png"],
    "lists of times": ["rgb/{n}.5.png", "depth/{n}.5.png"],
}


def _name_pairs(layout, numbers):
    rooms = ("attic", "den") if "rooms" in layout else ("den",)
    templates = LAYOUTS[layout]
    return [tuple(t.format(room=r, n=n) for t in templates) for r in rooms for n in numbers]


@pytest.mark.parametrize("share", [0, 0.4], ids=["all", "test"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_time_a_folder_gives_the_same_and_takes_what_is_new(
    tmp_path, write_pairs, layout, share
):
    root = tmp_path / "data"

    def make(count, focal=None):
        names = _name_pairs(layout, range(1, count + 1))
        write_pairs(root, names)
        if layout == "lists of times":
            for column, kind in enumerate(("rgb", "depth")):
                rows = [f"{n + 1}.5 {name[column]}\n" for n, name in enumerate(names)]
                (root / f"{kind}.txt").write_text("".join(rows))
        written = write_dataset(set_test_aside(add_focal(find_dataset(root), focal), share))
        tables = sorted(path for path in written if path.suffix == ".csv")
        return {path: path.read_bytes() for path in [*tables, root / "dataset.json"]}

    first = make(5)
    assert make(5) == first
    third = make(5, "0.75")
    assert read_dataset_file(root / "dataset.json").focal == 0.75
    assert {**third, root / "dataset.json": first[root / "dataset.json"]} == first
    assert make(5) == third  # it stays
    more = make(6)
    rooms = 2 if "rooms" in layout else 1
    assert sum(len(read_csv(path)) for path in more if path.suffix == ".csv") == 6 * rooms
    assert read_csv(next(iter(more))).scenes == ("known" if "rooms" in layout else "grouped")


def test_a_second_time_a_file_of_arrays_gives_the_same(tmp_path):
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 255, (4, 24, 32, 3), np.uint8)
    depth = rng.uniform(1, 5, (4, 24, 32)).astype(np.float32)
    np.savez(tmp_path / "room.npz", rgb=photos, depth=depth)
    first = [path.read_bytes() for path in write_dataset(find_dataset(tmp_path))]
    assert len(first) == 2
    for focal in (None, "0.75"):
        path = write_dataset(add_focal(find_dataset(tmp_path), focal))[0]
        assert path.read_bytes() == first[0]
    assert read_csv(path).spec.focal == 0.75


@pytest.mark.parametrize("layout", ["rooms as folders", "names of words"])
def test_a_run_that_was_stopped_between_its_files_goes_on(
    tmp_path, write_pairs, layout, monkeypatch
):
    root = write_pairs(tmp_path, _name_pairs(layout, range(1, 4)))
    whole = [path.read_bytes() for path in write_dataset(find_dataset(root), tmp_path / "whole")]

    def stop(*words, **named):
        raise KeyboardInterrupt

    for name in ("write_ours", "write_dataset_file"):
        for path in (root / "pairs.csv", root / "dataset.json"):
            path.unlink(missing_ok=True)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"depthlib.data.dataset.{name}", stop)
            write_dataset(find_dataset(root))
        write_dataset(find_dataset(root))
        assert [(root / name).read_bytes() for name in ("pairs.csv", "dataset.json")] == [
            whole[0],
            whole[1].replace(b"whole", root.name.encode()),
        ]


def test_without_its_table_a_folder_does_not_pass_groups_off_as_scenes(tmp_path, write_pairs):
    words = {"photos": "rgb/{scene}_{frame}.jpg", "depth": "depth/{scene}_{frame}.png"}
    root = write_pairs(tmp_path, _name_pairs("names of words", range(1, 4)))
    write_dataset(find_dataset(root, **words))
    (root / "pairs.csv").unlink()
    with pytest.raises(FileExistsError, match="dataset.json, which has scenes .* not known now"):
        write_dataset(find_dataset(root))
    assert not (root / "pairs.csv").exists()
    assert read_csv(write_dataset(find_dataset(root, **words))[0]).scenes == "known"


def test_scenes_that_a_user_told_are_not_lost(tmp_path, write_pairs):
    root = write_pairs(tmp_path, [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(3)])
    (root / "dataset.json").write_text('{"metres_per_count": 0.001}')
    dataset = find_dataset(root)
    table = dataset.first.table.assign(scene=["kitchen", "den", "den"])
    spec = replace(dataset.first.spec, scenes="column:scene")
    known = replace(dataset.first, table=table, spec=spec, scenes="known")
    write_dataset(replace(dataset, sides={"pairs": known}))
    with pytest.raises(FileExistsError, match="scenes that are not known now"):
        write_dataset(dataset)
    assert "kitchen" in (root / "pairs.csv").read_text()


def test_what_cannot_be_written_or_said_of_a_folder_is_refused_by_name(rooms):
    (rooms / "a_file").touch()
    with pytest.raises(PermissionError, match="can be written into. Received: .*a_file: .*--out"):
        write_dataset(find_dataset(rooms, spec=SPEC), rooms / "a_file")
    (rooms / "dataset.json").write_text('{"metres_per_count": 0.001, "focal_column": "fx"}')
    with pytest.raises(ValueError, match="`focal_column` must be .*'fx' for .*rooms.*--focal"):
        write_dataset(find_dataset(rooms))


def test_a_file_that_describes_the_folder_comes_before_a_guess_and_stays(rooms):
    text = '{"name": "mine", "metres_per_count": 0.001, "max_depth": 9.5}'
    (rooms / "dataset.json").write_text(text)
    dataset = find_dataset(rooms)
    assert dataset.first.spec.max_depth == 9.5
    assert any("dataset.json says" in note for note in dataset.notes)
    write_dataset(dataset)
    assert (rooms / "dataset.json").read_text() == text


def test_whole_scenes_are_set_aside_as_test_where_they_are_known(rooms):
    dataset = set_test_aside(find_dataset(rooms, spec=SPEC), 0.3)
    scenes = [set(pairs.table["scene"]) for pairs in dataset.sides.values()]
    assert list(dataset.sides) == ["train", "test"] and not scenes[0] & scenes[1]
    assert dataset.notes[-1] == "Test: 1 scenes that do not train."
    assert set_test_aside(dataset, 0.3) is dataset


@pytest.mark.parametrize("more", [("balcony",), ("aula", "zoo"), ("aula", "bar", "cave", "yard")])
def test_scenes_that_are_added_never_move_others_to_the_other_side(tmp_path, write_pairs, more):
    def make(*rooms):
        names = [(f"{r}/rgb/{n}.jpg", f"{r}/depth/{n}.png") for r in rooms for n in (1, 2)]
        write_pairs(tmp_path, names)
        dataset = set_test_aside(find_dataset(tmp_path, spec=SPEC), 0.25)
        write_dataset(dataset)
        tables = (read_csv(tmp_path / f"{side}.csv").table for side in ("train", "test"))
        return *(set(table["scene"]) for table in tables), dataset.notes[-1]

    train, test, _ = make("attic", "bath", "cellar", "den", "entry", "foyer")
    for _ in range(2):
        more_train, more_test, note = make(*more)
        assert train <= more_train and test <= more_test and not more_train & more_test
        assert len(more_test) == -(-len(more_train | more_test) // 4)  # still a quarter
        assert "stays there; remove both to draw anew" in note
    (tmp_path / "train.csv").unlink()
    assert "scenes that do not train" in make()[2]


def test_of_one_place_too_what_tested_tests_and_what_trained_trains(tmp_path, write_pairs):
    def make(count):
        names = [(f"rgb/{n:02d}.png", f"depth/{n:02d}.png") for n in range(count)]
        write_pairs(tmp_path, names, like=5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_dataset(set_test_aside(find_dataset(tmp_path, "rgb", "depth", SPEC), 0.25))
        return read_csv(tmp_path / "test.csv").table["rgb"].tolist()

    assert make(8) == make(9) == ["rgb/06.png", "rgb/07.png"]
    assert make(16) == ["rgb/06.png", "rgb/07.png", "rgb/14.png", "rgb/15.png"]
    for n in (6, 7, 14, 15):
        (tmp_path / f"rgb/{n:02d}.png").unlink()
    with pytest.raises(ValueError, match="leave a pair on each side. Received: .*train.csv"):
        set_test_aside(find_dataset(tmp_path, "rgb", "depth", SPEC), 0.01)


@pytest.mark.parametrize("change", [{"metres_per_count": 1 / 256}, {"focal": 0.7}, {"name": "my"}])
def test_a_description_elsewhere_that_was_corrected_by_hand_stays(rooms, tmp_path, change):
    out = tmp_path / "out"
    write_dataset(find_dataset(rooms, out=out))
    said = json.loads((out / "dataset.json").read_text()) | change
    (out / "dataset.json").write_text(json.dumps(said))
    before = (out / "dataset.json").read_bytes()
    dataset = find_dataset(rooms, out=out)
    write_dataset(dataset)
    assert (out / "dataset.json").read_bytes() == before
    assert all(getattr(dataset.first.spec, name) == value for name, value in change.items())


def test_a_folder_holds_the_lists_of_one_dataset(rooms, tmp_path, write_pairs):
    out = tmp_path / "out"
    write_dataset(find_dataset(rooms, spec=SPEC, out=out))
    before = {path: path.read_bytes() for path in out.iterdir()}
    names = [(f"{room}/rgb/1.jpg", f"{room}/depth/1.png") for room in ("hall", "loft")]
    other = write_pairs(tmp_path / "other", names)
    longer = write_pairs(tmp_path / "rooms2", names)
    with pytest.raises(FileExistsError, match="pairs of ../rooms, no list of pairs of ../rooms2"):
        write_dataset(find_dataset(longer, spec=SPEC, out=out))
    for more in ([], [("attic/rgb/1.jpg", "attic/depth/1.png")]):  # as one of the first's is too
        write_pairs(tmp_path / "other", more)
        with pytest.raises(FileExistsError, match="pairs of ../rooms, no list of pairs of ../oth"):
            write_dataset(find_dataset(other, spec=SPEC, out=out))
    twin = write_pairs(tmp_path / "twin", [
        (f"{room}/rgb/{n}.jpg", f"{room}/depth/{n}.png")
        for room in ("attic", "bath", "den") for n in (1, 2, 3)
    ])  # fmt: skip
    for share in (0, 0.4):
        with pytest.raises((ValueError, FileExistsError), match="list of pairs of ../rooms"):
            write_dataset(set_test_aside(find_dataset(twin, spec=SPEC, out=out), share))
    assert {path: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("change", [{"metres_per_count": 1 / 256}, {"encoding": "disparity"}])
def test_a_dataset_below_whose_depth_means_something_else_is_refused(tmp_path, write_pairs, change):
    for place in ("home/kinect", "home/stereo"):
        write_pairs(tmp_path / place, [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in (1, 2)])
        write_dataset(find_dataset(tmp_path / place, spec=SPEC))
    write_dataset(find_dataset(tmp_path / "home", spec=SPEC))  # both mean the same
    path = tmp_path / "home/stereo/dataset.json"
    said = json.loads(path.read_text()) | change
    if "encoding" in change:
        said = {k: v for k, v in said.items() if k != "metres_per_count"} | {"focal_baseline": 9.0}
    path.write_text(json.dumps(said))
    with pytest.raises(ValueError, match="hold one dataset. Received: .*home, in which .*stereo"):
        find_dataset(tmp_path / "home", spec=SPEC)
    assert len(find_dataset(tmp_path / "home/stereo").first) == 2


def test_a_camera_beside_the_folders_of_ultralytics_is_no_dataset(tmp_path, write_pairs):
    write_pairs(tmp_path, [(f"images/{n}.jpg", f"depth/{n}.png") for n in range(3)])
    before = find_dataset(tmp_path).first.spec
    (tmp_path / "camera.yaml").write_text("image_width: 1242\ncamera_name: left\n")
    (tmp_path / "opencv.yml").write_text("%YAML:1.0\nK: !!opencv-matrix\n   rows: 3\n")
    assert find_dataset(tmp_path).first.spec == before
    (tmp_path / "data.yaml").write_text("train: images\ndepth_scale: 500\n")
    assert find_dataset(tmp_path).first.spec.metres_per_count == 1 / 500


def test_scenes_that_are_told_later_leave_what_trained_in_training(tmp_path, write_pairs):
    names = [(f"rgb/{r}_{n}.png", f"depth/{r}_{n}.png") for r in "abc" for n in range(10)]
    write_pairs(tmp_path, names)

    def make(*words):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = set_test_aside(find_dataset(tmp_path, *words, spec=SPEC), 0.2)
            write_dataset(dataset)
        sides = (read_csv(tmp_path / f"{side}.csv").table["rgb"] for side in ("train", "test"))
        return *(set(side) for side in sides), dataset.notes[-1]

    train, test, _ = make()
    assert len(test) == 6
    *again, note = make("rgb/{scene}_{frame}.png", "depth/{scene}_{frame}.png")
    assert again == [train, test] and "1 scenes are on both sides, such as c" in note


def test_copies_that_train_are_told_whatever_their_scenes_are_called(tmp_path, write_pairs):
    names = [(f"{r}/rgb/{n}.png", f"{r}/depth/{n}.png") for r in ("one", "two") for n in range(4)]
    write_pairs(tmp_path, names)
    for path in (tmp_path / "one").rglob("*.png"):
        (tmp_path / "two" / path.relative_to(tmp_path / "one")).write_bytes(path.read_bytes())
    with pytest.warns(UserWarning, match="4 of 4 validation photos have a near-copy"):
        write_dataset(set_test_aside(find_dataset(tmp_path, spec=SPEC), 0.5))
    with pytest.warns(UserWarning, match="4 of 4 validation photos have a near-copy"):
        set_test_aside(find_dataset(tmp_path, spec=SPEC), 0.5)  # also the second time


@pytest.mark.parametrize("stays", ["mine.csv", "train.csv"])
def test_a_description_keeps_its_meaning_for_the_lists_that_stay(tmp_path, write_pairs, stays):
    root = write_pairs(tmp_path, [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(5)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(set_test_aside(find_dataset(root, spec=SPEC), 0.2))
    (root / "train.csv").rename(root / "kept")
    (root / "test.csv").unlink()
    (root / "kept").rename(root / stays)
    before = {path: path.read_bytes() for path in root.glob("*.*")}
    for spec, words in (("dense_m256", ()), (SPEC, ("{scene}/{frame}.jpg", "depth/{frame}.png"))):
        with pytest.raises(ValueError, match=rf"keep its meaning.*beside which {stays} is"):
            write_dataset(find_dataset(root, *words, spec=spec))
    assert {path: path.read_bytes() for path in root.glob("*.*")} == before
    write_dataset(add_focal(find_dataset(root), "0.8"))  # the same depth, a lens that is known now
    (root / stays).unlink()
    (root / "pairs.csv").unlink()
    write_dataset(find_dataset(root, spec="dense_m256"))


@pytest.mark.parametrize("out", ["home", "home/work"])
def test_lists_do_not_lie_where_photos_of_the_same_names_are(tmp_path, write_pairs, out):
    names = [("rgb/1.jpg", "depth/1.png")]
    write_pairs(tmp_path / "home", names)
    there = write_pairs(tmp_path / "there", names)
    with pytest.raises(ValueError, match="other photos would be taken.*home/rgb/1.jpg there too"):
        write_dataset(find_dataset(there, spec=SPEC, out=tmp_path / out))
    (tmp_path / "link").symlink_to(there)
    write_dataset(find_dataset(there, spec=SPEC, out=tmp_path / "link"))  # the same photos


def test_photos_of_several_shapes_have_a_focal_length_each(tmp_path, write_pairs):
    names = [(f"rgb/{n}.png", f"depth/{n}.png") for n in range(4)]
    root = write_pairs(tmp_path, names)
    for n in (1, 3):  # cut to half their width
        for part in ("rgb", "depth"):
            path = str(root / part / f"{n}.png")
            image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
            cv2.imwrite(path, image[:, image.shape[1] // 4 : -image.shape[1] // 4])
    width = cv2.imread(str(root / "rgb/0.png")).shape[1]
    dataset = add_focal(find_dataset(root, spec=SPEC), f"{width}px")
    assert "Focal lengths: 1 to 2 of the width" in dataset.notes[-1]
    write_dataset(dataset)
    pairs = settle_focal(read_csv(root / "pairs.csv"))
    assert pairs.table["focal"].tolist() == [width] * 4
    assert pairs.table["focal_share"].tolist() == [1, 2, 1, 2]
    with pytest.raises(ValueError, match="made anew. Say the focal length again"):
        write_dataset(find_dataset(root, spec=None))
    write_dataset(add_focal(find_dataset(root), f"{width}px"))
    write_dataset(add_focal(find_dataset(root), "0.8"))  # of each one's width
    assert (
        read_csv(root / "pairs.csv").spec.focal,
        "focal" in read_csv(root / "pairs.csv").table,
    ) == (0.8, False)


def test_photos_of_several_lenses_have_a_focal_length_each_or_none(tmp_path, write_pairs):
    names = [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(3)]
    root = write_pairs(tmp_path, names)

    def say(number, millimetres):
        with Image.open(root / f"rgb/{number}.jpg") as image:
            exif = image.getexif()
            exif.get_ifd(0x8769)[0xA405] = millimetres
            image.save(root / f"rgb/{number}.jpg", exif=exif)

    assert add_focal(find_dataset(root, spec=SPEC), "exif").first.spec.focal is None
    say(0, 26)
    with pytest.raises(ValueError, match=r"say their focal length, or none. Received: .*1.jpg"):
        add_focal(find_dataset(root, spec=SPEC), "exif")
    say(1, 77)
    say(2, 26)
    write_dataset(add_focal(find_dataset(root, spec=SPEC), "exif"))
    shares = settle_focal(read_csv(root / "pairs.csv")).table["focal_share"]
    assert (shares / shares[0]).tolist() == pytest.approx([1, 77 / 26, 1], rel=1e-3)


def test_of_one_place_the_last_pairs_are_test_and_that_is_said(tmp_path, write_pairs):
    names = [(f"rgb/{n:02d}.png", f"depth/{n:02d}.png") for n in range(8)]
    write_pairs(tmp_path, names, like=5)
    dataset = find_dataset(tmp_path, "rgb", "depth", SPEC)
    assert any("scenes unknown, 1 groups" in note for note in dataset.notes)
    with pytest.warns(UserWarning, match="of 2 validation photos have a near-copy"):
        dataset = set_test_aside(dataset, 0.25)
    assert dataset.sides["test"].table["rgb"].tolist() == ["rgb/06.png", "rgb/07.png"]
    assert "place that trains" in dataset.notes[-1]
    write_dataset(dataset)
    assert read_csv(tmp_path / "train.csv").scenes == "grouped"


def test_folders_that_say_train_and_test_give_a_csv_each(tmp_path, write_pairs):
    names = [(f"images/{s}/1.jpg", f"depth/{s}/1.png") for s in ("test", "train", "val")]
    dataset = find_dataset(write_pairs(tmp_path, names), spec=SPEC)
    assert [path.name for path in write_dataset(dataset)] == [
        "train.csv", "dataset.json", "val.csv", "test.csv",
    ]  # fmt: skip


def test_photos_of_another_dataset_than_the_list_was_made_of_are_told(
    tmp_path, write_pairs, monkeypatch
):
    names = [("rgb/1.jpg", "depth/1.png")]
    home, other = (write_pairs(tmp_path / place, names) for place in ("home", "other"))
    csv = write_dataset(find_dataset(home, spec=SPEC), tmp_path / "out")[0]
    monkeypatch.setenv("DEPTHLIB_DATA", str(other))
    with pytest.warns(UserWarning, match="taken from .*other, as DEPTHLIB_DATA says, and not from"):
        assert read_csv(csv).root == other
    with warnings.catch_warnings(action="error"):
        assert read_csv(csv, root=other).root == other
        monkeypatch.setenv("DEPTHLIB_DATA", str(home))
        assert read_csv(csv).root == home
        (tmp_path / "home").rename(tmp_path / "moved")
        monkeypatch.setenv("DEPTHLIB_DATA", str(tmp_path / "moved"))
        assert read_csv(csv).root == tmp_path / "moved"


@pytest.mark.parametrize("others", [("train", "test"), ("train",), ("test",)])
@pytest.mark.parametrize("third", ["more", "dev", "holdout"])
def test_a_folder_of_no_side_beside_those_that_say_one_is_named(
    tmp_path, write_pairs, others, third
):
    names = [(f"{s}/rgb/1.jpg", f"{s}/depth/1.png") for s in (*others, third)]
    root = write_pairs(tmp_path, names)
    with pytest.raises(ValueError, match=f"1 photos of no side, such as {third}/rgb/1.jpg"):
        find_dataset(root, spec=SPEC)
    one = find_dataset(root, spec=SPEC, photos=f"{third}/rgb/*.jpg", depth=f"{third}/depth/*.png")
    assert list(one.sides) == ["pairs"] and len(one.first) == 1


def test_a_yaml_of_ultralytics_says_the_encoding(tmp_path, write_pairs):
    write_pairs(tmp_path, [("images/train/1.jpg", "depth/train/1.png")])
    (tmp_path / "data.yaml").write_text("path: .\ntrain: images/train\ndepth_scale: 1000\n")
    dataset = find_dataset(tmp_path)
    assert dataset.first.spec.metres_per_count == 0.001
    assert list(dataset.sides) == ["train"]


def test_the_table_of_sides_says_what_would_validate_or_why_none_can(rooms, capsys):
    dataset = find_dataset(rooms, spec=SPEC)
    table = describe_sides(dataset, 0, 0.3)
    assert table["pairs"].to_dict() == {"pairs: training": 6, "pairs: validation": 3}
    assert table["scenes"].tolist() == ["2 scenes", "1 scene"]
    one = find_dataset(rooms / "den", spec=SPEC)
    for name in ("2.jpg", "3.jpg"):
        (rooms / "den/rgb" / name).write_bytes((rooms / "den/rgb/1.jpg").read_bytes())
    one = find_dataset(rooms / "den", spec=SPEC)
    assert list(describe_sides(one, 0, 0.3).index) == ["pairs"]
    assert "split='frame'" in capsys.readouterr().out


@pytest.mark.parametrize("check", ["some", -1])
def test_a_check_is_a_number_or_one_of_two_words(rooms, check):
    with pytest.raises(ValueError, match=f"`check` must be.*Received: check={check!r}"):
        check_dataset(find_dataset(rooms, spec=SPEC), check)


def test_read_only_data_is_read_and_its_csv_is_written_elsewhere(rooms, tmp_path, project):
    """As the user nobody where the tests run as root, who may write everywhere."""
    out = tmp_path / "working"
    out.mkdir()
    for path in (rooms, *rooms.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    out.chmod(0o777)
    for parent in [tmp_path, *tmp_path.parents][:4]:  # a worker of xdist has a folder of its own
        parent.chmod(parent.stat().st_mode | 0o055)
    code = f"""
import os
from depthlib.data import dataset
from depthlib.data.dataset_file import read_dataset_file
from depthlib.data.pairs import read_csv
if os.getuid() == 0:
    "".encode("utf-8-sig")  # what nobody may not import where Python lies in root's folder
    os.setgid(65534); os.setuid(65534)
found = dataset.find_dataset({str(rooms)!r}, spec={SPEC!r})
try:
    dataset.write_dataset(found)
except PermissionError as error:
    print(error)
print([path.name for path in dataset.write_dataset(found, {str(out)!r})])
print(len(read_csv({str(out / "pairs.csv")!r}, root={str(rooms)!r}).load()[0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(project), "HOME": str(out)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused, written, count = done.stdout.splitlines()
    assert refused.startswith("A folder must be one that can be written into. Received:")
    assert "--out" in refused
    assert (written, count) == ("['pairs.csv', 'dataset.json']", "9")


def test_disparity_whose_scale_no_map_says_is_refused_with_the_file_to_write(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        photo, depth = tmp_path / f"rgb/{number}.png", tmp_path / f"disparity/{number}.npy"
        for path in (photo, depth):
            path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(photo), rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))
        rows = np.linspace(4, 60 + number, 48, dtype=np.float32)[:, None]
        np.save(depth, rows + rng.uniform(0, 1, (48, 64)).astype(np.float32))
    with pytest.raises(ValueError, match="focal_baseline.*it is disparity.*into dataset.json"):
        find_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text(
        '{"encoding": "disparity", "focal_baseline": 60, "max_depth": 20}'
    )
    assert len(check_dataset(find_dataset(tmp_path), "all")[0].first) == 6


def test_a_guess_is_said_with_how_sure_it_is(shared, tmp_path):
    kitchen = shared / "data/indoor_metric/7scenes_redkitchen"
    dataset = find_dataset(kitchen)
    assert dataset.first.spec.metres_per_count == 0.001 and len(dataset.first) == 50
    assert any(note.startswith("Encoding, certain") for note in dataset.notes)
    (path, described) = write_dataset(dataset, tmp_path)
    assert read_csv(path, root=kitchen).digest() == dataset.first.digest()
    assert read_dataset_file(described) == dataset.first.spec
