from dataclasses import replace

import cv2
import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from depthlib.data import images
from depthlib.data.dataset_file import make_spec
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
        (np.arange(4608, dtype=np.uint8).reshape(32, 48, 3), NYU_TRAIN, "3 of uint8"),
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


def test_a_border_beyond_an_image_mirrors_it():
    row = np.arange(8, dtype=np.uint16)[None]
    assert images.crop_border(row, (0, 1, -0.25, 1.5)).tolist() == [
        [2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3]
    ]
    assert images.crop_border(row.T, (-0.125, 0.5, 0, 1)).ravel().tolist() == [1, 0, 1, 2, 3]
    rgb = np.zeros((4, 6, 3), np.uint8)
    assert images.crop_border(rgb, (0, 1, -2, 3)).shape == (4, 30, 3)


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
        with pytest.raises(
            ValueError, match=f"of one size. Received: {height}x{width} in .* 32x48"
        ):
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
        with pytest.raises(ValueError, match="of one size. Received: 48x32"):
            images.read_pair(tmp_path / "a.jpg", depth, NYU_TRAIN, least)


def test_a_photo_of_half_the_maps_size_is_no_pair_at_any_size(tmp_path):
    images.write_rgb(tmp_path / "a.png", np.zeros((16, 24, 3), np.uint8))
    images.write_depth(tmp_path / "b.png", RAMP, NYU_TRAIN)
    for least in (None, (8, 12)):
        with pytest.raises(ValueError, match="of one size. Received: 16x24 in .* and 32x48 in"):
            images.read_pair(tmp_path / "a.png", tmp_path / "b.png", NYU_TRAIN, least)


MILLIMETRES = make_spec("own", metres_per_count=0.001)


ENCODED = {
    "u16.png": (lambda m: np.rint(m * 1000).astype(np.uint16), {"metres_per_count": 0.001}),
    "tum.png": (lambda m: np.rint(m * 5000).astype(np.uint16), {"metres_per_count": 0.0002}),
    "u8.png": (
        lambda m: np.rint(m * 25.5).astype(np.uint8),
        {"depth_dtype": "uint8", "metres_per_count": 10 / 255},
    ),
    "u16.tiff": (lambda m: np.rint(m * 4000).astype(np.uint16), {"metres_per_count": 0.00025}),
    "i16.tiff": (
        lambda m: np.rint(m * 1000).astype(np.int16),
        {"depth_dtype": "int16", "metres_per_count": 0.001},
    ),
    "u32.npy": (
        lambda m: np.rint(m * 1e6).astype(np.uint32),
        {"depth_dtype": "uint32", "metres_per_count": 1e-6},
    ),
    "i64.npy": (
        lambda m: np.rint(m * 1000).astype(np.int64),
        {"depth_dtype": "int64", "metres_per_count": 0.001},
    ),
    "f32.tiff": (lambda m: m, {"depth_dtype": "float32"}),
    "f64.tiff": (lambda m: m.astype(np.float64), {"depth_dtype": "float64"}),
    "big.tif": (lambda m: m.astype(">f4"), {"depth_dtype": "float32"}),
    "half.tif": (lambda m: m.astype(np.float16), {"depth_dtype": "float16"}),
    "f32.pfm": (lambda m: m, {"depth_dtype": "float32"}),
    "f16.npy": (lambda m: m.astype(np.float16), {"depth_dtype": "float32"}),
    "mm.npy": (lambda m: m * 1000, {"depth_dtype": "float32", "metres_per_count": 0.001}),
    "sun.png": (
        lambda m: turn_bits(np.rint(m * 1000).astype(np.uint16)),
        {"encoding": "sunrgbd", "metres_per_count": 0.001},
    ),
    "disparity.pfm": (
        lambda m: np.float32(300) / m,
        {"encoding": "disparity", "focal_baseline": 300},
    ),
    "disparity.png": (
        lambda m: np.rint(200 / m * 256 + 1).astype(np.uint16),
        {
            "encoding": "disparity",
            "depth_dtype": "uint16",
            "focal_baseline": 200,
            "pixels_per_count": 1 / 256,
            "count_offset": -1,
        },
    ),
    "inverse.npy": (lambda m: 1 / m, {"encoding": "disparity", "focal_baseline": 1}),
}


@pytest.mark.parametrize("counts", [(0, 65535), (0, -1), (0, 254.5), (0,)])
def test_an_invalid_count_that_the_type_cannot_hold_is_no_other(tmp_path, counts):
    stored = np.arange(48, dtype=np.uint8).reshape(6, 8)
    stored[0] = 255
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    spec = make_spec(
        "own", depth_dtype="uint8", metres_per_count=10 / 255, max_depth=10, invalid_counts=counts
    )
    read = images.read_depth(tmp_path / "a.png", spec)
    np.testing.assert_allclose(read[0], 10, rtol=1e-6)
    spec = replace(spec, invalid_counts=(0, 255))
    assert (images.read_depth(tmp_path / "a.png", spec)[0] == 0).all()


@pytest.mark.parametrize(
    ("size", "photo", "confidence", "is_taken"),
    [
        ((24, 32), 3, None, False), ((24, 32), 3, 3, True), ((24, 32), None, 2, False),
        ((24, 24), 6, None, False), ((24, 24), 6, 6, True), ((24, 32), 1, None, True),
    ],
)  # fmt: skip
def test_exif_turns_a_confidence_map_as_its_photo(tmp_path, size, photo, confidence, is_taken):
    for name, orientation, mode in (("rgb", photo, "RGB"), ("c", confidence, "L")):
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        Image.new(mode, size[::-1]).save(tmp_path / f"{name}.png", exif=exif)
    if is_taken:
        images.check_confidence(tmp_path / "c.png", tmp_path / "rgb.png")
        return
    with pytest.raises(ValueError, match="turn a photo and its confidence map alike. Received: EX"):
        images.check_confidence(tmp_path / "c.png", tmp_path / "rgb.png")


@pytest.mark.parametrize("scale", [b"-1.0", b"-2", b"-0.5", b"-0.003922", b"2.0"])
def test_the_scale_of_a_pfm_is_its_order_of_bytes_alone(tmp_path, scale):
    depth = np.linspace(0.5, 9, 48, dtype=np.float32).reshape(6, 8)
    order = "<" if scale.startswith(b"-") else ">"
    rows = depth[::-1].astype(f"{order}f4").tobytes()  # from below
    (tmp_path / "a.pfm").write_bytes(b"Pf\n8 6\n" + scale + b"\n" + rows)
    read = images.read_stored(tmp_path / "a.pfm")
    np.testing.assert_allclose(read, depth, rtol=1e-6)


def turn_bits(millimetres):
    """As SUN RGB-D's writer does: its reader is bitor(bitshift(d, -3), bitshift(d, 13))."""
    return ((millimetres << 3) | (millimetres >> 13)).astype(np.uint16)


def write_stored(path, stored):
    if path.suffix == ".npy":
        np.save(path, stored)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, stored, byteorder=">")
    else:
        assert cv2.imwrite(str(path), stored)
    return path


@pytest.mark.parametrize("name", ENCODED)
def test_each_way_to_store_depth_gives_its_metres(tmp_path, name):
    encode, fields = ENCODED[name]
    read = images.read_depth(
        write_stored(tmp_path / name, encode(RAMP)), make_spec("own", **fields)
    )
    assert read.dtype == np.float32 and read.flags.c_contiguous
    np.testing.assert_allclose(read, RAMP, rtol=0.02 if name == "u8.png" else 0.001)


def test_a_turned_number_of_sun_rgbds_is_the_one_that_its_toolbox_reads(tmp_path):
    stored = np.array([[16000, 16008], [24001, 0]], np.uint16).repeat(16, 0).repeat(24, 1)
    spec = make_spec("sun", encoding="sunrgbd", metres_per_count=0.001, max_depth=15)
    read = images.read_depth(write_stored(tmp_path / "a.png", stored), spec)
    assert np.unique(read).tolist() == pytest.approx([0, 2.0, 2.001, 11.192])  # 24001 >> 3 + 8192


@pytest.mark.parametrize("invalid", [0, -1, np.nan, np.inf, -np.inf, 1e10])
def test_what_a_map_of_floats_did_not_measure_is_zero(tmp_path, invalid):
    stored = RAMP.copy()
    stored[:4] = invalid
    for spec in (
        make_spec("own", depth_dtype="float32", invalid_counts=[0, 1e10]),
        make_spec("own", encoding="disparity", focal_baseline=10, invalid_counts=[1e10]),
    ):
        read = images.read_depth(write_stored(tmp_path / "a.npy", stored), spec)
        assert not read[:4].any() and (read[4:] > 0).all()


def test_65535_that_is_not_said_to_be_invalid_is_refused_where_there_is_much_of_it(tmp_path):
    stored = (RAMP * 1000).astype(np.uint16)
    stored[:8] = 65535
    path = write_stored(tmp_path / "a.png", stored)
    message = r"outside 0.1 to 10 \(metre\). Received: 25.0% in .*a.png.*counts are invalid"
    with pytest.raises(ValueError, match=message):
        images.read_depth(path, MILLIMETRES)
    read = images.read_depth(path, replace(MILLIMETRES, invalid_counts=(0, 65535)))
    assert not read[:8].any() and read[8:].all()
    write_stored(path, np.full((32, 48), 65535, np.uint16))
    with pytest.raises(ValueError, match="must vary. Received: 65535 everywhere in .*a.png"):
        images.read_depth(path, MILLIMETRES)


@pytest.mark.parametrize("scale", [5000, 4000])
def test_another_sensors_scale_is_told_by_what_lies_beyond_the_range(tmp_path, scale):
    path = write_stored(tmp_path / "a.png", (RAMP * 0.35 * scale).astype(np.uint16))
    with pytest.raises(ValueError, match="outside 0.1 to 10.*Received: .*a.png, with a median"):
        images.read_depth(path, INDOOR_MILLIMETRE)


def test_the_median_is_judged_before_what_is_far_is_cut_off(tmp_path):
    stored = np.where(np.arange(48) < 20, RAMP, 40 + RAMP).astype(np.float32)
    path = write_stored(tmp_path / "a.npy", stored)
    spec = make_spec("own", depth_dtype="float32", most_outside=1)
    with pytest.raises(ValueError, match=r"must be 0.1 to 10 \(metre\). Received: 4\d.*a.npy"):
        images.read_depth(path, spec)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.full((32, 48), np.nan, np.float32), "must vary. Received: nan everywhere"),
        (np.full((32, 48), 2.5, np.float32), "must vary. Received: 2.5 everywhere"),
        (np.where(RAMP > 8.99, RAMP, np.nan), "Received: 0.1"),
        (RAMP * 1000, "median depth"),
        ((RAMP * 1000).astype(np.uint16), "one channel of float32. Received: 1 of uint16"),
        (np.stack([RAMP, RAMP, RAMP + 1], 2), "one channel of float32. Received: 3 of float32"),
    ],
)
def test_a_map_of_floats_that_cannot_be_right_is_refused_by_name(tmp_path, stored, message):
    path = write_stored(tmp_path / "a.npy", stored)
    with pytest.raises(ValueError, match=f"{message}.*a.npy"):
        images.read_depth(path, make_spec("own", depth_dtype="float32"))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
@pytest.mark.parametrize("alpha", [0, 1])
def test_a_map_saved_as_grey_colours_is_read_and_other_colours_are_refused(tmp_path, name, alpha):
    counts = np.rint(RAMP * 1000).astype(np.uint16)
    opaque = [np.full_like(counts, 65535)] * (alpha and name != "a.npy")
    path, spec = tmp_path / name, make_spec("own", metres_per_count=0.001)
    write_stored(path, np.stack([counts] * 3 + opaque, 2))
    np.testing.assert_allclose(images.read_depth(path, spec), RAMP, atol=0.0006)
    write_stored(path, np.stack([counts, counts, counts + 1, *opaque], 2))
    with pytest.raises(ValueError, match=f"one channel of uint16. Received: [34].*{name}"):
        images.read_depth(path, spec)


LOSSY = {
    "a JPEG": ("JPEG", {}),
    "lossy WebP": ("WEBP", {}),
    "lossy JPEG 2000": ("JPEG2000", {"irreversible": True}),
    "a HEIC or AVIF": ("AVIF", {}),
    "a TIFF of JPEGs": ("TIFF", {"compression": "jpeg"}),
}
LOSSLESS = {
    "PNG": {}, "WEBP": {"lossless": True}, "JPEG2000": {}, "BMP": {}, "PPM": {},
    "TIFF": {"compression": "tiff_lzw"},
}  # fmt: skip


@pytest.mark.parametrize("kind", LOSSY)
@pytest.mark.parametrize("name", ["map.png", "map.webp", "map"])
def test_a_map_with_loss_is_refused_whatever_its_name_says(tmp_path, kind, name):
    form, options = LOSSY[kind]
    grey = Image.fromarray((RAMP * 25).astype(np.uint8)).convert("RGB")
    grey.save(tmp_path / name, form, **options)
    with pytest.raises(ValueError, match=f"stored without loss.* Received: {kind} in .*{name}"):
        images.read_stored(tmp_path / name)
    assert images.read_rgb(tmp_path / name).shape == (32, 48, 3)  # which a photo may be


@pytest.mark.parametrize("form", LOSSLESS)
def test_a_map_without_loss_is_read_whatever_its_name_says(tmp_path, form):
    counts = (RAMP * 25).astype(np.uint8)
    grey = Image.fromarray(counts)
    grey = grey.convert("RGB") if form == "WEBP" else grey
    grey.save(tmp_path / "map.png", form, **LOSSLESS[form])
    np.testing.assert_array_equal(images.read_stored(tmp_path / "map.png"), counts)


def test_a_map_whose_name_says_that_it_is_a_jpeg_is_read(tmp_path):
    counts = (RAMP * 25).astype(np.uint8)
    Image.fromarray(counts).save(tmp_path / "map.jpg", quality=95)
    stored = images.read_stored(tmp_path / "map.jpg")
    assert np.abs(stored.astype(int) - counts).max() < 9


def test_a_tiff_of_several_maps_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([RAMP, RAMP]))
    with pytest.raises(ValueError, match="alone in its file. Received: 2 pages in .*a.tif"):
        images.read_depth(tmp_path / "a.tif", make_spec("own", depth_dtype="float32"))


def test_a_photo_of_floats_is_still_refused(tmp_path):
    path = write_stored(tmp_path / "a.tiff", RAMP)
    with pytest.raises(ValueError, match="8 or 16 bits a channel.*a.tiff"):
        images.read_rgb(path)


def test_a_spec_that_no_png_holds_is_not_written(tmp_path):
    spec = make_spec("own", depth_dtype="float32")
    with pytest.raises(ValueError, match="8 or 16-bit counts. Received: depth as float32.*a.png"):
        images.write_depth(tmp_path / "a.png", RAMP, spec)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (48, 72), (65, 97)])
def test_a_larger_photo_is_brought_to_its_maps_view_by_area(tmp_path, height, width):
    coarse = np.random.default_rng(0).integers(60, 200, (4, 6, 3), dtype=np.uint8)
    images.write_rgb(tmp_path / "a.png", cv2.resize(coarse, (width, height)))
    images.write_depth(tmp_path / "b.png", RAMP, INDOOR_MILLIMETRE)
    pair = tmp_path / "a.png", tmp_path / "b.png", INDOOR_MILLIMETRE
    rgb, depth = images.read_pair(*pair)
    assert rgb.shape == (32, 48, 3) and depth.shape == (32, 48)
    assert np.abs(rgb - cv2.resize(coarse, (48, 32)).astype(float)).mean() < 1.5
    half, _ = images.read_pair(*pair, least=(16, 24))
    assert half.shape == (16, 24, 3)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 64), (40, 48), (32, 96), (16, 24)])
def test_a_photo_of_another_shape_or_smaller_is_refused_with_both_sizes(tmp_path, height, width):
    images.write_rgb(tmp_path / "a.png", np.zeros((height, width, 3), np.uint8))
    images.write_depth(tmp_path / "b.png", RAMP, INDOOR_MILLIMETRE)
    with pytest.raises(ValueError, match=f"{height}x{width} in .*a.png and 32x48 in .*b.png"):
        images.read_pair(tmp_path / "a.png", tmp_path / "b.png", INDOOR_MILLIMETRE)


def write_turned(path, image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(
        path, exif=exif, **({"quality": 95} if path.suffix == ".jpg" else {})
    )


@pytest.mark.parametrize("orientation", [2, 3, 4])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_photo_that_exif_turns_beside_a_map_without_is_refused(tmp_path, suffix, orientation):
    write_turned(tmp_path / f"a{suffix}", np.zeros((32, 48, 3), np.uint8), orientation)
    images.write_depth(tmp_path / "b.png", RAMP, INDOOR_MILLIMETRE)
    message = f"EXIF.*orientation {orientation} in .*a{suffix} and 1 in"
    for least in (None, (16, 24)):
        with pytest.raises(ValueError, match=message):
            images.read_pair(tmp_path / f"a{suffix}", tmp_path / "b.png", INDOOR_MILLIMETRE, least)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_map_that_lies_as_its_photo_is_stored_is_turned_alike(tmp_path, orientation, scale):
    stored = cv2.resize((RAMP * 20).astype(np.uint8), None, fx=scale, fy=scale)
    write_turned(tmp_path / "a.jpg", np.stack([stored] * 3, 2), orientation)
    images.write_depth(tmp_path / "b.png", RAMP, INDOOR_MILLIMETRE)
    rgb, depth = images.read_pair(tmp_path / "a.jpg", tmp_path / "b.png", INDOOR_MILLIMETRE)
    assert rgb.shape[:2] == depth.shape == (48, 32)
    assert np.abs(rgb[..., 0] / 20 - depth).max() < 0.3  # the picture is of the map
    assert not np.allclose(depth, RAMP.T) or orientation == 5


@pytest.mark.parametrize("orientation", range(2, 9))
def test_photo_and_map_of_one_exif_orientation_are_turned_alike(tmp_path, orientation):
    write_turned(tmp_path / "a.jpg", np.stack([(RAMP * 20).astype(np.uint8)] * 3, 2), orientation)
    write_turned(tmp_path / "b.png", (RAMP * 25.5).astype(np.uint8), orientation)
    rgb, depth = images.read_pair(tmp_path / "a.jpg", tmp_path / "b.png", NYU_TRAIN)
    assert rgb.shape[:2] == depth.shape == ((32, 48) if orientation < 5 else (48, 32))
    assert np.abs(rgb[..., 0] / 20 - depth).max() < 0.3


@pytest.mark.parametrize(("photo", "map_"), [(6, 8), (1, 3), (3, 1), (2, 4)])
def test_square_pairs_and_turns_that_differ_are_refused_with_the_word_exif(tmp_path, photo, map_):
    square = np.stack([(RAMP[:, :32] * 20).astype(np.uint8)] * 3, 2)
    write_turned(tmp_path / "a.jpg", square, photo)
    write_turned(tmp_path / "b.png", square[..., 0], map_)
    with pytest.raises(ValueError, match=f"EXIF.*{photo} in .*a.jpg and {map_} in .*b.png"):
        images.read_pair(tmp_path / "a.jpg", tmp_path / "b.png", NYU_TRAIN)


def test_a_photo_and_a_map_in_one_h5_are_a_pair(tmp_path):
    with h5py.File(tmp_path / "1.h5", "w") as file:
        file["rgb"], file["depth"] = np.full((3, 64, 96), 90, np.uint8), RAMP
    spec = make_spec("own", depth_dtype="float32")
    for depth_path in (tmp_path / "1.h5", tmp_path / "1.h5" / "depth"):
        rgb, depth = images.read_pair(tmp_path / "1.h5" / "rgb", depth_path, spec)
        assert (rgb == 90).all() and rgb.shape == (32, 48, 3)
        np.testing.assert_array_equal(depth, RAMP)
    with pytest.raises(ValueError, match="uint8 RGB.*float32"):
        images.read_rgb(tmp_path / "1.h5" / "depth")


def test_the_size_of_a_photo_in_a_file_of_arrays_is_told(tmp_path):
    np.savez(tmp_path / "room.npz", rgb=np.zeros((3, 24, 32, 3), np.uint8))
    assert images.read_size(tmp_path / "room.npz/rgb/2") == (24, 32)
