import cv2
import numpy as np
import pytest

from depthlib.data.images import read_depth, read_rgb
from depthlib.data.specs import KITTI
from depthlib.data.stereo.match import SURE, count_disparities, match, to_depth
from tests.stereo_scenes import draw_shifted


def test_disparity_is_that_of_the_drawn_planes_where_it_is_sure():
    left, right, truth = draw_shifted()
    disparity, confidence = match(left, right, 32)
    sure = confidence >= SURE
    assert sure.mean() > 0.6
    assert (np.abs(disparity[sure] - truth[sure]) > 0.5).mean() < 0.002
    assert ((disparity == 0) <= (confidence == 0)).all()


def test_it_is_not_sure_at_the_edges_of_things_nor_of_what_one_camera_alone_sees():
    left, right, truth = draw_shifted()
    disparity, confidence = match(left, right, 32)
    height, width = truth.shape
    hidden = confidence[height // 4 : 3 * height // 4, width // 3 - 14 : width // 3]
    assert (hidden < SURE).mean() > 0.9  # 14 = 20 - 6 columns of the wall are behind the board
    edges = cv2.dilate(truth, np.ones((3, 3))) != cv2.erode(truth, np.ones((3, 3)))
    assert (confidence[edges] < SURE).mean() > 0.95
    assert (confidence[:, :3] < SURE).all()  # the right photo does not show it
    assert (disparity[:, 8:14] > 0).mean() > 0.8  # but what it shows is there: no band


def test_photos_that_show_different_things_match_nowhere():
    left, _, _ = draw_shifted(seed=0)
    _, right, _ = draw_shifted(seed=5)
    assert (match(left, right, 32)[1] >= SURE).mean() < 0.02


def test_depth_is_focal_length_times_baseline_over_disparity_and_0_where_unsure_or_far():
    disparity = np.array([[0.0, 1.5, 2.5, 10.0, 10.0]], np.float32)
    confidence = np.array([[0.0, 1.0, 1.0, 1.0, 0.5]], np.float32)
    depth_m = to_depth(disparity, confidence, focal_baseline=50, far=30)
    assert depth_m.dtype == np.float32
    np.testing.assert_allclose(depth_m, [[0, 0, 20, 5, 0]])
    np.testing.assert_allclose(to_depth(disparity, confidence, 50, far=10), [[0, 0, 0, 5, 0]])


def test_the_nearest_depth_says_how_many_disparities_there_are():
    assert count_disparities(640, 60.0) == 80  # an eighth of the width
    assert count_disparities(640, 60.0, near=0.5) == 128  # 120, and to a multiple of 16
    for near in (0.1, 0.0, -1.0):
        with pytest.raises(ValueError, match="0.19 metres or more here. Received: near="):
            count_disparities(640, 60.0, near)


def test_it_is_as_right_on_middlebury_as_was_set(shared):
    folder = shared / "data" / "stereo" / "middlebury_teddy"
    left, right = (read_rgb(folder / name) for name in ("im2.png", "im6.png"))
    truth = cv2.imread(str(folder / "disp2.png"), cv2.IMREAD_UNCHANGED) / 4
    disparity, confidence = match(left, right, count_disparities(left.shape[1], 1.0))
    sure, known = confidence >= SURE, truth > 0
    assert (sure & known).sum() / known.sum() >= 0.70
    assert (np.abs(disparity - truth)[sure & known] > 2).mean() <= 0.03


def test_it_is_as_right_beside_a_laser_as_was_set(shared):
    pairs = shared / "data" / "stereo" / "kitti_0009"
    drive = next((shared / "data" / "kitti" / "test").rglob("*drive_0009"))
    scores = []
    for photo in sorted((pairs / "image_02").iterdir())[::5]:
        left, right = (read_rgb(pairs / f"image_0{n}" / photo.name) for n in (2, 3))
        focal_baseline = 721.5377 * 0.5327
        depth_m = to_depth(
            *match(left, right, count_disparities(left.shape[1], focal_baseline)), focal_baseline
        )
        truth = read_depth(next(drive.rglob(f"depth/{photo.stem}.png")), KITTI)
        sure, known = depth_m > 0, truth > 0
        both = sure & known
        ratio = depth_m[both] / truth[both]
        good = np.maximum(ratio, 1 / ratio) < 1.25
        scores.append((np.abs(ratio - 1).mean(), good.mean(), both.sum() / known.sum()))
    abs_rel, delta1, share = np.mean(scores, axis=0)
    assert abs_rel <= 0.05 and delta1 >= 0.97 and share >= 0.65
