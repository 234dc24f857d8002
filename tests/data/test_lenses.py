import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from depthlib.data import photos
from depthlib.data.images import read_rgb, read_size
from depthlib.data.intrinsics import read_camera
from depthlib.data.lenses import FocalRequest, find_focals, find_lens, parse_focal, read_focal

EXIF_IFD, ORIENTATION = 0x8769, 0x0112
FILM, FOCAL, ZOOM, X, Y, RESOLUTION, UNIT = (
    0xA405, 0x920A, 0xA404, 0xA002, 0xA003, 0xA20E, 0xA210,
)  # fmt: skip
PHONE = {FILM: 26}  # FocalLengthIn35mmFilm of a phone's main camera
TAKEN = {FILM: 26, X: 400, Y: 300}  # by a phone whose photos are 500 pixels across
PHONE_PIXELS = 26 / 43.2666 * 500  # focal length of that phone: 300.5 pixels
CAMERA = {FOCAL: 50.0, RESOLUTION: 600 / 36 * 10, UNIT: 3, X: 600, Y: 400}  # 36 mm wide; in cm
EXIF = parse_focal("exif")


def write_photo(path, tags, height=30, width=40, orientation=None, main=None, **options):
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD).update(tags)
    exif[EXIF_IFD] = exif.get_ifd(EXIF_IFD)  # else some of Pillow's writers leave it out
    exif.update(main or {})
    if orientation is not None:
        exif[ORIENTATION] = orientation
    image = Image.fromarray(np.zeros((height, width, 3), np.uint8))
    image.save(path, **({"exif": exif} | options))
    return path


# What a user writes.


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("0.75", "share", 0.75),
        (0.75, "share", 0.75),
        (np.float32(0.5), "share", 0.5),
        (".2", "share", 0.2),
        (10, "share", 10),
        ("26mm", "mm", 26),
        (" 26.5 MM ", "mm", 26.5),
        ("518px", "px", 518),
        ("5.18e2 px", "px", 518),
        ("exif", "exif", 0),
        ("EXIF", "exif", 0),
        ("none", "none", 0),
        (None, "none", 0),
    ],
)
def test_a_focal_length_has_a_unit_or_is_a_share_of_the_width(text, unit, value):
    assert parse_focal(text) == FocalRequest(unit, value)


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        (26, "Received: 26, which no lens has .did you mean 26mm."),
        ("26", "did you mean 26mm."),
        ("50.0", "did you mean 50mm."),
        ("2268", "did you mean 2268px."),
        ("518", "did you mean 518px."),
        ("2268mm", "did you mean 2268px."),
        ("0.75mm", "did you mean 0.75."),
        ("0.81px", "did you mean 0.81."),
        ("26 furlongs", "Received: '26 furlongs', of the unit 'furlongs' .did you mean 26mm."),
        ("2268pixels", "of the unit 'pixels' .did you mean 2268px."),
        ("75%", "of the unit '%' .did you mean 75mm."),
    ],
)
def test_a_value_of_another_unit_is_refused_with_the_unit_that_makes_a_lens(text, guess):
    with pytest.raises(ValueError, match=f"`focal` must be .* 0.2 to 10 .*{guess}"):
        parse_focal(text)


@pytest.mark.parametrize("unit", ["", "mm", "px"])
@pytest.mark.parametrize("value", ["0", "-1", "-26", "nan", "inf", "-inf", "Infinity", "1e400"])
def test_what_is_no_length_is_refused_in_each_unit(value, unit):
    with pytest.raises(ValueError, match=f"Received: {value}{unit}, which no lens has.* 26mm"):
        parse_focal(value + unit)


@pytest.mark.parametrize(
    "text", [0.19, 10.1, "4.25mm", "7.1mm", "mm", "", " ", "auto", "0,75", "calibration.yml"]
)
def test_other_words_and_lengths_are_refused(text):
    with pytest.raises(ValueError, match="`focal` must be .*26mm.*518px.*exif or none. Received"):
        parse_focal(text)


@pytest.mark.parametrize("value", [True, [26], b"26mm", {}])
def test_what_is_neither_a_number_nor_a_word_is_refused(value):
    with pytest.raises(ValueError, match="`focal` must be"):
        parse_focal(value)


# What is asked for, for one photo.


def test_a_share_is_that_of_every_photo_and_opens_none(tmp_path):
    lens = find_lens(tmp_path / "absent.jpg", parse_focal(0.58))
    assert (lens.focal, lens.source, lens.note) == (0.58, "given", "")
    lens = find_lens(tmp_path / "absent.jpg", parse_focal(None))
    assert (lens.focal, lens.source, lens.note) == (None, "unknown", "")


@pytest.mark.parametrize(
    ("height", "width", "share"),
    # 26 mm on film of 43.27 mm across: the diagonal over the width is 5/4, 5/3 and 13/12.
    [(30, 40, 0.7511), (40, 30, 1.0015), (50, 120, 0.6510)],
)
def test_millimetres_are_those_of_film_of_the_same_diagonal(height, width, share):
    lens = find_lens((height, width), parse_focal("26mm"))
    assert lens.focal == pytest.approx(share, abs=1e-4)
    assert lens.source == "given"


def test_pixels_are_those_of_the_photo_as_it_is_shown(tmp_path):
    assert find_lens((480, 640), parse_focal("518px")).focal == pytest.approx(518 / 640)
    path = write_photo(tmp_path / "upright.jpg", {}, height=30, width=40, orientation=6)
    assert find_lens(path, parse_focal("36px")).focal == pytest.approx(36 / 30)
    assert find_lens(path, parse_focal("26mm")).focal == pytest.approx(1.0015, abs=1e-4)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_as_wide_as_its_pixels_are_read(tmp_path, suffix, orientation):
    path = write_photo(tmp_path / f"photo.{suffix}", PHONE, orientation=orientation)
    width = 30 if orientation > 4 else 40
    assert read_rgb(path).shape[1] == width
    assert find_lens(path, parse_focal("36px")).focal == pytest.approx(36 / width)
    assert read_focal(path) == pytest.approx(26 / 43.2666 * 50 / width, abs=1e-4)


XMP = '<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
@pytest.mark.parametrize("orientation", [None, 1, 3, 8])
def test_xmp_turns_neither_the_pixels_nor_the_focal_length(tmp_path, suffix, orientation):
    options = {"xmp": XMP.encode()}
    if suffix == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        options = {"pnginfo": info}
    if suffix == "tif":
        options = {"main": {700: XMP.encode()}}
    path = write_photo(tmp_path / f"photo.{suffix}", PHONE, orientation=orientation, **options)
    plain = write_photo(tmp_path / f"plain.{suffix}", PHONE, orientation=orientation)
    if orientation is None:  # the premise: there Pillow takes it for EXIF's
        with Image.open(path) as image:
            assert image.getexif()[ORIENTATION] == 6
    assert read_rgb(path).shape == read_rgb(plain).shape
    assert read_size(path) == read_size(plain) == read_rgb(path).shape[:2]
    for word in ("exif", "26mm", "36px"):
        assert find_lens(path, parse_focal(word)) == find_lens(plain, parse_focal(word))
    width = 30 if orientation == 8 else 40
    assert read_focal(path) == pytest.approx(26 / 43.2666 * 50 / width, abs=1e-4)


def test_exif_in_a_pngs_text_turns_neither_the_pixels_nor_the_focal_length(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD).update(PHONE)
    exif[ORIENTATION] = 6
    data, info = exif.tobytes(), PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(data):8d}\n{data.hex()}\n")
    path = tmp_path / "raw.png"
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path, pnginfo=info)
    with Image.open(path) as image:
        assert image.getexif()[ORIENTATION] == 6
    assert read_rgb(path).shape[:2] == read_size(path) == (30, 40)
    assert find_lens(path, parse_focal("36px")).focal == pytest.approx(36 / 40)
    assert read_focal(path) == pytest.approx(0.7511, abs=1e-4)


def test_exif_behind_a_pngs_pixels_turns_them_and_the_focal_length(tmp_path):
    path = write_photo(tmp_path / "behind.png", PHONE, orientation=6)
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4])
    path.write_bytes(data[:start] + data[end:-12] + data[start:end] + data[-12:])
    assert read_rgb(path).shape[:2] == read_size(path) == (40, 30)
    assert find_lens(path, parse_focal("36px")).focal == pytest.approx(36 / 30)
    assert find_lens(path, parse_focal("26mm")).focal == pytest.approx(1.0015, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "size", "guess"),
    [
        ("26px", (3024, 4032), "did you mean 26mm"),
        ("1.5px", (30, 40), "did you mean 1.5"),
        ("9000px", (480, 640), "640 pixels wide, which no lens has. A phone"),
        ("100px", (480, 640), "did you mean 100mm"),
        ("26mm", (2000, 100), "100 pixels wide, which no lens has. A phone"),
    ],
)
def test_a_length_that_makes_no_lens_of_this_photo_is_refused(text, size, guess):
    with pytest.raises(ValueError, match=f"Received: {text} for a photo of .*{guess}"):
        find_lens(size, parse_focal(text))


def test_a_photo_takes_the_focal_length_of_its_calibration(tmp_path):
    (tmp_path / "calib.txt").write_text("S_rect_02: 40 30\nP_rect_02: 36 0 20 0 0 36 15 0 0 0 1 0")
    camera = read_camera(tmp_path / "calib.txt")
    path = write_photo(tmp_path / "a.jpg", {}, height=60, width=80)
    lens = find_lens(path, camera)
    assert (lens.focal, lens.source, lens.note) == (pytest.approx(36 / 40), "calibration", "")
    path = write_photo(tmp_path / "down.jpg", {}, height=60, width=80, orientation=3)
    assert "taken to be of photos that are turned so" in find_lens(path, camera).note
    squeezed = "S_rect_02: 40 30\nP_rect_02: 36 0 20 0 0 27 15 0 0 0 1 0"
    (tmp_path / "squeezed.txt").write_text(squeezed)
    with pytest.raises(ValueError, match="a.jpg: .*square.*fx=72 and fy=54.*Resize .* 60x60"):
        find_lens(tmp_path / "a.jpg", read_camera(tmp_path / "squeezed.txt"))
    path = write_photo(tmp_path / "turned.jpg", {}, height=60, width=80, orientation=8)
    with pytest.raises(ValueError, match="turned.jpg: .*80x60 .*30x40"):
        find_lens(path, camera)


def test_a_frame_without_a_file_has_no_exif():
    lens = find_lens((30, 40), EXIF)
    assert (lens.focal, lens.source) == (None, "unknown")
    assert "focal length is not known: no EXIF says it. Metres are those of the net" in lens.note


# What a photo's EXIF says.


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_a_phones_equivalent_focal_length_is_that_of_the_same_diagonal(tmp_path, suffix):
    path = write_photo(tmp_path / f"phone.{suffix}", PHONE)
    lens = find_lens(path, EXIF)
    assert lens.focal == pytest.approx(26 / 43.27 * 5 / 4, abs=1e-3)
    assert (lens.source, lens.note) == ("exif", "")


def test_a_photo_of_an_iphone_has_its_focal_length(tmp_path):
    pytest.importorskip("pillow_heif")
    path = write_photo(tmp_path / "phone.heic", TAKEN, height=150, width=200)
    assert read_focal(path) == pytest.approx(PHONE_PIXELS / 400, abs=1e-3)
    # HEIF turns the pixels itself and leaves the EXIF's size as it was.
    path = write_photo(tmp_path / "upright.heic", TAKEN, height=400, width=300)
    assert read_focal(path) == pytest.approx(PHONE_PIXELS / 300, abs=1e-3)


@pytest.mark.parametrize(
    ("orientation", "side"),
    [(1, 40), (2, 40), (3, 40), (4, 40), (5, 30), (6, 30), (7, 30), (8, 30), (0, 40), (9, 40)],
)
def test_a_photo_that_is_shown_upright_has_its_own_width(tmp_path, orientation, side):
    path = write_photo(tmp_path / "upright.jpg", PHONE, orientation=orientation)
    assert read_focal(path) == pytest.approx(26 / 43.2666 * 50 / side, abs=1e-4)


@pytest.mark.parametrize(("unit", "length"), [(2, 25.4), (3, 10.0), (4, 1.0), (None, 25.4)])
def test_a_cameras_focal_length_counts_in_pixels_of_its_sensor(tmp_path, unit, length):
    # 50 mm before 6000 pixels on 36 mm; the photo was resized to 48 since.
    tags = {FOCAL: 50.0, RESOLUTION: 6000 / 36 * length, X: 6000}
    tags |= {UNIT: unit} if unit else {}
    path = write_photo(tmp_path / "camera.jpg", tags, height=32, width=48)
    assert read_focal(path) == pytest.approx(50 / 36, rel=1e-3)


@pytest.mark.parametrize("unit", [0, 1, 7])
def test_a_resolution_without_a_unit_says_nothing(tmp_path, unit):
    path = write_photo(tmp_path / "camera.jpg", CAMERA | {UNIT: unit}, height=40, width=60)
    assert find_lens(path, EXIF).focal is None


@pytest.mark.parametrize(("height", "width"), [(300, 400), (150, 200), (33, 44), (25, 33), (9, 12)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_resized_photo_keeps_its_share(tmp_path, height, width, turned):
    path = write_photo(tmp_path / "small.jpg", TAKEN, height, width, orientation=6 * turned)
    lens = find_lens(path, EXIF)
    shown = 300 if turned else 400
    assert lens.focal == pytest.approx(PHONE_PIXELS / shown, rel=0.02)
    assert lens.note == ""


def test_an_enlarged_photo_of_the_same_shape_keeps_its_share(tmp_path):
    path = write_photo(tmp_path / "large.jpg", TAKEN, height=600, width=800)
    assert read_focal(path) == pytest.approx(PHONE_PIXELS / 400, rel=1e-4)


@pytest.mark.parametrize(
    ("height", "width"), [(300, 110), (300, 300), (120, 90), (100, 100), (225, 400), (100, 400)]
)
def test_a_part_cut_from_a_photo_keeps_the_pixels_of_the_focal_length(tmp_path, height, width):
    path = write_photo(tmp_path / "cut.jpg", TAKEN, height, width)
    lens = find_lens(path, EXIF)
    # 120x90 has the shape of a photo that was turned and made smaller: it cannot be told from that.
    pixels = PHONE_PIXELS * 150 / 500 if height == 120 else PHONE_PIXELS
    assert lens.focal == pytest.approx(pixels / width, rel=1e-4)
    assert ("It is a part" in lens.note) == (height != 120)


def test_a_part_of_a_cameras_photo_keeps_the_pixels_of_the_focal_length(tmp_path):
    path = write_photo(tmp_path / "cut.jpg", CAMERA, height=100, width=200)
    assert read_focal(path) == pytest.approx(50 / 36 * 600 / 200, rel=1e-3)


def test_a_part_of_an_upright_photo_is_as_wide_as_it_is_shown(tmp_path):
    path = write_photo(tmp_path / "cut.jpg", TAKEN, height=200, width=200, orientation=6)
    assert read_focal(path) == pytest.approx(PHONE_PIXELS / 200, rel=1e-4)
    path = write_photo(tmp_path / "cut.jpg", TAKEN, height=100, width=180, orientation=6)
    assert read_focal(path) == pytest.approx(PHONE_PIXELS / 100, rel=1e-4)


@pytest.mark.parametrize(
    ("height", "width", "pixels"),
    [
        (400, 300, PHONE_PIXELS),  # turned by a program that left the EXIF's size
        (200, 150, PHONE_PIXELS / 2),  # and made smaller
        (300, 225, PHONE_PIXELS),  # as high as the photo that was not turned: cut from it
        (380, 300, PHONE_PIXELS),  # turned, and cut
    ],
)
def test_pixels_that_a_program_turned_count_as_turned(tmp_path, height, width, pixels):
    path = write_photo(tmp_path / "turned.jpg", TAKEN, height, width)
    assert read_focal(path) == pytest.approx(pixels / width, rel=1e-3)


def test_a_shape_and_size_that_no_photo_can_be_cut_to_has_no_focal_length(tmp_path):
    path = write_photo(tmp_path / "montage.jpg", TAKEN, height=500, width=700)
    lens = find_lens(path, EXIF)
    assert lens.focal is None
    assert (
        "focal length is not known: an enlarged part or a montage, 500x700 of 300x400" in lens.note
    )


@pytest.mark.parametrize(("height", "width"), [(100, 211), (211, 100), (30, 200)])
@pytest.mark.parametrize("sized", [False, True])
def test_a_panorama_has_no_focal_length(tmp_path, height, width, sized):
    tags = PHONE | ({X: width, Y: height} if sized else {})
    lens = find_lens(write_photo(tmp_path / "wide.jpg", tags, height, width), EXIF)
    assert (lens.focal, lens.source) == (None, "unknown")
    assert "The focal length is not known: a panorama or a strip, for which" in lens.note


@pytest.mark.parametrize(("height", "width"), [(100, 200), (200, 100), (90, 160)])
def test_a_wide_photo_is_no_panorama(tmp_path, height, width):
    path = write_photo(tmp_path / "wide.jpg", PHONE, height, width)
    assert read_focal(path) == pytest.approx(
        26 / 43.2666 * np.hypot(height, width) / width, rel=1e-4
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
@pytest.mark.parametrize(
    "property_", ['GPano:ProjectionType="cylindrical"', "><GPano:UsePanoramaViewer/>"]
)
def test_a_panorama_by_its_xmp_has_no_focal_length(tmp_path, suffix, property_):
    xmp = f'<x:xmpmeta xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" {property_}'.encode()
    options = {"xmp": xmp}
    if suffix == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": info}
    if suffix == "tif":
        options = {"main": {700: xmp}}
    lens = find_lens(write_photo(tmp_path / f"sphere.{suffix}", PHONE, **options), EXIF)
    assert lens.focal is None
    assert "a panorama" in lens.note


def test_xmp_that_only_names_the_panorama_space_is_no_panorama(tmp_path):
    xmp = b'<x:xmpmeta xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"/>'
    assert read_focal(write_photo(tmp_path / "flat.jpg", PHONE, xmp=xmp)) > 0


def test_digital_zoom_is_in_the_equivalent_and_not_in_the_lens(tmp_path):
    path = write_photo(tmp_path / "phone.jpg", {FILM: 52, ZOOM: 2.0})
    assert read_focal(path) == pytest.approx(2 * 0.7511, abs=1e-3)
    for ratio, zoom in [(2.0, 2), (1.0, 1), (0.0, 1)]:  # 0: not used
        path = write_photo(tmp_path / "camera.jpg", CAMERA | {ZOOM: ratio}, height=40, width=60)
        assert read_focal(path) == pytest.approx(zoom * 50 / 36, rel=1e-3)


BY_ZERO = TiffImagePlugin.IFDRational(26, 0)


@pytest.mark.parametrize(
    ("film", "share"),
    [
        (26.0, 0.7511),
        ((26, 26), 0.7511),
        ((26.0, 1.0), 0.7511),
        (TiffImagePlugin.IFDRational(52, 2), 0.7511),
        ("26", 0.7511),
        (0, None),
        (0.0, None),
        ("", None),
        ("wide", None),
        (b"\xff\x00", None),
        (BY_ZERO, None),
        ((BY_ZERO, BY_ZERO), None),
        (65535, None),
        (4, None),
    ],
)
def test_a_tag_of_another_type_is_read_and_one_without_a_value_is_missing(tmp_path, film, share):
    path = write_photo(tmp_path / "odd.jpg", {FILM: film})
    lens = find_lens(path, EXIF)
    assert lens.focal == (share and pytest.approx(share, abs=1e-4))
    assert lens.focal or "The focal length is not known" in lens.note


@pytest.mark.parametrize("bad", [0, BY_ZERO, "wide", 4, 65535])
def test_a_bad_equivalent_gives_way_to_the_sensors_resolution(tmp_path, bad):
    path = write_photo(tmp_path / "camera.jpg", CAMERA | {FILM: bad}, height=40, width=60)
    assert read_focal(path) == pytest.approx(50 / 36, rel=1e-3)


@pytest.mark.parametrize("tag", [FOCAL, RESOLUTION])
@pytest.mark.parametrize("bad", [0.0, BY_ZERO, "wide", None])
def test_a_camera_without_length_or_resolution_has_no_focal_length(tmp_path, tag, bad):
    tags = {key: value for key, value in (CAMERA | {tag: bad}).items() if value is not None}
    path = write_photo(tmp_path / "camera.jpg", tags, height=40, width=60)
    assert find_lens(path, EXIF).focal is None


@pytest.mark.parametrize("bad", [0, "wide", BY_ZERO])
def test_a_bad_size_in_the_exif_is_a_missing_one(tmp_path, bad):
    path = write_photo(tmp_path / "a.jpg", PHONE | {X: bad, Y: bad})
    assert read_focal(path) == pytest.approx(0.7511, abs=1e-4)
    path = write_photo(tmp_path / "a.jpg", PHONE | {X: 400, Y: bad})
    assert read_focal(path) == pytest.approx(0.7511, abs=1e-4)
    path = write_photo(tmp_path / "a.jpg", PHONE | {X: 1, Y: bad}, height=30, width=4000)
    assert find_lens(path, EXIF).focal is None


def test_tags_in_the_main_directory_are_read_as_tiff_ep_has_them(tmp_path):
    path = write_photo(tmp_path / "raw.tif", {}, main=PHONE)
    assert read_focal(path) == pytest.approx(0.7511, abs=1e-4)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\xff"]
)
def test_damaged_exif_is_none_and_says_nothing_red(tmp_path, exif, recwarn):
    path = write_photo(tmp_path / "damaged.jpg", {}, exif=exif)
    lens = find_lens(path, EXIF)
    assert lens.focal is None
    assert "The focal length is not known: no EXIF says it" in lens.note
    assert not recwarn


def test_a_photo_of_200_megapixels_is_read(tmp_path, recwarn):
    path = write_photo(tmp_path / "large.jpg", PHONE)
    small, large = ((n).to_bytes(2) + (m).to_bytes(2) for n, m in ((30, 40), (12240, 16320)))
    path.write_bytes(
        path.read_bytes().replace(b"\x08" + small + b"\x03", b"\x08" + large + b"\x03")
    )
    limit = Image.MAX_IMAGE_PIXELS
    assert read_focal(path) == pytest.approx(0.7511, abs=1e-4)
    assert limit == Image.MAX_IMAGE_PIXELS
    assert not recwarn


@pytest.mark.parametrize("tags", [{}, {FILM: 0}, {FOCAL: 50.0}, {FOCAL: 50.0, RESOLUTION: 0.0}])
def test_an_exif_without_a_focal_length_says_what_to_give(tmp_path, tags):
    path = write_photo(tmp_path / "bare.jpg", tags)
    with pytest.raises(ValueError, match="FocalLengthIn35mmFilm.*neither in .*bare.jpg. Give its"):
        read_focal(path)
    assert "The focal length is not known" in find_lens(path, EXIF).note


@pytest.mark.parametrize("request_", [EXIF, parse_focal("26mm"), parse_focal("518px")])
def test_what_is_no_photo_is_refused(tmp_path, request_):
    for data in (b"no photo", b"", b"\xff\xd8\xff"):
        (tmp_path / "text.jpg").write_bytes(data)
        with pytest.raises(ValueError, match="must be an image. Received: .*text.jpg"):
            find_lens(tmp_path / "text.jpg", request_)
    with pytest.raises(FileNotFoundError, match="absent.jpg"):
        find_lens(tmp_path / "absent.jpg", request_)
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        find_lens(tmp_path, request_)


# A list of photos.


def test_each_photo_has_its_own_focal_length_or_all_the_one_that_is_given(tmp_path):
    paths = [write_photo(tmp_path / f"{n}.jpg", {FILM: n}) for n in (26, 52)]
    one, other = find_focals(paths, "exif")
    assert other == pytest.approx(2 * one)
    assert find_focals(paths, 0.58) == [0.58, 0.58]
    assert find_focals(paths, None) == [None, None]
    assert find_focals(paths, "26mm") == [pytest.approx(one)] * 2


def test_photos_without_a_focal_length_do_not_stop_a_list_and_are_told_of_once(tmp_path, capsys):
    paths = [write_photo(tmp_path / f"{n}.jpg", {FILM: n % 30}) for n in (26, 0, 28, 30, 60)]
    one, none, other, *_ = focals = find_focals(paths, "exif")
    assert none is None and focals[3:] == [None, None]
    assert other == pytest.approx(28 / 26 * one)
    first, more = capsys.readouterr().out.splitlines()
    note = "The focal length is not known: no EXIF says it. Metres are those of the network's"
    assert first.startswith(f"{tmp_path}/0.jpg: {note}")
    assert more.startswith(f"2 more: {note}")


def test_a_bad_word_is_refused_before_a_photo_is_opened(tmp_path):
    with pytest.raises(ValueError, match="did you mean 26mm"):
        find_focals([tmp_path / "absent.jpg"], "26")


def test_photos_gives_the_focal_lengths_too_and_starts_without_scikit_learn():
    assert photos.find_focals is find_focals
    assert photos.read_focal is read_focal
    code = "import sys, depthlib.data.photos; print('sklearn' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True).strip() == "False"
