import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import color

from experiments import relight
from experiments.relight import METHODS, clahe, invariant, lift_shadows, retinex

SUN = np.array([1.0, 1.0, 1.0])
SHADE = np.exp([-0.9, -0.78, -0.6])  # what a shadow left of each channel in photos of one place


def light(surface, shade):
    """Surface colours (h, w, 3), 0..255, under a share of shadow (h, w), as a camera rounds it."""
    light = shade[..., None] * SHADE + (1 - shade[..., None]) * SUN
    return np.rint(surface * light).astype(np.uint8)


@pytest.fixture
def ground():
    """A road of 96 x 128 with speckles of 4 grey levels, as float colours."""
    rng = np.random.default_rng(0)
    return 150 + rng.normal(0, 4, (96, 128, 1)) * np.ones(3)


@pytest.fixture
def shade():
    """A soft-edged shadow over a part of the ground."""
    mask = np.zeros((96, 128))
    mask[30:70, 40:90] = 1
    return cv2.GaussianBlur(mask, (0, 0), 1)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_each_method_makes_a_photo_of_a_photo_and_leaves_its_own_alone(method):
    rng = np.random.default_rng(0)
    for photo in (
        rng.integers(0, 256, (31, 47, 3), np.uint8),
        np.zeros((32, 48, 3), np.uint8),
        np.full((32, 48, 3), 255, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
    ):
        before = photo.copy()
        changed = method(photo)
        assert changed.dtype == np.uint8 and changed.shape == photo.shape
        np.testing.assert_array_equal(photo, before)
        np.testing.assert_array_equal(changed, method(photo))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_what_is_no_photo_is_refused(method):
    with pytest.raises(ValueError, match="uint8 RGB"):
        method(np.zeros((32, 48, 3), np.float32))


def test_clahe_spreads_a_faint_ramp_and_keeps_its_order_and_colour():
    ramp = np.repeat(np.repeat(np.linspace(100, 120, 64), 4)[None], 64, axis=0)
    photo = np.rint(ramp[..., None] * [1.0, 0.9, 0.7]).astype(np.uint8)
    changed = clahe(photo)
    before, after = color.rgb2lab(photo), color.rgb2lab(changed)
    rises = np.diff(after[0, :, 0]), np.ptp(after[..., 0]) / np.ptp(before[..., 0])
    assert rises[0].min() > -0.5, "in order"
    # The clipped histogram's share of the slope is at most 2, the evenly spread rest adds up to 1.
    assert 1.1 < rises[1] < 3
    np.testing.assert_allclose(after[..., 1:].mean(), before[..., 1:].mean(), atol=1.5)


def test_the_wide_mean_is_that_of_scipy():
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((60, 80)), 3) * 100
    for sigma in (2.0, 10.0, 30.0):
        expected = ndimage.gaussian_filter(image, sigma, mode="reflect", truncate=6)
        ours = relight._blur(image.astype(np.float32), sigma)
        assert np.abs(ours - expected).max() < 0.1 * np.ptp(image)
        assert np.abs(ours - expected).mean() < 0.02 * np.ptp(image)


def test_retinex_evens_out_wide_light_and_keeps_proportions_of_colours():
    surface = np.where(np.indices((96, 128)).sum(axis=0)[..., None] // 8 % 2, 160.0, 120.0)
    slope = np.linspace(1.0, 0.3, 128)[None, :, None]
    photo = np.rint(surface * slope * [1.0, 0.8, 0.6]).astype(np.uint8)
    changed = retinex(photo)
    columns = [image[..., 1].mean(axis=0) for image in (photo, changed)]
    ratios = [means[8:40].mean() / means[-40:-8].mean() for means in columns]
    assert ratios[0] > 2 and ratios[1] < 1.5
    bright = changed.min(axis=2) > 40
    np.testing.assert_allclose(changed[bright][:, 2] / changed[bright][:, 0], 0.6, atol=0.05)


def test_a_surface_has_one_value_in_sun_and_shade_and_two_surfaces_have_two():
    surface = np.where(np.arange(128)[None, :, None] < 80, [150.0, 150, 150], [90.0, 160, 80])
    # A camera's noise: without it any direction near the right one puts all in the same bins.
    surface = surface * np.random.default_rng(0).normal(1, 0.03, (96, 128, 3))
    shade = np.zeros((96, 128))
    shade[48:] = 1
    changed = invariant(light(surface, shade)).astype(int)
    grey, green = changed[:, :80], changed[:, 80:]
    for part in (grey, green):
        assert abs(part[:48].mean() - part[48:].mean()) < 8
    assert green.mean() - grey.mean() > 100, "green is bright"


def test_the_direction_is_that_of_the_light_which_made_the_shadow():
    rng = np.random.default_rng(0)
    surface = rng.uniform(60, 200, (12, 16, 3)).repeat(8, axis=0).repeat(8, axis=1)
    shade = (rng.random((12, 16)) < 0.5).astype(float).repeat(8, axis=0).repeat(8, axis=1)
    photo = light(surface, shade)
    plane = np.log(photo.reshape(-1, 3).astype(np.float32) + 1) @ relight.PLANE.T
    axis = relight._find_surface_axis(plane, photo.reshape(-1, 3))
    # By hand: of ln SHADE the plane holds (-.12 / sqrt 2, -.48 / sqrt 6), at 66.6 degrees.
    assert abs(np.rad2deg(np.arctan2(-axis[0], axis[1])) - 66.6) < 6


def test_wiens_line_of_daylight_is_among_those_looked_for():
    inverse = 1 / np.array([610.0, 540.0, 450.0])
    first, second = relight.PLANE @ -inverse
    angle = np.rad2deg(np.arctan2(second, first))
    assert abs(angle - relight.DAYLIGHT) < relight.ENTROPY_REACH / 2


def test_a_shadow_on_the_ground_is_lifted_to_the_light_beside_it(ground, shade):
    photo, expected = light(ground, shade), light(ground, 0 * shade)
    changed = lift_shadows(photo).astype(int)
    inside = shade > 0.99
    assert np.abs(photo.astype(int) - expected)[inside].mean() > 70
    assert np.abs(changed - expected)[inside].mean() < 4
    assert np.abs(changed - expected)[shade < 0.01].mean() < 2
    penumbra = (shade > 0.1) & (shade < 0.9)
    assert np.abs(changed - expected)[penumbra].mean() < 25


def test_texture_under_a_shadow_stays(ground, shade):
    changed = lift_shadows(light(ground, shade))
    inside = shade > 0.99
    assert np.corrcoef(changed[inside][:, 1], ground[inside][:, 1])[0, 1] > 0.9


@pytest.mark.parametrize(
    "colour", [(60, 60, 60), (110, 50, 40), (30, 50, 120)], ids=["black", "red", "blue"]
)
def test_a_dark_thing_that_is_no_shadow_stays(ground, shade, colour):
    photo = np.rint(ground * (1 - shade[..., None]) + shade[..., None] * colour).astype(np.uint8)
    assert np.abs(lift_shadows(photo).astype(int) - photo).mean() < 1


def test_a_photo_without_shadow_stays(ground):
    hill = ground * np.linspace(1.2, 0.7, 96)[:, None, None]
    for surface in (ground, hill):
        photo = np.rint(surface).astype(np.uint8)
        assert np.abs(lift_shadows(photo).astype(int) - photo).mean() < 1


def test_photos_of_one_place_agree_once_their_shadows_are_lifted(shared):
    folder = shared / "data" / "shadow_same_view"
    for place in ("95-3", "95-4"), ("98-2", "98-3"), ("100-6", "100-8"):
        photos = [cv2.imread(str(folder / f"{name}.jpg"), cv2.IMREAD_COLOR_RGB) for name in place]
        photos = [cv2.resize(photo, (320, 240), interpolation=cv2.INTER_AREA) for photo in photos]
        before = _log_difference(*photos)
        assert _log_difference(*map(lift_shadows, photos)) < 0.6 * before
        assert _log_difference(*map(invariant, photos)) < 0.8 * before


def _log_difference(first, second):
    return np.abs(np.log(first + 1.0) - np.log(second + 1.0)).mean()
