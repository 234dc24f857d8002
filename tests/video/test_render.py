import dataclasses
import time

import numpy as np
import pytest

from depthlib.data.images import write_rgb
from depthlib.plotting import DEPTH_COLOURS
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor
from depthlib.video.frames import Frames, open_frames, open_writer
from depthlib.video.render import BAR, DepthView, predict_video, time_alone, work_ahead

HEIGHT, WIDTH = 32, 48


class FakePredictor(DepthPredictor):
    """Depth in metres from red: what is brighter is nearer, 10 m to 1 m."""

    def __init__(self, view=None):
        super().__init__(view or View(16, 24, 10.0), "metre", "", batch_size=4)
        self.sizes = []

    def predict_batch(self, batch):
        self.sizes.append(len(batch))
        return 10 - 9 * batch[..., 0].astype(np.float32) / 255


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(time_alone, "__defaults__", (0.01,))


@pytest.fixture
def folder(tmp_path):
    """Ten frames that get redder, one by one."""
    for number in range(10):
        picture = np.full((HEIGHT, WIDTH, 3), (20 * number, 10, 60), np.uint8)
        write_rgb(tmp_path / "in" / f"{number}.png", picture)
    return tmp_path / "in"


def colour_of(depth, low=0.5, high=10.0):
    share = np.log(depth / low) / np.log(high / low)
    return np.array(DEPTH_COLOURS(share, bytes=True)[:3], float)


def make_frames(pictures, live=False):
    return Frames("made up", None, None, live, HEIGHT, WIDTH, iter(pictures))


def test_each_photo_stands_beside_its_depth_in_order(folder, tmp_path):
    report = predict_video(FakePredictor(), folder, tmp_path / "out" / "*.png", smoothing=0)
    pictures = list(open_frames(tmp_path / "out"))
    assert report.frames == len(pictures) == 10
    for number, picture in enumerate(pictures):
        assert picture.shape == (HEIGHT, 2 * WIDTH + BAR, 3)
        assert (picture[:, :WIDTH] == (20 * number, 10, 60)).all()
        expected = colour_of(10 - 9 * 20 * number / 255)
        assert np.abs(picture[:, WIDTH : 2 * WIDTH] - expected).max() <= 6  # a step of 256


def test_a_video_keeps_its_rate_and_red_stays_red(tmp_path):
    red = np.full((HEIGHT, WIDTH, 3), (210, 20, 30), np.uint8)
    with open_writer(tmp_path / "a.avi", 12.5, HEIGHT, WIDTH) as write:
        for _ in range(5):
            write(red)
    predict_video(FakePredictor(), tmp_path / "a.avi", tmp_path / "b.avi")
    written = open_frames(tmp_path / "b.avi")
    assert (written.fps, written.count) == (12.5, 5)
    for frame in written:
        assert np.abs(frame[8:24, 8:40] - np.array((210, 20, 30), float)).max() < 12
        depth = colour_of(10 - 9 * 210 / 255)
        assert np.abs(frame[8:24, WIDTH + 8 : 2 * WIDTH - 8] - depth).max() < 25


def test_the_network_sees_batches_of_one_size_and_is_asked_no_more_than_needed(folder, tmp_path):
    predictor = FakePredictor()
    report = predict_video(predictor, folder, tmp_path / "a.avi", count=6)
    assert set(predictor.sizes) == {4}
    assert report.frames == open_frames(tmp_path / "a.avi").count == 6


@pytest.mark.parametrize("shape", [(32, 96), (36, 64), (48, 64), (64, 36)])
def test_a_frame_has_the_metres_of_the_same_photo(shape, tmp_path):
    """Of a road's network, which tells depth by the row; the frames are of other shapes."""
    view = View(32, 96, 80.0, focal=0.6, aspect=3.0, horizon=0.45)
    photo = np.random.default_rng(0).integers(0, 200, (*shape, 3), np.uint8)
    write_rgb(tmp_path / "in" / "0.png", photo)
    depths = []
    predict_video(
        FakePredictor(view), tmp_path / "in", tmp_path / "a.avi", smoothing=0, focal=0.9,
        save=lambda number, frame, depth, layout: depths.append(depth),
    )  # fmt: skip
    (expected,) = FakePredictor(view)([photo], focals=[0.9])
    assert depths[0].shape == shape
    np.testing.assert_allclose(depths[0].mean(), expected.mean(), rtol=1e-2)


def test_the_sky_is_grey():
    view = DepthView(32, 48, (1, 60), "metre", far=60.0)
    depth = np.full((32, 48), 5.0, np.float32)
    depth[:16] = 70
    picture = view.draw(np.zeros((32, 48, 3), np.uint8), depth)[:, 48:96]
    assert (picture[:14] == 153).all() and not (picture[18:] == 153).all(axis=-1).any()


def test_wide_frames_have_their_depth_below_and_large_ones_are_shrunk():
    wide, odd = (DepthView(*size, (0.5, 10), "metre").size for size in ((32, 100), (31, 45)))
    assert wide == (64, 100 + BAR)
    assert odd == (32, 90 + BAR)


def test_a_strip_that_would_be_shrunk_to_less_than_a_column_keeps_one(tmp_path):
    write_rgb(tmp_path / "in" / "0.png", np.full((1000, 1, 3), 90, np.uint8))
    predict_video(FakePredictor(), tmp_path / "in", tmp_path / "out" / "*.png")
    (picture,) = open_frames(tmp_path / "out")
    assert picture.shape == (480, 2 + BAR, 3)


def test_photos_of_a_large_video_are_shrunk_to_480_rows(tmp_path):
    write_rgb(tmp_path / "in" / "0.png", np.zeros((960, 1280, 3), np.uint8))
    predict_video(FakePredictor(), tmp_path / "in", tmp_path / "a.avi")
    written = open_frames(tmp_path / "a.avi")
    assert (written.height, written.width) == (480, 1280 + BAR)


def test_the_colours_of_a_depth_are_those_of_the_bar_beside_it():
    view = DepthView(200, 100, (1, 10), "metre")
    for depth in (1.0, 3.0, 10.0):
        picture = view.draw(np.zeros((200, 100, 3), np.uint8), np.full((8, 8), depth, np.float32))
        colour = picture[100, 150].astype(float)
        assert np.abs(colour - colour_of(depth, 1, 10)).max() <= 6
        bar = picture[28:188, -BAR + 15].astype(float)  # from far above to near below
        row = np.abs(bar - colour).sum(axis=1).argmin()
        assert 1 - row / 159 == pytest.approx(np.log10(depth), abs=0.02)


@pytest.mark.parametrize("limits", [(0, 10), (5, 5), (10, 1)])
def test_limits_that_no_colours_fit_between_are_refused(limits):
    with pytest.raises(ValueError, match="`limits` must be.*Received: limits="):
        DepthView(32, 48, limits, "metre")


def test_what_was_written_and_how_fast_is_reported(folder, tmp_path):
    report = predict_video(FakePredictor(), folder, tmp_path / "a.avi", count=4)
    assert (report.frames, report.announced) == (4, 4)
    lines = str(dataclasses.replace(report, seconds=2.0, own_rate=2.5, announced=9)).splitlines()
    assert lines[0] == "4 frames in 2.0 s: 2.0 frames/s, 80% of the network's own 2.5."
    assert lines[2] == "The source announced 9 frames."


def test_reading_predicting_and_writing_overlap():
    """Three stages of 20 ms an item: 60 in turn, 20 at once."""

    def stage(items):
        for item in items:
            time.sleep(0.02)
            yield item

    start = time.perf_counter()
    ahead = work_ahead(stage(work_ahead(stage(iter(range(20))), 4)), 4)
    assert list(stage(ahead)) == list(range(20))
    assert time.perf_counter() - start < 20 * 0.045


@pytest.mark.parametrize("count", [60, 600])
def test_what_is_at_hand_does_not_grow_with_the_video(count, tmp_path, monkeypatch):
    read, written, most = 0, 0, 0
    draw = DepthView.draw

    def make():
        nonlocal read, most
        for _ in range(count):
            read += 1
            most = max(most, read - written)
            yield np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def count_drawn(self, *arguments):
        nonlocal written
        written += 1
        time.sleep(0.0005)
        return draw(self, *arguments)

    monkeypatch.setattr(DepthView, "draw", count_drawn)
    monkeypatch.setattr("depthlib.video.render.open_frames", lambda source: make_frames(make()))
    assert predict_video(FakePredictor(), "made up", tmp_path / "a.avi").frames == count
    assert 8 < most <= 5 * 4 + 2


def write_film(path, levels=(40, 90, 140)):
    with open_writer(path, 10, HEIGHT, WIDTH) as write:
        for level in levels:
            write(np.full((HEIGHT, WIDTH, 3), level, np.uint8))
    return path


def read_all(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "source, target",
    [
        ("a.avi", "a.avi"),
        ("a.avi", "in/../a.avi"),
        ("a.avi", "symbolic.avi"),
        ("symbolic.avi", "a.avi"),
        ("a.avi", "hard.avi"),
        ("hard.avi", "a.avi"),
        ("linked/0.avi", "in/0.avi"),
        ("in/0.avi", "linked/0.avi"),
    ],
)
def test_a_target_that_is_the_source_is_refused_and_nothing_changes(
    source, target, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    film = write_film(tmp_path / "a.avi")
    write_film(tmp_path / "in" / "0.avi")
    (tmp_path / "symbolic.avi").symlink_to(film)
    (tmp_path / "hard.avi").hardlink_to(film)
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    before = read_all(tmp_path)
    predictor = FakePredictor()
    with pytest.raises(ValueError, match="must not be the source. Received:"):
        predict_video(predictor, source, target)
    assert read_all(tmp_path) == before and not predictor.sizes


@pytest.mark.parametrize(
    "source, target",
    [
        ("in", "in/*.png"),
        ("in", "in/depth_*.jpg"),
        ("in", "out/../in/depth_*.png"),
        ("in", "linked/depth_*.png"),
        ("linked", "in/depth_*.png"),
        ("in/*.png", "in/*.png"),
        ("in/?*.png", "in/depth_*.png"),
        ("in/*5.png", "in/depth_*.png"),  # depth_000005.png
        ("in/*", "in/a.avi"),
        ("linked/*", "in/a.avi"),
    ],
)
def test_a_target_that_would_be_a_frame_of_the_source_is_refused(
    source, target, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked").symlink_to(folder)
    (tmp_path / "out").mkdir()
    for number in (15, 25, 35, 45, 55):
        (folder / f"{number}.png").write_bytes((folder / "0.png").read_bytes())
    before = read_all(tmp_path)
    with pytest.raises(ValueError, match="must not become a frame of the source. Received:"):
        predict_video(FakePredictor(), source, target)
    assert read_all(tmp_path) == before


@pytest.mark.parametrize(
    "source, target",
    [
        ("in", "in/a.avi"),
        ("in", "in/out/*.png"),
        ("in/0*.png", "in/depth_*.png"),
        ("in/*.png", "in/depth_*.jpg"),
        ("a.avi", "b.avi"),
        ("a.avi", "*.png"),
        ("a.part.avi", "a.avi"),
        ("b.part.avi", "b.avi"),
        ("a.avi", "a.part.avi"),
    ],
)
def test_a_target_beside_the_source_leaves_it_as_it_is(
    source, target, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.avi", "a.part.avi", "b.part.avi"):
        write_film(tmp_path / name)
    before = read_all(tmp_path)
    for name in (target, f".{target}.sha256"):
        before.pop(tmp_path / name, None)
    report = predict_video(FakePredictor(), source, target)
    after = read_all(tmp_path)
    assert {path: after[path] for path in before} == before
    assert open_frames(target.replace("*", "000000")).height == HEIGHT and report.frames
    again = predict_video(FakePredictor(), source, tmp_path / "again" / "*.png")
    assert again.frames == report.frames


def test_an_error_of_the_reading_thread_stops_the_video_and_keeps_its_part(folder, tmp_path):
    write_rgb(folder / "9.png", np.zeros((HEIGHT, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="one size. Received: 32x64 after 32x48, at frame 9"):
        predict_video(FakePredictor(), folder, tmp_path / "a.avi")
    assert open_frames(tmp_path / "a.part.avi").count == 8


def test_an_interrupt_keeps_the_part_but_ends_a_camera_s_video(tmp_path, monkeypatch):
    def make():
        for number in range(6):
            yield np.full((HEIGHT, WIDTH, 3), number, np.uint8)
        raise KeyboardInterrupt

    for live, name in ((False, "a.part.avi"), (True, "b.avi")):
        opened = make_frames(make(), live)
        monkeypatch.setattr(
            "depthlib.video.render.open_frames", lambda source, opened=opened: opened
        )
        target = tmp_path / name.replace(".part", "")
        if live:
            assert predict_video(FakePredictor(), "made up", target, fps=5).frames == 6
        else:
            with pytest.raises(KeyboardInterrupt):
                predict_video(FakePredictor(), "made up", target, fps=5)
        assert open_frames(tmp_path / name).count == (6 if live else 4)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["a.part.avi", "b.avi"]


def test_the_network_alone_is_timed_without_its_first_call():
    calls = []

    def predict(photos):
        time.sleep(0.2 if not calls else 0.01)
        calls.append(len(photos))

    assert 60 < time_alone(predict, [None] * 2, 0.1) <= 200
    assert len(calls) > 4


def test_a_rate_of_nothing_is_not_taken_for_the_source_s(folder, tmp_path):
    with pytest.raises(ValueError, match="from 0.01 to 1000. Received: fps=0"):
        predict_video(FakePredictor(), folder, tmp_path / "a.avi", fps=0)


def test_a_count_of_nothing_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="`count` must be at least 1. Received: count=0"):
        predict_video(FakePredictor(), folder, tmp_path / "a.avi", count=0)
