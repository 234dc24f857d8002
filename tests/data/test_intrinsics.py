import numpy as np
import pytest
from PIL import Image

from depthlib.data.photos import find_focals, read_focal

EXIF_IFD, ORIENTATION = 0x8769, 0x0112
PHONE = {0xA405: 26}  # FocalLengthIn35mmFilm of a phone's main camera


def write_photo(path, tags, height=30, width=40, orientation=None):
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD).update(tags)
    if orientation:
        exif[ORIENTATION] = orientation
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path, exif=exif)
    return path


def test_a_phones_equivalent_focal_length_is_that_of_the_same_diagonal(tmp_path):
    # 26 mm on film of 43.27 mm across; a photo of 4:3 is 4/5 of its diagonal wide.
    path = write_photo(tmp_path / "phone.jpg", PHONE)
    assert read_focal(path) == pytest.approx(26 / 43.27 * 5 / 4, abs=1e-3)


def test_a_photo_that_is_shown_upright_has_its_own_width(tmp_path):
    path = write_photo(tmp_path / "upright.jpg", PHONE, orientation=6)
    assert read_focal(path) == pytest.approx(26 / 43.27 * 5 / 3, abs=1e-3)


@pytest.mark.parametrize(("unit", "length"), [(2, 25.4), (3, 10.0), (4, 1.0), (None, 25.4)])
def test_a_cameras_focal_length_counts_in_pixels_of_its_sensor(tmp_path, unit, length):
    # 50 mm before 6000 pixels on 36 mm; the photo was resized to 48 since.
    tags = {0x920A: 50.0, 0xA20E: 6000 / 36 * length, 0xA002: 6000}
    tags |= {0xA210: unit} if unit else {}
    path = write_photo(tmp_path / "camera.jpg", tags, height=32, width=48)
    assert read_focal(path) == pytest.approx(50 / 36, rel=1e-3)


@pytest.mark.parametrize("tags", [{}, {0xA405: 0}, {0x920A: 50.0}, {0x920A: 50.0, 0xA20E: 0.0}])
def test_an_exif_without_a_focal_length_says_what_to_give(tmp_path, tags):
    path = write_photo(tmp_path / "bare.jpg", tags)
    with pytest.raises(ValueError, match="FocalLengthIn35mmFilm.*neither in .*bare.jpg. Give its"):
        read_focal(path)


def test_what_is_no_photo_is_refused(tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(ValueError, match="must be an image. Received: .*text.jpg"):
        read_focal(tmp_path / "text.jpg")
    with pytest.raises(FileNotFoundError, match="absent.jpg"):
        read_focal(tmp_path / "absent.jpg")


def test_each_photo_has_its_own_focal_length_or_all_the_one_that_is_given(tmp_path):
    paths = [write_photo(tmp_path / f"{n}.jpg", {0xA405: n}) for n in (26, 52)]
    one, other = find_focals(paths, "exif")
    assert other == pytest.approx(2 * one)
    assert find_focals(paths, 0.58) == [0.58, 0.58]
    assert find_focals(paths, None) == [None, None]
