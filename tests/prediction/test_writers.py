import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from depthlib.data.images import read_depth, read_rgb
from depthlib.data.specs import DENSE_M256, INDOOR_MILLIMETRE, ROADS
from depthlib.prediction.cloud import Intrinsics
from depthlib.prediction.writers import (
    DEPTH_COLOURS,
    GREY,
    LONGEST,
    WRITERS,
    DepthResult,
    is_ours,
    name_file,
)

CAMERA = Intrinsics(20.0, 20.0, 5.5, 3.5, width=1, height=1)
SUFFIXES = {
    "npy": ".npy",
    "png16": ".png",
    "colour": ".png",
    "ply": ".ply",
    "glb": ".glb",
    "confidence": ".png",
}


def make_result(depth_m=None, **changed):
    """A wall that comes nearer to the right, 1 to 4 m."""
    if depth_m is None:
        depth_m = np.tile(np.linspace(4, 1, 12), (8, 1))
    depth_m = np.asarray(depth_m, np.float32)
    size = depth_m.shape
    given = {
        "photo": np.full((*size, 3), 100, np.uint8),
        "depth_m": depth_m,
        "far": 8.0,
        "intrinsics": CAMERA,
        "max_depth": 10.0,
        "confidence": np.full(size, 0.5, np.float32),
    }
    return DepthResult(**given | changed)


def read_counts(path):
    """What any reader of PNG sees: the counts, and the texts."""
    counts = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    with Image.open(path) as image:
        return counts, image.text


def test_there_is_a_writer_for_each_format():
    assert set(WRITERS) == set(SUFFIXES)


@pytest.mark.parametrize("kind", SUFFIXES)
def test_each_writer_makes_the_folder_leaves_one_file_and_gives_its_path(kind, tmp_path):
    if kind == "glb":
        pytest.importorskip("trimesh")
    result = make_result()
    target = tmp_path / "new" / "folder" / name_file(kind, "photo", result)
    for path in (target, str(target)):
        assert WRITERS[kind](path, result) == target
        assert list(target.parent.iterdir()) == [target] and target.stat().st_size > 0


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("suffix", [".exr", ".tif", ".txt", "", ".png.bak"])
def test_a_suffix_that_cannot_hold_the_format_is_refused(kind, suffix, tmp_path):
    with pytest.raises(ValueError, match=rf"must end in \{SUFFIXES[kind]}.* Received: .*photo"):
        WRITERS[kind](tmp_path / f"photo{suffix}", make_result())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["npy", "png16", "ply", "glb", "confidence"])
def test_a_jpeg_which_changes_numbers_holds_the_picture_alone(kind, tmp_path):
    with pytest.raises(ValueError, match=rf"must end in \{SUFFIXES[kind]}\. Received: .*a.jpg"):
        WRITERS[kind](tmp_path / "a.jpg", make_result())


@pytest.mark.parametrize("kind", SUFFIXES)
def test_the_photo_is_never_written_over_whatever_name_it_is_given(kind, tmp_path):
    photo = tmp_path / f"photo{SUFFIXES[kind]}"
    photo.write_bytes(b"the photo")
    linked, hard = tmp_path / f"linked{photo.suffix}", tmp_path / f"hard{photo.suffix}"
    linked.symlink_to(photo)
    hard.hardlink_to(photo)
    dotted = tmp_path / "folder" / ".." / photo.name
    dotted.parent.parent.mkdir()
    result = make_result(source=photo)
    for path in (photo, dotted, linked, hard):
        with pytest.raises(ValueError, match="over its source. Received: .* Use another name"):
            WRITERS[kind](path, result)
    assert photo.read_bytes() == b"the photo"


def test_a_photo_that_is_gone_by_now_is_no_reason_not_to_write(tmp_path):
    result = make_result(source=tmp_path / "gone.jpg")
    for _ in range(2):
        WRITERS["npy"](tmp_path / "photo.npy", result)


@pytest.mark.parametrize("kind", ["npy", "png16", "colour", "ply", "confidence"])
def test_a_disk_that_refuses_leaves_the_old_file_and_nothing_beside_it(kind, tmp_path, monkeypatch):
    path = tmp_path / f"photo{SUFFIXES[kind]}"
    path.write_bytes(b"old")

    def refuse(self, data):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    with pytest.raises(OSError, match=f"No space left on device: .*{path.name}"):
        WRITERS[kind](path, make_result())
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_npy_is_float32_metres_with_0_in_the_sky(tmp_path):
    depth_m = np.array([[1.25, 0], [79.5, 3]])
    sky = np.array([[False, False], [True, False]])
    depth_before = depth_m.copy()
    result = make_result(depth_m, sky=sky, far=2.0)
    read = np.load(WRITERS["npy"](tmp_path / "a.npy", result))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.float32([[1.25, 0], [0, 3]]))
    np.testing.assert_array_equal(result.depth_m, depth_before.astype(np.float32))


@pytest.mark.parametrize("unit", ["metre", "relative"])
def test_depth_in_a_png_is_no_photo_however_bright_and_called(tmp_path, unit):
    path = tmp_path / "1.png"
    WRITERS["png16"](path, make_result([[1, 9], [60, 65]], max_depth=65.0, unit=unit))
    assert read_counts(path)[0].max() > 1 << 15
    with pytest.raises(ValueError, match="A photo must not be a depth map. Received: .*1.png"):
        read_rgb(path)


def test_a_room_is_written_in_millimetres_that_the_projects_spec_reads(tmp_path):
    depth_m = np.array([[1.2344, 1.2346, 0, 9.9], [0.5, 2, 3, 4]])
    path = tmp_path / name_file("png16", "room", make_result(depth_m))
    assert path.name == "room_depth_mm.png"
    WRITERS["png16"](path, make_result(depth_m))
    counts, texts = read_counts(path)
    assert counts.dtype == np.uint16
    assert counts.tolist() == [[1234, 1235, 0, 9900], [500, 2000, 3000, 4000]]
    assert texts == {"depth_scale_metres": "0.001", "unit": "metre"}
    read = read_depth(path, INDOOR_MILLIMETRE)
    np.testing.assert_allclose(read, depth_m, atol=0.000501)


def test_a_road_is_written_in_shares_of_a_metre_that_dense_specs_read(tmp_path):
    depth_m = np.array([[79.9, 40.25, 0], [12.5, 6.002, 3]])
    sky = np.array([[True, False, False], [False, False, False]])
    result = make_result(depth_m, far=64.0, max_depth=80.0, sky=sky)
    path = tmp_path / name_file("png16", "road", result)
    assert path.name == "road_depth_m256.png"
    WRITERS["png16"](path, result)
    counts, texts = read_counts(path)
    assert counts.tolist() == [[0, 10304, 0], [3200, 1537, 768]]  # metres times 256
    assert texts == {"depth_scale_metres": "0.00390625", "unit": "metre"}
    expected = [[0, 40.25, 0], [12.5, 1537 / 256, 3]]
    for spec in (ROADS, DENSE_M256):
        np.testing.assert_allclose(read_depth(path, spec), expected)


def test_a_long_lens_on_a_road_is_read_back_to_256_metres(tmp_path):
    depth_m = np.array([[255.9, 90, 200], [150, 120, 100]])
    result = make_result(depth_m, far=300.0, max_depth=320.0)
    path = WRITERS["png16"](tmp_path / "road_depth_m256.png", result)
    np.testing.assert_allclose(read_depth(path, DENSE_M256), depth_m, atol=1 / 512 + 1e-5)


def test_dense_maps_of_real_roads_are_read_by_the_spec_that_roads_are_written_in(shared):
    maps = list((shared / "data/driving/driving_dense_m256/depth").glob("*.png"))
    assert len(maps) == 5
    for path in maps:
        counts = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        expected = np.where(counts >= 26, counts / 256, 0)  # 0.1 m
        np.testing.assert_allclose(read_depth(path, DENSE_M256), expected)


@pytest.mark.parametrize(
    ("max_depth", "ending"),
    [
        (1.0, "_depth_mm.png"),
        (10.0, "_depth_mm.png"),
        (65.535, "_depth_mm.png"),
        (65.537, "_depth_m256.png"),
        (80.0, "_depth_m256.png"),
        (1000.0, "_depth_m256.png"),
        (1e308, "_depth_m256.png"),
        (None, "_depth_mm.png"),  # of this map: 4 m
    ],
)
def test_the_networks_largest_depth_alone_chooses_the_scale_of_a_folder(max_depth, ending):
    assert name_file("png16", "a", make_result(max_depth=max_depth)) == f"a{ending}"


def test_without_a_networks_largest_depth_it_is_that_of_the_map():
    assert name_file("png16", "a", make_result([[70.0, 1]], max_depth=None)) == "a_depth_m256.png"
    assert name_file("png16", "a", make_result([[0.0, 0]], max_depth=None)) == "a_depth_mm.png"


@pytest.mark.parametrize(
    ("max_depth", "depth_m", "limit", "expected"),
    [
        (10.0, [70, 65.535, 1], "65.535", [0, 65535, 1000]),
        (10.0, [65.5354, 65.5356, 1], "65.535", [65535, 0, 1000]),
        (400.0, [256, 255.9961, 1], "255.996", [0, 65535, 256]),
        (400.0, [399, 300, 2], "255.996", [0, 0, 512]),
    ],
)
def test_depth_beyond_what_the_png_holds_is_0_and_said(
    max_depth, depth_m, limit, expected, tmp_path
):
    result = make_result([depth_m], max_depth=max_depth)
    with pytest.warns(
        UserWarning, match=rf"\d pixels deeper than {limit} \(metre\).*a.png"
    ) as said:
        path = WRITERS["png16"](tmp_path / "a.png", result)
    assert len(said) == 1 and str(said[0].message).startswith(f"{expected.count(0)} ")
    assert read_counts(path)[0].tolist() == [expected]


def test_a_depth_below_half_a_count_does_not_become_unknown(tmp_path):
    near = make_result([[0.0002, 0, 2]])
    assert read_counts(WRITERS["png16"](tmp_path / "a.png", near))[0].tolist() == [[1, 0, 2000]]


@pytest.mark.parametrize(
    ("name", "max_depth", "unit"),
    [
        ("a_depth_mm.png", 80.0, "metre"),
        ("a_depth_m256.png", 10.0, "metre"),
        ("a_mm.PNG", 1.0, "relative"),
        ("a_depth_relative.png", 10.0, "metre"),
    ],
)
def test_a_name_that_says_another_scale_is_refused(name, max_depth, unit, tmp_path):
    result = make_result(max_depth=max_depth, unit=unit)
    with pytest.raises(ValueError, match=f"must end in _.* Received: .*{name}. Use photo_depth_"):
        WRITERS["png16"](tmp_path / name, result)
    assert not list(tmp_path.iterdir())


def test_relative_depth_says_that_it_is(tmp_path):
    result = make_result([[0.5, 0, 1]], unit="relative", max_depth=1.0, far=np.inf)
    path = tmp_path / name_file("png16", "a", result)
    assert path.name == "a_depth_relative.png"
    counts, texts = read_counts(WRITERS["png16"](path, result))
    assert counts.tolist() == [[32768, 0, 65535]]
    assert texts["unit"] == "relative" and "depth_scale_metres" not in texts
    assert float(texts["depth_scale_relative"]) == pytest.approx(1 / 65535)
    header = WRITERS["ply"](tmp_path / "a.ply", result).read_bytes().partition(b"end_header")[0]
    assert b"unit: relative" in header


def test_confidence_is_8_bits_from_a_guess_to_certain(tmp_path):
    confidence = np.float32([[0, 0.25, 0.5, 1]])
    result = make_result(np.ones((1, 4)), confidence=confidence)
    counts, _ = read_counts(WRITERS["confidence"](tmp_path / "a.png", result))
    assert counts.dtype == np.uint8 and counts.tolist() == [[0, 64, 128, 255]]


def test_a_result_without_confidence_has_no_such_file(tmp_path):
    with pytest.raises(ValueError, match="Received: none for .*a.png. Leave this format out"):
        WRITERS["confidence"](tmp_path / "a.png", make_result(confidence=None))
    assert not list(tmp_path.iterdir())


def test_the_colours_are_those_of_the_figures():
    matplotlib = pytest.importorskip("matplotlib")
    expected = matplotlib.colormaps["turbo_r"](np.arange(256), bytes=True)[:, :3]
    assert np.abs(DEPTH_COLOURS.astype(int) - expected).max() <= 1


def read_picture(result, tmp_path, name="a.png"):
    return read_rgb(WRITERS["colour"](tmp_path / name, result))


def test_a_picture_is_red_near_blue_far_and_grey_where_there_is_no_depth(tmp_path):
    depth_m = np.tile(np.linspace(1, 5, 320), (240, 1))
    sky = np.zeros(depth_m.shape, bool)
    sky[:20] = True
    depth_m[20:40] = 0
    depth_m[40:60] = 8  # far
    picture = read_picture(make_result(depth_m, sky=sky), tmp_path)
    assert picture.shape[0] == 240 and picture.shape[1] > 320 + 60
    assert (picture[:60, :320] == GREY).all()
    # 1 % and 99 % of the depth are the ends; linear, so that the middle is the middle colour
    low, high = 1.04, 4.96
    shades = np.rint((depth_m[100] - low) / (high - low) * 255).clip(0, 255).astype(int)
    near = [DEPTH_COLOURS[(shades + change).clip(0, 255)] for change in (-1, 0, 1)]
    assert (picture[100, :320] == near).all(-1).any(0).all()
    red, _, blue = picture[100, 4].astype(int)
    assert red > 100 > blue


def test_a_rooms_colours_are_linear_though_it_has_no_sky(tmp_path):
    depth_m = np.tile(np.linspace(1, 9, 301), (240, 1))
    picture = read_picture(make_result(depth_m, far=np.inf, max_depth=10.0), tmp_path)
    middle = DEPTH_COLOURS[126:130].astype(int)
    assert np.abs(picture[100, 150] - middle).sum(1).min() == 0


def test_a_roads_colours_are_logarithmic(tmp_path):
    depth_m = np.tile(np.geomspace(2, 60, 301), (240, 1))
    picture = read_picture(make_result(depth_m, far=64.0, max_depth=80.0), tmp_path)
    middle = DEPTH_COLOURS[126:130].astype(int)
    assert np.abs(picture[100, 150] - middle).sum(1).min() == 0


@pytest.mark.parametrize("size", [(3, 4), (8, 12), (100, 30), (240, 320), (375, 1242), (900, 600)])
def test_a_picture_of_any_size_has_a_bar_that_can_be_read(size, tmp_path):
    depth_m = np.linspace(1, 5, size[0] * size[1]).reshape(size)
    depth_m[0, 0] = 0
    picture = read_picture(make_result(depth_m), tmp_path)
    times = -(-240 // size[0])
    assert picture.shape[0] == size[0] * times
    bar = picture[:, size[1] * times :]
    assert bar.shape[1] >= 100
    colours = bar[:, 12 * bar.shape[1] // 116]
    assert (colours == DEPTH_COLOURS[:1]).all(1).any() and (colours == DEPTH_COLOURS[-1:]).all(
        1
    ).any()
    assert (colours == GREY).all(1).any()  # the word for what is grey
    dark = (bar < 60).all(-1)  # letters
    assert dark[: 24 * max(240, size[0]) // 480].any() and not dark[:, -2:].any()


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (2, 150_000), (150_000, 2), (900, 2)])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_picture_of_a_photo_that_is_all_but_a_line_has_a_bounded_size(size, name, tmp_path):
    depth_m = np.linspace(1, 5, size[0] * size[1]).reshape(size)
    picture = read_picture(make_result(depth_m), tmp_path, name)
    assert 240 <= picture.shape[0] <= max(LONGEST, 240) and picture.shape[1] <= LONGEST + 116
    assert picture.size <= 3 * 240 * (LONGEST + 116)
    assert (picture[:, -116:] < 60).all(-1).any()  # the bar's letters
    if name == "a.png":
        assert (picture[0, 0] == DEPTH_COLOURS[0]).all()


def test_a_map_that_is_known_at_one_pixel_of_a_long_line_has_a_picture(tmp_path):
    depth_m = np.zeros((1, 2 * LONGEST))
    depth_m[0, 1] = 3  # between those that are drawn
    assert (read_picture(make_result(depth_m), tmp_path)[0, :LONGEST] == GREY).all()


@pytest.mark.parametrize(
    ("scale", "changed"),
    [
        ("mm", {}),
        ("m256", {"max_depth": 80.0}),
        ("relative", {"unit": "relative", "max_depth": 4.0}),
    ],
)
def test_a_png_of_depth_is_known_from_those_of_other_programs_and_scales(scale, changed, tmp_path):
    path = WRITERS["png16"](tmp_path / f"a_depth_{scale}.png", make_result(**changed))
    assert is_ours(path)
    for other in {"mm", "m256", "relative"} - {scale}:
        assert not is_ours(path.rename(tmp_path / f"a_depth_{other}.png"))
        path = (tmp_path / f"a_depth_{other}.png").rename(path)
    for written in (read_counts(path)[0], np.zeros((4, 6), np.uint16)):
        cv2.imwrite(str(path), written)
        assert not is_ours(path)
    path.write_bytes(b"no picture")
    assert not is_ours(path)
    assert is_ours(tmp_path / "a_depth.npy") and is_ours(tmp_path / "a_confidence.png")


@pytest.mark.parametrize("limits", [(0.97, 1.03), (3, 9), (6, 7), (1.5, 70)])
@pytest.mark.parametrize("far", [64.0, np.inf])
def test_a_bar_has_two_numbers_or_more_whatever_the_range(limits, far, tmp_path):
    depth_m = np.linspace(*limits, 480 * 30).reshape(480, 30)
    picture = read_picture(make_result(depth_m, far=far, max_depth=80.0), tmp_path)
    marks = (picture[28:-28, 30 + 29] < 60).all(-1)  # beside the colours, in the bar's 29th column
    assert np.diff(marks.astype(int), prepend=0).clip(0).sum() >= 2


@pytest.mark.parametrize(
    ("depth_m", "far"),
    [
        (np.full((4, 6), 2.0), 8.0),  # a wall: one depth
        (np.geomspace(1e-4, 1, 24).reshape(4, 6), np.inf),
        (np.linspace(21, 24, 24).reshape(4, 6), 64.0),
        (np.linspace(2.001, 2.002, 24).reshape(4, 6), 8.0),
        (np.geomspace(1, 5000, 24).reshape(4, 6), np.inf),
    ],
)
def test_a_map_of_any_range_has_a_picture(depth_m, far, tmp_path):
    picture = read_picture(make_result(depth_m, far=far), tmp_path)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_a_picture_may_be_a_jpeg_in_either_case(tmp_path):
    for name in ("a.jpg", "a.JPEG", "a.PNG"):
        path = WRITERS["colour"](tmp_path / name, make_result())
        with Image.open(path) as image:
            assert image.format == ("PNG" if "PNG" in name else "JPEG")


def test_a_map_that_is_unknown_everywhere_has_no_picture_but_zeros(tmp_path):
    for unknown in (
        make_result(np.zeros((4, 6))),
        make_result(np.full((4, 6), 70.0), far=64.0),
        make_result(np.full((4, 6), 2.0), sky=np.ones((4, 6), bool)),
    ):
        with pytest.raises(ValueError, match="must show some. Received: .* for .*a.png"):
            WRITERS["colour"](tmp_path / "a.png", unknown)
        with pytest.raises(ValueError, match="must have a point. Received: none for .*a.ply"):
            WRITERS["ply"](tmp_path / "a.ply", unknown)
    assert not list(tmp_path.iterdir())
    assert not read_counts(WRITERS["png16"](tmp_path / "a.png", unknown))[0].any()


def test_clouds_leave_out_the_sky_and_what_is_too_far(tmp_path):
    depth_m = np.array([[2, 2, 2, 70], [2, 2, 2, 70]])
    sky = np.zeros((2, 4), bool)
    sky[0, 0] = True
    path = WRITERS["ply"](tmp_path / "a.ply", make_result(depth_m, far=64.0, sky=sky))
    assert b"element vertex 5\n" in path.read_bytes()
    trimesh = pytest.importorskip("trimesh")
    surface = WRITERS["glb"](tmp_path / "a.glb", make_result(depth_m, far=64.0, sky=sky))
    mesh = trimesh.load_mesh(surface, process=False)
    assert len(mesh.vertices) == 5 and len(mesh.faces) == 3
    np.testing.assert_allclose(mesh.vertices[:, 2], -2)


def test_an_unknown_format_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="npy, png16, colour.* Received: kind='exr'"):
        name_file("exr", "a", make_result())


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"photo": np.zeros((4, 6), np.uint8)}, "must be uint8 RGB"),
        ({"depth_m": np.ones((6, 4), np.float32)}, r"\(8, 12\). Received: float32 \(6, 4\)"),
        ({"depth_m": np.full((8, 12), np.nan, np.float32)}, "must be finite"),
        ({"depth_m": np.full((8, 12), 5000, np.uint16)}, "must be float .* Received: uint16"),
        ({"unit": "mm"}, "metre or relative. Received: unit='mm'"),
        ({"far": 0.0}, "`far` must be above 0. Received: far=0"),
        ({"far": np.nan}, "`far` must be above 0. Received: far=nan"),
        ({"max_depth": np.inf}, "`max_depth` must be .* Received: max_depth=inf"),
        ({"max_depth": -1.0}, "`max_depth` must be .* Received: max_depth=-1"),
        ({"sky": np.zeros((8, 12), np.uint8)}, "`sky` must be bool .* Received: uint8"),
        ({"sky": np.zeros((4, 6), bool)}, r"`sky` must be bool .* Received: bool \(4, 6\)"),
        ({"confidence": np.full((8, 12), 255.0)}, "0 to 1 .* Received: 255"),
        ({"confidence": np.full((8, 12), np.nan)}, "0 to 1 .* Received: nan"),
        ({"confidence": np.ones((4, 6))}, r"0 to 1 .* Received: .*\(4, 6\)"),
    ],
)
def test_what_does_not_fit_the_photo_is_refused_with_the_rule(changed, rule):
    with pytest.raises(ValueError, match=rule):
        replace(make_result(), **changed)


def test_the_writers_import_no_figures_no_framework_and_no_meshes(project):
    code = (
        "import sys, depthlib.prediction.writers; "
        "print({'matplotlib', 'keras', 'tensorflow', 'trimesh', 'scipy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
