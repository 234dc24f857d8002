import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib import images
from depthlib.datasets import KITTI, NYU_RELATIVE, NYU_TEST, NYU_TRAIN
from depthlib.evaluation import (
    evaluate,
    evaluate_all,
    fit_floors,
    ground_plane,
    measure_depth,
    measure_edges,
    measure_focal,
    summarise,
    summarise_all,
)
from depthlib.metrics import FULL, NYU_BTS, NYU_DENSEDEPTH, depth_metrics
from depthlib.pairs import Pairs, find_pairs, read_csv


@pytest.fixture
def test_pairs(tiny_nyu):
    return read_csv(tiny_nyu(tests=5) / "nyu2_test.csv", NYU_TEST)


def test_each_image_has_its_row_whatever_the_batch_size(test_pairs):
    truths = [images.read_depth(test_pairs.depth_path(i), NYU_TEST) for i in range(5)]

    def predict(photos, flip_average):
        return [np.full(photo.shape[:2], 4.0, np.float32) for photo in photos]

    for batch_size in (1, 2, 8):
        table = evaluate(predict, test_pairs, FULL, batch_size=batch_size)
        assert table["rgb"].tolist() == test_pairs.table["rgb"].tolist()
        for row, truth in zip(table.to_dict("records"), truths, strict=True):
            expected = depth_metrics(truth, np.full(truth.shape, 4.0))
            assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_flips_are_averaged_where_the_protocol_says_so(test_pairs):
    asked = []

    def predict(photos, flip_average):
        asked.append(flip_average)
        return [np.full(photo.shape[:2], 4.0, np.float32) for photo in photos]

    evaluate(predict, test_pairs, NYU_DENSEDEPTH, batch_size=5)
    evaluate(predict, test_pairs, FULL, batch_size=5)
    assert asked == [True, False]


def test_several_protocols_and_alignments_share_each_prediction(test_pairs):
    asked = []

    def predict(photos, flip_average):
        asked.append((len(photos), flip_average))
        return [photo[..., 0] / np.float32(64) + 1 + flip_average for photo in photos]

    protocols = [FULL, NYU_BTS, NYU_DENSEDEPTH]
    tables = evaluate_all(predict, test_pairs, protocols, ["none", "median"], batch_size=5)
    assert sorted(asked) == [(5, False), (5, True)]
    for protocol in protocols:
        for alignment in ("none", "median"):
            alone = evaluate(predict, test_pairs, protocol, alignment)
            pd.testing.assert_frame_equal(tables[protocol.name, alignment], alone)
    assert not tables["full", "none"].equals(tables["nyu_bts", "none"])

    summary = summarise_all({"ours": tables, "theirs": {("full", "none"): alone}})
    ways = summary[["model", "protocol", "alignment"]].to_numpy().tolist()
    assert ways[:2] == [["ours", "full", "none"], ["ours", "full", "median"]]
    assert len(ways) == 7 and ways[6] == ["theirs", "full", "none"]
    assert summary["abs_rel"].iat[6] == pytest.approx(alone["abs_rel"].mean())


def test_relative_depth_is_compared_only_after_alignment(tiny_nyu):
    metric, _ = find_pairs(tiny_nyu(), NYU_TRAIN)
    relative = Pairs(metric.root, metric.table, NYU_RELATIVE)  # 8-bit maps of unknown scale

    def predict(photos, flip_average):
        return [np.full(photo.shape[:2], 4.0, np.float32) for photo in photos]

    with pytest.raises(ValueError, match="must be aligned"):
        evaluate(predict, relative, FULL)
    aligned = evaluate(predict, relative, FULL, "median")
    same = evaluate(predict, metric, FULL, "median")
    np.testing.assert_allclose(aligned["abs_rel"], same["abs_rel"], rtol=1e-5)
    assert "rmse" not in aligned and "rmse" not in summarise({"four": aligned})


def test_the_summary_has_means_intervals_and_the_pooled_error(test_pairs):
    def predict(photos, flip_average):
        return [np.full(photo.shape[:2], 5.0, np.float32) for photo in photos]

    scores = evaluate(predict, test_pairs, FULL)
    table = summarise({"five": scores})
    assert table["model"].tolist() == ["five"]
    row = table.iloc[0]
    assert row["delta1"] == pytest.approx(scores["delta1"].mean())
    assert row["delta1_low"] <= row["delta1"] <= row["delta1_high"]
    truths = [images.read_depth(test_pairs.depth_path(i), NYU_TEST) for i in range(5)]
    assert row["rmse_pooled"] == pytest.approx(np.sqrt(np.mean((np.stack(truths) - 5) ** 2)))


def test_the_floors_are_the_mean_log_depth_of_each_pixel_and_the_median(tiny_nyu):
    pairs, _ = find_pairs(tiny_nyu(scenes=3, frames=1, height=120, width=160), NYU_TRAIN)
    maps = np.stack([images.read_depth(pairs.depth_path(i), NYU_TRAIN) for i in range(3)])
    floors = fit_floors(pairs)
    photo = np.zeros((120, 160, 3), np.uint8)
    expected = np.exp(np.log(maps).mean(axis=0))
    np.testing.assert_allclose(floors["mean_map"]([photo], False)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(
        floors["mean_map"]([photo], True)[0], (expected + expected[:, ::-1]) / 2, rtol=1e-5
    )
    constant = floors["constant"]([photo[:60]], False)[0]
    assert constant.shape == (60, 160) and np.ptp(constant) == 0
    assert constant[0, 0] == pytest.approx(np.median(maps))


def test_the_floors_of_sparse_maps_are_of_what_was_measured(tmp_path):
    for frame, metres in (("0", 8), ("1", 18)):
        counts = np.zeros((240, 640), np.uint16)
        counts[1::4, 2::8] = metres * 256  # one in a cell of the floor's every second row
        counts[200:, :] = 0
        counts[201, 2::8] = (metres + 2) * 256  # a map must vary
        images.write_rgb(tmp_path / f"drive/rgb/{frame}.png", np.zeros((240, 640, 3), np.uint8))
        (tmp_path / "drive/depth").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"drive/depth/{frame}.png"), counts)
    floors = fit_floors(find_pairs(tmp_path, KITTI)[0])
    photo = np.zeros((120, 160, 3), np.uint8)
    mean = floors["mean_map"]([photo], False)[0]
    assert mean[10, 8] == pytest.approx(12, rel=1e-5)  # the root of 8 * 18
    assert mean[100, 8] == pytest.approx(np.sqrt(10 * 20), rel=1e-5)
    constant = floors["constant"]([photo], False)[0]
    assert mean[119, 8] == pytest.approx(constant[0, 0])  # nothing was measured there


def test_the_floors_on_nyu_are_those_that_were_measured_before(shared):
    root = shared / "data/nyu"
    training, _ = find_pairs(root, NYU_TRAIN)
    test, _ = find_pairs(root, NYU_TEST)
    floors = fit_floors(training.select(range(0, len(training), 5)))
    few = test.select(range(0, len(test), 5))
    table = summarise({k: evaluate(v, few, NYU_DENSEDEPTH) for k, v in floors.items()})
    # All 735 and 301 images: 0.450 and 0.399; a fifth of each scatters by some hundredths.
    assert table["delta1"].tolist() == pytest.approx([0.450, 0.399], abs=0.04)


def test_edges_are_scored_within_the_protocols_crop(test_pairs):
    """A prediction that is right within the crop and has an edge of its own outside of it."""
    truths = {}
    for i in range(len(test_pairs)):
        photo, truth = images.read_pair(test_pairs.rgb_path(i), test_pairs.depth_path(i), NYU_TEST)
        truths[photo.tobytes()] = truth

    def predict(photos, flip_average):
        depth = truths[photos[0].tobytes()].copy()
        depth[:, -1] = 9.0
        return [depth]

    scores = measure_edges(predict, test_pairs)
    assert scores == {"edge_precision": 1.0, "edge_recall": 1.0, "edge_f1": 1.0}


def test_edges_are_looked_for_at_the_size_at_which_enlarged_maps_still_have_them(
    test_pairs, monkeypatch
):
    """A step of .2 m spread over eight pixels is an edge in maps of a quarter of the rows."""
    truth = np.full((48, 64), 2.0, np.float32)
    truth[:, 32:] = 2.2
    ramp = np.repeat(np.interp(np.arange(64), (28, 36), (2.0, 2.2))[None], 48, axis=0)
    monkeypatch.setattr("depthlib.evaluation.read_pair", lambda *_: (None, truth))
    recalls = {}
    for rows in (48, 12):
        monkeypatch.setattr("depthlib.evaluation.EDGE_ROWS", rows)
        recalls[rows] = measure_edges(lambda *_: [ramp], test_pairs)["edge_recall"]
    assert recalls == {48: 0.0, 12: 1.0}


def test_a_level_road_is_as_far_as_its_rows_say():
    photo = np.zeros((32, 48, 3), np.uint8)
    depth = ground_plane(focal=0.5, horizon=0.5, camera_height=1.65)([photo])[0]
    assert depth.shape == (32, 48) and depth.dtype == np.float32
    # A focal length of 24 pixels; the centres of rows 17 and 31 lie 1.5 and 15.5 below the horizon.
    assert depth[17, 0] == pytest.approx(24 * 1.65 / 1.5)
    assert depth[31, 47] == pytest.approx(24 * 1.65 / 15.5)
    assert (depth[:16] == 80).all() and (np.diff(depth[16:, 0]) < 0).any()


def test_depth_of_a_photos_middle_is_right_once_it_is_scaled(tmp_path):
    rng = np.random.default_rng(0)
    depth = np.where(rng.random((60, 100)) < 0.3, rng.uniform(5, 50, (60, 100)), 0).astype("f4")
    rgb = np.repeat(np.rint(depth)[..., None], 3, axis=2).astype(np.uint8)
    images.write_rgb(tmp_path / "drive/rgb/1.png", rgb)
    images.write_depth(tmp_path / "drive/depth/1.png", np.rint(depth), KITTI)
    pairs = find_pairs(tmp_path, KITTI)[0]

    def predict(photos, flip_average):
        # A network that sees things twice as large says that they are half as far.
        return [photo[..., 0].clip(1) * np.float32(photo.shape[1] / 100) for photo in photos]

    table = measure_focal(predict, pairs, [1.0, 0.5]).set_index(["share", "way"])
    assert table["abs_rel"].to_dict() == pytest.approx(
        {(0.5, "as trained"): 0.5, (0.5, "scaled"): 0, (1, "as trained"): 0, (1, "scaled"): 0}
    )
    assert table.at[(0.5, "scaled"), "delta1"] == 1 and (table["images"] == 1).all()


def test_depth_is_measured_in_metres_and_after_alignment_and_a_flat_map_shows(test_pairs):
    truths = [images.read_depth(test_pairs.depth_path(i), NYU_TEST) for i in range(5)]

    def stretch(photos, flip_average):
        return [10 * (truth - truth.min()) / np.ptp(truth) + 0.5 for truth in truths]

    def flat(photos, flip_average):
        return [np.full(photo.shape[:2], 4.0) for photo in photos]

    stretch.unit = "relative"
    values = measure_depth(stretch, test_pairs)
    # Scale and shift are all that is wrong, so after alignment nothing is; metres it has none.
    assert values["affine_delta1"] == 1 and values["affine_abs_rel"] < 1e-4
    assert np.isnan([values["metres_delta1"], values["metres_abs_rel"]]).all()
    assert values["spread"] > 0.3
    values = measure_depth(flat, test_pairs)
    assert values["spread"] == 0 and 0 < values["metres_delta1"] < 1
    assert 0 < values["affine_abs_rel"] < values["metres_abs_rel"]
