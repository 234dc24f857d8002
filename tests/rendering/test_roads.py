"""The rendered roads of `rendering`: geometry, light, weather, and the sample."""

import sys
from collections import Counter
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib.data.images import read_pair
from depthlib.data.pairs import find_pairs, read_csv
from depthlib.data.specs import KITTI, NYU_TRAIN, ROADS, ROADS_AS_KITTI
from experiments.measures import ground_plane
from rendering.__main__ import main
from rendering.camera import Camera
from rendering.lights import Sky, Sun, sky_directions
from rendering.palette import plain
from rendering.roads import air, windshield
from rendering.roads.road import Lane, Road
from rendering.roads.scenes import DRAW, FOGS, OUTSIDE, build_scene
from rendering.shapes import Parts, box, cards, loft, plate, quad
from rendering.sky import direction

HEIGHT, WIDTH = 24, 32
FLAT = Road(0.0, 0.0, ((-3.5, 3.5),), (Lane(-1.75, 3.5), Lane(1.75, 3.5, -1)), ())


@pytest.fixture(scope="module")
def renderer():
    """A function that loads a scene into Mitsuba's scalar variant, which needs no LLVM."""
    pytest.importorskip("mitsuba").set_variant("scalar_rgb")
    from rendering.render import Renderer

    return lambda parts, lights=(): Renderer(SimpleNamespace(parts=parts, lights=lights))


@pytest.fixture
def shot(renderer):
    """A function that looks at a flat grey road, and what `parts` add, from 1.5 m above it."""
    from rendering.roads.lighting import Shot

    def look(*parts, kind="country"):
        scene = SimpleNamespace(kind=kind, camera=Camera((0, 0, 1.5), 0), lights=())
        ground = quad((-50, -300, 0), (600, 0, 0), (0, 600, 0))
        scene.parts = Parts([(ground, plain(0.5)), *parts])
        scene.sun, scene.low_sun = (180, 45), (0, 10)
        return Shot(scene, HEIGHT, WIDTH, 4)

    return look


def test_depth_of_a_flat_road_is_the_cameras_height_over_the_slope_of_the_ray(shot):
    seen = shot()
    focal = 518.86 / 640 * WIDTH
    rows = np.arange(HEIGHT // 2, HEIGHT) + 0.5 - HEIGHT / 2  # below the horizon
    np.testing.assert_allclose(
        seen.depth[HEIGHT // 2 :], np.repeat((1.5 * focal / rows)[:, None], WIDTH, 1), rtol=1e-4
    )
    assert (seen.depth[: HEIGHT // 2] == 0).all() and np.isinf(seen.distance[0]).all()
    # The corner's ray is longer than its depth by the ray's slope.
    across, down = (WIDTH / 2 - 0.5) / focal, rows[-1] / focal
    slant = np.sqrt(1 + across**2 + down**2)
    np.testing.assert_allclose(seen.distance[-1, 0], seen.depth[-1, 0] * slant, rtol=1e-4)


def test_a_lorry_out_of_view_casts_the_shadow_that_its_height_and_the_sun_say(shot):
    # A wall 4 m high stands 1 m behind the camera, the sun behind it at 45 degrees: its shadow
    # reaches from the wall to 3 m ahead.
    wall = box(0.2, 40, 4.0, (-1.1, 0, 0)), plain(0.5)
    sun, sky = Sun(direction(180, 45), np.full(3, 5.0)), Sky(np.ones((8, 16, 3)))
    low = Camera((0, 0, 1.5), 0, pitch=-40)
    for parts, shadow in (((wall,), True), ((), False)):
        seen = shot(*parts)
        seen.view = (low, HEIGHT, WIDTH)
        seen.points, seen.normals, seen.seen = seen.renderer.surfaces(*seen.view)
        lit, mask = seen.sunlight(sun)
        assert not (lit & mask).any()
        reached = seen.seen & (seen.points[..., 0] < 3.0)
        np.testing.assert_array_equal(mask, reached if shadow else np.zeros_like(mask))
    seen = shot(wall)
    light = seen.renderer.again([sun, sky]).light(low, HEIGHT, WIDTH, 16, 0).mean(2)
    inside = cv2.erode(reached.astype(np.uint8), np.ones((3, 3))) > 0
    outside = cv2.dilate(reached.astype(np.uint8), np.ones((3, 3))) == 0
    # In the open 5 sin 45 of the sun and pi of the sky; in the shadow not even all of the sky.
    assert inside.any() and outside.any()
    assert light[inside].mean() < 0.5 * light[outside].mean()


def test_no_shadow_is_cast_on_what_faces_away_from_the_sun(shot):
    wall = box(0.2, 40, 4.0, (10, 0, 0)), plain(0.5)  # its near side is turned from a sun ahead
    seen = shot(wall)
    _, mask = seen.sunlight(Sun(direction(0, 30), np.ones(3)))
    face = seen.seen & (abs(seen.points[..., 0] - 9.9) < 1e-3)
    assert face.any() and mask.any() and not mask[face].any()
    assert not np.any(seen.sunlight(Sun(direction(0, -30), np.ones(3))))  # the sun has set


@pytest.mark.slow  # a scene in each light and weather
def test_all_conditions_of_a_scene_come_with_one_depth_map(renderer):
    from rendering.roads.write import render_road

    photos, depth, masks = render_road("motorway", (0, 0), HEIGHT, 1, WIDTH)
    assert tuple(photos) == OUTSIDE
    assert all(photo.shape == (*depth.shape, 3) for photo in photos.values())
    assert set(masks) == {"clear", "low_sun", "reflection"}  # no sun, no shadow
    assert depth.min() >= 0 and (depth > 0).mean() > 0.3
    contrast = [np.std(photos[name].astype(float)) for name in ("overcast", *FOGS)]
    assert contrast == sorted(contrast, reverse=True)
    only = "overcast", "low_sun"
    some, same_depth, one = render_road("motorway", (0, 0), HEIGHT, 1, WIDTH, only=only)
    assert tuple(some) == only and tuple(one) == ("low_sun",)
    for name in only:
        np.testing.assert_array_equal(some[name], photos[name])
    np.testing.assert_array_equal(same_depth, depth)


@pytest.mark.parametrize("kind", ["country", "street"])
def test_seen_by_kitti_s_camera_the_row_of_a_road_tells_its_depth_as_in_kitti(kind, renderer):
    from rendering.roads.write import render_road

    photos, depth, _ = render_road(kind, (0, 3), 48, 1, view=KITTI, only=("overcast",))
    assert depth.shape == (48, 159)  # KITTI's shape
    level = ground_plane(KITTI.focal, KITTI.horizon, KITTI.camera_height)([photos["overcast"]])[0]
    ahead = (slice(38, 46), slice(70, 90))  # the own lane before the first car
    np.testing.assert_allclose(np.median(depth[ahead] / level[ahead]), 1, atol=0.08)


def test_fog_keeps_of_the_light_what_beer_and_lambert_say():
    light, airlight = np.full((1, 3, 3), 0.2), np.array([0.8, 0.9, 1.0])
    distance = np.array([[0.0, 60.0, np.inf]])
    foggy = air.add_fog(light, distance, 120.0, airlight)
    np.testing.assert_allclose(foggy[0, 0], 0.2)
    # Half of the visibility: the root of 2 %, .141421, is kept.
    np.testing.assert_allclose(foggy[0, 1], 0.2 * 0.141421 + airlight * 0.858579, rtol=1e-5)
    np.testing.assert_allclose(foggy[0, 2], airlight)


def test_a_scene_s_fog_follows_its_own_depth_up_to_the_sky(shot):
    from rendering.roads.lighting import FOGS, light_scene

    lights, _ = light_scene(shot(), 0)
    near, far = (HEIGHT - 1, WIDTH // 2), (HEIGHT // 2, WIDTH // 2)
    for visibility in FOGS.values():
        foggy = lights[f"fog_{visibility:.0f}"]
        assert np.isfinite(foggy).all()
        # Grey road and grey air: the far pixel has gone further towards the sky's light.
        sky = foggy[0, 0]
        assert abs(foggy[far] - sky).max() < abs(foggy[near] - sky).max()
    np.testing.assert_allclose(lights["fog_50"][0], np.broadcast_to(sky, (WIDTH, 3)), rtol=1e-6)


def test_glare_falls_with_the_square_of_the_angle_to_the_sun():
    sun, angles = Sun(direction(0, 0), np.array([2.0, 1.0, 0.5])), (1.0, 2.0, 10.0)
    rays = np.stack([direction(angle, 0) for angle in angles])[None]
    veil = air.add_glare(np.zeros((1, 3, 3)), rays, sun, strength=1.0)
    np.testing.assert_allclose(veil[0], np.outer((10, 2.5, 0.1), (2, 1, 0.5)), rtol=1e-6)


def test_a_pane_mirrors_as_fresnel_says_and_more_the_flatter_it_is_seen():
    # Head on a face mirrors ((n - 1) / (n + 1))^2 = 4.26 %, so both 2 r / (1 + r) = 8.17 %.
    np.testing.assert_allclose(windshield.reflectance(1.0), 0.0817, atol=1e-4)
    np.testing.assert_allclose(windshield.reflectance(0.0), 1.0)
    assert windshield.reflectance(np.cos(np.deg2rad(75))) > windshield.reflectance(0.5) > 0.15


def test_the_mirrored_dashboard_lies_as_far_behind_the_pane_as_it_lies_before_it():
    # A pane at 45 degrees shows what lies 1 m below its middle 1 m further on.
    middle = np.array([windshield.AHEAD, 0.0, 0.0])
    parts = Parts([(box(0.01, 0.01, 0.01, middle - (0, 0, 1.005)), plain(0.5))])
    (mesh, _), *_ = windshield.mirror(parts, 45, at=(0, 2, 1.5))
    np.testing.assert_allclose(mesh.vertices.mean(0), middle + (1.0, 0, 0) + (0, 2, 1.5), atol=1e-6)
    light = windshield.mirror_lights([Sun(np.array([0, 0, 1.0]), np.ones(3))], 45)[0]
    np.testing.assert_allclose(light.towards, (-1, 0, 0), atol=1e-9)


def test_the_sky_shines_from_where_its_pixels_look(renderer):
    directions = sky_directions(64, 128)
    scene = renderer([], [Sky((directions + 1) / 2)])
    for yaw, pitch in ((0, 0), (37, 20), (-120, -40)):
        camera = Camera((0, 0, 0), yaw, pitch)
        light = scene.light(camera, HEIGHT, WIDTH, 1, 0)
        np.testing.assert_allclose(2 * light - 1, camera.rays(HEIGHT, WIDTH), atol=0.06)


def test_a_road_leaves_its_tangent_slowly_and_the_ground_meets_its_edges():
    road = Road(0.2, 0.03, FLAT.paved, FLAT.lanes, (), bank=(-2.0, 3.0))
    np.testing.assert_allclose(road.place(0.0, 1.0, 2.0), (0, 1, 2))
    np.testing.assert_allclose(road.place(-30.0, 0.0), (-30, 0, 0))
    # The slope grows from 0 to .2 over 220 m: after 110 m .1, and 5.5 m aside.
    np.testing.assert_allclose(road.place(110.0, 0.0)[1], 5.5, rtol=1e-3)
    np.testing.assert_allclose(road.heading(110.0), np.rad2deg(np.arctan(0.1)), rtol=1e-2)
    assert -0.1 < road.ground(10.0, -3.5) < 0 and -0.1 < road.ground(10.0, 3.5) < 0
    np.testing.assert_allclose(road.ground(10.0, (-30.0, 30.0)), (-2.0, 3.0))


@pytest.mark.parametrize("kind", DRAW)
def test_the_same_seed_gives_the_same_road_with_the_camera_in_a_lane_of_its_own_way(kind):
    scene, again = build_scene(kind, (1, 2)), build_scene(kind, (1, 2))
    assert scene.camera == again.camera and scene.sun == again.sun
    assert len(scene.parts) == len(again.parts)
    for (mesh, _), (mesh_again, _) in zip(scene.parts, again.parts, strict=True):
        np.testing.assert_array_equal(mesh.vertices, mesh_again.vertices)
    lane = min(scene.road.lanes, key=lambda lane: abs(lane.aside - scene.camera.position[1]))
    assert lane.way == 1 and 1.2 <= scene.camera.position[2] <= 2.0
    assert all(np.isfinite(mesh.vertices).all() for mesh, _ in scene.parts)


def test_only_a_dataset_with_a_camera_above_a_road_can_look_at_one():
    with pytest.raises(ValueError, match="`view` must have a `camera_height`.*nyu_train"):
        build_scene("street", 0, NYU_TRAIN)


def test_shapes_of_the_roadside_face_outwards_and_have_their_size():
    ring = np.array([(0, -1, -1), (0, 1, -1), (0, 1, 1), (0, -1, 1)], float)
    body = loft([ring, ring + (2, 0, 0)])
    low, high = body.vertices.min(0), body.vertices.max(0)
    np.testing.assert_allclose((low, high), ((0, -1, -1), (2, 1, 1)))
    disc = plate(24, 0.5)
    corners = disc.vertices[disc.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (across[:, 0] < 0).all()
    # A polygon of 24 sides has the area n / 2 r^2 sin(2 pi / n).
    np.testing.assert_allclose(-across[:, 0].sum() / 2, 12 * 0.25 * np.sin(np.pi / 12))
    rng = np.random.default_rng(0)
    leaves = cards(rng, np.zeros((50, 3)), np.tile([0, 0, 1.0], (50, 1)), 0.4, 0.1)
    long = np.linalg.norm(leaves.vertices, axis=1).reshape(50, 4)[:, 0]
    assert (long >= 0.7 * 0.2 - 1e-9).all() and (long <= 1.3 * 0.2 + 1e-9).all()


def test_the_command_writes_scenes_that_can_be_read_and_resumes(renderer, tmp_path, monkeypatch):
    words = "rendering roads --kinds tunnel --scenes 1 --height 24 --width 32 --samples 1".split()
    monkeypatch.setattr(sys, "argv", [*words, "--folder", str(tmp_path), "--resume"])

    def run():
        main()
        files = [path for path in tmp_path.rglob("[!.]*") if path.is_file()]
        return {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in files}

    first, kept = run(), tmp_path / "train/tunnel_0001/night.jpg"
    listed = {"lamps.jpg", "reflection.jpg", "reflection_mask.png", "night.jpg", "depth.png"}
    tables = {"road_train.csv", "road_test.csv", "index.csv"}
    assert first.keys() == {f"train/tunnel_0001/{name}" for name in listed} | tables
    time = kept.stat().st_mtime_ns
    assert run() == first and kept.stat().st_mtime_ns == time
    (kept.parent / "depth.png").unlink()  # the scene is not whole: it is rendered again
    assert run() == first and kept.stat().st_mtime_ns > time

    pairs = read_csv(tmp_path / "road_train.csv", ROADS)
    assert set(pairs.table["scene"]) == {"tunnel_0001"} and len(pairs) == 3
    assert pairs.table["condition"].tolist() == ["lamps", "reflection", "night"]
    found, lonely = find_pairs(tmp_path / "train", ROADS)
    assert len(found) == 3 and lonely.empty and found.table["depth"].nunique() == 1

    dull = [*words, "--folder", str(tmp_path / "dull"), "--only", "overcast"]
    monkeypatch.setattr(sys, "argv", dull)
    main()  # a tunnel has no overcast sky
    assert (tmp_path / "dull/road_train.csv").read_bytes() == b""
    wide = "--height 24 --samples 1 --scenes 1 --kinds tunnel --only night --view kitti".split()
    monkeypatch.setattr(sys, "argv", [*words[:2], *wide, "--folder", str(tmp_path / "wide")])
    main()
    pairs = read_csv(tmp_path / "wide/road_train.csv", ROADS_AS_KITTI)
    assert pairs.table["condition"].tolist() == ["night"]
    assert cv2.imread(str(pairs.rgb_path(0))).shape == (24, 79, 3)
    show = f"rendering show --folder {tmp_path / 'wide'} --figure {tmp_path / 'wide.png'}"
    monkeypatch.setattr(sys, "argv", show.split())
    main()
    assert (tmp_path / "wide.png").stat().st_size > 0


# The embedded sample as it lies in the repository; no renderer needed.


@pytest.fixture(scope="module")
def roads(project):
    """The pairs of the sample: {"train": ..., "test": ...}."""
    folder = project / "datasets" / "sample_roads"
    return {side: read_csv(folder / f"road_{side}.csv", ROADS) for side in ("train", "test")}


def test_the_sample_has_the_promised_scenes_and_conditions_and_none_on_both_sides(roads):
    scenes = {side: set(pairs.table["scene"]) for side, pairs in roads.items()}
    assert (len(scenes["train"]), len(scenes["test"])) == (24, 8)
    assert not scenes["train"] & scenes["test"]
    for pairs in roads.values():
        counts = Counter(pairs.table["condition"])
        outside = sum(not scene.startswith("tunnel") for scene in set(pairs.table["scene"]))
        names = "overcast clear low_sun fog_300 fog_120 fog_50 rain".split()
        assert {counts[name] for name in names} == {outside}
        inside = pairs.table["scene"].nunique() - outside
        assert counts["lamps"] == inside > 0
        assert counts["reflection"] == counts["night"] == inside + outside
        assert pairs.table.groupby("scene")["depth"].nunique().eq(1).all()


def test_the_sample_is_small_and_holds_only_what_its_tables_say(roads, project):
    root = project / "datasets" / "sample_roads"
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    tables = pd.concat([pairs.table for pairs in roads.values()])
    masked = tables[tables["condition"].isin(["clear", "low_sun", "reflection"])]["rgb"]
    listed = {*tables["rgb"], *tables["depth"], *(f"{name[:-4]}_mask.png" for name in masked)}
    assert files == listed | {"road_train.csv", "road_test.csv", "index.csv"}
    assert sum((root / name).stat().st_size for name in files) <= 15e6


def test_the_sample_s_depth_is_that_of_roads_and_its_masks_have_two_values(roads):
    shadows = []
    for pairs in roads.values():
        for number in pairs.table.drop_duplicates("scene").index:
            rgb, depth = read_pair(pairs.rgb_path(number), pairs.depth_path(number), ROADS)
            assert rgb.shape == (240, 320, 3) and 1 < np.median(depth[depth > 0]) < 40
            middle = depth[-20:, 100:220]
            assert 1.5 < middle[middle > 0].min() < 20
            for path in pairs.depth_path(number).parent.glob("*_mask.png"):
                mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                assert mask.shape == depth.shape and set(np.unique(mask)) <= {0, 255}
                if path.stem == "clear_mask":
                    shadows.append((mask > 0).mean())
                    assert not mask[depth == 0].any() or depth.max() >= 79
    assert np.mean(np.array(shadows) > 0.03) > 0.7  # most clear days have shadows to learn from


def test_shadows_are_darker_than_in_the_overcast_picture_beside_them(roads):
    ratios = []
    for path in {pairs.depth_path(n).parent for pairs in roads.values() for n in range(len(pairs))}:
        if not (path / "clear_mask.png").exists():
            continue
        mask = cv2.imread(str(path / "clear_mask.png"), cv2.IMREAD_UNCHANGED) > 0
        clear, dull = (
            np.log1p(cv2.imread(str(path / f"{name}.jpg")).mean(2))
            for name in ("clear", "overcast")
        )
        lower = np.arange(240)[:, None] > 140
        if (mask & lower).sum() > 500 and (~mask & lower).sum() > 500:
            change = clear - dull
            ratios.append(change[mask & lower].mean() - change[~mask & lower].mean())
    assert len(ratios) > 5 and np.mean(np.array(ratios) < -0.1) > 0.9
