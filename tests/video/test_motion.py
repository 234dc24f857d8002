import cv2
import numpy as np
import pytest

from depthlib.data.intrinsics import Intrinsics
from depthlib.video.motion import Follower, Tally, choose_frames
from depthlib.video.odometry import Odometer

HEIGHT, WIDTH, NEAR, FLOOR = 72, 160, 2, 40


def draw(seed=0):
    """A wide wall of a texture that can be followed."""
    rng = np.random.default_rng(seed)
    grey = cv2.GaussianBlur(rng.uniform(0, 255, (HEIGHT, 4 * WIDTH)).astype(np.float32), (0, 0), 2)
    grey = np.clip(4 * (grey - 128) + 128, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def look(wall, left, near=NEAR):
    """What a camera sees of the wall from column `left` on; from row FLOOR on it is `near`er."""
    photo = wall[:, left : left + WIDTH].copy()
    photo[FLOOR:] = wall[FLOOR:, near * left : near * left + WIDTH]
    return photo


def name_all(photos):
    return [(str(number), (rgb,)) for number, rgb in enumerate(photos)]


def choose(photos, **settings):
    tally = Tally()
    camera = Intrinsics(112, 112, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, WIDTH, HEIGHT)
    frames = choose_frames(name_all(photos), tally, Odometer(camera), **settings)
    chosen, last = [], ""
    for one in frames:
        chosen.append((one.name, "" if one.motion is None else last))
        last = one.name
    return chosen, tally


def test_a_frame_is_kept_once_the_camera_has_moved_by_the_share_of_the_width():
    wall, follower = draw(), Follower(least=0.02)  # 3.2 pixels
    places = (0, 1, 2, 3, 4, 6, 7, 8, 8)
    steps = [follower.judge(look(wall, left, near=1)) for left in places]
    standing = ["standing", "standing", "standing"]
    assert steps == ["begins", *standing, "moved", "standing", "standing", "moved", "standing"]


def test_what_moves_before_a_camera_that_stands_still_is_no_motion_of_it():
    wall, other, follower = draw(), draw(1), Follower()
    assert follower.judge(look(wall, 0)) == "begins"
    for number in range(1, 6):
        rgb = look(wall, 0)
        rgb[20:60, 60:110] = other[20:60, 7 * number : 7 * number + 50]
        assert follower.judge(rgb) == "standing"


def test_over_a_cut_no_frame_is_the_neighbour_of_another():
    first, second = draw(), draw(1)
    photos = [look(first, 0), look(first, 3), look(second, 0), look(second, 3), look(second, 6)]
    chosen, tally = choose(photos)
    assert chosen == [("0", ""), ("1", "0"), ("2", ""), ("3", "2"), ("4", "3")]
    assert str(tally) == "5 of 5 frames taken, 0 stand still, 1 cut"


def test_frames_that_stand_still_or_show_nothing_are_left_out_between_neighbours():
    wall, dark = draw(), np.full((HEIGHT, WIDTH, 3), 9, np.uint8)
    photos = [dark, look(wall, 0), look(wall, 0), dark, look(wall, 3), look(wall, 3), look(wall, 6)]
    chosen, tally = choose(photos)
    assert chosen == [("1", ""), ("4", "1"), ("6", "4")]
    assert str(tally) == "3 of 7 frames taken, 2 stand still, 0 cuts, 2 show nothing to follow"


def test_a_frame_without_a_neighbour_is_left_out_unless_a_second_camera_saw_it():
    walls = [draw(seed) for seed in range(3)]
    photos = [look(walls[0], 0), look(walls[1], 0), look(walls[1], 4), look(walls[2], 0)]
    chosen, tally = choose(photos)
    assert chosen == [("1", ""), ("2", "1")] and tally["alone"] == 2
    assert str(tally).endswith("2 of 4 frames taken, 0 stand still, 2 cuts, 2 without a neighbour")
    chosen, tally = choose(photos, keep_alone=True)
    assert chosen == [("0", ""), ("1", ""), ("2", "1"), ("3", "")] and tally["kept"] == 4


def test_frames_whose_motion_is_unclear_are_no_neighbours():
    wall, plane = draw(), draw(1)
    flat = [look(plane, left, near=1) for left in (0, 3, 6)]
    chosen, tally = choose([*flat, look(wall, 0), look(wall, 3)])
    # A plane that moves along looks as if the camera had turned.
    assert chosen == [("3", ""), ("4", "3")]
    assert str(tally).endswith("2 times the motion is unclear, 3 without a neighbour")


@pytest.mark.parametrize("photos", [[], [draw()[:, :WIDTH]], 5 * [draw()[:, :WIDTH]]])
def test_one_frame_or_a_camera_that_never_moves_gives_none(photos):
    chosen, tally = choose(photos)
    assert chosen == [] and tally["standing"] == max(len(photos) - 1, 0)


def test_a_frame_of_another_size_begins_anew():
    wall, follower = draw(), Follower()
    follower.judge(look(wall, 0))
    assert follower.judge(look(wall, 3)[:-8]) == "begins"


@pytest.mark.parametrize("least", [0, 1, -0.1, float("nan")])
def test_a_least_motion_that_is_no_share_is_refused(least):
    with pytest.raises(ValueError, match="must be a share of the width"):
        Follower(least)
