import json

import numpy as np
import pytest

from depthlib.data.augment import DRAWS, Augmentation
from depthlib.data.images import write_rgb
from depthlib.data.pairs import read_csv, write_csv
from depthlib.data.views import KNOWN, MISSING, UNSCALED, Views, read_motion, read_views

HEIGHT, WIDTH = 12, 40  # of the photos


@pytest.fixture
def drive(tmp_path):
    """Three frames of two cameras, the last one without a next."""
    rng = np.random.default_rng(0)
    for name in ("left0", "left1", "left2", "right0", "right1"):
        write_rgb(tmp_path / f"{name}.png", rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    rows = "rgb,right,next,next_motion,scene\n"
    rows += "left0.png,right0.png,left1.png,0 0.1 0 0.2 0 -0.5,a\n"
    rows += "left1.png,right1.png,left2.png,0 -.1 0 0.1 0 -7e-1,a\nleft2.png,,,,a\n"
    (tmp_path / "views.csv").write_text(rows)
    says = {"name": "drive", "encoding": "none", "focal": 0.6, "centre": [0.45, 0.55]}
    says |= {"baseline": 0.25, "min_depth": 1, "max_depth": 80}
    (tmp_path / "dataset.json").write_text(json.dumps(says))
    return read_csv(tmp_path / "views.csv")


def project(points, camera):
    """Pixels (x, y) of points (n, 3), as a pinhole camera sees them."""
    fx, fy, cx, cy = camera[:4]
    return points[:, 0] / points[:, 2] * fx + cx, points[:, 1] / points[:, 2] * fy + cy


def test_a_csv_of_photos_without_depth_names_their_views(drive, tmp_path):
    assert drive.views == ("right", "next") and not drive.spec.has_depth
    assert drive.spec.unit == "metre" and drive.view_path(2, "right") is None
    assert drive.view_path(1, "right") == tmp_path / "right1.png"
    write_csv(drive, tmp_path / "again.csv")
    again = read_csv(tmp_path / "again.csv", tmp_path / "dataset.json")
    assert again.table.equals(drive.table) and again.digest() == drive.digest()
    drive.table.loc[0, "next_motion"] = "0 0.1 0 0.2 0 -0.6"
    assert again.digest() != drive.digest()


def test_views_of_one_camera_alone_know_no_metres(tmp_path):
    for name in ("0.png", "1.png"):
        write_rgb(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "views.csv").write_text(
        "photo,prev,previous_motion,scene\n0.png,1.png,0 0 0 1 0 0,a\n"
    )
    (tmp_path / "dataset.json").write_text('{"encoding": "none", "focal": 0.8}')
    pairs = read_csv(tmp_path / "views.csv")
    assert pairs.views == ("previous",) and pairs.spec.unit == "relative"
    views = read_views(pairs, [0], ("previous",), 8, 8)
    np.testing.assert_array_equal(views.motions[0, 0], [0, 0, 0, 1, 0, 0, UNSCALED])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0.png,0.png,,,,", "0.png as rgb and as right, in row 2 of"),
        ("0.png,,./0.png,,0 0 0 1 0 0,", "0.png as rgb and as previous, in row 2 of"),
        ("a//0.png,,,a/0.png,,0 0 0 1 0 0", "a//0.png as rgb and as next, in row 2 of"),
        ("0.png,,1.png,1.png,0 0 0 1 0 0,0 0 0 -1 0 0", "1.png as previous and as next, in"),
        ("0.png,1.png,,1.png,,0 0 0 1 0 0", "1.png as right and as next, in row 2 of"),
    ],
)
def test_a_photo_that_is_its_own_neighbour_is_refused_with_its_row(tmp_path, row, said):
    for name in ("0.png", "1.png"):
        write_rgb(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    heading = "rgb,right,previous,next,previous_motion,next_motion"
    (tmp_path / "views.csv").write_text(f"{heading}\n1.png,,0.png,,0 0 0 1 0 0,\n{row}\n")
    (tmp_path / "dataset.json").write_text('{"encoding": "none", "focal": 0.8}')
    with pytest.raises(ValueError, match=f"{said}.*views.csv"):
        read_csv(tmp_path / "views.csv")


@pytest.mark.parametrize(
    ("says", "rows", "message"),
    [
        ({"encoding": "none"}, "rgb,right\n0.png,0.png\n", "`focal` and `focal_column`"),
        ({"encoding": "none", "focal": 1, "centre": [2, 0.5]}, "rgb,right\n0.png,0.png\n",
         "`centre` of a dataset must be"),
        ({"encoding": "none", "focal": 1}, "rgb,depth\n0.png,0.png\n", "`encoding` is none"),
        ({"metres_per_count": 0.001}, "rgb,right\n0.png,0.png\n", "a column of depth maps"),
        ({"encoding": "none", "focal": 1}, "rgb,next\n0.png,0.png\n",
         "in the column next_motion. Received: none in"),
        ({"encoding": "none", "focal": 1}, "rgb,next,next_motion\n0.png,0.png,\n",
         "in the column next_motion. Received: none in"),
        (None, "rgb,right\n0.png,0.png\n", "dataset.json that says how their camera sees"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_the_file(tmp_path, says, rows, message):
    write_rgb(tmp_path / "0.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "views.csv").write_text(rows)
    if says:
        (tmp_path / "dataset.json").write_text(json.dumps(says))
    with pytest.raises(ValueError, match=message) as error:
        read_csv(tmp_path / "views.csv")
    assert str(tmp_path) in str(error.value)


def test_views_are_read_at_a_size_with_their_camera(drive):
    views = read_views(drive, [0, 2], ("right", "previous", "next"), 6, 10)
    assert views.photos.shape == (2, 4, 6, 10, 3)
    np.testing.assert_array_equal(views.motions[0, :, 6], [KNOWN, MISSING, KNOWN])
    np.testing.assert_allclose(views.motions[0, 2, :6], [0, 0.1, 0, 0.2, 0, -0.5])
    np.testing.assert_array_equal(views.motions[1, :, 6], 3 * [MISSING])
    np.testing.assert_allclose(views.motions[0, 0, :6], [0, 0, 0, -0.25, 0, 0])
    # A point at the right edge of the photo, x = .55 of the width at depth .6 of it, stays there.
    fx, fy, cx, cy, zoom = views.cameras[0]
    assert (fx, cx, cy, zoom) == pytest.approx((6, 0.45 * 10 - 0.5, 0.55 * 6 - 0.5, 1))
    assert fy == pytest.approx(0.6 * WIDTH / HEIGHT * 6)


def test_a_neighbour_that_is_gone_is_named_with_the_photo_whose_it_is(drive):
    drive.view_path(0, "right").unlink()
    with pytest.raises(FileNotFoundError, match="Received: .*, the `right` of .* in the CSV of"):
        read_views(drive, [0], ("right",), 6, 10)


@pytest.mark.parametrize(
    "text",
    ["", "1 2 3", "0 0 0 1 0 0 1", "a b c d e f", "0 0 nan 1 0 0", "0 0 4 1 0 0", "0 0 0 0 0 0"],
)
def test_a_motion_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=f"must be six numbers.*Received: '{text}'"):
        read_motion(text)


def test_an_enlarged_part_and_a_mirrored_photo_keep_where_each_point_is_seen():
    rng = np.random.default_rng(1)
    points = rng.uniform((-2, -1, 5), (2, 1, 9), (20, 3))
    camera = np.float32([20, 22, 19, 11, 1])
    views = Views(
        np.zeros((1, 2, 24, 40, 3), np.uint8),
        np.float32([[[0.1, 0.2, 0.3, 1, 2, 3, 1]]]),
        camera[None].copy(),
    )
    x, y = project(points, camera)
    views.enlarge(0, 4, 10, 12, 20, 0.5)
    seen_x, seen_y = project(points, views.cameras[0])
    # cv2.resize keeps corners: pixel p of a part that begins at b becomes 2 (p + .5 - b) - .5.
    np.testing.assert_allclose(seen_x, 2 * (x + 0.5 - 10) - 0.5, rtol=1e-5)
    np.testing.assert_allclose(seen_y, 2 * (y + 0.5 - 4) - 0.5, rtol=1e-5)
    assert views.cameras[0, 4] == 0.5
    views.mirror(0)
    mirrored_x, mirrored_y = project(points * (-1, 1, 1), views.cameras[0])
    np.testing.assert_allclose(mirrored_x, 39 - seen_x, rtol=1e-4)
    np.testing.assert_allclose(mirrored_y, seen_y, rtol=1e-5)
    # A turn and a shift of the mirrored world: M R M and M t.
    cv2 = pytest.importorskip("cv2")
    mirror = np.diag([-1.0, 1, 1])
    turned = mirror @ cv2.Rodrigues(np.array([0.1, 0.2, 0.3]))[0] @ mirror
    np.testing.assert_allclose(views.motions[0, 0, :3], cv2.Rodrigues(turned)[0][:, 0], rtol=1e-5)
    np.testing.assert_allclose(views.motions[0, 0, 3:6], [-1, 2, 3])


def test_views_move_with_their_photo_and_keep_their_colours():
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (3, 16, 24, 3), np.uint8)
    views = Views.empty(3, 1, 16, 24)
    views.photos[:] = rgb[:, None]
    counts = np.full((3, 16, 24), 1000, np.uint16)
    draws = np.zeros(3, DRAWS)
    draws["crop"], draws["flip"], draws["jitter"] = (0, 1, 0), (0, 0, 1), (1, 0, 1)
    draws["share"], draws["top"], draws["left"] = 0.2, 0.5, 0.25
    plain = rgb.copy()
    Augmentation(jitter=0.5).apply(rgb, counts, draws, views=views)
    assert (views.photos[:, 0] == views.photos[:, 1]).all()
    np.testing.assert_array_equal(views.photos[0, 0], rgb[0])  # enlarged and mirrored
    np.testing.assert_array_equal(views.photos[1, 0], plain[1, :, ::-1])
    assert (rgb[1] != views.photos[1, 0]).any()  # whose colours changed
    np.testing.assert_array_equal(views.photos[2, 0], rgb[2])
    np.testing.assert_allclose(views.cameras[[0, 2], 4], counts[[0, 2], 0, 0] / 1000, rtol=1e-3)
