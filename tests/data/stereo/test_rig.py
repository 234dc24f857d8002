import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from depthlib.data.intrinsics import CameraCalibration, read_camera
from depthlib.data.stereo.rig import Rig, read_rig, write_rig
from tests.stereo_scenes import HEIGHT, MATRIX, SHIFT, TURN, WIDTH

BENT = np.array([-0.2, 0.05, 0.001, -0.001, 0.0])


@pytest.fixture
def rig():
    """Two bent lenses, the right one turned a little."""
    camera = CameraCalibration(Path("rig.yml"), MATRIX, BENT, False, (HEIGHT, WIDTH))
    return Rig(camera, camera, TURN, SHIFT)


def test_a_rig_is_read_as_it_was_written(tmp_path, rig):
    for name in ("rig.yml", "rig.xml", "rig.json"):
        write_rig(rig, tmp_path / name)
        back = read_rig(tmp_path / name)
        np.testing.assert_allclose(back.rotation, TURN, atol=1e-12)
        np.testing.assert_allclose(back.translation, SHIFT, atol=1e-12)
        np.testing.assert_allclose(back.right.distortion, BENT, atol=1e-12)
        assert back.left.size == back.right.size == (HEIGHT, WIDTH)
        assert read_camera(tmp_path / name).matrix[0, 0] == 300.0
    with pytest.raises(ValueError, match="must end in .yml"):
        write_rig(rig, tmp_path / "rig.txt")


def test_after_rectification_rows_fit_and_disparity_is_depth(rig):
    points = np.random.default_rng(0).uniform((-0.5, -0.4, 1), (0.5, 0.4, 4), (40, 3))
    nothing = np.zeros(3)
    seen, _ = cv2.projectPoints(points, nothing, nothing, MATRIX, BENT)
    other, _ = cv2.projectPoints(points, cv2.Rodrigues(TURN)[0], SHIFT, MATRIX, BENT)
    rectifier = rig.rectify(HEIGHT, WIDTH)
    left, right = rectifier.rectify_points(seen[:, 0], other[:, 0])
    np.testing.assert_allclose(left[:, 1], right[:, 1], atol=2e-3)
    disparity = left[:, 0] - right[:, 0]
    # Depth along the axis that is square to the baseline, not the left camera's own.
    turn = rectifier.cameras[0][2]
    np.testing.assert_allclose(
        rectifier.focal_baseline / disparity, (points @ turn.T)[:, 2], rtol=2e-4
    )


def test_photos_are_rectified_as_points_are(rig):
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.circle(photo, (200, 90), 4, (255, 255, 255), -1)
    rectifier = rig.rectify(HEIGHT, WIDTH)
    for view, place in zip(
        rectifier.rectify(photo, photo), rectifier.rectify_points(*[np.float64([[200, 90]])] * 2),
        strict=True,
    ):  # fmt: skip
        rows, columns = np.nonzero(view[..., 0] > 127)
        np.testing.assert_allclose((columns.mean(), rows.mean()), place[0], atol=0.3)
    with pytest.raises(ValueError, match="one size. Received: 100x320 after 240x320"):
        rectifier.rectify(photo, photo[:100])


def test_photos_of_half_the_size_have_half_the_focal_length_and_depth_stays(rig):
    whole, half = rig.rectify(HEIGHT, WIDTH), rig.rectify(HEIGHT // 2, WIDTH // 2)
    assert half.intrinsics.fx == pytest.approx(whole.intrinsics.fx / 2, rel=0.01)
    assert half.baseline == pytest.approx(whole.baseline, rel=1e-6)


def test_kittis_two_cameras_are_rectified_already(tmp_path):
    path = tmp_path / "calib.txt"
    path.write_text("P2: 300 0 158 12 0 300 121 0 0 0 1 0\nP3: 300 0 158 -150 0 300 121 0 0 0 1 0")
    rig = read_rig(path)
    assert rig.baseline == pytest.approx(0.54)  # (12 + 150) / 300
    rectifier = rig.rectify(HEIGHT, WIDTH)
    photo = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    assert rectifier.rectify(photo, photo)[0] is photo
    assert rectifier.focal_baseline == pytest.approx(162)


def test_a_written_rig_that_says_its_size_is_scaled_to_photos_of_another(tmp_path):
    text = "P2: 383 0 319.5 0 0 383 239.5 0 0 0 1 0\nP3: 383 0 319.5 -19.15 0 383 239.5 0 0 0 1 0\n"
    (tmp_path / "rig.txt").write_text(text + "image_width: 640\nimage_height: 480\n")
    (tmp_path / "bare.txt").write_text(text)
    rig, bare = read_rig(tmp_path / "rig.txt"), read_rig(tmp_path / "bare.txt")
    with warnings.catch_warnings(action="error"):
        assert rig.rectify(360, 480).intrinsics.fx == pytest.approx(383 * 0.75)
        assert rig.rectify(480, 640).focal_baseline == pytest.approx(19.15)
        assert bare.rectify(480, 640).focal_baseline == pytest.approx(19.15)
    with pytest.warns(UserWarning, match="bare.txt does not say of what size.*photos of 360x480"):
        bare.rectify(360, 480)
    with pytest.raises(ValueError, match="photo of 360x640 .*rig.txt of 480x640"):
        rig.rectify(360, 640)
    with pytest.raises(ValueError, match="principal point 0.33 to 0.67.*bare.txt"):
        bare.rectify(240, 320)


def test_the_raw_calibration_of_kitti_gives_its_baseline(shared):
    rig = read_rig(shared / "data" / "kitti" / "raw" / "2011_09_26" / "calib_cam_to_cam.txt")
    assert rig.baseline == pytest.approx(0.5327, abs=1e-4)  # from the data's own description
    assert rig.rectify(188, 621).intrinsics.fx == pytest.approx(721.5377 / 2, rel=0.001)


def test_opencvs_two_files_are_one_rig(tmp_path, rig):
    inside, outside = tmp_path / "intrinsics.yml", tmp_path / "extrinsics.yml"
    for path, names in ((inside, ("M1", "D1", "M2", "D2")), (outside, ("R", "T"))):
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        for name in names:
            value = {"M": MATRIX, "D": BENT[None], "R": TURN, "T": SHIFT[:, None]}[name[0]]
            storage.write(name, value)
        storage.release()
    back = read_rig(inside, outside)
    np.testing.assert_allclose(back.translation, SHIFT)
    np.testing.assert_allclose(back.left.distortion, BENT)
    with pytest.raises(ValueError, match=f"must have R and T.*{inside}.*extrinsics.yml too"):
        read_rig(inside)


def test_ros_files_of_both_cameras_give_the_rig_that_they_were_made_of(tmp_path, rig):
    rectifier = rig.rectify(HEIGHT, WIDTH)
    paths = tmp_path / "left.yaml", tmp_path / "right.yaml"
    for path, (matrix, bent, turn, view) in zip(paths, rectifier.cameras, strict=True):
        path.write_text(
            f"image_width: {WIDTH}\nimage_height: {HEIGHT}\ndistortion_model: plumb_bob\n"
            + "".join(
                f"{name}:\n  rows: 1\n  cols: 1\n  data: {np.ravel(value).tolist()}\n"
                for name, value in (
                    ("camera_matrix", matrix), ("distortion_coefficients", bent),
                    ("rectification_matrix", turn), ("projection_matrix", view),
                )
            )
        )  # fmt: skip
    back = read_rig(*paths)
    np.testing.assert_allclose(back.rotation, TURN, atol=1e-9)
    np.testing.assert_allclose(back.translation, SHIFT, atol=1e-9)


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        ((0.12, 0, 0), "cameras are swapped: swap --left and --right"),
        ((0, 0, 0), "baseline of a rig must be 0.005 to 5 metres. Received: 0 "),
        ((-120, 0, 0), "must be in metres"),
        ((0, -0.12, 0), "must be side by side"),
    ],
)
def test_cameras_that_are_not_side_by_side_are_refused(tmp_path, rig, shift, words):
    path = tmp_path / "rig.yml"
    write_rig(replace(rig, translation=np.array(shift, float)), path)
    with pytest.raises(ValueError, match=words):
        read_rig(path)


def turn_by(*degrees):
    return cv2.Rodrigues(np.deg2rad(np.array(degrees, float)))[0]


@pytest.mark.parametrize("degrees", [(0, 0, 180), (0, 0, 90), (0, -60, 0)])
def test_cameras_that_do_not_look_the_same_way_are_refused(tmp_path, rig, degrees):
    path = tmp_path / "rig.yml"
    turn = turn_by(*degrees)
    write_rig(replace(rig, rotation=turn, translation=turn @ SHIFT), path)
    with pytest.raises(ValueError, match=rf"look the same way.* by {max(map(abs, degrees))} deg"):
        read_rig(path)


def test_cameras_that_look_towards_each_other_a_little_are_rectified(rig):
    turn = turn_by(0, -15, 0)
    straight = replace(rig.left, distortion=np.zeros(5))
    view = Rig(straight, straight, turn, turn @ SHIFT).rectify(HEIGHT, WIDTH)
    photo = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    for rectified in view.rectify(photo, photo):
        assert (rectified > 100).mean() > 0.98
    assert 300 < view.intrinsics.fx < 900 and view.baseline == pytest.approx(0.12, rel=0.01)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("distortion", np.array([1e30, 0, 0, 0, 0])),
        ("distortion", np.array([-50, 1e6, 0, 0, 0])),
        ("matrix", np.array([(1500.0, 0, 158), (0, 1500, 121), (0, 0, 1)])),
        ("matrix", np.array([(300.0, 0, 318), (0, 300, 121), (0, 0, 1)])),
    ],
)
def test_cameras_that_see_other_things_are_refused_with_the_files_name(rig, field, value):
    odd = replace(rig, right=replace(rig.right, **{field: value}))
    with pytest.raises(ValueError, match="must see about the same.* from rig.yml"):
        odd.rectify(HEIGHT, WIDTH)


def test_files_that_hold_no_rig_are_refused(tmp_path, rig):
    one = tmp_path / "one.txt"
    one.write_text("P2: 300 0 158 12 0 300 121 0 0 0 1 0\n")
    with pytest.raises(ValueError, match=f"K2.*P3.*Received: P2 in {one}"):
        read_rig(one)
    with pytest.raises(FileNotFoundError, match="nothing.yml"):
        read_rig(tmp_path / "nothing.yml")
    bent = tmp_path / "bent.yml"
    write_rig(replace(rig, rotation=2 * TURN), bent)
    with pytest.raises(ValueError, match="R must be a rotation"):
        read_rig(bent)
    fisheye = replace(rig, left=replace(rig.left, fisheye=True))
    with pytest.raises(ValueError, match="pinhole model"):
        fisheye.rectify(HEIGHT, WIDTH)
