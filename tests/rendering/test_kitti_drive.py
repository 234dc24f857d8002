import numpy as np
import pytest

from depthlib.data.images import read_depth, read_rgb
from depthlib.data.pairs import read_csv
from depthlib.data.stereo import read_rig
from rendering import kitti_drive


@pytest.fixture
def drive(project):
    return project / "datasets" / "sample_drive"


def test_the_right_photo_shows_each_point_a_disparity_to_the_left(drive):
    pairs, rig = read_csv(drive / "drive.csv"), read_rig(drive / "rig.yml")
    left, right = (read_rgb(drive / side / "000004.jpg").astype(int) for side in ("left", "right"))
    depth_m = read_depth(drive / pairs.table["depth"][4], pairs.spec)
    # A thing z metres away is focal * baseline / z pixels further left in the right photo.
    rows, columns = np.nonzero(depth_m)
    there = np.rint(columns - 180 * 0.54 / depth_m[rows, columns]).astype(int)
    shown = there >= 0
    rows, columns, there = rows[shown], columns[shown], there[shown]
    moved = np.abs(left[rows, columns] - right[rows, there]).mean()
    unmoved = np.abs(left[rows, columns] - right[rows, columns]).mean()
    assert moved < 0.5 * unmoved
    assert rig.baseline == 0.54 and rig.rectify(94, 310).intrinsics.fx == 180


def test_the_embedded_drive_is_what_its_make_target_writes(drive, tmp_path, monkeypatch):
    kitti_drive.write_pairs(tmp_path, 1)
    for name in ("rig.yml", "dataset.json", "depth/000000.png"):
        assert (tmp_path / name).read_bytes() == (drive / name).read_bytes(), name
    again, kept = (read_rgb(one / "left" / "000000.jpg").astype(int) for one in (tmp_path, drive))
    assert np.abs(again - kept).max() <= 8  # another library's JPEG
    assert len(read_csv(drive / "drive.csv")) == len(list((drive / "right").iterdir())) == 16
