import warnings

import pytest

from depthlib.data.specs import (
    KITTI,
    NYU_RELATIVE,
    NYU_TEST,
    NYU_TRAIN,
    ROADS,
    base_scene,
    get_spec,
    match_template,
)


@pytest.mark.parametrize(
    ("folder", "scene"),
    [
        ("living_room_0038a_out", "living_room_0038"),
        ("living_room_0038b_out", "living_room_0038"),
        ("living_room_0038_out", "living_room_0038"),
        ("basement_0001a", "basement_0001"),
        ("cafe", "cafe"),
    ],
)
def test_folders_of_one_room_have_one_base_scene(folder, scene):
    assert base_scene(folder) == scene


def test_the_284_folders_of_the_archive_are_249_scenes(shared):
    folders = (shared / "data/lists/nyu_train_scenes.txt").read_text().split()
    assert len(folders) == 284
    assert len({base_scene(folder) for folder in folders}) == 249


def test_the_scene_is_read_from_the_archives_paths_and_from_the_seeds():
    for photo in ("data/nyu2_train/den_0002b_out/7.jpg", "nyu2_train/den_0002b_out/7.jpg"):
        assert NYU_TRAIN.scene_of(photo) == "den_0002"


def test_a_test_photo_whose_scene_is_unknown_is_a_scene_of_its_own():
    assert NYU_TEST.scene_of("nyu2_test/00013_colors.png") == "00013"


def test_photo_and_map_of_a_pair_have_one_key_even_in_different_folders():
    photo = KITTI.key_of("drive_0005/rgb/0000000050.jpg", KITTI.photo)
    assert photo == KITTI.key_of("drive_0005/depth/0000000050.png", KITTI.depth)
    assert photo == ("drive_0005", "0000000050")
    assert NYU_TEST.key_of("nyu2_test/notes.txt", NYU_TEST.photo) is None


def test_a_map_for_all_photos_of_a_scene_has_no_frame_in_its_name():
    assert ROADS.key_of("train/motorway_0001/depth.png", ROADS.depth) == ("motorway_0001", "")
    assert ROADS.key_of("train/motorway_0001/rain.jpg", ROADS.photo) == ("motorway_0001", "rain")
    assert ROADS.key_of("train/motorway_0001/clear_mask.png", ROADS.depth) is None


def test_units_and_sparsity_follow_from_the_encoding():
    assert (NYU_TRAIN.unit, NYU_TRAIN.scale * 255) == ("metre", 10)
    assert (NYU_RELATIVE.unit, NYU_RELATIVE.scale * 255) == ("relative", 1)
    assert KITTI.sparse and not NYU_TEST.sparse


@pytest.mark.parametrize(
    ("path", "template", "key"),
    [
        ("rgb/living_room_0.jpg", "rgb/{scene}_{frame}.jpg", ("living", "room_0")),
        ("kitchen_cam1_0007.png", "{scene}_{frame}.png", ("kitchen", "cam1_0007")),
        ("a-b-c.png", "{scene}-{frame}.*", ("a", "b-c")),
    ],
)
def test_of_names_that_can_be_read_in_several_ways_the_shortest_scene_counts_with_a_warning(
    path, template, key
):
    with pytest.warns(UserWarning, match="can be read in several ways"):
        assert match_template(path, template) == key


@pytest.mark.parametrize(
    ("path", "template", "key"),
    [
        ("rgb/kitchen_0.jpg", "rgb/{scene}_{frame}.jpg", ("kitchen", "0")),
        ("living_room/rgb_0_1.jpg", "{scene}/rgb_{frame}.jpg", ("living_room", "0_1")),
        ("0001_living_room.jpg", "{frame}_{scene}.jpg", ("living_room", "0001")),
    ],
)
def test_names_that_can_be_read_in_one_way_are_not_warned_of(path, template, key):
    with warnings.catch_warnings(action="error"):
        assert match_template(path, template) == key


def test_an_unknown_dataset_is_refused_with_the_names_that_exist():
    with pytest.raises(ValueError, match="nyu_train, nyu_test.*Received: spec='nyu'"):
        get_spec("nyu")


def test_a_network_that_sees_photos_within_their_border_sees_a_longer_lens():
    assert NYU_TRAIN.view() == {"focal": NYU_TRAIN.focal, "aspect": 640 / 480, "horizon": None}
    inside = NYU_TRAIN.view(crop_border=True)
    # 565 of 640 columns and 427 of 480 rows are left.
    assert inside["focal"] == pytest.approx(518.86 / 565)
    assert inside["aspect"] == pytest.approx(565 / 427)
