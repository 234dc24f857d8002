import numpy as np
import pytest

from depthlib.data.intrinsics import Intrinsics
from depthlib.prediction.ground import find_ground

CAMERA = Intrinsics(fx=90, fy=90, cx=79.5, cy=40, width=160, height=96)


def see_road(height, tilt=0.0, roll=0.0):
    """The depth of a plane `height` below a camera that looks `tilt` degrees down; 0 above it."""
    pitch, turn = np.radians([tilt, roll])
    down = np.array([np.sin(turn), np.cos(turn) * np.cos(pitch), np.cos(turn) * np.sin(pitch)])
    x = (np.arange(CAMERA.width) - CAMERA.cx) / CAMERA.fx
    y = (np.arange(CAMERA.height) - CAMERA.cy)[:, None] / CAMERA.fy
    along = down[0] * x + down[1] * y + down[2]
    return np.where(along > 0.02, height / np.maximum(along, 0.02), 0).astype(np.float32)


@pytest.mark.parametrize(("tilt", "roll"), [(0, 0), (8, 0), (-5, 0), (3, 4)])
def test_the_height_is_that_of_the_plane_however_the_camera_is_held(tilt, roll):
    ground = find_ground(see_road(1.65, tilt, roll), CAMERA)
    assert ground.height == pytest.approx(1.65, rel=1e-3) and ground.share > 0.8


def test_what_stands_on_the_road_does_not_change_its_height():
    depth = see_road(1.65)
    depth[30:80, 50:90] = np.minimum(depth[30:80, 50:90].max(), 6.0)  # the back of a van
    ground = find_ground(depth, CAMERA)
    assert ground.height == pytest.approx(1.65, rel=1e-3) and 0.6 < ground.share < 0.9


def test_a_wall_nothing_and_a_photo_without_a_place_below_the_horizon_are_no_ground():
    for depth in (np.full((96, 160), 4.0), np.zeros((96, 160)), np.full((45, 160), 4.0)):
        ground = find_ground(depth, CAMERA)
        assert np.isnan(ground.height) and ground.share == 0
