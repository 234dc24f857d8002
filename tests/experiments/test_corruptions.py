import shutil

import numpy as np
import pytest

from depthlib.data.images import read_rgb
from experiments import corruptions
from experiments.corruptions import CORRUPTIONS, NYU_CORRUPTIONS, corrupt

WEATHER = {"fog", "frost", "snow"}
KEEP_A_FLAT_PHOTO = (
    "contrast defocus_blur glass_blur motion_blur zoom_blur elastic_transform pixelate"
).split()


def draw_photo(seed, height=64, width=96):
    """Waves with a few boxes: smooth parts, edges and colours."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    photo = 90 + 60 * np.sin(6 * columns + seed) * rng.uniform(0.5, 1, 3) + 40 * rows
    for top, left in rng.integers(0, height - 12, (6, 2)):
        photo[top : top + 12, left : left + 12] = rng.uniform(0, 255, 3)
    return np.clip(photo, 0, 255).astype(np.uint8)


def paint(*colours, height=32, width=48):
    """Stripes of equal width, each of one grey value or RGB colour."""
    stripes = [np.broadcast_to(np.uint8(colour), 3) for colour in colours]
    return np.repeat(stripes, width // len(colours), axis=0)[None].repeat(height, axis=0)


def test_the_list_is_robodepths_and_nyus_has_no_weather():
    assert len(CORRUPTIONS) == 18
    assert set(CORRUPTIONS) - set(NYU_CORRUPTIONS) == WEATHER


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_photo_in_gives_a_photo_out_that_its_seed_alone_decides(name):
    photo = draw_photo(0, 32, 48)
    before = photo.copy()
    for severity in (1, 5):
        first = corrupt(photo, name, severity, seed=3)
        assert first.shape == photo.shape and first.dtype == np.uint8
        np.testing.assert_array_equal(first, corrupt(photo, name, severity, seed=3))
        assert not np.array_equal(first, photo)
    np.testing.assert_array_equal(photo, before, "its input must stay as it was")
    random = not np.array_equal(first, corrupt(photo, name, 5, seed=4))
    fixed = "brightness contrast defocus_blur zoom_blur color_quant pixelate jpeg_compression"
    assert random == (name not in fixed.split())


@pytest.mark.parametrize("name", sorted({*CORRUPTIONS} - {"fog", "frost"}))
def test_the_distance_from_the_photo_grows_with_severity(name):
    photos = [draw_photo(seed) for seed in range(4)]
    distances = [
        np.mean([np.abs(corrupt(photo, name, level, 7) - photo.astype(float)) for photo in photos])
        for level in range(1, 6)
    ]
    assert (np.diff(distances) > 0).all(), distances


@pytest.mark.parametrize(
    ("name", "shares"),
    # c / (1 + c) of white is fog, so 1 / (1 + c) is left; frost's own table says what it leaves.
    [("fog", [1 / 2.5, 1 / 3, 1 / 3.5, 1 / 3.5, 1 / 4]), ("frost", [1, 0.8, 0.7, 0.65, 0.6])],
)
def test_less_of_the_photo_is_left_in_fog_and_frost(name, shares):
    one, other = paint(0, 40, 255), paint(80, 40, 255)
    for level, share in enumerate(shares, 1):
        pair = [corrupt(photo, name, level, 0)[:, :16].astype(float) for photo in (other, one)]
        unclipped = pair[0] < 255
        assert unclipped.mean() > 0.2
        np.testing.assert_allclose((pair[0] - pair[1])[unclipped], 80 * share, atol=1.01)


def test_contrast_shrinks_towards_the_mean():
    photo = paint(50, 150)
    for level, share in enumerate((0.4, 0.3, 0.2, 0.1, 0.05), 1):
        values = np.unique(corrupt(photo, "contrast", level, 0))
        np.testing.assert_allclose(values, [100 - 50 * share, 100 + 50 * share], atol=0.5)


def test_brightness_adds_to_the_value_and_keeps_the_hue():
    photo = paint((51, 102, 153), (0, 0, 255), (0, 0, 0), (255, 255, 255))
    brighter = corrupt(photo, "brightness", 2, 0)  # value + 0.2: 0.6 becomes 0.8, times 4/3
    expected = paint((68, 136, 204), (0, 0, 255), (51, 51, 51), (255, 255, 255))
    np.testing.assert_array_equal(brighter, expected)


def test_dark_squares_and_scales_what_it_stretched():
    photo = np.repeat(np.uint8([[0, 102, 255]]), 3000, axis=1)[..., None].repeat(3, axis=2)
    dark = corrupt(photo, "dark", 1, 0).astype(float)
    black, grey, white = (dark[:, start : start + 3000] for start in (0, 3000, 6000))
    assert white.mean() == pytest.approx(0.6 * 255, abs=0.5)
    assert grey.mean() == pytest.approx(0.16 * 0.6 * 255, abs=0.5)  # (102 / 255)² is 0.16
    # Of 600 photons 360 arrive; with the noise's 0.008: the root of (0.6 / 600 + 0.008²).
    assert white.std() == pytest.approx(255 * np.sqrt(0.6 / 600 + 0.008**2), rel=0.05)
    assert black.mean() < 2
    assert corrupt(paint(90), "dark", 5, 0).mean() < 10, "a flat photo has nothing to stretch"


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("gaussian_noise", 0.08),
        ("shot_noise", np.sqrt(128 / 255 / 60)),
        ("iso_noise", np.sqrt(128 / 255 / 25 + 0.056**2)),
    ],
)
def test_noise_has_the_published_strength_around_the_photo(name, deviation):
    noisy = corrupt(paint(128, height=90, width=120), name, 1, 0) / 255
    assert noisy.mean() == pytest.approx(128 / 255, abs=0.005)
    assert noisy.std() == pytest.approx(deviation, rel=0.03)


def test_impulses_are_black_and_white_alike():
    noisy = corrupt(paint(128, height=90, width=120), "impulse_noise", 5, 0)
    assert set(np.unique(noisy)) == {0, 128, 255}
    for value in (0, 255):
        assert np.mean(noisy == value) == pytest.approx(0.27 / 2, abs=0.008)


def test_colours_keep_their_highest_bits():
    photo = draw_photo(1)
    np.testing.assert_array_equal(corrupt(photo, "color_quant", 1, 0), photo & 0b11111000)
    np.testing.assert_array_equal(corrupt(photo, "color_quant", 5, 0), photo & 0b10000000)


def test_pixels_become_the_means_of_blocks():
    photo = draw_photo(2)
    for level, side in ((2, 2), (5, 4)):
        blocks = photo.reshape(64 // side, side, 96 // side, side, 3).mean(axis=(1, 3))
        expected = blocks.repeat(side, axis=0).repeat(side, axis=1)
        np.testing.assert_allclose(corrupt(photo, "pixelate", level, 0), expected, atol=0.51)


@pytest.mark.parametrize("name", KEEP_A_FLAT_PHOTO)
def test_what_blurs_or_moves_leaves_a_flat_photo_as_it_is(name):
    photo = paint(77, height=33, width=48)
    np.testing.assert_array_equal(corrupt(photo, name, 5, 0), photo)


def test_a_point_out_of_focus_is_a_disk():
    photo = np.zeros((31, 49, 3), np.uint8)
    photo[15, 24] = 255
    rows, columns = np.mgrid[-15:16, -24:25]
    disk = rows**2 + columns**2 <= 9  # 29 pixels
    expected = np.where(disk, np.rint(255 / 29), 0)
    np.testing.assert_array_equal(corrupt(photo, "defocus_blur", 1, 0)[..., 0], expected)


def test_a_moving_point_leaves_a_trace_on_one_side():
    photo = np.zeros((91, 91, 3), np.uint8)
    photo[45, 45] = 255
    for seed in range(5):
        rows, columns = np.nonzero(corrupt(photo, "motion_blur", 5, seed)[..., 0])
        # Within 45 degrees of level, all of it on one side of the point, which it holds.
        assert columns.min() == 45 or columns.max() == 45
        assert np.ptp(columns) >= np.ptp(rows) and 20 < np.ptp(columns) <= 40
        line = np.polynomial.Polynomial.fit(columns, rows, 1)
        assert np.abs(line(columns) - rows).max() < 1


def test_pixels_behind_glass_stay_near_their_place():
    photo = paint(0, 0, 0, 255, 0, 0)
    blurred = corrupt(photo, "glass_blur", 5, 0)[..., 0]
    # Swapped twice by at most 4 pixels with partners that may have moved as far, and blurred.
    assert not blurred[:, :4].any() and blurred[:, 24:32].mean() > 100
    assert blurred.mean() == pytest.approx(255 / 6, rel=0.1), "a shuffle loses no light"


def test_zoom_blur_is_sharp_in_the_middle_only():
    photo = np.zeros((65, 97, 3), np.uint8)
    photo[:, ::8] = 255
    middle = corrupt(photo, "zoom_blur", 3, 0)[32, :, 0]
    assert middle[48] > 200 and middle[96] < 150


@pytest.mark.parametrize("severity", [0, 6, 2.5, None])
def test_there_are_five_severities(severity):
    with pytest.raises(ValueError, match=f"must be 1, 2, 3, 4 or 5. Received: .*{severity}"):
        corrupt(paint(9), "dark", severity, 0)


def test_a_wrong_name_gets_the_list():
    with pytest.raises(
        ValueError, match=r"brightness, dark, .*jpeg_compression\. Received: .*'smo"
    ):
        corrupt(paint(9), "smog", 1, 0)
    with pytest.raises(ValueError, match="uint8 RGB"):
        corrupt(np.zeros((8, 8), np.uint8), "dark", 1, 0)


def test_the_figure_has_a_panel_a_corruption_six_a_row(sample, tmp_path, monkeypatch):
    monkeypatch.setattr(corruptions, "CORRUPTIONS", CORRUPTIONS[:7])  # all 18 take their time
    photo = next((sample / "nyu2_test").glob("*_colors.*"))
    corruptions.main([str(photo), str(tmp_path / "figure.png")])
    height, width, _ = read_rgb(tmp_path / "figure.png").shape
    assert 0.2 < height / width < 0.5  # two rows of six
    photo = shutil.copy(photo, tmp_path / "mine.png")
    before = photo.read_bytes()
    with pytest.raises(SystemExit, match="one's own must not be written over. Received: .*mine"):
        corruptions.main([str(photo), str(photo)])
    assert photo.read_bytes() == before
