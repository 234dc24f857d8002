import pytest

from depthlib.data.dataset_file import make_spec
from depthlib.data.pairs import find_pairs, read_csv
from depthlib.data.specs import NYU_TRAIN
from depthlib.data.splits import (
    split_by_frame,
    split_by_scene,
    split_last,
    warn_of_near_copies,
)


def test_no_base_scene_is_on_both_sides_of_a_split(sample, tiny_nyu):
    for root in (sample, tiny_nyu(scenes=7, frames=3)):
        pairs = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
        for seed in range(5):
            training, validation = split_by_scene(pairs, seed, 0.3)
            assert not set(training.table["scene"]) & set(validation.table["scene"])
            assert len(training) + len(validation) == len(pairs)


def test_folders_of_one_room_stay_on_one_side(tiny_nyu):
    root = tiny_nyu(scenes=4)
    for letter, number in zip("abab", (1, 2, 3, 4), strict=True):
        room = root / f"nyu2_train/room_{number:04d}_out"
        room.rename(room.with_name(f"den_{(number + 1) // 2:04d}{letter}_out"))
    pairs, _ = find_pairs(root, NYU_TRAIN)
    training, validation = split_by_scene(pairs, 0, 0.5)
    assert {len(training), len(validation)} == {4}
    assert training.table["scene"].nunique() == validation.table["scene"].nunique() == 1


def test_a_split_depends_on_its_seed_alone_and_draws_the_counts_asked_for(tiny_nyu):
    pairs, _ = find_pairs(tiny_nyu(scenes=10, frames=3), NYU_TRAIN)
    first, again, other = (split_by_scene(pairs, seed, 0.4) for seed in (1, 1, 2))
    assert first[0].digest() == again[0].digest() != other[0].digest()
    assert [len(side) for side in split_by_scene(pairs, 1, 0.4, counts=(10, 5))] == [10, 5]
    with pytest.raises(ValueError, match=r"at most \(18, 12\)"):
        split_by_scene(pairs, 1, 0.4, counts=(19, 5))


def test_fewer_scenes_are_a_part_of_more_and_leave_validation_as_it_is(tiny_nyu):
    pairs, _ = find_pairs(tiny_nyu(scenes=10, frames=3), NYU_TRAIN)
    few, more, every = (split_by_scene(pairs, 1, 0.4, scenes=n) for n in (2, 4, None))
    drawn = [set(training.table["scene"]) for training, _ in (few, more, every)]
    assert [len(scenes) for scenes in drawn] == [2, 4, 6] and drawn[0] < drawn[1] < drawn[2]
    assert len(few[0]) == 6  # every frame of both scenes
    assert few[1].digest() == more[1].digest() == every[1].digest()
    with pytest.raises(ValueError, match="`scenes` must be 1 to 6. Received: scenes=7"):
        split_by_scene(pairs, 1, 0.4, scenes=7)


def test_a_split_may_keep_everything_for_training(tiny_nyu):
    pairs = read_csv(tiny_nyu(scenes=3, frames=2) / "nyu2_train.csv", NYU_TRAIN)
    training, validation = split_by_scene(pairs, 0, 0)
    assert training.digest() == pairs.digest() and len(validation) == 0


def test_a_split_of_one_scene_is_refused_unless_all_of_it_trains(tiny_nyu):
    pairs, _ = find_pairs(tiny_nyu(scenes=1), NYU_TRAIN)
    with pytest.raises(
        ValueError, match="leaves one of them to train. Received: validation=0.2 of 1 scenes"
    ):
        split_by_scene(pairs, 0)
    both, _ = find_pairs(tiny_nyu(scenes=2), NYU_TRAIN)
    with pytest.raises(
        ValueError, match="leaves one of them to train.*validation=0.51 of 2 scenes"
    ):
        split_by_scene(both, 0, validation=0.51)
    training, _ = split_by_scene(pairs, 0, validation=0)
    assert training.digest() == pairs.digest()


def test_a_split_by_frame_leaves_rooms_on_both_sides_and_says_which_they_are(tiny_nyu):
    pairs, _ = find_pairs(tiny_nyu(scenes=4, frames=10), NYU_TRAIN)
    with pytest.warns(UserWarning, match="near-copy"):
        training, validation = split_by_frame(pairs, 0, 0.25)
    assert (len(training), len(validation)) == (30, 10)
    assert set(training.table["scene"]) & set(validation.table["scene"])
    assert not set(training.table["rgb"]) & set(validation.table["rgb"])
    room_of = pairs.table.set_index("rgb")["scene"]
    assert (validation.table["scene"].to_numpy() == room_of[validation.table["rgb"]]).all()
    with pytest.warns(UserWarning, match="near-copy"):
        sides = split_by_frame(pairs, 0, 0.25, counts=(6, 3))
    assert [len(side) for side in sides] == [6, 3]


@pytest.fixture
def one_video(tmp_path, write_pairs):
    """Eight frames of one video and two of another, in rgb/ and depth/, as a CSV says them."""
    names = [(f"rgb/{n:03d}.png", f"depth/{n:03d}.png") for n in (*range(8), 90, 91)]
    write_pairs(tmp_path, names[:8], like=3)
    write_pairs(tmp_path, names[8:], like=4)
    (tmp_path / "pairs.csv").write_text("".join(f"{a},{b}\n" for a, b in names))
    return read_csv(tmp_path / "pairs.csv", make_spec("own", metres_per_count=0.001))


def test_frames_of_a_video_are_on_one_side_where_scenes_are_unknown_and_that_is_said(one_video):
    assert one_video.scenes == "unknown"
    for seed in range(3):
        with pytest.warns(UserWarning, match="scenes of 10 photos.*unknown.*: 2 groups"):
            training, validation = split_by_scene(one_video, seed, 0.4)
        assert {len(training), len(validation)} == {8, 2}
        assert training.scenes == "grouped"


def test_one_video_alone_is_refused_with_what_to_do(one_video):
    with (
        pytest.warns(UserWarning, match="1 groups"),
        pytest.raises(
            ValueError, match="Received: validation=0.2 of 1 scenes.*another place.*split='frame'"
        ),
    ):
        split_by_scene(one_video.select(range(8)), 0)


def test_a_split_with_near_copies_on_both_sides_says_how_many(one_video):
    with pytest.warns(UserWarning, match=r"\d of 3 validation photos have a near-copy that trains"):
        split_by_frame(one_video, 0, 0.3)
    first, last = split_last(one_video, 0.2)
    assert last.table["rgb"].tolist() == ["rgb/090.png", "rgb/091.png"]
    assert warn_of_near_copies(first, last) == 0
    with pytest.warns(UserWarning, match="1 of 1 validation"):
        assert warn_of_near_copies(first, first.select([7])) == 1


def test_a_share_that_leaves_a_side_empty_is_refused(one_video):
    with pytest.raises(ValueError, match="0.01 of 10 pairs"):
        split_last(one_video, 0.01)
