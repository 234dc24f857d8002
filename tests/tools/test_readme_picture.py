import matplotlib.pyplot as plt
import numpy as np

from depthlib.data.intrinsics import Intrinsics
from depthlib.prediction.writers import DepthResult
from tools.readme_picture import draw, turn


def make_wall(height=30, width=40, far=np.inf):
    """A red wall 3 m away, whose upper half is sky where `far` says so."""
    depth = np.full((height, width), 3.0, np.float32)
    depth[: height // 2] = far if np.isfinite(far) else 3.0
    photo = np.full((height, width, 3), (200, 30, 30), np.uint8)
    camera = Intrinsics(0.8 * width, 0.8 * width, width / 2, height / 2, width, height)
    return DepthResult(photo, depth, far=far, intrinsics=camera, max_depth=10.0)


def test_a_room_that_is_turned_is_seen_in_its_own_colours_on_white():
    picture = turn(make_wall(), height=48, width=64)
    assert set(map(tuple, picture.reshape(-1, 3))) == {(200, 30, 30), (255, 255, 255)}
    rows, columns = np.nonzero(picture[..., 1] == 30)
    assert abs(columns.mean() - 32) < 8 and abs(rows.mean() - 24) < 8  # about the middle


def test_sky_is_grey_and_every_depth_has_its_bar():
    figure = draw(make_wall(), make_wall(far=64.0))
    depths = [axis.images[0].get_array() for axis in figure.axes if "depth" in axis.get_title()]
    assert not np.ma.getmaskarray(depths[0]).any() and np.ma.getmaskarray(depths[1])[:15].all()
    assert [axis.get_ylabel() for axis in figure.axes].count("near    far") == 2
    plt.close(figure)
