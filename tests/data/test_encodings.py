import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from depthlib.data import encodings, images
from depthlib.data.dataset_file import make_spec
from depthlib.data.encodings import Guess
from depthlib.data.specs import DENSE_M256, INDOOR_MILLIMETRE, KITTI, NYU_TEST, NYU_TRAIN


def test_a_guess_says_in_words_what_it_took_and_makes_its_spec():
    guess = Guess({"metres_per_count": 0.001}, "likely", ("Millimetres are usual.",))
    assert str(guess) == "Encoding, likely: metres_per_count=0.001. Millimetres are usual."
    spec = guess.make_spec("kitchen", max_depth=6.0)
    assert (spec.name, spec.scale, spec.max_depth) == ("kitchen", 0.001, 6.0)


# A floor that comes nearer downwards, and a box before it; half of the pixels are nearer than 2 m.
ROWS = np.linspace(3.2, 1.0, 48)[:, None] + np.zeros((48, 64))


def rooms(count=8, seed=0):
    """Depth of rooms in metres, (48, 64) each."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        depth = ROWS * rng.uniform(0.8, 1.1) + rng.uniform(0, 0.2, (48, 64))
        depth[10:30, 20:40] *= 0.8
        yield depth


def roads(count=8, seed=0):
    """Depth of roads in metres by a laser scanner, 0 where it measures nothing, (48, 64) each."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        depth = 40 / np.arange(1, 49)[:, None] * rng.uniform(0.9, 1.1, (48, 64)) + 3
        yield np.where(rng.uniform(size=(48, 64)) < 0.06, depth, 0)


def write(folder, maps, name="{}.png"):
    paths = []
    for number, stored in enumerate(maps):
        paths.append(folder / name.format(number))
        if name.endswith(".npy"):
            np.save(paths[-1], stored)
        else:
            assert cv2.imwrite(str(paths[-1]), stored)
    return paths


def counts(maps, scale, dtype=np.uint16):
    return [np.rint(depth * scale).astype(dtype) for depth in maps]


def whole(maps):
    """Depth in whole millimetres, as a sensor gives it."""
    return [np.rint(depth * 1000) / 1000 for depth in maps]


def kinect(maps):
    """Depth on the grid of a Kinect v1: z = 351.3 / (1092.5 - K) with a whole K."""
    return [351.3 / (1092.5 - np.rint(1092.5 - 351.3 / depth)) for depth in maps]


def guess(folder, maps, name="{}.png"):
    paths = write(folder, maps, name)
    return encodings.guess_encoding(paths, paths)


@pytest.mark.parametrize(
    ("maps", "scale", "sureness"),
    [
        (counts(rooms(), 1000), 1000, "likely"),
        (counts(whole(rooms()), 5000), 5000, "certain"),
        (counts(whole(rooms()), 4000), 4000, "certain"),
        (counts(kinect(rooms()), 1000), 1000, "certain"),
        (counts(kinect(rooms()), 5000), 5000, "certain"),
        (counts(roads(), 256), 256, None),
        (counts(rooms(), 5000), 5000, "unsure"),
    ],
)
def test_the_scale_is_guessed_with_how_sure_it_is_and_why(tmp_path, maps, scale, sureness):
    found = guess(tmp_path, maps)
    assert found.fields["metres_per_count"] == 1 / scale
    assert sureness in (None, found.sureness)
    assert "8 of 8 maps were read, of uint16" in str(found) and len(found.reasons) > 1
    spec = found.make_spec("own")
    for number in range(8):
        images.read_depth(tmp_path / f"{number}.png", spec)
    assert spec.sparse == (scale == 256)


@pytest.mark.parametrize("far", [1.2, 1.5, 1.65, 2.25, 2.4, 3.0])
@pytest.mark.parametrize("nearest", [0.4, 0.75])
@pytest.mark.parametrize("share", [1, 0.02])  # of the pixels that are measured
def test_millimetres_of_near_things_are_no_grid_of_a_kinect(tmp_path, far, nearest, share):
    rng, maps = np.random.default_rng(0), []
    table = np.linspace(far, nearest, 96)[:, None] + np.zeros((96, 128))
    for _ in range(8):  # of one fixed camera
        depth = table + rng.normal(0, 0.002, table.shape)
        maps.append(np.where(rng.uniform(size=table.shape) < share, depth, 0))
    found = guess(tmp_path, counts(maps, 1000))
    assert found.fields["metres_per_count"] == 0.001 or found.sureness == "unsure"
    spec = make_spec("own", metres_per_count=0.001, coverage_range=[0.0005, 1])
    assert "Kinect" not in encodings.refuse_other_encoding(sorted(tmp_path.glob("*.png")), spec)


@pytest.mark.parametrize(("step", "times"), [(5, 2), (4, 1.8), (10, 4.5)])
def test_millimetres_in_steps_are_likely_another_scale_until_they_are_said(tmp_path, step, times):
    maps = [np.rint(depth * times * 1000 / step) * step for depth in rooms()]
    found = guess(tmp_path, [m.astype(np.uint16) for m in maps])
    assert found.sureness == "likely" and f"millimetres in steps of {step}" in str(found)
    paths = sorted(tmp_path.glob("*.png"))
    said = encodings.refuse_other_encoding(
        paths, make_spec("own", metres_per_count=0.001, max_depth=20)
    )
    assert f"multiples of {step}" in said


def test_turned_bits_are_told_even_of_what_is_beyond_8_metres(tmp_path):
    maps = counts([depth * 3 for depth in rooms()], 1000)
    assert max(map(np.max, maps)) > 8192
    found = guess(tmp_path, [(m << 3) | (m >> 13) for m in maps])
    assert (found.fields["encoding"], found.sureness) == ("sunrgbd", "certain")
    read = images.read_depth(tmp_path / "0.png", found.make_spec("own", max_depth=20))
    np.testing.assert_allclose(read, maps[0] / 1000, rtol=1e-5)


def test_bytes_say_no_scale(tmp_path):
    found = guess(tmp_path, counts(rooms(), 50, np.uint8))
    assert (found.fields["metres_per_count"], found.sureness) == (10 / 255, "unsure")
    own = guess(tmp_path, [(255 * depth / depth.max()).astype(np.uint8) for depth in rooms()])
    assert (own.fields["metres_per_count"], own.sureness) == (None, "likely")
    assert own.make_spec("own").unit == "relative"


@pytest.mark.parametrize(
    ("factor", "metres", "sureness"),
    [(1, 1, "likely"), (1000, 0.001, "unsure"), (100, 0.01, "unsure"), (0.15, 1, "unsure")],
)
def test_floats_are_metres_where_rooms_have_such(tmp_path, factor, metres, sureness):
    maps = [(depth * factor).astype(np.float32) for depth in rooms()]
    maps[0][:2], maps[1][:2] = np.nan, -1
    found = guess(tmp_path, maps, "{}.npy")
    assert (found.fields["metres_per_count"], found.sureness) == (metres, sureness)
    relative = guess(tmp_path, [depth / depth.max() for depth in rooms()], "{}.npy")
    assert relative.fields["metres_per_count"] is None


def test_whole_numbers_of_64_bits_are_read_and_what_has_no_depth_says_so(tmp_path):
    found = guess(tmp_path, counts(rooms(), 1000, np.uint64), "{}.npy")
    assert found.make_spec("own").depth_dtype == "uint64"
    with pytest.raises(ValueError, match="positive numbers of depth. Received: none in .*0.npy"):
        guess(tmp_path, [-depth for depth in rooms()], "{}.npy")


def test_few_maps_are_what_their_folder_says_where_their_numbers_do_not_deny_it(tmp_path):
    (folder := tmp_path / "disparity").mkdir()
    maps = counts(rooms(2), 5000)
    assert guess(folder, maps).fields["encoding"] == "disparity"
    assert "encoding" not in guess(tmp_path, maps).fields
    assert "encoding" not in guess(folder, counts(rooms(), 1000)).fields
    assert guess(tmp_path, maps, "disp{}.png").fields["encoding"] == "disparity"  # Middlebury's


def test_a_lossy_map_says_what_it_lost_and_bytes_of_disparity_are_pixels(tmp_path):
    assert "JPEG changes numbers" in str(guess(tmp_path, counts(rooms(), 25, np.uint8), "{}.jpg"))
    found = guess(tmp_path, counts([60 / depth for depth in rooms()], 1, np.uint8))
    assert found.fields["pixels_per_count"] == 1


@pytest.mark.parametrize("name", ["{}.pfm", "{}.npy", "{}.png"])
def test_disparity_is_told_from_depth_by_the_lower_half(tmp_path, name):
    maps = [(20 / depth).astype(np.float32) for depth in rooms()]
    for stored in maps:
        stored[:3] = 0 if name == "{}.png" else np.inf
    maps = counts(maps, 256) if name == "{}.png" else maps
    found = guess(tmp_path, maps, name)
    assert found.fields["encoding"] == "disparity" and "8 of 8 maps" in str(found)
    with pytest.raises(ValueError, match="focal_baseline"):
        found.make_spec("own")
    spec = found.make_spec("own", focal_baseline=20)
    read = images.read_depth(tmp_path / name.format(0), spec)
    np.testing.assert_allclose(read[3:], next(rooms())[3:], rtol=0.001)


def test_few_maps_that_are_farther_below_make_a_guess_unsure(tmp_path):
    found = guess(tmp_path, [depth[::-1].astype(np.float32) for depth in rooms(2)], "{}.npy")
    assert found.sureness == "unsure" and "may be disparity" in str(found)


def test_a_number_far_beyond_all_others_means_no_depth(tmp_path):
    maps = counts(rooms(), 1000)
    for stored in maps:
        stored[:4] = 65535
    assert guess(tmp_path, maps).fields["invalid_counts"] == [0, 65535]


def test_the_key_that_is_taken_is_said(tmp_path):
    for number, depth in enumerate(rooms()):
        np.savez(tmp_path / f"{number}.npz", depth=depth, camera=np.eye(3))
    paths = sorted(tmp_path.glob("*.npz"))
    found = encodings.guess_encoding(paths, paths)
    assert found.fields["key"] == "depth" and "The array `depth`" in str(found)
    inside = [path / "depth" for path in paths]  # as a stack's places are
    assert "key" not in encodings.guess_encoding(inside, inside).fields


def test_a_damaged_map_is_left_out_and_maps_of_two_kinds_are_refused(tmp_path):
    paths = write(tmp_path, counts(rooms(), 1000))
    paths[3].write_bytes(b"")
    assert encodings.guess_encoding(paths, paths).fields["metres_per_count"] == 0.001
    write(tmp_path, [np.zeros((48, 64), np.uint8)], "3{}.png")
    with pytest.raises(
        ValueError, match="one kind. Received: uint16 in .*0.png, uint8 in .*30.png"
    ):
        encodings.guess_encoding([*paths, paths[0]], [*paths, tmp_path / "30.png"])
    with pytest.raises(ValueError, match="0 bytes in .*3.png"):
        encodings.guess_encoding(paths[3:4], paths[3:4])
    with pytest.raises(ValueError, match="as many maps as photos"):
        encodings.guess_encoding(paths, paths[:2])
    coloured = write(tmp_path, [np.eye(48, 192, dtype=np.uint8).reshape(48, 64, 3)], "c{}.png")
    with pytest.raises(ValueError, match="3 of uint8 in .*c0.png. Colours are a picture"):
        encodings.guess_encoding(coloured, coloured)


@pytest.mark.parametrize("scale", [5000, 4000])
@pytest.mark.parametrize("spec", [INDOOR_MILLIMETRE, NYU_TEST])
@pytest.mark.parametrize("near", [1, 0.6])
def test_tums_scale_read_as_millimetres_is_refused_with_the_likely_one(tmp_path, scale, spec, near):
    paths = write(tmp_path, counts(whole(depth * near for depth in rooms(12)), scale))
    said = f"`{spec.name}`.*Received: 0.001, .* By {1 / scale:g} half"
    if (near, scale) == (0.6, 4000):  # a median of 4.4 m in steps of 4 mm: that may be
        assert re.search(said, encodings.refuse_other_encoding(paths, spec))
        return
    with pytest.raises(ValueError, match=said):
        encodings.refuse_other_encoding(paths, spec)
    assert not encodings.refuse_other_encoding(paths, make_spec("own", metres_per_count=1 / scale))


def test_a_room_farther_than_rooms_are_is_doubted_where_its_range_takes_it(tmp_path):
    maps = [depth + np.random.default_rng(0).uniform(0, 0.001, (48, 64)) for depth in rooms()]
    spec = make_spec("own", metres_per_count=0.001, max_depth=100)  # as Ultralytics' default
    said = encodings.refuse_other_encoding(write(tmp_path, counts(maps, 5000)), spec)
    assert "Received: 0.001, by which half" in said and "1/5000 m" in said
    assert not encodings.refuse_other_encoding(write(tmp_path, counts(maps, 1000)), spec)


@pytest.mark.parametrize("counts_a_metre", [100, 256])
def test_a_room_nearer_than_a_table_is_doubted(tmp_path, counts_a_metre):
    maps = [depth + np.random.default_rng(0).uniform(0, 0.01, (48, 64)) for depth in rooms()]
    paths = write(tmp_path, counts((0.9 * depth for depth in maps), counts_a_metre))
    said = encodings.refuse_other_encoding(paths, make_spec("own", metres_per_count=0.001))
    assert "Received: 0.001, by which half" in said
    own = make_spec("own", metres_per_count=1 / counts_a_metre)
    assert not encodings.refuse_other_encoding(paths, own)


@pytest.mark.parametrize("spec", [INDOOR_MILLIMETRE, NYU_TEST, DENSE_M256])
def test_disparity_as_depth_is_refused_of_many_maps(tmp_path, spec):
    paths = write(tmp_path, counts((6 / depth for depth in rooms()), 1000))
    with pytest.raises(ValueError, match="lower half must be nearer.*In 8 of 8 maps.*0.png"):
        encodings.refuse_other_encoding(paths, spec)
    assert not encodings.refuse_other_encoding(paths, replace(spec, lower_is_nearer=False))
    assert not encodings.refuse_other_encoding(paths[:4], spec)  # too few to tell


def test_depth_as_disparity_is_refused_of_many_maps(tmp_path):
    paths = write(tmp_path, [depth.astype(np.float32) for depth in rooms()], "{}.npy")
    spec = make_spec("own", encoding="disparity", focal_baseline=4)
    with pytest.raises(ValueError, match="In 8 of 8 maps .* smaller"):
        encodings.refuse_other_encoding(paths, spec)


@pytest.mark.parametrize(
    ("maps", "spec"),
    [
        (counts(rooms(), 1000), INDOOR_MILLIMETRE),
        (counts(kinect(rooms()), 1000), NYU_TEST),
        (counts(roads(), 256), KITTI),
        (counts(rooms(), 25.5, np.uint8), NYU_TRAIN),
        ([np.rint(m / 5) * 5 for m in counts(rooms(), 1000)], INDOOR_MILLIMETRE),
    ],
)
def test_nothing_is_said_against_maps_that_are_as_their_spec_says(tmp_path, maps, spec):
    paths = write(tmp_path, [m.astype(spec.depth_dtype) for m in maps])
    assert encodings.refuse_other_encoding(paths, spec) == ""


def test_real_maps_fit_their_specs_and_are_guessed_right(shared):
    for pattern, spec in (
        ("nyu/nyu2_test/*_depth.png", NYU_TEST),
        ("indoor_metric/7scenes_redkitchen/*depth.png", INDOOR_MILLIMETRE),
        ("kitti/test/*/depth/*.png", KITTI),
    ):
        maps = sorted((shared / "data").glob(pattern))[:60:5]
        assert len(maps) > 8 and encodings.refuse_other_encoding(maps, spec) == ""
        assert encodings.guess_encoding(maps, maps).fields["metres_per_count"] == spec.scale


def test_matched_depth_is_not_taken_for_a_kinects_though_its_steps_may_be_the_same(tmp_path):
    focal_baseline = 84  # pixels times metres: a sixteenth of a pixel is then a Kinect's step
    maps = [focal_baseline / (np.rint(16 * focal_baseline / (3 * m)) / 16) for m in rooms()]
    paths = write(tmp_path, counts(maps, 256))
    spec = make_spec("own", metres_per_count=1 / 256, max_depth=80)
    matched = make_spec(
        "own", metres_per_count=1 / 256, max_depth=80, made_by="make_stereo_dataset.ipynb"
    )
    assert encodings.refuse_other_encoding(paths, matched) == ""
    with pytest.raises(ValueError, match="those of a Kinect in millimetres"):
        encodings.refuse_other_encoding(paths, spec)
