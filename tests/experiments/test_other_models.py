import sys

import cv2
import pandas as pd
import pytest

from depthlib.data.images import read_pair, resize_depth, resize_rgb
from depthlib.data.pairs import find_pairs
from depthlib.data.specs import NYU_TEST
from depthlib.evaluation import evaluate
from depthlib.metrics import NYU_FASTDEPTH, depth_metrics
from depthlib.prediction.onnx import OnnxPredictor
from experiments.other_models import FASTDEPTH, choose_alignments, open_peers, time_networks
from tests.onnx_files import write_onnx


def test_metres_are_scored_as_they_are_only_where_both_sides_are_metres():
    assert choose_alignments("metre", "metre") == ["none", "median", "disparity"]
    assert choose_alignments("metre", "relative") == ["median", "disparity"]
    assert choose_alignments("relative", "metre") == ["median", "disparity"]
    assert choose_alignments("disparity", "metre") == ["disparity", "median"]


def test_without_onnx_runtime_the_extra_is_named(tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "tiny.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e \."):
        OnnxPredictor(path)
    networks, note = open_peers({"tiny": path})
    assert networks == {} and "pip install -e ." in note


def test_peers_whose_files_are_missing_are_noted_and_the_others_opened(tmp_path):
    files = {"tiny": write_onnx(tmp_path / "tiny.onnx"), "FastDepth": tmp_path / "none.onnx"}
    networks, note = open_peers(files, {"tiny": {"output": "relative"}})
    assert list(networks) == ["tiny"] and networks["tiny"].unit == "relative"
    assert note == f"peers: tiny\nFastDepth: there is no {tmp_path / 'none.onnx'}"
    known, _ = open_peers({"FastDepth": files["tiny"]})
    assert known["FastDepth"].spec == FASTDEPTH


def test_networks_are_timed_in_turn_each_warm(tmp_path):
    calls = []

    class Watched(OnnxPredictor):
        def run(self, rgb):
            calls.append((self.width, rgb.shape))
            return super().run(rgb)

    wide, square = (
        Watched(write_onnx(tmp_path / f"{width}.onnx", (1, 3, 4, width))) for width in (6, 4)
    )
    table = time_networks({"wide": wide, "square": square}, rounds=3)
    assert calls == [(6, (4, 6, 3)), (6, (4, 6, 3)), (4, (4, 4, 3)), (4, (4, 4, 3))] * 3
    assert table[["model", "height", "width"]].to_numpy().tolist() == [
        ["wide", 4, 6],
        ["square", 4, 4],
    ]
    low, middle, high = (
        table[name] for name in ("milliseconds_low", "milliseconds", "milliseconds_high")
    )
    assert (0 < low).all() and (low <= middle).all() and (middle <= high).all()


@pytest.mark.slow  # a network on 301 real photos
def test_fastdepth_is_as_good_as_measured_before_on_nyu(shared):
    """../shared/protocol.md: photo and truth at 250 rows, cropped to 228x304, all by area."""
    test, _ = find_pairs(shared / "data/nyu", NYU_TEST)
    network = OnnxPredictor(shared / "peers/fastdepth_7.onnx", FASTDEPTH)
    assert network.count_parameters() == pytest.approx(1.38e6, rel=0.01)
    rows = []
    for index in range(len(test)):
        rgb, depth_m = read_pair(test.rgb_path(index), test.depth_path(index), NYU_TEST)
        seen = resize_rgb(rgb, 250, 333)[11:239, 14:318]
        prediction = cv2.resize(network.run(resize_rgb(seen, 224, 224)), (304, 228))
        rows.append(depth_metrics(resize_depth(depth_m, 250, 333)[11:239, 14:318], prediction))
    means = pd.DataFrame(rows).mean()[["delta1", "delta2", "delta3", "abs_rel", "rmse", "log10"]]
    assert len(rows) == 301
    assert means.tolist() == pytest.approx([0.770, 0.945, 0.986, 0.153, 0.578, 0.068], abs=3e-3)
    # Shrunk once, as a peer is here, the photo stays sharper, which does it good.
    once = evaluate(network, test.select(range(0, 301, 5)), NYU_FASTDEPTH)["delta1"].mean()
    assert once > pd.DataFrame(rows)["delta1"][::5].mean()
