import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib.data.images import read_pair
from depthlib.data.specs import NYU_TEST, NYU_TRAIN
from rendering.__main__ import main
from rendering.camera import Camera
from rendering.photo import add_border, denoise, develop
from rendering.rooms.room import PLANS, Room, build_room
from rendering.shapes import box, cushion, quad, turned

HEIGHT, WIDTH = 24, 32
SIDES = np.array([4.0, 5.0, 3.0])  # of the simple room, metres


@pytest.fixture(scope="module")
def renderer():
    """A function that loads a room into Mitsuba's scalar variant, which needs no LLVM."""
    pytest.importorskip("mitsuba").set_variant("scalar_rgb")
    from rendering.render import Renderer

    return Renderer


def simple_room():
    """An empty box of a room with a lit ceiling, its surfaces facing inwards."""
    from rendering.palette import plain

    room, (x, y, z) = Room(tuple(SIDES)), np.diag(SIDES)
    room.parts.add(plain(0.9, emission=1.0), quad(y + z, x, -y))
    for corner, across, up in ((0, x, y), (x, -x, z), (x + y, -y, z), (y, x, z), (0, y, z)):
        room.parts.add(plain(0.5), quad(np.zeros(3) + corner, across, up))
    return room


def test_depth_is_that_of_the_plane_each_pixel_sees_along_the_optical_axis(renderer):
    place, tilt, focal = np.array([1.5, 2.0, 1.4]), np.deg2rad(20), 518.86 / 640 * WIDTH
    # Looking along +x and 20 degrees down: right is -y.
    forward = np.array([np.cos(tilt), 0, -np.sin(tilt)])
    up = np.array([np.sin(tilt), 0, np.cos(tilt)])
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    right = (columns - WIDTH / 2) / focal
    down = (rows - HEIGHT / 2) / focal
    ray = forward + right[..., None] * np.array([0, -1, 0]) - down[..., None] * up
    expected = (np.where(ray > 0, SIDES - place, -place) / ray).min(2)

    camera = Camera(tuple(place), yaw=0, pitch=-20)
    depth = camera.depth_of(renderer(simple_room()).points(camera, HEIGHT, WIDTH))

    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, expected, rtol=1e-4)
    distance = expected * np.linalg.norm(ray, axis=2)
    assert abs(depth - distance)[0, 0] > 0.1 * depth[0, 0]
    middle = slice(HEIGHT // 2 - 1, HEIGHT // 2 + 1), slice(WIDTH // 2 - 1, WIDTH // 2 + 1)
    np.testing.assert_allclose(depth[middle], distance[middle], rtol=2e-3)


def test_yaw_and_roll_turn_the_camera_to_the_left_and_its_right_side_up():
    right, up, forward = Camera((0, 0, 0), yaw=90, roll=90).axes()
    np.testing.assert_allclose(forward, (0, 1, 0), atol=1e-9)
    np.testing.assert_allclose(right, (0, 0, 1), atol=1e-9)
    np.testing.assert_allclose(up, (-1, 0, 0), atol=1e-9)


def test_light_comes_from_the_lamp_and_the_same_seed_gives_the_same_light(renderer):
    loaded, camera = renderer(simple_room()), Camera((2, 1, 1.5), yaw=90)
    first, again = (loaded.radiance(camera, HEIGHT, WIDTH, 16, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first).all() and (first >= 0).all()
    # The lamp that is the ceiling shines with its own radiance; under it the room is darker.
    assert first[0].max() > 2 * first[-1].max() > 0.1


def test_the_same_seed_gives_the_same_room_and_another_seed_another():
    room, again, other = (build_room("study", seed) for seed in (7, 7, 8))
    assert room.size == again.size != other.size and room.sun == again.sun
    assert len(room.parts) == len(again.parts)
    for (mesh, material), (mesh_again, material_again) in zip(room.parts, again.parts, strict=True):
        np.testing.assert_array_equal(mesh.vertices, mesh_again.vertices)
        np.testing.assert_array_equal(material.texture, material_again.texture)


@pytest.mark.parametrize("kind", PLANS)
def test_furniture_stands_in_the_room_and_not_in_other_furniture(kind):
    room = build_room(kind, 3)
    low, high = np.array(room.blocks)[:, :2], np.array(room.blocks)[:, 2:4]
    assert (low > -1e-3).all() and (high < np.array(room.size[:2]) + 1e-3).all()
    overlap = (np.minimum(high[:, None], high) - np.maximum(low[:, None], low)).min(2)
    assert (overlap[~np.eye(len(low), dtype=bool)] < 1e-3).all()


@pytest.mark.parametrize(
    "mesh",
    [box(1, 2, 3), cushion(1, 2, 0.5), cushion(1, 1, 1, squareness=0), turned([(1, 0), (0.5, 1)])],
)
def test_surfaces_face_outwards_and_their_normals_have_length_one(mesh):
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, rtol=1e-6)
    middle = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    assert (((mesh.vertices - middle) * mesh.normals).sum(1) > 0).all()


def test_denoising_keeps_even_light_and_texture_and_takes_noise_and_dots_away():
    rng = np.random.default_rng(0)
    albedo = np.repeat(rng.uniform(0.2, 0.9, (HEIGHT, WIDTH, 1)), 3, axis=2)
    normal = np.broadcast_to([0.0, 0.0, 1.0], albedo.shape)
    point = np.stack([*np.mgrid[:HEIGHT, :WIDTH], np.zeros((HEIGHT, WIDTH))], 2) * 0.05
    clean = 2.0 * (albedo + 0.03)
    np.testing.assert_allclose(denoise(clean, albedo, normal, point), clean, rtol=1e-6)
    noisy = clean * rng.uniform(0.5, 1.5, clean.shape)
    noisy[5, 7] = 500
    error = abs(denoise(noisy, albedo, normal, point) / clean - 1)
    assert error.mean() < 0.1 and error.max() < 0.5
    # The sun lights the left half a little more: told so, no light runs over the shadow's edge.
    lit = np.broadcast_to(np.arange(WIDTH) < WIDTH // 2, clean.shape[:2])
    shaded = clean * np.where(lit, 1.3, 1.0)[..., None]
    told, untold = (
        abs(denoise(shaded, albedo, normal, point, lit=known) / shaded - 1).max()
        for known in (lit, None)
    )
    assert told < 0.01 < untold


def test_a_photo_is_exposed_whatever_the_light_and_has_a_white_frame():
    light = np.random.default_rng(0).uniform(0.2, 1, (60, 80, 3))
    for strength in (1e-3, 1, 1e3):
        rng = np.random.default_rng(1)
        photo = add_border(develop(light * strength, rng), rng)
        assert photo.dtype == np.uint8 and 80 < photo[5:-5, 5:-5].mean() < 180
        assert (photo[0, 5:-5] == 255).all() and (photo[5:-5, -1] == 255).all()


def test_the_command_writes_the_archive_layout_and_resumes(renderer, tmp_path, monkeypatch):
    words = "rendering rooms --train-rooms 1 --test-rooms 1 --views 2 --samples 1"
    words += " --height 24 --width 32"

    def run(name, *more):
        monkeypatch.setattr(sys, "argv", [*words.split(), "--folder", str(tmp_path / name), *more])
        main()
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        return {path.relative_to(tmp_path / name).as_posix(): path for path in files}

    first, second = run("first"), run("second")
    assert {name: path.read_bytes() for name, path in first.items()} == {
        name: path.read_bytes() for name, path in second.items()
    }
    photo = "nyu2_train/rendered_bedroom_0001_out/1.jpg"
    assert {photo, "nyu2_test/00001_depth.png", "index.csv"} < first.keys()
    assert (tmp_path / "first/nyu2_train.csv").read_text().startswith(f"{photo},{photo[:-3]}png\n")

    kept, lost = first[photo].stat().st_mtime_ns, first["nyu2_test/00000_depth.png"]
    content = lost.read_bytes()
    lost.unlink()
    run("first", "--resume")
    assert first[photo].stat().st_mtime_ns == kept and lost.read_bytes() == content


def test_without_mitsuba_the_command_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    monkeypatch.delitem(sys.modules, "rendering.render", raising=False)
    monkeypatch.setattr(sys, "argv", ["rendering", "rooms", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"pip install -e \.\[render\]"):
        main()


# The embedded sample as it lies in the repository; no renderer needed.


@pytest.fixture(scope="module")
def rows(sample):
    """The rows (rgb, depth) of both CSVs: {"train": ..., "test": ...}."""
    return {
        side: pd.read_csv(sample / f"nyu2_{side}.csv", header=None, names=["rgb", "depth"])
        for side in ("train", "test")
    }


def test_the_sample_has_the_promised_rooms_and_no_scene_on_both_sides(sample, rows):
    index = pd.read_csv(sample / "index.csv", index_col="photo")["scene"]
    train, test = (set(index[rows[side]["rgb"]]) for side in ("train", "test"))
    assert len(rows["train"]) >= 240 and len(train) >= 24
    assert len(rows["test"]) >= 60 and len(test) >= 6
    assert not train & test and len(index) == len(rows["train"]) + len(rows["test"])
    for photo, scene in index[rows["train"]["rgb"]].items():
        assert NYU_TRAIN.scene_of(photo) == scene


def test_the_sample_is_small_and_holds_only_what_its_tables_say(sample, rows):
    files = {path.relative_to(sample).as_posix() for path in sample.rglob("*") if path.is_file()}
    listed = {name for table in rows.values() for name in table.to_numpy().ravel()}
    assert files == listed | {"nyu2_train.csv", "nyu2_test.csv", "index.csv"}
    assert sum((sample / name).stat().st_size for name in files) <= 15e6


@pytest.mark.parametrize("side, spec", [("train", NYU_TRAIN), ("test", NYU_TEST)])
def test_the_sample_has_the_archive_encodings_and_useful_depths(sample, rows, side, spec):
    medians = []
    for photo, depth in rows[side].itertuples(index=False):
        assert cv2.imread(str(sample / depth), cv2.IMREAD_UNCHANGED).dtype == spec.depth_dtype
        rgb, depth_m = read_pair(sample / photo, sample / depth, spec)
        assert rgb.shape == (240, 320, 3)
        assert depth_m.min() >= 0.4 and depth_m.max() < 10, depth
        assert rgb[0, 20:-20].min() > 225 and rgb[20:-20, -1].min() > 225, photo
        picture = rgb[8:-8, 8:-8]
        assert 60 < picture.mean() < 200 and picture.std() > 15, photo
        medians.append(np.median(depth_m))
    assert min(medians) > 0.8 and max(medians) < 6 and np.ptp(medians) > 1.5
