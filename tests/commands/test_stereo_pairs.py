import numpy as np
import pytest

from depthlib.commands.stereo_pairs import find_readable, open_pairs
from depthlib.data.images import write_rgb
from depthlib.data.inputs import list_inputs
from depthlib.video.frames import open_writer


def grey(value, width=40):
    return np.full((24, width, 3), value, np.uint8)


def begin(*words, every=1):
    words = [str(word) for word in words]
    count, jobs = open_pairs(words, [list_inputs([word]).split() for word in words], every)
    return count, [(name, read()) for name, read in jobs]


@pytest.fixture
def sides(tmp_path):
    """Five photos of each side, the right ones darker by 100; the two folders."""
    for number in range(5):
        write_rgb(tmp_path / "left" / f"{number}.png", grey(200 + number))
        write_rgb(tmp_path / "right" / f"{number}.png", grey(100 + number))
    return tmp_path / "left", tmp_path / "right"


def record(path, frames, rate=10, width=40):
    with open_writer(path, rate, 24, width) as write:
        for number in range(frames):
            write(grey(40 * number, width))
    return path


def test_photos_of_two_folders_come_in_pairs_each_so_manieth(sides):
    count, pairs = begin(*sides, every=2)
    assert count == 3 and [name for name, _ in pairs] == ["0", "2", "4"]
    for number, (left, right) in zip((0, 2, 4), (views for _, views in pairs), strict=True):
        assert (left == 200 + number).all() and (right == 100 + number).all()


def test_a_picture_of_both_sides_is_parted_in_its_middle(tmp_path):
    write_rgb(tmp_path / "both.png", np.hstack([grey(10), grey(60)]))
    count, [(name, (left, right))] = begin(tmp_path / "both.png")
    assert (count, name) == (1, "both") and left.shape == right.shape == (24, 40, 3)
    assert (left == 10).all() and (right == 60).all()
    write_rgb(tmp_path / "odd.png", grey(0, width=41))
    with pytest.raises(ValueError, match="even width. Received: 41 pixels in .*odd.png"):
        begin(tmp_path / "odd.png")


def test_two_photos_of_one_name_are_refused(sides):
    for side in sides:
        write_rgb(side / "1.jpg", grey(0))
    with pytest.raises(ValueError, match="must differ in their names. Received: .*1.jpg and .*1.p"):
        begin(*sides)


def test_videos_that_are_not_in_step_are_refused(tmp_path):
    left = record(tmp_path / "left.avi", 4)
    for name, frames, rate in (("short.avi", 3, 10), ("quick.avi", 4, 20)):
        right = record(tmp_path / name, frames, rate)
        with pytest.raises(ValueError, match=f"4 at 10 a second in .*left.avi and {frames} at"):
            begin(left, right)
    with pytest.raises(ValueError, match="one video a side. Received: .*left.avi and .*quick"):
        begin(tmp_path)
    write_rgb(tmp_path / "photos" / "1.png", grey(0))
    with pytest.raises(ValueError, match="must be photos, or both videos. Received: .*left.avi"):
        begin(left, tmp_path / "photos")


def test_the_first_pair_that_can_be_read_is_found_and_those_before_it_are_named(sides):
    (sides[0] / "0.png").write_bytes(b"no photo")
    write_rgb(sides[1] / "1.png", grey(0, width=20))
    _, jobs = open_pairs([], [list_inputs([side]).split() for side in sides], 1)
    name, (left, _), failed = find_readable(jobs)
    assert name == "2" and (left == 202).all()
    assert [name for name, _ in failed] == ["0", "1"]
    assert "0.png" in failed[0][1] and "24x40 and 24x20" in failed[1][1]
