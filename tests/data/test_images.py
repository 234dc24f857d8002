import cv2
import numpy as np
import pytest
from PIL import Image

from depthlib.data import images
from depthlib.data.specs import INDOOR_MILLIMETRE, KITTI, NYU_RELATIVE, NYU_TEST, NYU_TRAIN

RAMP = np.linspace(1.0, 9.0, 32 * 48, dtype=np.float32).reshape(32, 48)


def write_png(path, counts):
    cv2.imwrite(str(path), counts)
    return path


def test_photos_are_rgb(tmp_path):
    red = np.zeros((32, 48, 3), np.uint8)
    red[..., 0] = 255
    images.write_rgb(tmp_path / "red.png", red)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "red.png"), red)
    # What other programs see: OpenCV's own reader gives blue first.
    assert cv2.imread(str(tmp_path / "red.png"))[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("spec", "dtype", "counts", "depth"),
    [
        (NYU_TRAIN, np.uint8, 51, 2.0),  # 255 is 10 m
        (NYU_TEST, np.uint16, 2000, 2.0),  # millimetres
        (INDOOR_MILLIMETRE, np.uint16, 2000, 2.0),
        (NYU_RELATIVE, np.uint8, 51, 0.2),
    ],
)
def test_each_encoding_gives_its_depth(tmp_path, spec, dtype, counts, depth):
    stored = np.full((32, 48), counts, dtype)
    stored[0, 0] = counts + 1
    read = images.read_depth(write_png(tmp_path / "map.png", stored), spec)
    assert read.dtype == np.float32
    assert read[1, 1] == pytest.approx(depth)


def test_lidar_in_kittis_encoding_keeps_its_holes(tmp_path):
    stored = np.zeros((32, 48), np.uint16)
    stored[::8, ::8] = 12 * 256
    stored[0, 0] = 13 * 256
    read = images.read_depth(write_png(tmp_path / "map.png", stored), KITTI)
    assert read[8, 8] == 12 and read[0, 0] == 13 and np.count_nonzero(read) == 24


def test_counts_that_mean_invalid_and_depths_out_of_range_are_zero(tmp_path):
    stored = np.full((32, 48), 2500, np.uint16)
    stored[0, :3] = 0, 65535, 30000
    read = images.read_depth(write_png(tmp_path / "map.png", stored), INDOOR_MILLIMETRE)
    assert read[0, :4].tolist() == [0, 0, 0, 2.5]


@pytest.mark.parametrize(
    ("counts", "spec", "message"),
    [
        (np.full((32, 48, 3), 90, np.uint8), NYU_TRAIN, "3 of uint8"),
        (np.full((32, 48), 2500, np.uint16), NYU_TRAIN, "one channel of uint8.*1 of uint16"),
        (np.full((32, 48), 90, np.uint8), NYU_TEST, "one channel of uint16"),
        (np.zeros((32, 48), np.uint16), NYU_TEST, "must vary. Received: 0 everywhere"),
        (np.full((32, 48), 2500, np.uint16), NYU_TEST, "must vary. Received: 2500 everywhere"),
        # An 8-bit training map that was saved with 16 bits: at most 255 millimetres.
        ((RAMP * 25.5).astype(np.uint16), NYU_TEST, "median depth|valid in 50"),
        # Millimetres read as KITTI's, and KITTI's as millimetres.
        ((RAMP * 1000).astype(np.uint16), KITTI, "`kitti` must be valid in 0.05% to 50%"),
        (np.eye(32, 48, dtype=np.uint16) * 3000, NYU_TEST, "`nyu_test` must be valid in 50"),
    ],
)
def test_a_map_in_another_encoding_is_refused_by_name(tmp_path, counts, spec, message):
    path = write_png(tmp_path / "wrong.png", counts)
    with pytest.raises(ValueError, match=f"(?:{message}).*wrong.png"):
        images.read_depth(path, spec)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_files_that_are_cut_off_empty_or_no_images_are_refused_by_name(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    images.write_rgb(path, np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ValueError, match=f"photo{suffix}, cut off after"):
        images.read_rgb(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"0 bytes in .*photo{suffix}"):
        images.read_rgb(path)
    path.write_bytes(b"no image at all")
    with pytest.raises(ValueError, match=f"one that OpenCV reads.*photo{suffix}"):
        images.read_rgb(path)
    with pytest.raises(FileNotFoundError):
        images.read_rgb(tmp_path / f"missing{suffix}")


def test_a_pair_of_two_sizes_is_refused_by_both_names(tmp_path):
    images.write_rgb(tmp_path / "1.jpg", np.zeros((32, 32, 3), np.uint8))
    images.write_depth(tmp_path / "1.png", RAMP, NYU_TRAIN)
    with pytest.raises(ValueError, match="32x32 in .*1.jpg and 32x48 in .*1.png"):
        images.read_pair(tmp_path / "1.jpg", tmp_path / "1.png", NYU_TRAIN)


def test_resized_depth_is_the_mean_of_the_valid_pixels_alone():
    depth = np.full((4, 4), 2.0, np.float32)
    depth[:2, :2] = [[0, 0], [0, 8]]  # a quarter is valid
    depth[:2, 2:] = [[4, 6], [0, 5]]  # three quarters are
    np.testing.assert_allclose(images.resize_depth(depth, 2, 2), [[0, 5], [2, 2]])


def test_sparse_depth_keeps_the_nearest_measurement_of_each_pixel_and_no_mean():
    depth = np.zeros((4, 6), np.float32)
    depth[1, 0] = 8  # alone
    depth[0, 2], depth[1, 3] = 40, 6  # a wall and the car before it
    depth[3, 5] = 7
    small = images.resize_depth(depth, 2, 3, sparse=True)
    np.testing.assert_array_equal(small, [[8, 6, 0], [0, 0, 7]])
    assert small.dtype == np.float32
    # Rows of 3/2 pixels: the middle row's centre lies in the lower half.
    tall = np.array([[5, 0], [0, 9], [4, 0]], np.float32)
    np.testing.assert_array_equal(images.resize_depth(tall, 2, 1, sparse=True), [[5], [4]])


def test_sparse_depth_gains_no_measurement_by_growing():
    depth = np.zeros((32, 48), np.float32)
    depth[4::8, 3::9] = RAMP[4::8, 3::9]
    large = images.resize_depth(depth, 75, 101, sparse=True)
    assert sorted(large[large > 0]) == sorted(depth[depth > 0])


def test_a_wide_map_made_small_keeps_most_of_its_points_and_both_its_ends():
    rng = np.random.default_rng(0)
    depth = np.where(rng.random((375, 1242)) < 0.04, 10, 0).astype(np.float32)
    depth[:, [0, -1]] = 3  # a central crop would lose them
    small = images.resize_depth(depth, 192, 640, sparse=True)
    # Of n pixels under one, 1 - 0.96 ** n have a point: n is 4 for most, else 2 or 1.
    filled = np.count_nonzero(small[:, 1:-1]) / np.count_nonzero(depth[:, 2:-2])
    assert filled == pytest.approx(0.9437, abs=0.005)
    assert (small[:, [0, -1]] == 3).all()


def test_enlarged_depth_stays_within_what_was_measured():
    depth = np.where(np.arange(48) < 24, 0, RAMP).astype(np.float32)
    large = images.resize_depth(depth, 64, 96)
    assert large.dtype == np.float32
    assert large[large > 0].min() >= depth[depth > 0].min() - 1e-5
    assert not large[:, :46].any() and large[:, 50:].all()


def test_height_comes_before_width():
    rgb = np.zeros((32, 48, 3), np.uint8)
    assert images.resize_rgb(rgb, 16, 40).shape == (16, 40, 3)
    assert images.resize_depth(RAMP, 16, 40).shape == (16, 40)


def test_the_border_is_cropped_where_nyus_photos_have_it():
    marked = np.zeros((480, 640), np.uint8)
    marked[45:472, 43:608] = 1
    cropped = images.crop_border(marked, NYU_TRAIN.border)
    assert cropped.shape == (427, 565) and cropped.all()


def test_written_depth_reads_back_to_half_a_step(tmp_path):
    for spec, step in ((NYU_TRAIN, 10 / 255), (NYU_TEST, 1e-3)):
        images.write_depth(tmp_path / "map.png", RAMP, spec)
        read = images.read_depth(tmp_path / "map.png", spec)
        assert np.abs(read - RAMP).max() <= step / 2 + 1e-6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 11.0])
def test_depth_that_the_encoding_cannot_hold_is_not_written(tmp_path, bad):
    depth = RAMP.copy()
    depth[3, 3] = bad
    with pytest.raises(ValueError, match="must be finite and from 0 to 10"):
        images.write_depth(tmp_path / "map.png", depth, NYU_TRAIN)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_photo_that_shrinks_anyway_comes_at_half_its_size_as_means_of_its_pixels(
    tmp_path, suffix
):
    grey = np.random.default_rng(0).integers(60, 200, (4, 6, 1), dtype=np.uint8)
    coarse = grey.repeat(3, axis=2)
    photo, depth = tmp_path / f"photo{suffix}", tmp_path / "depth.png"
    images.write_rgb(photo, cv2.resize(coarse, (48, 32), interpolation=cv2.INTER_CUBIC))
    images.write_depth(depth, RAMP, NYU_TRAIN)
    whole, depth_m = images.read_pair(photo, depth, NYU_TRAIN, least=(17, 20))
    half, same_depth_m = images.read_pair(photo, depth, NYU_TRAIN, least=(16, 24))
    assert whole.shape == (32, 48, 3) and half.shape == (16, 24, 3)
    assert (depth_m == same_depth_m).all() and depth_m.shape == (32, 48)
    means = whole.reshape(16, 2, 24, 2, 3).astype(float).mean((1, 3))
    assert np.abs(half - means).mean() < 2


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("lacking", [(1, 0), (0, 1), (1, 1)])
def test_a_photo_that_lacks_a_row_or_a_column_is_no_pair_at_any_size(tmp_path, suffix, lacking):
    photo, depth = tmp_path / f"a{suffix}", tmp_path / "b.png"
    height, width = 32 - lacking[0], 48 - lacking[1]
    images.write_rgb(photo, np.zeros((height, width, 3), np.uint8))
    images.write_depth(depth, RAMP, NYU_TRAIN)
    for least in (None, (16, 24), (8, 12), (40, 60)):
        with pytest.raises(ValueError, match=f"one size. Received: {height}x{width} in .* 32x48"):
            images.read_pair(photo, depth, NYU_TRAIN, least)


def test_a_photo_that_lies_is_a_pair_with_an_upright_map(tmp_path):
    stored, depth = np.zeros((48, 32, 3), np.uint8), tmp_path / "b.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif)
    images.write_depth(depth, RAMP, NYU_TRAIN)
    for least, shape in ((None, (32, 48, 3)), ((16, 24), (16, 24, 3))):
        assert images.read_pair(tmp_path / "a.jpg", depth, NYU_TRAIN, least)[0].shape == shape
    Image.fromarray(stored).save(tmp_path / "a.jpg")
    for least in (None, (16, 24)):
        with pytest.raises(ValueError, match="one size. Received: 48x32"):
            images.read_pair(tmp_path / "a.jpg", depth, NYU_TRAIN, least)


def test_a_photo_of_half_the_maps_size_is_no_pair_at_any_size(tmp_path):
    images.write_rgb(tmp_path / "a.png", np.zeros((16, 24, 3), np.uint8))
    images.write_depth(tmp_path / "b.png", RAMP, NYU_TRAIN)
    for least in (None, (8, 12)):
        with pytest.raises(ValueError, match="one size. Received: 16x24 in .* and 32x48 in"):
            images.read_pair(tmp_path / "a.png", tmp_path / "b.png", NYU_TRAIN, least)
