import io
import os
import socket
import struct
import subprocess
import sys
import threading
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from depthlib.data import decoding, images
from depthlib.data.photos import read_focal
from depthlib.data.specs import NYU_TRAIN

RNG = np.random.default_rng(0)
PIXELS = cv2.resize(RNG.integers(0, 255, (4, 6, 3), np.uint8), (48, 32))  # 32x48
FORMATS = "JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM"
# What EXIF 2.32 (CIPA DC-008), table 6, asks of who shows a photo, by orientation.
TURNS = {
    1: lambda rgb: rgb,
    2: lambda rgb: rgb[:, ::-1],
    3: lambda rgb: rgb[::-1, ::-1],
    4: lambda rgb: rgb[::-1],
    5: lambda rgb: rgb.transpose(1, 0, 2),
    6: lambda rgb: np.rot90(rgb, -1),
    7: lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2),
    8: lambda rgb: np.rot90(rgb, 1),
}


def encode(kind, image=None, **options):
    """The bytes of an image (PIXELS if None) as Pillow writes them."""
    file = io.BytesIO()
    (Image.fromarray(PIXELS) if image is None else image).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, rows=b"", bits=8, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data + chunk(b"IEND", b"")


def patch(data, where, form, *values):
    """`data` with numbers written over what comes `where` bytes on, or after a name in it."""
    at = where if isinstance(where, int) else data.index(where) + len(where)
    return data[:at] + struct.pack(form, *values) + data[at + struct.calcsize(form) :]


def claim(kind, height, width):
    """A small file of a kind that claims to be an image of `height` x `width`."""
    if kind == "PNG":
        return png(width, height, bytes(300))
    if kind == "PPM":
        return b"P6 %d %d 255\n" % (width, height) + bytes(300)
    if kind == "TIFF":
        data = patch(encode("TIFF"), b"\x00\x01\x04\x00\x01\x00\x00\x00", "<I", width)
        return patch(data, b"\x01\x01\x04\x00\x01\x00\x00\x00", "<I", height)
    if kind == "WEBP":
        bits = (width - 1) | (height - 1) << 14
        return patch(encode("WEBP", lossless=True), b"\x2f", "<I", bits)
    where, form, sides = {
        "JPEG": (b"\xff\xc0\x00\x11\x08", ">HH", (height, width)),
        "progressive": (b"\xff\xc2\x00\x11\x08", ">HH", (height, width)),
        "AVIF": (b"ispe\0\0\0\0", ">II", (width, height)),
        "BMP": (18, "<ii", (width, height)),
        "GIF": (6, "<HH", (width, height)),
        "JPEG2000": (b"ihdr", ">II", (height, width)),
    }[kind]
    options = {"progressive": True} if kind == "progressive" else {}
    return patch(encode("JPEG" if options else kind, **options), where, form, *sides)


@pytest.mark.parametrize("kind", [*FORMATS, "progressive"])
def test_a_small_file_that_claims_many_pixels_is_refused_before_it_is_decoded(
    tmp_path, kind, monkeypatch
):
    path = tmp_path / "bomb.img"
    path.write_bytes(claim(kind, 12_000, 16_000))
    for module, name in ((cv2, "imdecode"), (np, "asarray"), (np, "array")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("decoded"))
    for read in (images.read_rgb, lambda path: images.read_depth(path, NYU_TRAIN)):
        with pytest.raises(
            ValueError,
            match="1 to 100,000,000 pixels. Received: 12000x16000 in .*bomb.img. .*MAX_PIXELS",
        ):
            read(path)


def test_a_size_beyond_what_opencv_and_pillow_take_is_refused_alike(tmp_path):
    for name, data in (
        ("a.png", claim("PNG", 60_000, 60_000)),
        ("b.jpg", claim("JPEG", 65_000, 65_000)),
        ("c.bmp", claim("BMP", 2**30, 2**30)),
        ("d.ppm", claim("PPM", 10**12, 10**12)),
    ):
        (tmp_path / name).write_bytes(data)
        for most in (None, 10**15):
            with pytest.raises(ValueError, match=name):
                images.read_rgb(tmp_path / name, most)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "PPM"])
@pytest.mark.parametrize("sides", [(0, 48), (32, 0), (0, 0)])
def test_an_image_without_pixels_is_refused_by_name(tmp_path, kind, sides):
    (tmp_path / "none.img").write_bytes(claim(kind, *sides))
    with pytest.raises(ValueError, match="none.img"):
        images.read_rgb(tmp_path / "none.img")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_caller_raises_the_limit_for_one_image_or_for_all(tmp_path, kind, monkeypatch):
    path = tmp_path / "photo.img"
    path.write_bytes(encode(kind))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's limit is not in the way
    monkeypatch.setattr(decoding, "MAX_PIXELS", 32 * 48 - 1)
    with pytest.raises(ValueError, match="1 to 1,535 pixels. Received: 32x48 in .*photo.img"):
        images.read_rgb(path)
    assert images.read_rgb(path, max_pixels=32 * 48).shape == (32, 48, 3)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 32 * 48)
    assert images.read_rgb(path).shape == (32, 48, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
    for name in ("folder", "pipe", "device", "linked", "socket"):
        with pytest.raises(OSError, match=f"must be a regular file. Received: .*{name}.jpg"):
            images.read_rgb(tmp_path / f"{name}.jpg")


def test_links_that_lead_nowhere_are_named(tmp_path):
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "absent.jpg")
    with pytest.raises(OSError, match="loop.jpg"):
        images.read_rgb(tmp_path / "loop.jpg")
    with pytest.raises(FileNotFoundError, match="dangling.jpg"):
        images.read_rgb(tmp_path / "dangling.jpg")
    (tmp_path / "linked.png").symlink_to(tmp_path / "photo.png")
    images.write_rgb(tmp_path / "photo.png", PIXELS)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "linked.png"), PIXELS)


def test_a_file_far_larger_than_its_pixels_need_is_not_read(tmp_path):
    for name, start in (("a.jpg", encode("JPEG")), ("b.png", encode("PNG")), ("c.bmp", b"")):
        (tmp_path / name).write_bytes(start)
        os.truncate(tmp_path / name, 2**40)  # a file with a hole: it takes no room
        with pytest.raises(ValueError, match=f"1,099,511,627,776 bytes in .*{name}"):
            images.read_rgb(tmp_path / name)


def test_a_file_that_one_may_not_read_is_named(tmp_path):
    path = tmp_path / "secret.png"
    images.write_rgb(path, PIXELS)
    path.chmod(0)
    code = f"""
import os
from depthlib.data.images import read_rgb
if os.getuid() == 0:
    os.setuid(65534)
try:
    read_rgb({str(path)!r})
except PermissionError as error:
    print(error)
"""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "secret.png" in answer.stdout, answer.stderr


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (cv2.error, -215, "must be whole. Received: .*photo.png, cut off after"),
        (cv2.error, -4, "must fit into memory. Received: 32x48 in .*photo.png"),
        (MemoryError, None, "must fit into memory. Received: 32x48 in .*photo.png"),
    ],
)
def test_no_foreign_error_leaves_a_decoder(tmp_path, monkeypatch, raised, code, message):
    def fail(*_):
        error = raised("what OpenCV says")
        error.code = code
        raise error

    images.write_rgb(tmp_path / "photo.png", PIXELS)
    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises(ValueError, match=message):
        images.read_rgb(tmp_path / "photo.png")


def test_a_disk_that_fails_names_the_file(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    images.write_rgb(tmp_path / "photo.png", PIXELS)
    monkeypatch.setattr(type(tmp_path), "read_bytes", fail)
    with pytest.raises(OSError, match="Input/output error: .*photo.png"):
        images.read_rgb(tmp_path / "photo.png")


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_a_file_of_any_kind_that_is_cut_off_is_refused_by_name(tmp_path, kind, share):
    data = encode(kind, Image.fromarray(RNG.integers(0, 255, (32, 48, 3), np.uint8)))
    (tmp_path / "cut.img").write_bytes(data[: max(1, round(share * len(data)))])
    for read in (images.read_rgb, lambda path: images.read_depth(path, NYU_TRAIN)):
        with pytest.raises(ValueError, match="cut.img.* cut off"):
            read(tmp_path / "cut.img")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_that_are_wrong_give_an_image_or_an_error_with_the_name(tmp_path, kind, seed):
    rng = np.random.default_rng(seed)
    data = bytearray(encode(kind))
    for place in rng.integers(0, len(data), 5):
        data[place] = rng.integers(256)
    (tmp_path / "damaged.img").write_bytes(data)
    try:
        assert images.read_rgb(tmp_path / "damaged.img").dtype == np.uint8
    except ValueError as error:
        assert "damaged.img" in str(error)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", TURNS)
def test_a_photo_is_turned_as_its_exif_says(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind != "TIFF":  # Pillow writes no such tags into one
        exif[0x8769] = {0xA405: 28}  # FocalLengthIn35mmFilm
    path = tmp_path / "photo.img"
    path.write_bytes(
        encode(kind, exif=exif, **({} if kind in ("PNG", "TIFF") else {"quality": 95}))
    )
    rgb, expected = images.read_rgb(path), TURNS[orientation](PIXELS)
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).mean() < 8
    if kind != "TIFF":
        pixels = 28 * np.hypot(32, 48) / np.hypot(24, 36)
        assert read_focal(path) * rgb.shape[1] == pytest.approx(pixels)


@pytest.mark.parametrize("orientation", TURNS)
def test_a_heic_is_read_and_turned(tmp_path, orientation):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.heic"
    path.write_bytes(encode("HEIF", exif=exif.tobytes(), quality=95))
    rgb, expected = images.read_rgb(path), TURNS[orientation](PIXELS)
    assert rgb.shape == expected.shape and rgb.flags.writeable
    assert np.abs(rgb.astype(int) - expected).mean() < 8
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="photo.heic"):
        images.read_rgb(path)
    path.write_bytes(patch(encode("HEIF"), b"ispe\0\0\0\0", ">II", 12_000, 16_000))
    with pytest.raises(ValueError, match="photo.heic"):
        images.read_rgb(path)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_a_heic_without_its_reader_is_refused_with_what_to_install(tmp_path, monkeypatch, brand):
    monkeypatch.setattr(decoding, "_formats", lambda: decoding._OTHERS)
    path = tmp_path / "IMG_1.heic"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(500))
    with pytest.raises(ValueError, match="IMG_1.heic.*pip install pillow-heif"):
        images.read_rgb(path)
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    with pytest.raises(ValueError, match="one that OpenCV reads.*IMG_1.heic") as refused:
        images.read_rgb(path)
    assert "pip install" not in str(refused.value)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "WEBP", "TIFF", "PNG", "JPEG"])
def test_a_pair_of_any_kind_of_photo_comes_at_half_its_size(tmp_path, kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo, depth = tmp_path / "photo.img", tmp_path / "depth.png"
    photo.write_bytes(encode(kind, exif=exif.tobytes() if kind == "HEIF" else exif))
    depth_m = np.linspace(1, 9, 48 * 32, dtype=np.float32).reshape(48, 32)
    images.write_depth(depth, depth_m, NYU_TRAIN)
    whole, _ = images.read_pair(photo, depth, NYU_TRAIN)
    half, _ = images.read_pair(photo, depth, NYU_TRAIN, least=(24, 16))
    assert whole.shape == (48, 32, 3) and half.shape == (24, 16, 3)
    means = whole.reshape(24, 2, 16, 2, 3).astype(float).mean((1, 3))
    assert np.abs(half - means).mean() < 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": "<"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"tile": (16, 16)},
        {"compression": "zlib", "predictor": True},
    ],
    ids=str,
)
def test_the_alpha_of_a_tiff_leaves_its_colours_as_they_are_stored(tmp_path, dtype, alpha, options):
    tifffile = pytest.importorskip("tifffile")
    path, scale = tmp_path / "photo.tif", np.iinfo(dtype).max // 255
    stored = np.dstack([PIXELS, np.full((32, 48), 40)]).astype(dtype) * dtype(scale)
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=[alpha], **options)
    np.testing.assert_array_equal(images.read_rgb(path), PIXELS)
    unchanged = decoding.decode(path, cv2.IMREAD_UNCHANGED).image
    np.testing.assert_array_equal(unchanged[..., [2, 1, 0, 3]], stored)
    if alpha == "unassalpha":
        planes = stored.transpose(2, 0, 1)
        tifffile.imwrite(
            path, planes, photometric="rgb", extrasamples=[alpha], planarconfig="separate"
        )
        np.testing.assert_array_equal(images.read_rgb(path), PIXELS)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "JPEG2000", "AVIF"])
def test_the_alpha_of_any_image_leaves_its_colours_as_they_are_stored(tmp_path, kind):
    image = Image.fromarray(np.dstack([PIXELS, np.full((32, 48), 40, np.uint8)]))
    options = {
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }.get(kind, {})
    (tmp_path / "photo.img").write_bytes(encode(kind, image, **options))
    found = images.read_rgb(tmp_path / "photo.img").astype(int)
    assert np.abs(found - PIXELS).max() <= (3 if kind == "AVIF" else 0)


def test_photos_of_other_colours_and_depths_become_8_bit_rgb(tmp_path):
    picture = Image.fromarray(PIXELS)
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in PIXELS)
    grey = np.asarray(picture.convert("L"))[..., None].repeat(3, axis=2)
    for name, data, expected in (
        ("16 bits", png(48, 32, rows, 16), PIXELS),
        ("alpha", encode("PNG", picture.convert("RGBA")), PIXELS),
        ("alpha webp", encode("WEBP", picture.convert("RGBA"), lossless=True), PIXELS),
        ("grey", encode("PNG", picture.convert("L")), grey),
        ("cmyk", encode("JPEG", picture.convert("CMYK"), quality=98), PIXELS),
        ("cmyk tiff", encode("TIFF", picture.convert("CMYK")), PIXELS),
        ("palette", encode("PNG", picture.quantize(256)), PIXELS),
    ):
        (tmp_path / "photo.img").write_bytes(data)
        rgb = images.read_rgb(tmp_path / "photo.img")
        assert rgb.shape == (32, 48, 3) and rgb.dtype == np.uint8, name
        assert np.abs(rgb.astype(int) - expected).mean() < 8, name


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", [cv2.IMREAD_COLOR_RGB, decoding.HALF])
def test_a_photo_of_12_bits_in_16_would_be_black_and_is_refused(tmp_path, suffix, mode):
    photo, few, grey = (tmp_path / f"{name}{suffix}" for name in ("photo", "few", "grey"))
    cv2.imwrite(str(photo), PIXELS.astype(np.uint16) * 257)
    cv2.imwrite(str(few), PIXELS.astype(np.uint16) * 16)
    cv2.imwrite(str(grey), PIXELS[..., 0].astype(np.uint16) * 10)  # as a depth map is
    assert decoding.decode(photo, mode).image.mean() > 90
    for path in (few, grey):
        with pytest.raises(ValueError, match=rf"8 or 16 bits.*{path}, of 16 bits with values up"):
            decoding.decode(path, mode)
        assert decoding.decode(path, cv2.IMREAD_UNCHANGED).image.dtype == np.uint16
    cv2.imwrite(str(few), np.zeros((32, 48, 3), np.uint16))  # a lens cap's
    assert not decoding.decode(few, mode).image.any()
    cv2.imwrite(str(few), PIXELS // 32)  # a night's
    assert decoding.decode(few, mode).image.any()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", [cv2.IMREAD_COLOR_RGB, decoding.HALF])
@pytest.mark.parametrize(
    ("channels", "most", "by"),
    [(1, 255, 257), (1, 8000, 8), (1, 20480, 3), (3, 9000, 7), (1, 5, 13107)],
    ids=["black", "a room's millimetres", "KITTI's", "in three channels", "classes"],
)
def test_a_depth_map_of_16_bits_is_no_photo(tmp_path, suffix, mode, channels, most, by):
    path = tmp_path / f"1{suffix}"
    ramp = np.linspace(0, most, 48 * 32).reshape(32, 48).astype(np.uint16)
    cv2.imwrite(str(path), ramp if channels == 1 else np.dstack([ramp] * 3))
    said = f"values up to {most}: .* or a depth map. Multiply a photo by {by}, or save"
    with pytest.raises(ValueError, match=said):
        decoding.decode(path, mode)
    cv2.imwrite(str(path), ramp * by)  # as it says
    assert decoding.decode(path, mode).image.max() > 100
    cv2.imwrite(str(path), (ramp // 257).astype(np.uint8))
    assert most // 257 - int(decoding.decode(path, mode).image.max()) in (0, 1)  # a mean of 4


def test_a_dark_photo_of_16_bits_in_colours_is_read(tmp_path):
    path = tmp_path / "night.png"
    cv2.imwrite(str(path), PIXELS.astype(np.uint16) * 64)
    assert 20 < decoding.decode(path, cv2.IMREAD_COLOR_RGB).image.max() < 64


def test_values_that_opencv_would_take_for_black_are_refused(tmp_path):
    path, pixels = tmp_path / "photo.img", PIXELS.tobytes()
    for header, values in (
        (b"Pf -1 ", PIXELS[..., 0].astype("<f4").tobytes()),
        (b"P6 15 ", bytes(value >> 4 for value in pixels)),
        (b"P5 1023 ", PIXELS[..., 0].astype(">u2").tobytes()),
    ):
        path.write_bytes(header.replace(b" ", b"\n48 32\n", 1).replace(b" ", b"\n") + values)
        with pytest.raises(ValueError, match="8 or 16 bits a channel, and use them. .*photo.img"):
            images.read_rgb(path)
    for header, values in ((b"255", pixels), (b"65535", b"".join(bytes([v, v]) for v in pixels))):
        path.write_bytes(b"P6\n48 32\n" + header + b"\n" + values)
        assert np.array_equal(images.read_rgb(path), PIXELS)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, kind):
    others = [Image.fromarray(255 - PIXELS)] * 2
    options = {} if kind in ("GIF", "PNG", "TIFF") else {"quality": 95}
    (tmp_path / "a.img").write_bytes(encode(kind, save_all=True, append_images=others, **options))
    assert np.abs(images.read_rgb(tmp_path / "a.img").astype(int) - PIXELS).mean() < 8


def test_texts_in_a_png_do_not_matter_however_long(tmp_path):
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    long = zlib.compress(b"x" * 20_000_000)
    for text in (
        chunk(b"tEXt", b"Comment\0" + b"x" * 2_000_000),
        chunk(b"zTXt", b"Comment\0\0" + long),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + long),
        chunk(b"iCCP", b"profile\0\0" + long),
    ):
        (tmp_path / "photo.png").write_bytes(png(48, 32, rows, 8, text))
        np.testing.assert_array_equal(images.read_rgb(tmp_path / "photo.png"), PIXELS)


def test_many_threads_may_read_at_once(tmp_path):
    (tmp_path / "photo.webp").write_bytes(encode("WEBP", lossless=True))
    limit, seen = Image.MAX_IMAGE_PIXELS, []
    threads = [
        threading.Thread(target=lambda: seen.append(images.read_rgb(tmp_path / "photo.webp")))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == limit
    assert len(seen) == 16 and all((rgb == PIXELS).all() for rgb in seen)


@pytest.mark.parametrize("length", [2**31 - 1, 2**32 - 1, 5000])
@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt"])
def test_a_png_whose_chunk_claims_more_than_follows_is_not_decoded(
    tmp_path, monkeypatch, length, kind
):
    """OpenCV makes room for what a chunk claims: 1.8 kB took 4 GB and half a minute."""
    data = encode("PNG")
    place = data.index(b"IDAT") - 4
    claimed = struct.pack(">I", length) + kind
    (tmp_path / "claim.png").write_bytes(data[:place] + claimed + data[place + 8 :])
    monkeypatch.setattr(decoding, "_decode_with_opencv", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="claim.png, cut off after"):
        images.read_rgb(tmp_path / "claim.png")
