import math

import cv2
import numpy as np
import pytest

from depthlib.commands.predict import predict_files
from depthlib.data.lenses import parse_focal
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.photo import predict_photo, predict_photos


class Brightness(DepthPredictor):
    """A network whose depth is the red of its input, up to its range."""

    def predict_batch(self, batch):
        return (1 + batch[..., 0].astype(np.float32)) * (self.view.max_depth / 256)


ROOMS = Brightness(View(24, 32, 10.0, focal=0.81), "metre", "nyu")
ROADS = Brightness(View(24, 48, 80.0, focal=0.58, horizon=0.5), "metre", "kitti")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    shades = np.linspace(0, 255, 40 * 70).reshape(40, 70, 1).repeat(3, 2)
    cv2.imwrite(str(path), shades.astype(np.uint8))
    return path


@pytest.mark.parametrize("focal", [None, "exif", 0.7, "26mm", "50px"])
@pytest.mark.parametrize("predictor", [ROOMS, ROADS])
def test_its_metres_are_those_of_the_command(predictor, focal, photo, tmp_path):
    request = parse_focal(focal)
    result = predict_photo(predictor, photo, request)
    predict_files(predictor, [photo], tmp_path / "out", lens=request, save=["npy"], progress=False)
    np.testing.assert_array_equal(
        np.load(tmp_path / "out" / "photo_depth.npy"), result.leave_out_sky()
    )


def test_a_room_has_no_sky_and_a_road_has(photo):
    room, road = (predict_photo(one, photo, parse_focal("26mm")) for one in (ROOMS, ROADS))
    assert room.far == math.inf and room.sky is None
    assert road.sky.any() and not road.sky.all()
    np.testing.assert_array_equal(road.sky, road.depth_m >= road.far)
    assert (room.max_depth, road.max_depth) == (10, 80)


def test_the_camera_is_in_the_photos_pixels(photo):
    camera = predict_photo(ROADS, photo, parse_focal("50px")).intrinsics
    assert camera.fx == camera.fy == pytest.approx(50)
    assert (camera.cx, camera.cy, camera.width, camera.height) == (34.5, 19.5, 70, 40)


def test_what_is_no_photo_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.jpg"):
        predict_photo(ROOMS, tmp_path / "absent.jpg", parse_focal(None))
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(ValueError, match="text.jpg"):
        predict_photo(ROOMS, tmp_path / "text.jpg", parse_focal("exif"))


def test_photos_are_read_when_they_are_asked_for(photo, tmp_path):
    results = predict_photos(ROOMS, [photo, photo, tmp_path / "absent.jpg"], parse_focal("exif"))
    assert [next(results).depth_m.shape for _ in range(2)] == [(40, 70)] * 2
    with pytest.raises(FileNotFoundError, match="absent.jpg"):
        next(results)
