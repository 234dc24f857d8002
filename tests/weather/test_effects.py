from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from depthlib.weather import EFFECTS
from depthlib.weather.light import to_light, to_photo
from depthlib.weather.scene import find_ground, read_scene, view_rays

EACH = pytest.mark.parametrize("name", EFFECTS)


def make_road(height=48, width=64, pitch=0.1, camera=1.5):
    """A textured photo and the depth of a plane under a camera, 1.5 m up; sky above 60 m."""
    x, y = view_rays(height, width)
    plane = (np.cos(pitch) * y + np.sin(pitch)) / camera + 0 * x
    depth_m = np.where(plane > 1 / 60, 1 / np.maximum(plane, 1e-6), 0).astype(np.float32)
    rgb = np.random.default_rng(0).integers(90, 150, (height, width, 3)).astype(np.uint8)
    rgb[depth_m == 0] = (150, 190, 230)
    return rgb, depth_m


def apply(name, rgb, depth_m, strength, seed=0):
    return EFFECTS[name](rgb, depth_m, strength, np.random.default_rng(seed))


def light_of(rgb):
    """The sRGB curve, from its standard."""
    values = rgb / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def test_light_is_the_standards_and_comes_back_to_the_same_photo():
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    np.testing.assert_allclose(to_light(ramp), light_of(ramp), rtol=1e-5)
    assert (to_photo(to_light(ramp)) == ramp).all()
    assert to_photo(np.full((1, 1, 3), 7, np.float32)).max() == 255


@EACH
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_depth_of_any_number_is_taken(name, dtype):
    rgb, depth_m = make_road()
    depth_m = depth_m.astype(dtype)
    expected = apply(name, rgb, depth_m.astype(np.float32), 0.7)
    assert (apply(name, rgb, depth_m, 0.7) == expected).all()


@EACH
@pytest.mark.parametrize("empty", [np.inf, -np.inf, np.nan])
def test_depth_that_is_no_number_is_not_measured(name, empty):
    rgb, depth_m = make_road()
    assert (depth_m == 0).any()
    seen = apply(name, rgb, np.where(depth_m == 0, np.float32(empty), depth_m), 1.0)
    assert (seen == apply(name, rgb, depth_m, 1.0)).all()


@EACH
def test_strength_nought_changes_nothing_and_more_changes_more(name):
    rgb, depth_m = make_road()
    assert (apply(name, rgb, depth_m, 0.0) == rgb).all()
    for seed in range(5):
        seen = [apply(name, rgb, depth_m, strength, seed) for strength in (0.25, 0.5, 0.75, 1)]
        change = [np.abs(photo.astype(float) - rgb).mean() for photo in seen]
        assert 0 < change[0] < change[1] < change[2] < change[3], (seed, change)


@EACH
@pytest.mark.parametrize("kind", ["road", "holes", "sparse", "nothing", "a wall", "odd"])
def test_it_takes_any_depth_and_writes_to_none_of_its_inputs(name, kind):
    rgb, depth_m = make_road(31, 47) if kind == "odd" else make_road()
    rng = np.random.default_rng(1)
    depth_m[
        rng.random(depth_m.shape) < {"holes": 0.3, "sparse": 0.96, "nothing": 1}.get(kind, 0)
    ] = 0
    if kind == "a wall":
        depth_m[:] = 2
    for array in (rgb, depth_m):
        array.flags.writeable = False
    photo = apply(name, rgb, depth_m, 0.7)
    assert (photo.dtype, photo.shape) == (np.uint8, rgb.shape)
    assert (photo != rgb).any() and np.ptp(photo) > 20


@EACH
def test_the_same_seed_gives_the_same_weather_in_any_thread(name):
    rgb, depth_m = make_road()
    with ThreadPoolExecutor(4) as pool:
        photos = list(pool.map(lambda seed: apply(name, rgb, depth_m, 0.8, seed), [0, 1] * 6))
    assert all((photo == photos[index % 2]).all() for index, photo in enumerate(photos))
    assert (photos[0] != photos[1]).any()


@EACH
def test_another_photo_or_depth_is_refused_and_a_tiny_one_is_not(name):
    rgb, depth_m = np.full((8, 9, 3), 90, np.uint8), np.full((8, 9), 2, np.float32)
    assert apply(name, rgb, depth_m, 1).shape == (8, 9, 3)
    for photo, depth in (
        (rgb / np.float32(255), depth_m),
        (rgb, depth_m[:4]),
        (rgb[..., 0], depth_m),
        (rgb[:1, :1], depth_m[:1, :1]),
    ):
        with pytest.raises(ValueError, match=r"must be uint8 RGB .*Received: .*Resize both"):
            apply(name, photo, depth, 0.5)


@EACH
def test_a_strength_over_one_is_refused(name):
    with pytest.raises(ValueError, match="`strength` must be 0 to 1. Received: strength=1.5"):
        apply(name, *make_road(), 1.5)


def test_the_ground_is_found_among_what_stands_on_it():
    _, depth_m = make_road(120, 160)
    rng = np.random.default_rng(0)
    depth_m[60:110, 20:60] = np.minimum(depth_m[60:110, 20:60], 6)  # a car
    depth_m[rng.random(depth_m.shape) < 0.96] = 0
    ground = find_ground(depth_m, rng)
    np.testing.assert_allclose(1 / np.linalg.norm(ground), 1.5, rtol=0.03)
    np.testing.assert_allclose(ground * 1.5, (0, np.cos(0.1), np.sin(0.1)), atol=0.03)


def test_neither_a_wall_nor_a_table_is_a_ground():
    assert find_ground(np.full((48, 64), 3, np.float32), np.random.default_rng(0)) is None
    depth_m = make_road(120, 160, pitch=0.3)[1]
    table = make_road(120, 160, pitch=0.3, camera=0.75)[1]
    depth_m[60:100, 30:130] = table[60:100, 30:130]
    ground = find_ground(depth_m, np.random.default_rng(0))
    assert 1 / np.linalg.norm(ground) == pytest.approx(1.5, rel=0.03)


def test_sparse_depth_is_filled_and_the_sky_is_far():
    rgb, whole = make_road(240, 320)
    rgb[:60, :160] = 255  # clouds
    rgb[:60, 300:] = (40, 60, 20)  # a tree, which is as far as what stands below it
    depth_m = np.where(np.random.default_rng(0).random(whole.shape) < 0.04, whole, 0)
    scene = read_scene(rgb, depth_m.astype(np.float32))
    below = np.s_[150:230]
    error = np.abs(scene.depth_m[below] / whole[below] - 1)
    assert np.median(error) < 0.1
    assert scene.far == pytest.approx(np.percentile(whole[whole > 0], 95), rel=0.15)
    assert scene.sky[:60, :300].min() > 0.9 and scene.sky[150:].max() < 0.1
    np.testing.assert_allclose(scene.depth_m[:60, :300], 3 * scene.far, rtol=0.2)
    assert scene.sky[:60, 300:].max() == 0 and scene.depth_m[:60, 300:].max() < 1.3 * scene.far


def test_a_room_has_no_sky_and_a_hole_is_as_far_as_what_surrounds_it():
    rgb, depth_m = make_road()
    depth_m[:] = 2.0
    depth_m[:, 40:] = 4.0
    depth_m[:10] = 0  # over the picture's edge a Kinect sees nothing
    depth_m[20:30, 10:20] = 0  # a mirror
    scene = read_scene(rgb, depth_m)
    assert scene.sky.max() == 0
    np.testing.assert_allclose(scene.depth_m[20:30, 10:20], 2, rtol=1e-3)
    assert (scene.depth_m[depth_m > 0] == depth_m[depth_m > 0]).all()


def test_fog_takes_contrast_as_beer_and_lambert_say():
    rgb = np.full((48, 64, 3), 60, np.uint8)
    rgb[:, ::2] = 160
    contrasts = []
    for metres in (10, 20):
        depth_m = np.full((48, 64), metres, np.float32)
        depth_m[30:] = 40  # the far end, the same in both
        light = light_of(apply("fog", rgb, depth_m, 0.6)[:30])
        contrasts.append((light[:, 1::2] - light[:, ::2]).mean(axis=(1, 2)))
    before = light_of(np.array([160])) - light_of(np.array([60]))
    kept = [abs(contrast) / before for contrast in contrasts]
    np.testing.assert_allclose(kept[1], kept[0] ** 2, rtol=0.05)
    assert 0.3 < kept[0].mean() < 0.9


def test_fog_is_as_thick_in_a_room_as_on_a_road_ten_times_as_long():
    rgb, depth_m = make_road()
    depth_m[depth_m == 0] = 60
    assert (apply("fog", rgb, depth_m, 0.6) == apply("fog", rgb, depth_m / 8, 0.6)).all()


def test_a_shadow_lies_on_the_ground_bluish_and_as_dark_as_real_ones():
    rgb, depth_m = make_road(240, 320)
    rgb[:] = 180
    found = 0
    for seed in range(8):
        ratio = light_of(apply("shadow", rgb, depth_m, 1.0, seed)) / light_of(rgb)
        assert ratio[depth_m == 0].min() > 0.98, "no shadow on the sky"
        dark = ratio.mean(axis=2) < 0.6
        found += 0.01 < dark.mean()
        core = np.percentile(ratio.reshape(-1, 3), 2, axis=0) if dark.any() else None
        if dark.mean() > 0.05:
            assert 0.15 < core[1] < 0.42 and 1.1 * core[0] < core[2]
    assert found >= 6


def test_a_shadow_in_a_room_is_that_of_a_road_made_small():
    rgb, depth_m = make_road()
    small = apply("shadow", rgb, depth_m / 6, 1.0)
    both = depth_m > 0
    change = np.abs(small.astype(int) - apply("shadow", rgb, depth_m, 1.0))[both]
    assert np.median(change) <= 1


def test_a_pane_adds_light_whatever_the_depth():
    rgb, depth_m = make_road()
    light = light_of(rgb)
    for seed in range(6):
        photo = apply("reflection", rgb, depth_m, 1.0, seed)
        assert (light_of(photo) > 0.9 * light - 0.005).all()
        assert (photo == apply("reflection", rgb, depth_m * 0, 1.0, seed)).all()
        assert apply("reflection", rgb * 0, depth_m, 1.0, seed).max() > 30


def test_mist_softens_edges_and_keeps_the_light_whatever_the_depth():
    rgb, depth_m = np.full((120, 160, 3), 40, np.uint8), make_road(120, 160)[1]
    rgb[:, 80:] = 200
    for seed in range(6):
        photos = [apply("mist", rgb, depth_m, strength, seed) for strength in (0.2, 0.6, 1)]
        steepest = [np.diff(light_of(photo), axis=1).max(axis=1).mean() for photo in photos]
        assert light_of(np.array([200])) > steepest[0] > steepest[1] > steepest[2]
        assert light_of(photos[2]).mean() == pytest.approx(light_of(rgb).mean(), rel=0.02)
        assert (photos[2] == apply("mist", rgb, depth_m * 0, 1, seed)).all()


def test_glare_falls_with_the_distance_from_the_lamp():
    rgb = np.full((120, 160, 3), 40, np.uint8)
    rgb[10:40, 100:140] = 255
    for seed in range(4):
        added = apply("glare", rgb, np.full((120, 160), 5, np.float32), 1.0, seed).mean(axis=2)
        assert added[40:60, 100:140].mean() > added[60:90, 60:100].mean() > added[-20:, :20].mean()
    assert added.mean() > rgb.mean()


def test_streaks_fall_only_before_what_is_farther():
    rgb = np.full((120, 160, 3), 60, np.uint8)
    depth_m = np.full((120, 160), 50, np.float32)
    depth_m[:, :80] = 0.5
    rgb[:30] = 255  # what drops shine with
    photo = apply("rain", rgb, depth_m, 1.0)[30:, :, 1].astype(int)
    touched = [(half > np.median(half) + 4).mean() for half in (photo[:, :80], photo[:, 80:])]
    assert touched[0] < 0.12 < 0.2 < touched[1], "drops on the pane alone, and streaks"


def test_night_noise_has_poissons_variance_in_each_channel():
    rgb = np.full((240, 320, 3), 180, np.uint8)
    rgb[:80], rgb[80:160] = 100, 140
    depth_m = np.full((240, 320), 5, np.float32)
    for seed in range(4):
        light = light_of(apply("night", rgb, depth_m, 0.6, seed))
        columns = light[170:230, :40], light[10:70, :40], light[90:150, :40]
        bands = [band.reshape(-1, 3) for band in columns]
        means, variances = (
            np.array([fold(b, axis=0) for b in bands]) for fold in (np.mean, np.var)
        )
        # Variance is what the read-out adds to a line through nought: light over electrons.
        electrons = (means[0] - means[1]) / (variances[0] - variances[1])
        np.testing.assert_allclose(
            (means[2] - means[1]) / electrons, (variances[2] - variances[1]), rtol=0.35
        )


def test_night_takes_light_and_its_noise_grows():
    rgb, depth_m = np.full((48, 64, 3), 150, np.uint8), np.full((48, 64), 4, np.float32)
    photos = [apply("night", rgb, depth_m, strength, 1) for strength in (0.2, 0.6, 1.0)]
    means = [photo.mean() for photo in photos]
    noise = [(photo / photo.mean())[20:30, 30:40, 1].std() for photo in photos]
    assert 150 > means[0] > means[1] > means[2] > 10
    assert noise[0] < noise[1] < noise[2]
