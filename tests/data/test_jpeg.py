import io
import struct
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from depthlib.data import images, jpeg

RNG = np.random.default_rng(0)
KINDS = {
    "baseline": {},
    "fine": {"quality": 95, "subsampling": 0},
    "optimised": {"optimize": True},
    "restarts": {"restart_marker_blocks": 4},
    "progressive": {"progressive": True},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
    "flat": {"value": 90},
    "flat progressive": {"value": 90, "progressive": True},
}
END = b"\xff\xd9"
VIDEO = b"\0\0\0\x18ftypmp42" + RNG.bytes(2000) + b"\xff\xda\xff\xd9" + RNG.bytes(2000)
BEHIND = {
    "nothing": b"",
    "a video": VIDEO,
    "zeros": bytes(3000),
    "a text": b"SEFH, as phones write it",
    "an end mark": END,
    "a byte": b"\xff",
}


def write(mode="RGB", value=None, **options):
    """The bytes of a JPEG of 64x96, a smooth picture with noise or one value everywhere."""
    smooth = cv2.resize(RNG.integers(0, 255, (8, 12, 3), np.uint8), (96, 64))
    noisy = np.clip(smooth + RNG.normal(0, 6, smooth.shape), 0, 255)
    pixels = noisy if value is None else np.full_like(noisy, value)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    def read(data):
        path = tmp_path / "photo.jpg"
        path.write_bytes(data)
        return images.read_rgb(path)

    return read


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_a_photo_does_not_matter_nor_does_its_end_mark(read, kind):
    whole = write(**KINDS[kind])
    assert whole.endswith(END)
    expected = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR_RGB)
    for name, more in BEHIND.items():
        np.testing.assert_array_equal(read(whole + more), expected, name)
    for name in ("nothing", "zeros", "a byte"):
        np.testing.assert_array_equal(read(whole[:-2] + BEHIND[name]), expected, name)
    np.testing.assert_array_equal(read(whole[:-2] + b"\xff\xff\xff\xd9"), expected)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "flat" not in kind])
@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_photo_that_lacks_a_part_is_refused_by_name_whatever_follows(read, kind, behind, share):
    whole = write(**KINDS[kind])
    with pytest.raises(ValueError, match="photo.jpg, cut off after"):
        read(whole[: round(share * len(whole))] + BEHIND[behind])


@pytest.mark.parametrize("kind", ["baseline", "fine", "optimised", "restarts", "progressive"])
def test_a_photo_that_lacks_its_last_pixels_is_refused(read, kind):
    whole = write(**KINDS[kind])
    for lost in (8, 20, 40, 60):  # the end mark's two bytes included
        with pytest.raises(ValueError, match="photo.jpg, cut off after"):
            read(whole[:-lost])


HOLED = {
    "baseline": {},
    "fine": {"quality": 95, "subsampling": 0},
    "optimised": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
    "grey": {"mode": "L"},
}


@pytest.fixture(scope="module")
def picture(project):
    return Image.open(project / "datasets/sample/nyu2_test/00003_colors.png").convert("RGB")


@pytest.mark.parametrize("kind", HOLED)
@pytest.mark.parametrize("share", [0.25, 0.03])
def test_a_part_of_zeros_is_refused_or_warned_of_by_the_files_name(read, picture, kind, share):
    options = dict(HOLED[kind])
    file = io.BytesIO()
    picture.convert(options.pop("mode", "RGB")).save(file, "JPEG", **options)
    whole = file.getvalue()
    start = whole.index(b"\xff\xda") + 20
    length = round(share * (len(whole) - start))
    warned = 0
    for place in np.linspace(start, len(whole) - 2 - length, 6).astype(int).tolist():
        damaged = whole[:place] + bytes(length) + whole[place + length :]
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                read(damaged)
            except ValueError as error:
                assert "photo.jpg" in str(error)
                continue
        assert ["A part of" in str(one.message) for one in heard] == [True]
        assert "photo.jpg seems lost" in str(heard[0].message)
        warned += 1
    assert warned or share > 0.1 or kind in ("baseline", "optimised", "grey")


@pytest.mark.parametrize("kind", HOLED)
@pytest.mark.parametrize("value", [0, 90, 255])
def test_zeros_that_are_a_flat_area_are_no_reason_to_warn(read, kind, value):
    pixels = np.full((240, 320, 3), value, np.uint8)
    pixels[60:90, 100:150] = RNG.integers(0, 255, (30, 50, 3))
    options = dict(HOLED[kind])
    file = io.BytesIO()
    Image.fromarray(pixels).convert(options.pop("mode", "RGB")).save(file, "JPEG", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(file.getvalue()).shape == pixels.shape


def test_real_photos_are_read_without_a_warning(shared):
    photos = sorted(shared.glob("data/**/*.jpg"))[::200]
    assert photos
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for photo in photos:
            images.read_rgb(photo)


def test_a_thumbnail_is_not_taken_for_the_photo(read):
    small, whole = write(value=9), write()
    segment = b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small
    photo = whole[:2] + segment + whole[2:]
    np.testing.assert_array_equal(read(photo), read(whole))
    assert jpeg.read_jpeg(photo)[:2] == (64, 96)
    with pytest.raises(ValueError, match="cut off after"):
        read(photo[: len(segment) + 400])


def test_a_progressive_photo_that_lacks_whole_scans_is_refused(read):
    whole = write(progressive=True)
    starts = [n for n in range(len(whole)) if whole[n : n + 2] == b"\xff\xda"]
    for start in starts[2:]:
        with pytest.raises(ValueError, match="photo.jpg, cut off after"):
            read(whole[:start] + END)


def test_more_scans_than_any_program_writes_are_refused(read):
    whole = write(progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    with pytest.raises(ValueError, match="at most 100 scans. Received: .*photo.jpg"):
        read(whole[:-2] + last * 99 + END)


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xda\0\x08\1"])
def test_a_header_alone_is_no_photo(read, data):
    with pytest.raises(EOFError):
        jpeg.read_jpeg(data)
    with pytest.raises(ValueError, match="photo.jpg, cut off after"):
        read(data)
