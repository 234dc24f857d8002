"""Two cameras that are rendered: the second one stands where the baseline says."""

import cv2
import numpy as np
import pytest

from rendering.camera import Camera


@pytest.fixture
def rig():
    """A rig of tiny photos; Mitsuba's scalar variant, which needs no LLVM."""
    pytest.importorskip("mitsuba").set_variant("scalar_rgb")
    from rendering.stereo import RenderedRig

    return RenderedRig(baseline=0.3, focal=0.87, height=48, width=64, samples=4)


def test_the_right_camera_stands_a_baseline_to_the_right_and_looks_the_same_way(rig):
    left, right = rig.look(Camera((1.0, 2.0, 1.5), yaw=90, pitch=-5, roll=3))
    np.testing.assert_allclose(left.axes(), right.axes())
    point = np.array([1.2, 8.0, 1.0])
    depth = left.depth_of(point)
    across = [
        rig.focal * rig.width * (camera.axes()[0] @ (point - camera.position)) / depth
        for camera in (left, right)
    ]
    assert across[0] - across[1] == pytest.approx(rig.focal * rig.width * 0.3 / depth, rel=1e-5)
    assert right.depth_of(point) == pytest.approx(depth, rel=1e-5)


def test_both_photos_show_the_whole_board_a_disparity_apart(rig):
    from rendering.stereo import render_boards

    for left, right in render_boards(2, 0, rig):
        assert left.shape == right.shape == (48, 64, 3)
        masks = [np.uint8(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) < 90) for p in (left, right)]
        places = [cv2.moments(mask, binaryImage=True) for mask in masks]
        columns = [place["m10"] / place["m00"] for place in places]
        rows = [place["m01"] / place["m00"] for place in places]
        assert columns[0] - columns[1] > 5
        assert abs(rows[0] - rows[1]) < 2.5


def test_the_embedded_boards_give_back_the_rig_that_they_were_rendered_by(project):
    from depthlib.data.inputs import list_inputs
    from depthlib.data.stereo import calibrate_photos
    from rendering.stereo import BOARD

    boards = project / "datasets" / "sample_stereo" / "boards"
    sides = [list_inputs([boards / side]).split()[0] for side in ("left", "right")]
    found = calibrate_photos(*sides, BOARD)
    assert found.rig.baseline == pytest.approx(0.3, rel=0.005)
    assert found.rig.left.matrix[0, 0] == pytest.approx(0.87 * 320, rel=0.005)
