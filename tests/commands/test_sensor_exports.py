"""Depth cameras' own exports are read as they are named, and their two photos are matched anew."""

import cv2
import numpy as np
import pytest

from depthlib.__main__ import main
from depthlib.data.images import write_rgb
from depthlib.data.pairs import read_csv
from tests.stereo_scenes import draw_shifted

COUNT = 6
STAMP = 1666000000123.4567  # milliseconds, as librealsense writes them


def measure(number):
    """Depth of a room in metres, (48, 64), with a strip that is not measured."""
    depth = np.linspace(3.2, 1.0, 48)[:, None] + np.zeros((48, 64)) + 0.1 * number
    depth[10:30, 20:40] *= 0.8
    depth[:, :4] = 0
    return depth


def millimetres(number):
    return np.rint(measure(number) * 1000).astype(np.uint16)


def metres(number):
    depth = measure(number).astype(np.float32)
    return np.where(depth > 0, depth, np.nan)


def stamp(number, late=0.0):
    return f"{STAMP + 33.333 * number + late:.14f}"


# What librealsense, its viewer's users and Open3D's recorder, ZED's SVO export, and DepthAI's
# capture programs write: the photo, the map, what else lies there, and how depth is stored.
EXPORTS = {
    "RealSense by time stamps": (
        lambda n: f"rec_Color_{stamp(n)}.png", lambda n: f"rec_Depth_{stamp(n, 7)}.png",
        lambda n: f"rec_Infrared_1_{stamp(n, 7)}.png", millimetres,
    ),
    "RealSense by Open3D": (
        lambda n: f"color/{n:05d}.jpg", lambda n: f"depth/{n:05d}.png", None, millimetres,
    ),
    "ZED": (
        lambda n: f"left{n:06d}.png", lambda n: f"depth{n:06d}.png",
        lambda n: f"right{n:06d}.png", millimetres,
    ),
    "ZED as PFM": (lambda n: f"left{n:06d}.png", lambda n: f"depth{n:06d}.pfm", None, metres),
    "ZED as TIFF": (lambda n: f"left{n:06d}.png", lambda n: f"depth{n:06d}.tiff", None, metres),
    "OAK-D": (
        lambda n: f"color/color_{n:06d}.jpg", lambda n: f"depth/depth_{n:06d}.png", None,
        millimetres,
    ),
}  # fmt: skip


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_is_read_in_metres_by_the_names_that_it_has(tmp_path, export):
    photo, depth, other, stored = EXPORTS[export]
    for number in range(COUNT):
        rgb, _, _ = draw_shifted(48, 64, back=2, front=6, seed=number)
        for name in (photo, other) if other else (photo,):
            write_rgb(tmp_path / name(number), rgb)
        path = tmp_path / depth(number)
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), stored(number))
    assert main(["data", str(tmp_path)]) == 0
    pairs = read_csv(tmp_path / "pairs.csv")
    names = pairs.table["rgb"].tolist(), pairs.table["depth"].tolist()
    assert names == ([photo(n) for n in range(COUNT)], [depth(n) for n in range(COUNT)])
    for number, depth_m in enumerate(pairs.load()[1]):
        np.testing.assert_allclose(depth_m, measure(number), atol=6e-4)


def test_the_coloured_depth_that_rs_convert_writes_is_refused_with_the_reason(tmp_path):
    for number in range(COUNT):
        rgb, _, _ = draw_shifted(48, 64, back=2, front=6, seed=number)
        write_rgb(tmp_path / f"rec_Color_{stamp(number)}.png", rgb)
        coloured = cv2.applyColorMap(np.uint8(measure(number) * 50), cv2.COLORMAP_JET)
        cv2.imwrite(str(tmp_path / f"rec_Depth_{stamp(number, 7)}.png"), coloured)
    with pytest.raises(SystemExit, match="Colours are a picture of depth"):
        main(["data", str(tmp_path)])


@pytest.mark.parametrize(
    ("left", "right"),
    [("rec_Infrared_1_{}.png", "rec_Infrared_2_{}.png"), ("ir_left/{}.png", "ir_right/{}.png")],
)
def test_both_infrared_photos_are_matched_by_focal_length_and_baseline_alone(tmp_path, left, right):
    for number in range(3):
        for name, rgb in zip((left, right), draw_shifted(seed=number)[:2], strict=True):
            path = tmp_path / "rec" / name.format(stamp(number))
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rgb[..., 0])
    rig = tmp_path / "rig.txt"
    rig.write_text("P2: 80 0 80 0 0 80 36 0 0 0 1 0\nP3: 80 0 80 -40 0 80 36 0 0 0 1 0\n")
    sides = [f"{tmp_path / 'rec'}/{name.format('*')}" for name in (left, right)]
    words = [f"--left={sides[0]}", f"--right={sides[1]}", f"--out={tmp_path / 'out'}"]
    assert main(["stereo", "match", f"--rig={rig}", *words]) == 0
    pairs = read_csv(tmp_path / "out" / "stereo.csv")
    assert pairs.table["scene"].tolist() == ["rec"] * 3
    for depth_m in pairs.load()[1]:
        middle = np.median(depth_m[depth_m > 0])
        assert middle == pytest.approx(40 / 6, rel=0.02)  # of the wall, 6 pixels of disparity
