"""One photo has the same metres by every way through the library."""

import threading
import time

import cv2
import numpy as np
import pytest

from depthlib.commands.predict import predict_files
from depthlib.data.images import write_rgb
from depthlib.data.lenses import parse_focal
from depthlib.networks.saving import load_model
from depthlib.prediction.export import export_onnx
from depthlib.prediction.onnx import OnnxPredictor
from depthlib.prediction.pipeline import Room, work_ahead
from depthlib.prediction.predictor import Predictor
from depthlib.prediction.zoo import open_network
from depthlib.video import render

# Height and width: 4:3, 3:2, 16:9, 1:1, 3:4, 9:16, 2:1, 3.3:1.
SHAPES = (
    (240, 320), (200, 300), (180, 320), (260, 260), (320, 240), (320, 180), (150, 300), (100, 330),
)  # fmt: skip
CLOSE = {"rtol": 1e-3, "atol": 0}


def draw(height, width):
    """A smooth scene with an edge, uint8 RGB."""
    rng = np.random.default_rng(height)
    rgb = cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (width, height))
    rgb[height // 2 :, width // 3 : width // 2] //= 3
    return rgb


@pytest.mark.parametrize("name", ["light", "road"])
def test_a_photo_has_the_same_metres_by_every_way(project, tmp_path, monkeypatch, name):
    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))
    model = load_model(project / "models" / f"{name}.keras")
    ways = {
        "exported": OnnxPredictor(export_onnx(model, tmp_path / f"{name}.onnx")),
        "packaged": open_network(name),
    }
    focal = 0.7
    for number, shape in enumerate(SHAPES):
        photo = draw(*shape)
        expected = Predictor(model)([photo], focals=[focal])[0]
        assert expected.shape == shape
        for way, predictor in ways.items():
            found = predictor([photo], focals=[focal])[0]
            # 16-bit weights are within 2e-4 on photos of roads; these patches are none.
            limit = {"rtol": 5e-3} if way == "packaged" else CLOSE
            np.testing.assert_allclose(found, expected, **limit, err_msg=f"{way} {shape}")

        path = tmp_path / "in" / str(number) / "photo.png"
        write_rgb(path, photo)
        out = tmp_path / f"out{number}"
        request = parse_focal(focal)
        predict_files(ways["exported"], [path], out, lens=request, save=["npy"], progress=False)
        known = np.load(out / "photo_depth.npy") > 0  # in a file the sky is 0
        layout = ways["exported"].lay_out(*shape, focal)
        assert known.mean() == pytest.approx(np.mean(expected < (layout.far or np.inf)), abs=0.01)
        written = np.load(out / "photo_depth.npy")
        np.testing.assert_allclose(written[known], expected[known], **CLOSE, err_msg=f"{shape}")

        frames = []
        render.predict_video(
            ways["exported"], path.parent, tmp_path / f"{number}.avi", smoothing=0, focal=focal,
            save=lambda _, frame, depth, layout, frames=frames: frames.append(depth),
        )  # fmt: skip
        np.testing.assert_allclose(frames[0], expected, **CLOSE, err_msg=f"video {shape}")


def test_work_is_done_ahead_in_order_and_no_further_than_asked():
    done = []

    def count():
        for number in range(20):
            done.append(number)
            yield number

    items = work_ahead(count(), 3)
    assert next(items) == 0
    time.sleep(0.05)
    assert len(done) <= 4
    assert list(items) == list(range(1, 20))


def test_an_error_of_the_work_is_raised_and_stopping_ends_the_thread():
    closed = []

    def fail():
        try:
            yield 1
            raise ValueError("of the work")
        finally:
            closed.append(True)

    items = work_ahead(fail(), 2)
    assert next(items) == 1
    with pytest.raises(ValueError, match="of the work"):
        next(items)
    before = threading.active_count()
    endless = work_ahead(iter_forever(closed), 2)
    next(endless)
    endless.close()
    assert closed == [True, True] and threading.active_count() == before


def iter_forever(closed):
    try:
        while True:
            yield 1
    finally:
        closed.append(True)


def test_a_room_keeps_what_is_in_it_within_its_size_and_takes_what_is_larger_alone():
    room, taken = Room(10), []
    amounts = [4, 6, 30, 1, 2]
    thread = threading.Thread(target=lambda: [taken.append(room.take(one)) for one in amounts])
    thread.start()
    for given, expected in ((4, [4, 6]), (6, [4, 6]), (30, [4, 6, 30])):
        time.sleep(0.05)
        assert taken == expected
        room.give(given)
    thread.join(5)
    assert taken == amounts


def test_a_closed_room_has_nobody_wait():
    room = Room(10)
    room.take(10)
    thread = threading.Thread(target=room.take, args=[10])
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    room.close()
    thread.join(5)
    assert not thread.is_alive()
