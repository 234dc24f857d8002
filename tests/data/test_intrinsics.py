import json
import warnings

import cv2
import numpy as np
import pytest

from depthlib.data.intrinsics import Intrinsics, read_camera, same_aspect

MATRIX = np.array([(90.0, 0, 64.5), (0, 91.0, 47.5), (0, 0, 1)])  # of 96x128 (height x width)
BARREL = np.array([-0.25, 0.06, 0.001, -0.0005, 0.0])
FISHEYE = np.array([0.05, -0.01, 0.002, 0.0])

ROS = """\
# by camera_calibration
image_width: 128
image_height: 96
camera_name: 00b09d0100990bb6
camera_matrix:
  rows: 3
  cols: 3
  data: [90.0, 0, 64.5,
         0, 9.1e1, 47.5, 0, 0, 1]  # pixels
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.25, 0.06, 1e-3, -5.0e-04, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [80, 0, 60, 0, 0, 80, 40, 0, 0, 0, 1, 0]
"""
ROS_TOPIC = """\
header:
  seq: 12
  frame_id: "camera"
height: 96
width: 128
distortion_model: "plumb_bob"
D: [-0.25, 0.06, 0.001, -0.0005, 0.0]
K: [90.0, 0.0, 64.5, 0.0, 91.0, 47.5, 0.0, 0.0, 1.0]
R: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
P: [80.0, 0.0, 60.0, 0.0, 0.0, 80.0, 40.0, 0.0, 0.0, 0.0, 1.0, 0.0]
"""
ROS_LINES = """\
image_height: 96
image_width: 128
camera_matrix:
  cols: 3
  data:
  - 90.0
  - 0
  - 64.5
  - 0
  - 91.0
  - 47.5
  - 0
  - 0
  - 1
  rows: 3
distortion_coefficients:
  data:
    - -0.25
    - 0.06
    - 0.001
    - -0.0005
    - 0.0
distortion_model: plumb_bob
"""
ROS_FLOW = """\
image_width: 128
image_height: 96
camera_matrix: {rows: 3, cols: 3, data: [90, 0, 64.5, 0, 91, 47.5, 0, 0, 1]}
distortion_coefficients: {data: [-.25, .06, .001, -.0005, 0], rows: 1, cols: 5}
"""
KITTI_RAW = """\
calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_02: 1.392000e+03 5.120000e+02
K_02: 9.597910e+02 0 6.960217e+02 0 9.569251e+02 2.241806e+02 0 0 1
D_02: -3.691481e-01 1.968681e-01 1.353473e-03 5.677587e-04 -6.770705e-02
S_rect_02: 1.242000e+03 3.750000e+02
P_rect_02: 7.215377e+02 0 6.095593e+02 4.485728e+01 0 7.215377e+02 1.728540e+02 2.163791e-01 0 0 1 2.7e-03
S_rect_03: 1.0 2.0
"""  # noqa: E501
KITTI_ODOMETRY = """\
P0: 7.188560e+02 0 6.071928e+02 0 0 7.188560e+02 1.852157e+02 0 0 0 1 0
P2: 7.188560e+02 0 6.071928e+02 4.538225e+01 0 7.188560e+02 1.852157e+02 -1.130887e-01 0 0 1 3.8e-03
Tr: 0 -1 0 0 0 0 -1 0 1 0 0 0
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def write_opencv(path, **entries):
    """A calibration as OpenCV itself writes it, by the suffix of `path`."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in entries.items():
        storage.write(name, value)
    storage.release()
    return path


def photo_of_points(pixels, height, width):
    """A photo with a small bright spot at each pixel (x, y), and grey elsewhere."""
    rows, columns = np.mgrid[:height, :width]
    spots = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4.5) for x, y in pixels)
    return np.repeat((40 + 200 * spots).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def centre_near(rgb, x, y):
    """The centre of the brightness that is above grey, within 4 pixels of (x, y)."""
    rows, columns = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    near = np.hypot(columns - x, rows - y) < 5
    weight = np.where(near, rgb[..., 0].astype(float) - 40, 0).clip(0)
    return (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()


# What a file says.


@pytest.mark.parametrize("suffix", ["yml", "yaml", "xml", "json"])
@pytest.mark.parametrize(
    ("matrix", "distortion", "size"),
    [
        ("camera_matrix", "distortion_coefficients", ("image_width", "image_height")),
        ("cameraMatrix", "distCoeffs", ("image_width", "image_height")),
        ("Camera_Matrix", "Distortion_Coefficients", ("image_Width", "image_Height")),
        ("M1", "D1", ("width", "height")),
        ("K", "D", ("imageWidth", "imageHeight")),
        ("mtx", "dist", ("width", "height")),
        ("cameraMatrix1", "distCoeffs1", ("image_width", "image_height")),
    ],
)
def test_opencvs_own_files_are_read_by_the_usual_names(tmp_path, suffix, matrix, distortion, size):
    entries = {matrix: MATRIX, distortion: BARREL[:, None], size[0]: 128, size[1]: 96}
    camera = read_camera(write_opencv(tmp_path / f"camera.{suffix}", **entries))
    assert camera.fit(96, 128) == Intrinsics(90, 91, 64.5, 47.5, 128, 96)
    assert camera.distortion == pytest.approx(BARREL)
    assert (camera.size, camera.fisheye) == ((96, 128), False)


def test_of_a_stereo_file_the_first_camera_is_read(tmp_path):
    entries = {"M1": MATRIX, "D1": BARREL, "M2": 2 * MATRIX, "D2": 2 * BARREL}
    camera = read_camera(write_opencv(tmp_path / "intrinsics.yml", **entries))
    assert camera.fit(96, 128) == Intrinsics(90, 91, 64.5, 47.5, 128, 96)
    assert camera.distortion == pytest.approx(BARREL)


@pytest.mark.parametrize("text", [ROS, ROS_TOPIC, ROS_LINES, ROS_FLOW, "---\n" + ROS])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_camera_info_of_ros_is_read_as_its_programs_write_it(tmp_path, text, end):
    path = tmp_path / "camera_info.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", end).encode())
    camera = read_camera(path)
    assert camera.fit(96, 128) == Intrinsics(90, 91, 64.5, 47.5, 128, 96)
    assert camera.distortion == pytest.approx(BARREL)
    assert not camera.fisheye


REGIONS = {
    "none": "", "zero": "{x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false}",
    "whole": "\n  x_offset: 0\n  y_offset: 0\n  height: 96\n  width: 128\n  do_rectify: False",
    "part": "\n  x_offset: 32\n  y_offset: 24\n  height: 48\n  width: 64\n  do_rectify: False",
    "corner": "{height: 48, width: 64, x_offset: 0, y_offset: 0}",
    "low": "{y_offset: 16, x_offset: 0, height: 0, width: 0}",
}  # fmt: skip


@pytest.mark.parametrize("region", REGIONS)
def test_a_calibration_of_a_part_of_the_photo_is_refused(tmp_path, region):
    text = ROS_TOPIC + (f"roi: {REGIONS[region]}\n" if region != "none" else "")
    if region in ("none", "zero", "whole"):
        assert read_camera(write(tmp_path / "a.yaml", text)).fit(96, 128).cx == 64.5
        return
    with pytest.raises(ValueError, match="of whole photos. Received: a region of .*a.yaml"):
        read_camera(write(tmp_path / "a.yaml", text))
    names = json.dumps({"K": MATRIX.tolist(), "roi": {"x_offset": 3, "width": 64, "height": 48}})
    with pytest.raises(ValueError, match=r"64x48 at \(3, 0\)"):
        read_camera(write(tmp_path / "a.json", names))


@pytest.mark.parametrize(
    ("model", "numbers", "fisheye"),
    [
        ("plumb_bob", "-0.25, 0.06, 0.001, 0", False),
        ("rational_polynomial", "0.1, 0.2, 0, 0, 0.01, 0.3, 0.1, 0.02", False),
        ("rational_polynomial", "0.1, 0.2, 0, 0, 0.01, 0.3, 0.1, 0.02, 0, 0, 0, 0", False),
        ("equidistant", "0.05, -0.01, 0.002, 0", True),
        ("fisheye", "0.05, -0.01, 0.002, 0", True),
        ('""', "", False),
    ],
)
def test_each_distortion_model_has_its_coefficients(tmp_path, model, numbers, fisheye):
    text = ROS_TOPIC.replace('"plumb_bob"', model)
    text = text.replace("-0.25, 0.06, 0.001, -0.0005, 0.0", numbers)
    camera = read_camera(write(tmp_path / "a.yaml", text))
    assert camera.distortion.tolist() == [float(n) for n in numbers.split(",") if n]
    assert camera.fisheye == fisheye


def test_opencvs_program_marks_a_fisheye_by_a_flag(tmp_path):
    entries = {"camera_matrix": MATRIX, "distortion_coefficients": FISHEYE}
    for flag in (0, 1):
        path = write_opencv(tmp_path / "camera.xml", **entries, fisheye_model=flag)
        assert read_camera(path).fisheye == bool(flag)


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        (KITTI_RAW, (375, 1242), (721.5377, 721.5377, 609.5593, 172.854)),
        (KITTI_ODOMETRY, (376, 1241), (718.856, 718.856, 607.1928, 185.2157)),
    ],
)
def test_kittis_files_give_the_left_colour_camera_of_rectified_photos(
    tmp_path, text, size, expected
):
    camera = read_camera(write(tmp_path / "calib.txt", text))
    found = camera.fit(*size)
    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx(expected)
    assert found.focal == pytest.approx(expected[0] / size[1])
    photo = np.zeros((*size, 3), np.uint8)
    assert camera.undistort(photo)[0] is photo


def test_kittis_own_files_are_read(shared):
    path = shared / "data" / "kitti" / "raw" / "2011_09_26" / "calib_cam_to_cam.txt"
    assert read_camera(path).fit(375, 1242).focal == pytest.approx(0.58095, abs=1e-5)
    path = shared / "data" / "stereo" / "kitti_odometry_02" / "calib.txt"
    assert read_camera(path).fit(376, 1241).focal == pytest.approx(0.57926, abs=1e-5)


def test_opencvs_sample_is_read(shared):
    path = shared / "data" / "stereo" / "chessboard_opencv" / "left_intrinsics.yml"
    assert read_camera(path).fit(480, 640).focal == pytest.approx(535.9157 / 640, abs=1e-6)


# A file that says something else.


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("camera_matrix", "camera_matrices", "must have camera_matrix .*P_rect_02 or P2 .*image_"),
        ("[90.0, 0, 64.5,", "[90.0, 0,", "camera_matrix of .* 9 finite numbers. Received: .90"),
        ("[90.0,", "[.nan,", "9 finite numbers. Received: .nan"),
        ("47.5", "-.inf", "9 finite numbers"),
        ("[90.0,", "[fx,", "9 finite numbers"),
        ("[90.0,", "[0,", "must be .fx 0 cx, 0 fy cy, 0 0 1. in pixels.*Received: ..0.0, 0.0, 64"),
        ("[90.0,", "[-90.0,", "must be .fx 0 cx"),
        ("[90.0,", "[1e300,", "fx and fy above 0 and at most 4 times each other"),
        ("[90.0,", "[21.0,", "at most 4 times each other"),
        ("[90.0, 0, 64.5,", "[90.0, 30, 64.5,", "must be .fx 0 cx"),
        ("0, 0, 1]  #", "64.5, 47.5, 1]  #", "transpose a matrix"),
        ("[90.0,", "[0.7,", "at most 4 times each other. Received: ..0.7, 0.0, 64.5"),
        (
            "[90.0, 0, 64.5,\n         0, 9.1e1",
            "[0.7, 0, 64.5, 0, 0.7",
            "focal length of 0.2 to 10",
        ),
        ("64.5", "200.5", "principal point 0 to 1 .*Received: 90 and .200.5"),
        ("plumb_bob", "double_sphere", "must be plumb_bob, .*Received: double_sphere"),
        ("plumb_bob", "equidistant", "distortion_coefficients of .* 4 finite numbers"),
        ("1e-3, -5.0e-04, 0]", "1e-3]", "distortion_coefficients of .* 0 or 4 or 5 or 8 or 12"),
        ("1e-3, -5.0e-04, 0]", "1e-3, nan, 0]", "finite numbers"),
        ("image_height: 96", "", "image_height of a calibration must hold 1 finite"),
        ("image_width: 128", "image_width: 0", "whole numbers above 0.* Received: 0 and 96"),
        ("image_width: 128", "image_width: 128.5", "whole numbers above 0"),
        ("5.0e-04, 0]", "5.0e-04", "a list is not closed. Copy it again"),
    ],
)
def test_a_calibration_of_no_camera_says_the_rule_and_the_file(tmp_path, old, new, message):
    assert old in ROS
    path = write(tmp_path / "camera.yaml", ROS.replace(old, new))
    with pytest.raises(ValueError, match=message) as caught:
        read_camera(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"hello", b"\xff\xfe\0\0", b"PK\x03\x04\xf0\xff", b"%YAML:1.0\n---\n  [", b"<?xml",
        b'<?xml version="1.0"?>\n<calibration><fx>1</fx></calibration>\n', b"{", b"[1, 2]",
        b'{"camera_matrix":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b"%YAML:1.0\n---\n", b"<html></html>", b"%YAML:1.0\n---\ncamera_matrix: [1, 2\n",
    ],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(tmp_path, data):
    (tmp_path / "camera.yml").write_bytes(data)
    with pytest.raises(ValueError, match="calibration must .*Received: .*camera.yml"):
        read_camera(tmp_path / "camera.yml")


def test_a_calibration_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.yml"):
        read_camera(tmp_path / "absent.yml")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        read_camera(tmp_path)


# A photo of another size.


@pytest.mark.parametrize(
    ("height", "width", "times"), [(48, 64, 0.5), (192, 256, 2), (24, 32, 0.25)]
)
def test_a_photo_of_another_size_scales_the_intrinsics(tmp_path, height, width, times):
    found = read_camera(write(tmp_path / "a.yaml", ROS)).fit(height, width)
    # A pixel's centre is half a pixel from the corner, which stays: (64.5 + .5) * .5 - .5 = 32.
    expected = (90 * times, 91 * times, 65 * times - 0.5, 48 * times - 0.5)
    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx(expected)
    assert (found.width, found.height) == (width, height)
    assert found.focal == pytest.approx(90 / 128)
    assert found.matrix[0, 2] == found.cx


def test_a_photo_that_was_rounded_to_whole_pixels_has_the_same_aspect(tmp_path):
    camera = read_camera(write(tmp_path / "calib.txt", KITTI_RAW))
    assert camera.fit(188, 621).focal == pytest.approx(721.5377 / 1242)
    assert same_aspect(250, 333, 3000, 4000)
    assert same_aspect(23, 40, 2252, 4000)
    assert not same_aspect(24, 40, 3000, 4000)
    assert not same_aspect(300, 225, 300, 400)


@pytest.mark.parametrize(("height", "width"), [(128, 96), (72, 128), (96, 96), (100, 128)])
def test_a_photo_of_another_aspect_is_refused_with_both_sizes(tmp_path, height, width):
    camera = read_camera(write(tmp_path / "a.yaml", ROS))
    with pytest.raises(ValueError, match=f"photo of {height}x{width} .*a.yaml of 96x128"):
        camera.fit(height, width)
    with pytest.raises(ValueError, match=f"photo of {height}x{width} .*a.yaml of 96x128"):
        camera.undistort(np.zeros((height, width, 3), np.uint8))


@pytest.mark.parametrize(("height", "width"), [(188, 621), (752, 2482), (480, 640), (1241, 376)])
def test_without_a_size_the_principal_point_shows_that_a_photo_is_not_of_it(
    tmp_path, height, width
):
    camera = read_camera(write(tmp_path / "calib.txt", KITTI_ODOMETRY))
    with pytest.raises(
        ValueError, match=f"607.193, 185.216. in pixels of {height}x{width} .*calib"
    ):
        camera.fit(height, width)


def fit_told(camera, height, width):
    """What is said of a photo of this size, "" where nothing is."""
    with warnings.catch_warnings(record=True, action="always") as said:
        camera.fit(height, width)
    return "".join(str(one.message) for one in said)


@pytest.mark.parametrize("times", [0.76, 0.8, 1.2, 1.25, 1.4])
@pytest.mark.parametrize("form", ["opencv", "kitti", "ros"])
def test_without_a_size_a_principal_point_off_the_middle_is_told(tmp_path, form, times):
    path = {
        "opencv": lambda: write_opencv(tmp_path / "n.yml", camera_matrix=MATRIX),
        "kitti": lambda: write(tmp_path / "n.txt", "P2: 90 0 64.5 0 0 90 47.5 0 0 0 1 0\n"),
        "ros": lambda: write(tmp_path / "n.yaml", "".join(ROS_LINES.splitlines(True)[2:])),
    }[form]()
    camera = read_camera(path)
    assert camera.size is None and fit_told(camera, 96, 128) == ""
    height, width = round(96 * times), round(128 * times)
    off = f"{abs(65 / width - 0.5):.0%} of the width and {abs(48 / height - 0.5):.0%} of the height"
    said = fit_told(camera, height, width)
    assert said.startswith(f"{path} does not say") and "(64.5, 47.5)" in said
    assert f"photos of {height}x{width} " in said and off in said and "image_width" in said


@pytest.mark.parametrize("times", [0.5, 0.75, 1, 1.25, 3])
def test_with_a_size_a_photo_of_any_other_is_scaled_without_a_word(tmp_path, times):
    camera = read_camera(write(tmp_path / "a.yaml", ROS))
    assert fit_told(camera, round(96 * times), round(128 * times)) == ""


@pytest.mark.parametrize(
    ("matrix", "height", "width"),
    [  # each from its dataset's own files
        ((721.5377, 609.5593, 172.854), 375, 1242),  # KITTI, 2011_09_26, rectified
        ((707.0912, 601.8873, 183.1104), 370, 1226),  # KITTI's odometry, 4 to 12
        ((959.791, 696.0217, 224.1806), 512, 1392),  # KITTI, 2011_09_26, as taken
        ((518.8579, 325.5824, 253.7362), 480, 640),  # NYU, Kinect's colour camera
    ],
)
def test_principal_points_of_real_cameras_are_told_by_no_word(tmp_path, matrix, height, width):
    focal, cx, cy = matrix
    text = f"P2: {focal} 0 {cx} 0 0 {focal} {cy} 0 0 0 1 0\n"
    assert fit_told(read_camera(write(tmp_path / "calib.txt", text)), height, width) == ""


def test_a_calibration_without_a_size_is_told_once_for_many_photos(tmp_path):
    camera = read_camera(write_opencv(tmp_path / "n.yml", camera_matrix=MATRIX))
    with warnings.catch_warnings(record=True, action="always") as said:
        for _ in range(3):
            camera.undistort(np.zeros((120, 160, 3), np.uint8))
            camera.fit(120, 160)
    assert len(said) == 1


# A photo without distortion.


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("coefficients", "fisheye"),
    [
        (BARREL, False),
        (-0.5 * BARREL, False),  # pincushion
        (np.array([0.1, 0.05, 0.001, 0, 0.01, 0.3, 0.1, 0.02]), False),
        (FISHEYE, True),
        (np.zeros(4), True),  # an ideal fisheye is no pinhole camera
    ],
)
def test_points_lie_where_the_new_intrinsics_say(tmp_path, coefficients, fisheye, times):
    entries = {"camera_matrix": MATRIX, "dist": coefficients, "fisheye_model": int(fisheye)}
    path = write_opencv(tmp_path / "a.yml", **entries, image_width=128, image_height=96)
    camera = read_camera(path)
    height, width = 96 * times, 128 * times
    old = camera.fit(height, width)
    # Points at a depth of 1 in front of the camera, and where OpenCV's own model has them.
    points = np.array([(x, y, 1.0) for x in (-0.4, -0.1, 0.3) for y in (-0.3, 0.0, 0.25)])
    still = np.zeros(3)
    if fisheye:
        seen, _ = cv2.fisheye.projectPoints(
            points[None], still, still, old.matrix, np.array(coefficients)
        )
    else:
        seen, _ = cv2.projectPoints(points, still, still, old.matrix, coefficients)
    photo = photo_of_points(seen.reshape(-1, 2), height, width)
    out, new = camera.undistort(photo)
    assert out.shape == photo.shape and out.dtype == np.uint8
    for x, y, _ in points:
        expected = new.fx * x + new.cx, new.fy * y + new.cy
        assert centre_near(out, *expected) == pytest.approx(expected, abs=0.35)
    assert out.min() >= 39  # no black border
    assert new.fx / new.fy == pytest.approx(old.fx / old.fy)  # a pixel keeps its shape
    assert (new.width, new.height) == (width, height)


def test_a_camera_without_distortion_leaves_the_photo(tmp_path):
    entries = {"camera_matrix": MATRIX, "distortion_coefficients": np.zeros(5)}
    camera = read_camera(write_opencv(tmp_path / "a.yml", **entries))
    photo = np.zeros((96, 128, 3), np.uint8)
    out, intrinsics = camera.undistort(photo)
    assert out is photo
    assert intrinsics == camera.fit(96, 128)


def test_a_distortion_that_cannot_be_taken_out_is_refused(tmp_path):
    wild = np.array([-80.0, 900.0, 5.0, 5.0, 0.0])
    path = write_opencv(tmp_path / "a.yml", camera_matrix=MATRIX, distortion_coefficients=wild)
    with pytest.raises(ValueError, match="calibrate again"):
        read_camera(path).undistort(np.zeros((96, 128, 3), np.uint8))


@pytest.mark.parametrize("k1", [-50.0, -5.0, -2.0])
def test_a_distortion_that_folds_the_photo_is_refused(tmp_path, k1):
    wild = np.array([k1, 0.0, 0.0, 0.0, 0.0])
    path = write_opencv(tmp_path / "a.yml", camera_matrix=MATRIX, distortion_coefficients=wild)
    with pytest.raises(ValueError, match="folds the photo|[Cc]alibrate again"):
        read_camera(path).undistort(np.zeros((96, 128, 3), np.uint8))


@pytest.mark.parametrize("rgb", [np.zeros((96, 128), np.uint8), np.zeros((96, 128, 3))])
def test_only_a_photo_is_undistorted(tmp_path, rgb):
    camera = read_camera(write(tmp_path / "a.yaml", ROS))
    with pytest.raises(ValueError, match="must be uint8 RGB"):
        camera.undistort(rgb)


MINE = "camera_matrix: [[90, 0, 64.5], [0, 91, 47.5], [0, 0, 1]]\n"


@pytest.mark.parametrize(
    "line",
    [
        "dist_coeff: [[-0.25, 0.06, 0, 0, 0]]",
        "distCoeff: [-0.25, 0.06, 0, 0]",
        "distortion_parameters: [-0.25, 0.06, 0, 0]",
        "coefficients: [-0.25, 0.06, 0, 0]",
        "k1: -0.25",
        "camera_model: fisheye",
        "model: equidistant",
        "distortion:\n  k1: -0.25\n  k2: 0.06\n  p1: 0\n  p2: 0",
    ],
)
def test_distortion_under_a_name_that_is_not_read_is_refused(tmp_path, line):
    (tmp_path / "mine.yaml").write_text(f"{MINE}{line}\n")
    with pytest.raises(ValueError, match="distortion.*Received: .* in .*mine.yaml"):
        read_camera(tmp_path / "mine.yaml")


def test_distortion_as_a_mapping_of_json_is_refused(tmp_path):
    (tmp_path / "mine.json").write_text(
        '{"camera_matrix": [90, 0, 64.5, 0, 91, 47.5, 0, 0, 1], "distortion": {"k1": -0.3}}'
    )
    with pytest.raises(ValueError, match="distortion of a calibration must hold.*k1:"):
        read_camera(tmp_path / "mine.json")


@pytest.mark.parametrize("line", ["distance: 3", "camera_model: pinhole", "K1: [1, 2]", "mode: 2"])
def test_other_words_of_a_calibration_do_not_matter(tmp_path, line):
    (tmp_path / "mine.yaml").write_text(f"{MINE}D: [-0.25, 0.06, 0, 0]\n{line}\n")
    assert read_camera(tmp_path / "mine.yaml").distortion[0] == -0.25
