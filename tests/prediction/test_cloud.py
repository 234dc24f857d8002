import builtins
import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from depthlib.prediction.cloud import (
    JUMP,
    Intrinsics,
    Surface,
    find_surface,
    point_cloud,
    write_glb,
    write_ply,
)

CAMERA = Intrinsics(fx=4.0, fy=2.0, cx=1.0, cy=0.5, width=1, height=1)


def paint(height, width):
    """A photo whose every pixel has another colour."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 255 - columns], -1).astype(np.uint8)


def see_plane(normal, height, width, camera):
    """Depth of the plane normal · point = 1, worked out for each pixel's ray."""
    rows, columns = np.mgrid[:height, :width]
    rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy], -1)
    return np.float32(1 / (rays @ normal[:2] + normal[2]))


def read_ply(path):
    """A reader of its own: the header's words, then the vertices as `struct` unpacks them."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = [line.split() for line in head.decode("ascii").splitlines()]
    assert lines[0] == ["ply"] and lines[1] == ["format", "binary_little_endian", "1.0"]
    assert [line[1:] for line in lines if line[0] == "property"] == [
        ["float", "x"], ["float", "y"], ["float", "z"],
        ["uchar", "red"], ["uchar", "green"], ["uchar", "blue"],
    ]  # fmt: skip
    (number,) = (int(line[2]) for line in lines if line[:2] == ["element", "vertex"])
    vertices = list(struct.iter_unpack("<3f3B", body))
    assert len(vertices) == number
    return vertices


def test_a_wall_two_metres_away_has_the_coordinates_of_the_pinhole_camera():
    points, colours = point_cloud(np.full((2, 3), 2.0, np.float32), paint(2, 3), CAMERA)
    # x = (column - 1) / 4 * 2, y = (row - 0.5) / 2 * 2
    expected = [
        [-0.5, -0.5, 2], [0, -0.5, 2], [0.5, -0.5, 2],
        [-0.5, 0.5, 2], [0, 0.5, 2], [0.5, 0.5, 2],
    ]  # fmt: skip
    assert points.dtype == np.float32 and colours.dtype == np.uint8
    np.testing.assert_array_equal(points, np.float32(expected))
    np.testing.assert_array_equal(colours, paint(2, 3).reshape(-1, 3))


def test_pixels_without_depth_are_left_out_and_the_others_keep_their_colours():
    depth_m = np.float32([[2, 0, 2], [0, 0, 2]])
    points, colours = point_cloud(depth_m, paint(2, 3), CAMERA)
    np.testing.assert_array_equal(
        points, np.float32([[-0.5, -0.5, 2], [0.5, -0.5, 2], [0.5, 0.5, 2]])
    )
    np.testing.assert_array_equal(colours, [[0, 0, 255], [0, 2, 253], [1, 2, 253]])
    empty, none = point_cloud(np.zeros((2, 3), np.float32), paint(2, 3), CAMERA)
    assert empty.shape == none.shape == (0, 3)


@pytest.mark.parametrize("times", [0.5, 2, 3])
def test_a_longer_lens_makes_what_is_seen_at_one_depth_smaller(times):
    depth_m = np.full((4, 6), 3.0, np.float32)
    longer = replace(CAMERA, fx=CAMERA.fx * times)
    extents = [np.ptp(point_cloud(depth_m, paint(4, 6), lens)[0], 0) for lens in (CAMERA, longer)]
    np.testing.assert_allclose(extents[1], extents[0] / [times, 1, 1], rtol=1e-6)


def test_four_pixels_are_two_triangles_that_look_at_the_camera():
    surface = find_surface(np.full((2, 2), 2.0, np.float32), paint(2, 2), CAMERA)
    assert surface.faces.tolist() == [[0, 2, 1], [1, 2, 3]]
    first, second, third = surface.points[surface.faces].transpose(1, 0, 2)
    normals = np.cross(second - first, third - first)
    assert (normals[:, 2] < 0).all()  # z is forward, so towards the camera is below 0


@pytest.mark.parametrize("far", [1.1, 1.5, 20.0])
def test_a_step_is_cut_between_near_and_far_and_loses_no_point(far):
    depth_m = np.float32([[2, 2, 2, 2 * far, 2 * far, 2 * far]] * 4)
    for turned in (depth_m, depth_m[:, ::-1], depth_m.T):
        surface = find_surface(turned, paint(*turned.shape), CAMERA)
        assert len(surface.points) == turned.size
        z = surface.points[surface.faces][..., 2]
        assert (np.ptp(z, 1) == 0).all()
        assert len(z) == 2 * 2 * 3 * 2  # two halves of 3x4 pixels, 2x3 quads each


@pytest.mark.parametrize("far", [1.01, 1.04, 1.07])
def test_a_step_of_less_than_the_share_stays_one_surface(far):
    depth_m = np.float32([[2, 2, 2, 2 * far, 2 * far, 2 * far]] * 4)
    assert JUMP == 0.08
    assert len(find_surface(depth_m, paint(4, 6), CAMERA).faces) == 2 * 3 * 5
    cut = find_surface(depth_m, paint(4, 6), CAMERA, jump=0.005)
    assert len(cut.faces) == 2 * 3 * 4


@pytest.mark.parametrize(
    "normal",
    [
        (0, 1 / 1.5, 0.001),  # a road, 1.5 m below the camera
        (0, -1 / 1.2, 0.05),  # a ceiling
        (1 / 2, 0, 0.02),  # a wall at the right, along which one looks
        (-0.31, 0.43, 0.2),
    ],
)
def test_a_plane_stays_whole_however_steep_it_is(normal):
    camera = Intrinsics(24.0, 24.0, 9.5, 11.5, width=1, height=1)
    depth_m = see_plane(np.array(normal), 24, 20, camera)
    depth_m[(depth_m < 0) | (depth_m > 30)] = 0
    surface = find_surface(depth_m, paint(24, 20), camera)
    known = depth_m > 0
    down = np.diff(np.log(np.where(known, depth_m, np.nan)), axis=0)
    across = np.diff(np.log(np.where(known, depth_m, np.nan)))
    assert max(np.nanmax(np.abs(down)), np.nanmax(np.abs(across))) > 2 * JUMP
    quads = [known[:-1, :-1], known[1:, 1:], known[1:, :-1], known[:-1, 1:]]
    assert len(surface.points) == np.count_nonzero(known)
    upper = quads[0] & quads[2] & quads[3]
    lower = quads[1] & quads[2] & quads[3]
    assert len(surface.faces) == np.count_nonzero(upper) + np.count_nonzero(lower)
    np.testing.assert_allclose(surface.points @ np.float32(normal), 1, rtol=2e-5)


def test_the_crease_between_a_wall_and_a_floor_stays_whole():
    camera = Intrinsics(40.0, 40.0, 15.5, 9.5, width=1, height=1)
    floor = see_plane(np.array([0, 1 / 1.5, 0.0]), 32, 30, camera)
    depth_m = np.where((floor > 0) & (floor < 4), floor, 4).astype(np.float32)
    surface = find_surface(depth_m, paint(32, 30), camera)
    assert len(surface.points) == 32 * 30 and len(surface.faces) == 2 * 31 * 29


def test_a_box_on_the_floor_is_cut_from_the_wall_behind_it_but_not_from_the_floor():
    camera = Intrinsics(40.0, 40.0, 15.5, 3.5, width=1, height=1)
    floor = see_plane(np.array([0, 1 / 1.5, 0.0]), 32, 30, camera)
    depth_m = np.where((floor > 0) & (floor < 4), floor, 4).astype(np.float32)
    depth_m[8:, 10:20] = np.minimum(depth_m[8:, 10:20], 2.5)  # meets the floor at row 27.5
    surface = find_surface(depth_m, paint(32, 30), camera)
    spans = np.ptp(surface.points[surface.faces][..., 2], 1)
    assert spans.max() < 0.35  # floor runs 0.28 m a row at 4 m; the box stands 1.5 m off the wall
    rows = surface.colours[surface.faces][..., 0]
    assert ((rows.min(1) == 27) & (rows.max(1) == 28)).sum() == 2 * 29


@pytest.mark.parametrize(("blur", "half"), [(2, 320), (4, 320), (8, 320), (16, 640), (3, 120)])
def test_points_that_hang_between_near_and_far_are_dropped(blur, half):
    ramp = np.linspace(2, 4, blur + 1)[1:-1]
    row = np.concatenate([np.full(half, 2.0), ramp, np.full(half, 4.0)]).astype(np.float32)
    depth_m = np.tile(row, (6, 1))
    points, _ = point_cloud(depth_m, paint(*depth_m.shape), CAMERA)
    assert set(points[:, 2].tolist()) == {2.0, 4.0} and len(points) == 12 * half
    surface = find_surface(depth_m.T, paint(*depth_m.T.shape), CAMERA)
    assert (np.ptp(surface.points[surface.faces][..., 2], 1) == 0).all()


def test_a_thin_post_before_a_wall_is_no_hanging_point():
    depth_m = np.full((5, 40), 6.0, np.float32)
    depth_m[:, 20] = 2
    points, _ = point_cloud(depth_m, paint(5, 40), CAMERA)
    assert len(points) == 5 * 40


@pytest.mark.parametrize(
    ("size", "limit", "step"),
    [
        ((60, 90), 5400, 1),
        ((60, 90), 5399, 2),
        ((61, 91), 700, 3),
        ((1, 1000), 10, 100),
        ((7, 5), 1, 7),
    ],
)
def test_a_large_photo_is_sampled_at_whole_rows_and_columns(size, limit, step):
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    points, colours = point_cloud(np.full(size, 2.0), rgb, CAMERA, max_points=limit)
    taken = rgb[::step, ::step]
    assert len(points) == taken.shape[0] * taken.shape[1] <= limit
    np.testing.assert_array_equal(colours, taken.reshape(-1, 3))
    np.testing.assert_allclose(np.unique(points[:, 0]), (np.arange(0, size[1], step) - 1) / 4 * 2)


def test_what_is_no_cloud_is_refused_with_the_rule():
    rgb, depth_m = paint(2, 3), np.ones((2, 3), np.float32)
    for wrong, rule in [
        ((depth_m.T, rgb, CAMERA), r"photo's size, \(2, 3\). Received: float32 \(3, 2\)"),
        ((depth_m.astype(np.uint16), rgb, CAMERA), "must be float .* Received: uint16"),
        ((depth_m * np.nan, rgb, CAMERA), "must be finite and not below 0. Received: nan"),
        ((-depth_m, rgb, CAMERA), "must be finite and not below 0. Received: -1"),
        ((depth_m, rgb.astype(np.float32), CAMERA), "must be uint8 RGB"),
        ((depth_m, rgb, replace(CAMERA, fx=0.0)), "`fx` must be above 0 .* Received: fx=0"),
        ((depth_m, rgb, replace(CAMERA, fy=np.nan)), "`fy` must be above 0 .* Received: fy=nan"),
        ((depth_m, rgb, replace(CAMERA, cx=np.nan)), "`cx` must be finite. Received: cx=nan"),
        ((depth_m, rgb, CAMERA, 0.0), "`jump` must be above 0 .* Received: jump=0"),
        ((depth_m, rgb, CAMERA, 0.1, 0), "`max_points` must be above 0 .* Received: max_points=0"),
    ]:
        with pytest.raises(ValueError, match=rule):
            point_cloud(*wrong)


def test_a_ply_file_holds_each_point_and_its_colour(tmp_path):
    points = np.float32([[1, -2, 3.5], [0.25, 0, 70]])
    colours = np.uint8([[255, 0, 1], [7, 8, 9]])
    path = write_ply(tmp_path / "new" / "photo.PLY", points, colours)
    assert read_ply(path) == [(1, -2, 3.5, 255, 0, 1), (0.25, 0, 70, 7, 8, 9)]
    assert [file.name for file in path.parent.iterdir()] == ["photo.PLY"]


def test_a_ply_file_is_what_trimesh_reads(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    depth_m = np.float32([[1, 1.01, 1.02], [1.01, 1.02, 1.03]])
    points, colours = point_cloud(depth_m, paint(2, 3), CAMERA)
    cloud = trimesh.load(write_ply(tmp_path / "photo.ply", points, colours))
    np.testing.assert_array_equal(cloud.vertices, points)
    np.testing.assert_array_equal(cloud.colors[:, :3], colours)


def test_a_cloud_without_points_or_of_another_suffix_is_not_written(tmp_path):
    none = np.zeros((0, 3), np.float32)
    with pytest.raises(ValueError, match="must have a point. Received: none for .*photo.ply"):
        write_ply(tmp_path / "photo.ply", none, none.astype(np.uint8))
    for name in ("photo.glb", "photo.txt", "photo", "."):
        with pytest.raises(ValueError, match=r"must end in \.ply\. Received: "):
            write_ply(tmp_path / name, np.ones((1, 3)), np.ones((1, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def read_gltf(path):
    """The JSON of a binary glTF file, which comes first."""
    data = path.read_bytes()
    magic, version, total, length, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, total, kind) == (b"glTF", 2, len(data), b"JSON")
    return json.loads(data[20 : 20 + length])


def test_a_glb_file_has_y_up_and_z_towards_the_viewer(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    depth_m = np.float32([[2, 2, 2], [2, 2, 2]])
    surface = find_surface(depth_m, paint(2, 3), CAMERA)
    mesh = trimesh.load_mesh(write_glb(tmp_path / "new" / "photo.glb", surface), process=False)
    expected = [
        [-0.5, 0.5, -2], [0, 0.5, -2], [0.5, 0.5, -2],
        [-0.5, -0.5, -2], [0, -0.5, -2], [0.5, -0.5, -2],
    ]  # fmt: skip
    np.testing.assert_allclose(mesh.vertices, expected)
    np.testing.assert_allclose(mesh.face_normals, [[0, 0, 1]] * 4, atol=1e-6)  # to the viewer
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["photo.glb"]


def test_a_glb_file_bears_the_photos_colours_linear_in_light_and_unlit(tmp_path):
    pytest.importorskip("trimesh")
    # 188 is half of the light, 55 a twentieth of 255: the tables of IEC 61966-2-1
    colours = np.uint8([[0, 255, 188], [64, 128, 10], [255, 0, 0]])
    surface = Surface(np.eye(3, dtype=np.float32), colours, np.int32([[0, 1, 2]]))
    path = write_glb(tmp_path / "photo.glb", surface)
    tree = read_gltf(path)
    (primitive,) = tree["meshes"][0]["primitives"]
    accessor = tree["accessors"][primitive["attributes"]["COLOR_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    assert accessor["componentType"] == 5121  # unsigned bytes
    binary = path.read_bytes().partition(b"BIN\0")[2][view["byteOffset"] :]
    stored = np.frombuffer(binary[:12], np.uint8).reshape(3, 4)
    expected = [[0, 255, 128, 255], [13, 55, 1, 255], [255, 0, 0, 255]]
    np.testing.assert_array_equal(stored, expected)
    material = tree["materials"][primitive["material"]]
    assert "KHR_materials_unlit" in material["extensions"]
    assert tree["extensionsUsed"] == ["KHR_materials_unlit"]


def test_a_surface_without_triangles_or_of_another_suffix_is_not_written(tmp_path):
    pytest.importorskip("trimesh")
    row = find_surface(np.ones((1, 4), np.float32), paint(1, 4), CAMERA)
    with pytest.raises(ValueError, match="must have a triangle. Received: none for .*photo.glb"):
        write_glb(tmp_path / "photo.glb", row)
    with pytest.raises(ValueError, match=r"must end in \.glb\. Received: .*photo\.gltf"):
        write_glb(tmp_path / "photo.gltf", row)
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_error_names_it_and_the_file(tmp_path, monkeypatch):
    surface = find_surface(np.ones((2, 2), np.float32), paint(2, 2), CAMERA)
    imported = builtins.__import__

    def import_without_trimesh(name, *arguments, **named):
        if name == "trimesh":
            raise ModuleNotFoundError("No module named 'trimesh'")
        return imported(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", import_without_trimesh)
    with pytest.raises(ModuleNotFoundError, match=r"photo.glb. Use pip install -e .\[cloud\]"):
        write_glb(tmp_path / "photo.glb", surface)
    assert not list(tmp_path.iterdir())
