import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib.data import images
from depthlib.data.pairs import Pairs, find_pairs, read_csv
from depthlib.data.specs import KITTI, NYU_RELATIVE, NYU_TEST, NYU_TRAIN
from depthlib.evaluation import (
    evaluate,
    evaluate_all,
    fit_trivial_baselines,
    summarise,
    summarise_all,
)
from depthlib.metrics import FULL, NYU_BTS, NYU_DENSEDEPTH, depth_metrics


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
    floors = fit_trivial_baselines(pairs)
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
    floors = fit_trivial_baselines(find_pairs(tmp_path, KITTI)[0])
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
    floors = fit_trivial_baselines(training.select(range(0, len(training), 5)))
    few = test.select(range(0, len(test), 5))
    table = summarise({k: evaluate(v, few, NYU_DENSEDEPTH) for k, v in floors.items()})
    # All 735 and 301 images: 0.450 and 0.399; a fifth of each scatters by some hundredths.
    assert table["delta1"].tolist() == pytest.approx([0.450, 0.399], abs=0.04)
