"""The page in a browser: the same metres as Python, files that Python reads, clear refusals."""

import gzip
import io
import json
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from depthlib.data.images import read_depth, read_rgb
from depthlib.data.lenses import parse_focal
from depthlib.data.specs import DENSE_M256, INDOOR_MILLIMETRE
from depthlib.prediction.cloud import point_cloud
from depthlib.prediction.photo import predict_photo

pytestmark = pytest.mark.slow

BUDGET = 9_000_000  # bytes, gzipped: the page with one network


@pytest.fixture(scope="module")
def room(sample):
    return sample / "nyu2_test" / "00008_colors.png"


@pytest.fixture
def road(project):
    return project / "web" / "gallery" / "motorway.jpg"


@pytest.fixture(autouse=True)
def room_network(request):
    """Each test of the shared page begins with the network for rooms and the compare view."""
    if "shown" in request.fixturenames:
        tab = request.getfixturevalue("shown").tab
        tab.evaluate(
            "for (const value of ['light', 'compare'])"
            " document.querySelector(`[value=${value}]`).checked = true;"
            "document.getElementById('views').dispatchEvent(new Event('change'))"
        )


def pick(opened, name):
    """Chooses a network, and waits for its depth where it is another one."""
    choice = f"[name=network][value={name}]"
    if opened.tab.is_checked(choice):
        return
    before = opened.count()
    opened.tab.check(choice, force=True)
    opened.wait_for_depth(before)


def encode(rgb, kind="JPEG", **options):
    """A photo as bytes."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind, **options)
    return buffer.getvalue()


def enlarge(photo, height, width):
    return cv2.resize(read_rgb(photo), (width, height), interpolation=cv2.INTER_CUBIC)


def payload(data, name="photo.jpg"):
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def expect(networks, path, network="light", focal="exif"):
    return predict_photo(networks[network], path, parse_focal(focal))


def share_within(depth, expected, tolerance=0.01):
    return np.mean(np.abs(depth - expected) <= tolerance * expected)


def test_a_photo_that_is_dropped_has_the_metres_of_python(shown, room, networks):
    before = shown.count()
    shown.tab.evaluate(
        """async (bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(bytes)], "room.png", { type: "image/png" }));
          const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
          for (const kind of ["dragenter", "dragover", "drop"])
            document.getElementById("picture").dispatchEvent(new DragEvent(kind, options));
        }""",
        list(room.read_bytes()),
    )
    shown.wait_for_depth(before)
    depth = expect(networks, room).depth_m
    assert not shown.tab.is_visible("#curtain")
    for column, row in ((30, 40), (160, 120), (300, 200)):
        said = shown.point_at(column, row)
        assert float(said.removesuffix(" m")) == pytest.approx(depth[row, column], rel=0.01)


def test_ten_photos_have_the_depth_of_the_command(shown, sample, project, networks, tmp_path):
    gallery = project / "web" / "gallery"
    rooms = [sample / "nyu2_test" / f"{number:05d}_colors.png" for number in (3, 12, 26, 41, 59)]
    roads = [gallery / f"{name}.jpg" for name in (
        "motorway", "low_sun", "tunnel", "country_road", "motorway_gantry",
    )]  # fmt: skip
    for network, photos in (("light", rooms), ("road", roads)):
        pick(shown, network)
        for photo in photos:
            shown.choose(str(photo))
            found = np.load(shown.save("npy", tmp_path))
            wanted = expect(networks, photo, network).leave_out_sky()
            assert found.dtype == np.float32 and found.shape == wanted.shape
            both = (found > 0) & (wanted > 0)  # sky begins at one depth: a pixel may be either
            assert np.mean((found > 0) == (wanted > 0)) > 0.999
            assert share_within(found[both], wanted[both]) > 0.99, photo


def test_every_file_that_is_saved_is_read_by_python(shown, room, road, networks, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    for photo, network, spec in ((room, "light", INDOOR_MILLIMETRE), (road, "road", DENSE_M256)):
        pick(shown, network)
        shown.choose(str(photo))
        result = expect(networks, photo, network)
        wanted, near = result.leave_out_sky(), result.leave_out_far()
        inside = wanted > 0
        png = shown.save("png16", tmp_path)
        assert png.name.endswith("_mm.png" if network == "light" else "_m256.png")
        scale = Image.open(png).text["depth_scale_metres"]
        assert float(scale) == pytest.approx(spec.scale)
        counts = read_depth(png, spec)
        assert share_within(counts[inside], wanted[inside]) > 0.99
        npy = np.load(shown.save("npy", tmp_path))
        assert share_within(npy[inside], wanted[inside]) > 0.99
        points, _ = point_cloud(near, result.photo, result.intrinsics)
        for format in ("ply", "glb"):
            mesh = trimesh.load(shown.save(format, tmp_path), process=False)
            if format == "glb":
                (mesh,) = mesh.geometry.values()
                assert len(mesh.faces) > len(points)
            places = np.asarray(mesh.vertices) * ((1, 1, 1) if format == "ply" else (1, -1, -1))
            assert len(places) == pytest.approx(len(points), rel=0.01)
            for share in (5, 50, 95):
                ours, theirs = (np.percentile(cloud, share, axis=0) for cloud in (places, points))
                assert np.allclose(ours, theirs, rtol=0.02, atol=0.02)
        picture = read_rgb(shown.save("colour", tmp_path))
        height, width = wanted.shape
        assert picture.shape[1] == width and picture.shape[0] > height
        depth = wanted[inside]
        ends = depth <= np.percentile(depth, 2), depth >= np.percentile(depth, 98)
        nearest, farthest = (picture[:height][inside][end].mean(axis=0) for end in ends)
        assert nearest[0] > nearest[2] and farthest[2] > farthest[0]


def test_a_known_distance_sets_the_scale(shown, room, networks):
    shown.choose(str(room))
    for column, row in ((60, 200), (250, 180)):
        shown.tab.mouse.click(*shown.place_of(column, row))
    before = float(shown.tab.inner_text("#measured").split()[0])
    depth, camera = (lambda result: (result.depth_m, result.intrinsics))(expect(networks, room))
    ends = [
        depth[row, column]
        * np.array([(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1])
        for column, row in ((60, 200), (250, 180))
    ]
    assert before == pytest.approx(np.linalg.norm(ends[0] - ends[1]), rel=0.02)
    shown.tab.fill("#known-metres", str(2 * before))
    shown.tab.press("#known-metres", "Enter")
    assert float(shown.tab.inner_text("#measured").split()[0]) == pytest.approx(
        2 * before, abs=0.01
    )
    said = float(shown.point_at(160, 120).removesuffix(" m"))
    assert said == pytest.approx(2 * depth[120, 160], rel=0.02)
    shown.tab.click("#scale-reset")
    said = float(shown.point_at(160, 120).removesuffix(" m"))
    assert said == pytest.approx(depth[120, 160], rel=0.01)


def test_the_slider_is_a_focal_length_as_the_command_takes_it(shown, room, road, networks):
    for photo, network in ((room, "light"), (road, "road")):
        pick(shown, network)
        shown.choose(str(photo))
        before = shown.count()
        shown.tab.locator("#lens").fill("0.6")
        shown.wait_for_depth(before)
        text = shown.tab.inner_text("#lens-text")
        depth = expect(networks, photo, network, text.split(",")[0].replace(" ", "")).depth_m
        row, column = depth.shape[0] * 3 // 4, depth.shape[1] // 2
        said = float(shown.point_at(column, row).removesuffix(" m"))
        assert said == pytest.approx(depth[row, column], rel=0.02), text
        shown.tab.click("#lens-reset")
        shown.wait_for_depth(before + 1)
        assert "assumed" in shown.tab.inner_text("#lens-note")


def test_the_exif_of_a_photo_sets_its_lens_and_nonsense_is_said(shown, room):
    for millimetres, said in ((26, "26.0 mm"), (9000, "no lens has")):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = millimetres
        shown.choose(payload(encode(read_rgb(room), exif=exif)))
        text = shown.tab.inner_text("#lens-text") + shown.tab.inner_text("#lens-note")
        assert said in text


def test_a_photo_that_is_stored_turned_is_shown_upright(shown, room, networks, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    path.write_bytes(encode(np.rot90(read_rgb(room)), exif=exif, quality=95))
    shown.choose(str(path))
    depth = np.load(shown.save("npy", tmp_path))
    wanted = expect(networks, path).depth_m
    assert depth.shape == wanted.shape == (240, 320)
    assert share_within(depth, wanted) > 0.99


@pytest.mark.parametrize(("height", "width"), [(240, 900), (640, 300), (3000, 4000)])
def test_wide_high_and_large_photos_have_the_depth_of_python(
    shown, room, networks, tmp_path, height, width
):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(enlarge(room, height, width), quality=90))
    shown.choose(str(path))
    assert str(width) in shown.tab.inner_text("#status")
    depth = np.load(shown.save("npy", tmp_path))
    assert share_within(depth, expect(networks, path).depth_m) > 0.99


def claim(width, height):
    """A PNG whose header claims a size, without the pixels."""
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(
        ">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0
    )
    return header + bytes(64)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("notes.jpg", b"This is a text, not a photo.", "no photo that this browser reads"),
        ("broken.png", claim(300, 200), "is damaged"),
        ("huge.png", claim(40000, 30000), "1200 megapixels"),
        ("empty.jpg", b"", "is empty"),
        ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
    ],
    ids=["text", "broken", "huge", "empty", "heic"],
)
def test_what_is_no_photo_is_refused_in_a_sentence_and_the_page_goes_on(
    shown, room, name, data, words
):
    message = shown.choose_refused(name, data)
    assert words in message and name in message and message.endswith(".")
    shown.choose(str(room))
    assert not shown.tab.is_visible("#message")


@pytest.mark.parametrize(
    ("most", "channels", "bits"), [(1023, 3, 12), (4095, 3, 12), (9999, 1, 15)]
)
def test_a_photo_of_few_bits_in_a_file_of_16_is_refused_as_in_python(
    shown, room, tmp_path, most, channels, bits
):
    rng = np.random.default_rng(0)
    for name, high in (("few.png", most), ("whole.png", 65535)):
        counts = rng.integers(0, high + 1, (300, 400, channels)).astype(np.uint16)
        cv2.imwrite(str(tmp_path / name), counts)
    with pytest.raises(ValueError, match="16 bits with values up to"):
        read_rgb(tmp_path / "few.png")
    message = shown.choose_refused("few.png", (tmp_path / "few.png").read_bytes())
    assert f"few.png has 16 bits, of which it uses {bits} or fewer" in message
    shown.choose(str(tmp_path / "whole.png"))
    assert not shown.tab.is_visible("#message")


def test_the_cloud_turns_and_comes_nearer_by_key(shown, room):
    shown.choose(str(room))
    shown.tab.check("[name=view][value=cloud]", force=True)
    shown.tab.wait_for_function("document.getElementById('status').textContent.includes('points')")
    points = int(shown.tab.inner_text("#status").split()[0].replace(",", ""))
    assert 60_000 < points <= 320 * 240
    seen = [shown.tab.locator("#space").screenshot()]
    for key in ("ArrowLeft", "+"):
        shown.tab.press("#cloud", key)
        seen.append(shown.tab.locator("#space").screenshot())
    pictures = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int) for data in seen]
    assert pictures[0].std() > 20  # it shows something
    for one, next_one in zip(pictures, pictures[1:], strict=False):
        assert np.mean(np.abs(one - next_one)) > 2


def test_the_picture_is_pointed_at_and_marked_by_keyboard(shown, room):
    shown.choose(str(room))
    shown.tab.focus("#picture")
    for key in ("ArrowLeft", "Enter", *["ArrowRight"] * 9, "Enter"):
        shown.tab.keyboard.press(key)
    assert shown.tab.inner_text("#tip").endswith(" m")
    assert "between them" in shown.tab.inner_text("#measured")
    assert shown.tab.text_content("#announce") == shown.tab.inner_text("#tip")
    shown.tab.keyboard.press("Escape")
    assert "Click two places" in shown.tab.inner_text("#measured")


def test_the_page_goes_on_offline_once_it_is_loaded(open_page, room, networks):
    opened = open_page()
    opened.wait_for_depth()
    opened.tab.context.set_offline(True)
    opened.choose(str(room))
    said = float(opened.point_at(160, 120).removesuffix(" m"))
    assert said == pytest.approx(expect(networks, room).depth_m[120, 160], rel=0.01)
    opened.tab.check("[name=network][value=road]", force=True)
    opened.tab.wait_for_selector("#message:not([hidden])")
    assert "Connect" in opened.tab.inner_text("#message span")
    opened.tab.context.set_offline(False)
    opened.tab.check("[name=network][value=light]", force=True)
    pick(opened, "road")


def test_a_browser_without_simd_is_told_so(open_page):
    opened = open_page(script="WebAssembly.validate = () => false")
    opened.tab.wait_for_selector("#message:not([hidden])")
    assert "WebAssembly with SIMD" in opened.tab.inner_text("#message span")


def test_the_camera_shows_depth_frame_by_frame_and_keeps_one(open_page, tmp_path):
    opened = open_page(permissions=["camera"])
    opened.wait_for_depth()
    before = opened.count()
    opened.tab.click("#live")
    opened.wait_for_depth(before + 2)
    assert "a second" in opened.tab.inner_text("#status")
    opened.tab.click("#live")
    opened.tab.wait_for_function("document.getElementById('live').textContent === 'Live camera'")
    opened.tab.wait_for_timeout(1500)
    count = opened.count()
    opened.tab.wait_for_timeout(1000)
    assert opened.count() == count
    depth = np.load(opened.save("npy", tmp_path))
    assert depth.ndim == 2 and (depth > 0).all()
    assert opened.errors == []


def test_the_page_asks_no_other_host_has_no_errors_and_labels_on_all_controls(open_page):
    for path, wait in (("", "body[data-ready]"), ("gallery.html", "figure[data-ready]")):
        opened = open_page(path)
        opened.tab.wait_for_selector(wait)
        assert opened.errors == []
        assert all(url.startswith((opened.address, "blob:")) for url in opened.requests)
        unlabelled = opened.tab.evaluate(
            """[...document.querySelectorAll("button, input, a, canvas[tabindex], progress")]
            .filter((one) => !one.ariaLabel && !one.textContent.trim() && !one.labels?.length
              && !one.querySelector("img[alt]:not([alt=''])")).map((one) => one.outerHTML)"""
        )
        assert unlabelled == []


@pytest.mark.parametrize("path", ["", "gallery.html"])
def test_the_page_fits_a_phone(open_page, path):
    opened = open_page(path, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    opened.tab.wait_for_selector("[data-ready]")
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_with_one_network_is_small(open_page, page_folder):
    opened = open_page()
    opened.wait_for_depth()
    opened.tab.check("[name=view][value=cloud]", force=True)
    opened.tab.wait_for_function("document.getElementById('status').textContent.includes('points')")
    names = {url.removeprefix(opened.address).partition("?")[0] for url in opened.requests}
    files = [page_folder / (name or "index.html") for name in names if not name.startswith("blob:")]
    files.append(page_folder / "vendor" / "ort.wasm.gz")  # a worker's requests are not all told
    files.append(page_folder / "models" / "light.onnx")
    sizes = {file: len(gzip.compress(file.read_bytes())) for file in set(files)}
    assert len(sizes) > 20
    assert sum(sizes.values()) < BUDGET


def test_the_gallery_has_a_dozen_photos_with_depth_that_is_up_to_date(project, networks):
    from tools.web_gallery import GALLERY, LIST, describe_entry, predict_entry

    entries = json.loads(LIST.read_text(encoding="utf-8"))
    assert len(entries) >= 12
    total = sum(file.stat().st_size for file in GALLERY.iterdir())
    assert total < 1_500_000
    for entry in entries[:2]:
        result = predict_entry(entry, networks[entry["network"]])
        assert describe_entry(entry, result) == entry
        spec = INDOOR_MILLIMETRE if entry["network"] == "light" else DENSE_M256
        counts = cv2.imread(str(GALLERY / entry["depth"]), cv2.IMREAD_UNCHANGED)
        assert share_within(counts * spec.scale, result.depth_m) > 0.99


def test_a_cloud_of_the_gallery_opens_and_closes(open_page):
    opened = open_page("gallery.html")
    opened.tab.wait_for_selector("figure[data-ready]")
    opened.tab.click("figure button")
    opened.tab.wait_for_selector(".space canvas")
    opened.tab.wait_for_timeout(500)
    shot = opened.tab.locator(".space").first.screenshot()
    assert np.asarray(Image.open(io.BytesIO(shot)).convert("L"), int).std() > 20
    opened.tab.click("figure button")
    assert opened.tab.locator(".space").count() == 0
    assert opened.errors == []
