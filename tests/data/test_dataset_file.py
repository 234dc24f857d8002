import json
from dataclasses import replace

import numpy as np
import pytest

from depthlib.data.dataset_file import (
    dataset_folder,
    find_dataset_file,
    make_spec,
    read_dataset_file,
    write_dataset_file,
)
from depthlib.data.specs import DTYPES, KITTI, SPECS


def write(folder, text, name="dataset.json"):
    (folder / name).write_text(text if isinstance(text, str) else json.dumps(text))
    return folder / name


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_a_known_dataset_and_one_like_it_come_back_from_their_file(tmp_path, spec):
    for own in (spec, replace(spec, name="own")):
        write_dataset_file(own, tmp_path / "dataset.json")
        assert read_dataset_file(tmp_path / "dataset.json") == own


def test_what_is_written_is_read_back_whatever_it_says(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(60):
        disparity = number % 3 == 0
        low = float(rng.uniform(0.01, 2))
        given = {
            "depth_dtype": DTYPES[number % len(DTYPES)],
            "encoding": "disparity" if disparity else "depth",
            "min_depth": low,
            "max_depth": low * float(rng.uniform(1.1, 99)),
            "invalid_counts": [0, -1, 65535][: rng.integers(0, 4)],
            "key": rng.choice(["depth", "größe²"]).item() if number % 2 else None,
            "scenes": ["folder", "column:room", "*/{scene}/rgb/*", "unknown"][number % 4],
            "lower_is_nearer": bool(number % 2),
        }
        if disparity:
            given |= {"focal_baseline": float(rng.uniform(1, 500)), "count_offset": -1}
        else:
            given["metres_per_count"] = None if number % 5 == 0 else float(rng.uniform(1e-4, 1))
        spec = make_spec("größe 2", **given)
        write_dataset_file(spec, tmp_path / "dataset.json")
        assert read_dataset_file(tmp_path / "dataset.json") == spec


def test_few_keys_are_enough_and_the_folder_gives_the_name(tmp_path):
    folder = tmp_path / "kitchen"
    folder.mkdir()
    spec = read_dataset_file(write(folder, {"metres_per_count": 0.001}))
    assert (spec.name, spec.depth_dtype, spec.scale) == ("kitchen", "uint16", 0.001)
    assert (spec.min_depth, spec.max_depth, spec.scenes) == (0.1, 10.0, "unknown")
    floats = read_dataset_file(write(folder, {"depth_dtype": "float32"}, "lidar.json"))
    assert (floats.name, floats.scale, floats.unit) == ("lidar", 1.0, "metre")
    like = read_dataset_file(write(folder, {"like": "kitti", "max_depth": 90}))
    assert like == replace(KITTI, name="kitchen", max_depth=90)


def test_a_focal_length_in_pixels_is_one_over_the_photos_width(tmp_path):
    given = {"metres_per_count": 0.001, "focal_pixels": 585, "photo_width": 640}
    assert read_dataset_file(write(tmp_path, given)).focal == 585 / 640


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "`metres_per_count` must be said.*Use 0.001 for millimetres"),
        ({"metres_per_count": 1, "metres": 1, "Name": "x"}, "Received: Name, metres for"),
        ({"metres_per_count": -1}, "a positive number.*Received: -1"),
        ({"metres_per_count": True}, "a positive number.*Received: True"),
        ({"metres_per_count": 1, "min_depth": 5, "max_depth": 2}, "min_depth=5, max_depth=2"),
        ({"encoding": "disparity"}, "focal length in pixels times baseline"),
        ({"encoding": "inverse"}, "one of depth, disparity, sunrgbd, none. Received: 'inverse'"),
        ({"metres_per_count": 1, "focal_baseline": 9}, "focal_baseline=9, encoding='depth'"),
        ({"metres_per_count": 1, "count_offset": -1}, "count_offset=-1, encoding='depth'"),
        (
            {"metres_per_count": 1, "pixels_per_count": 2},
            "pixels_per_count=2, count_offset=0.0, encoding='depth'",
        ),
        (
            {"metres_per_count": 1, "encoding": "sunrgbd", "count_offset": 0.5},
            "of disparity alone.*count_offset=0.5, encoding='sunrgbd'",
        ),
        ({"depth_dtype": "float32", "count_offset": 2}, "count_offset=2, encoding='depth'"),
        ({"encoding": "none", "focal": 0.5, "count_offset": 2}, "count_offset=2, encoding='none'"),
        ({"metres_per_count": 1, "depth_dtype": ["uint16"]}, "one of uint8.*uint16"),
        ({"metres_per_count": 1, "protocol": "nyu"}, "`protocol` .* one of nyu_bts.*'nyu'"),
        ({"like": "kitti", "protocol": "garg"}, "`protocol` .*kitti_garg.*Received: 'garg'"),
        ({"metres_per_count": 1, "protocol": ""}, "`protocol` .*Received: ''"),
        ({"metres_per_count": 1, "protocol": {"name": "full"}}, "`protocol` .*Received: {'name'"),
        ({"like": "nyu"}, "`like` of a dataset must be one of nyu_train"),
        ({"metres_per_count": 1, "focal_pixels": 585}, "said together"),
        ({"metres_per_count": 1, "focal": 517}, "over the photo's width, 0.2 to 10.*Received: 517"),
        ({"metres_per_count": 1, "focal_pixels": 5, "photo_width": 640}, "0.2 to 10"),
        ({"metres_per_count": 1, "border": [0, 1]}, "top, bottom, left, right"),
        ({"metres_per_count": 1, "scenes": "rooms"}, "template, folder, column:NAME"),
        ({"metres_per_count": 1, "name": "a/b"}, "`name` of a dataset must be a file's name"),
        ({"metres_per_count": 1, "name": "é" * 101}, "a file's name, of at most 200 bytes"),
        ([1], "a JSON object. Received: list"),
        ('{"metres_per_count"', "must be JSON"),
        ("\xff", "must be JSON"),
        ('{"metres_per_count": NaN}', "a positive number.*Received: nan"),
        ({"metres_per_count": 10**400}, "a positive number.*Received: 1000"),
        ({"metres_per_count": 1, "median_range": [1, 10**400]}, "`median_range`"),
        ({"metres_per_count": 1, "invalid_counts": [-(10**400)]}, "`invalid_counts`"),
        ({"metres_per_count": 1, "focal_pixels": 10**400, "photo_width": 9}, "positive numbers"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_key_and_name(tmp_path, given, message):
    with pytest.raises(ValueError, match=f"{message}.*dataset.json"):
        read_dataset_file(write(tmp_path, given))


def test_a_missing_file_and_one_of_another_kind_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="metres_per_count.*make_dataset.ipynb"):
        read_dataset_file(tmp_path / "dataset.json")
    with pytest.raises(ValueError, match=r"must end in .json, .yaml, .yml"):
        read_dataset_file(write(tmp_path, "a", "dataset.txt"))
    with pytest.raises(ValueError, match="must end in .json"):
        write_dataset_file(KITTI, tmp_path / "dataset.yaml")


def test_the_file_of_a_csv_is_its_namesake_or_the_folders(tmp_path):
    assert find_dataset_file(tmp_path / "train.csv") is None
    common = write(tmp_path, {})
    assert find_dataset_file(tmp_path / "train.csv") == common
    own = write(tmp_path, {}, "train.json")
    assert find_dataset_file(tmp_path / "train.csv") == own
    assert find_dataset_file(tmp_path / "test.csv") == common


@pytest.mark.parametrize(
    ("suffix", "scale", "dtype", "metres"),
    [
        (".png", "", "uint16", 0.001),
        (".png", "depth_scale: 256", "uint16", 1 / 256),
        (".npy", "depth_scale: 256", "float32", 1.0),
    ],
)
@pytest.mark.parametrize("side", ["train/", ""])
def test_the_layout_of_ultralytics_is_read_as_it_is(tmp_path, suffix, scale, dtype, metres, side):
    root = tmp_path / "rooms"
    (root / "depth" / side).mkdir(parents=True)
    (root / "depth" / side / f"1{suffix}").touch()
    (root / "depth" / side / "._1.png").touch()
    text = f"path: rooms\ntrain: images/train\nval: images/val\nnames: {{0: depth}}\n{scale}\n"
    path = write(tmp_path, text, "rooms.yaml")
    spec = read_dataset_file(path)
    assert dataset_folder(path) == root
    assert (spec.name, spec.depth_dtype, spec.scale, spec.scenes) == (
        "rooms", dtype, metres, "unknown",
    )  # fmt: skip
    photo = spec.key_of(f"images/{side}1.jpg", spec.photo)
    assert photo == spec.key_of(f"depth/{side}1{suffix}", spec.depth) == (side.strip("/"), "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {0: depth}", "needs depth/ with .png or .npy"),
        ("a: [", "must be YAML"),
        ("- a", "must have keys"),
    ],
)
def test_a_yaml_of_something_else_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"{message}.*data.yaml"):
        read_dataset_file(write(tmp_path, text, "data.yaml"))


def test_a_depth_scale_that_is_no_number_is_refused(tmp_path):
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth/1.png").touch()
    with pytest.raises(ValueError, match="counts a metre. Received: 'mm'"):
        read_dataset_file(write(tmp_path, "depth_scale: mm", "data.yml"))


@pytest.mark.parametrize("field", ["photo", "depth", "scenes"])
@pytest.mark.parametrize(
    "template",
    [
        "{scene}/{scene}/{frame}.png", "{frame}{frame}", "/etc/{scene}/{frame}",
        "../{scene}/{frame}", "{scene}/../{frame}", "C:/{scene}/{frame}", "{scene}/{frame}\0",
        "*" * 40 + "{scene}",
        "a**b/{scene}", "{scene}{frame}**",
    ],
)  # fmt: skip
def test_a_template_that_leaves_its_folder_or_takes_years_is_refused(tmp_path, field, template):
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"metres_per_count": 0.001, field: template}), encoding="utf-8")
    with pytest.raises(ValueError, match=f"`{field}` of a dataset must be .*dataset.json"):
        read_dataset_file(path)


def test_a_key_that_is_said_twice_is_refused(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text('{"metres_per_count": 0.001, "max_depth": 10, "metres_per_count": 0.002}')
    with pytest.raises(ValueError, match="the key 'metres_per_count' twice.*dataset.json"):
        read_dataset_file(path)
