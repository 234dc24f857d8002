import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from depthlib.data import images
from depthlib.data.dataset_file import make_spec
from depthlib.data.intrinsics import Intrinsics
from depthlib.data.pairs import Pairs, check_pairs, find_pairs, read_csv
from depthlib.data.specs import KITTI, NYU_RELATIVE, NYU_TEST, NYU_TRAIN
from depthlib.evaluation import (
    MapBaseline,
    align_maps,
    evaluate,
    evaluate_all,
    evaluate_files,
    explain_scenes,
    explain_unknown,
    fit_trivial_baselines,
    keep_few,
    read_pairs,
    summarise,
    summarise_all,
    tabulate,
    unit_of,
)
from depthlib.metrics import FULL, NYU_BTS, NYU_DENSEDEPTH, depth_metrics
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.writers import DepthResult, name_file, write_npy, write_png16


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


@pytest.mark.parametrize(
    ("unit", "spec", "alignment", "use"),
    [
        ("relative", NYU_TEST, "none", "median"),
        ("disparity", NYU_TEST, "none", "disparity"),
        ("metre", NYU_RELATIVE, "none", "median"),
        ("relative", NYU_RELATIVE, "none", "median"),
        ("metre", NYU_TEST, "none", None),
        ("metre", NYU_TEST, "median", None),
        ("relative", NYU_TEST, "median", None),
    ],
)
def test_units_are_never_mixed_without_an_alignment(test_pairs, unit, spec, alignment, use):
    """What is refused names the network, before a photo is read."""
    pairs = Pairs(test_pairs.root, test_pairs.table, spec)
    predict = MapBaseline(np.full((4, 6), 4.0, np.float32), unit)
    if use is None:
        assert len(evaluate(predict, pairs, FULL, alignment, name="four")) == len(pairs)
        return
    with pytest.raises(ValueError, match=f"must be aligned.*Received: .*four.*Use {use}: ALIGN"):
        evaluate(predict, pairs, FULL, alignment, name="four")


def test_trivial_baselines_have_the_unit_of_what_they_are_of(tiny_nyu):
    metric, _ = find_pairs(tiny_nyu(), NYU_TRAIN)
    relative = Pairs(metric.root, metric.table, NYU_RELATIVE)
    for pairs, unit in ((metric, "metre"), (relative, "relative")):
        assert {unit_of(one) for one in fit_trivial_baselines(pairs).values()} == {unit}
    with pytest.raises(ValueError, match="must be aligned"):
        evaluate(fit_trivial_baselines(relative)["mean_map"], metric, FULL)


def test_what_is_shown_is_aligned_as_what_is_scored(test_pairs):
    truths = test_pairs.load()[1]
    doubled = MapBaseline(np.full((4, 6), 4.0, np.float32), "relative")
    for truth, shown in zip(truths, align_maps(doubled, test_pairs, "median"), strict=True):
        assert shown.shape == truth.shape and shown.dtype == np.float32
        np.testing.assert_allclose(shown, np.median(truth[truth > 0]), rtol=1e-6)
    assert align_maps(doubled, test_pairs)[0][0, 0] == 4


class Wall(DepthPredictor):
    """A network for rooms that takes whatever it sees for a wall 2 m away; notes what it is told.

    So its depth of a photo says through which lens it saw it.
    """

    def __init__(self, view=None, **settings):
        super().__init__(view or View(32, 48, 10.0, 0.8, 1.5), "metre", "rooms", **settings)

    def predict_batch(self, batch):
        return np.full(batch.shape[:3], 2, np.float32)


LENSES = {"one": 1.6, "short": 0.4, "training's": 0.8, "unknown": None, "each": (0.6, 1.6)}


def zoom(pairs, lens):
    """The pairs, said to be taken through `lens`, or each through one of two."""
    if isinstance(lens, tuple):
        pixels = [48 * lens[index % 2] for index in range(len(pairs))]
        spec = replace(pairs.spec, focal=None, focal_column="fx")
        return replace(pairs, table=pairs.table.assign(fx=pixels), spec=spec)
    return replace(pairs, spec=replace(pairs.spec, focal=lens))


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_a_network_is_scored_and_shown_through_the_lens_of_each_photo(test_pairs, lens):
    taken = zoom(test_pairs, lens)
    photos, truths = test_pairs.load()
    lenses = lens if isinstance(lens, tuple) else (lens, lens)
    due = [Wall()([photo], focals=[lenses[i % 2]])[0] for i, photo in enumerate(photos)]
    scores = evaluate(Wall(), taken, FULL, batch_size=2)
    for row, truth, depth in zip(scores.to_dict("records"), truths, due, strict=True):
        assert row["abs_rel"] == pytest.approx(depth_metrics(truth, depth)["abs_rel"])
    for shown, depth in zip(align_maps(Wall(), taken), due, strict=True):
        np.testing.assert_allclose(shown, depth, rtol=1e-6)
    told = {float(depth[0, 0]) for depth in due}
    assert len(told) == len(set(lenses))
    assert (2.0 in told) == (lens in (0.8, None))  # else 2 m are those of the training camera


def test_a_lens_that_the_caller_gave_counts(test_pairs):
    own = evaluate(Wall(focal=0.5), zoom(test_pairs, 1.6), FULL)
    due = evaluate(Wall(), zoom(test_pairs, 0.5), FULL)
    pd.testing.assert_frame_equal(own, due)


@pytest.mark.parametrize(
    "predict",
    [
        lambda photos, flip: [np.full(photo.shape[:2], 2, np.float32) for photo in photos],
        MapBaseline(np.full((4, 6), 2, np.float32), "metre"),
        Wall(View(32, 48, 10.0)),
    ],
    ids=["function", "baseline", "network of an unknown lens"],
)
def test_what_knows_no_lens_is_told_none(test_pairs, predict):
    taken = zoom(test_pairs, 1.6)
    scores = evaluate(predict, taken, FULL)
    pd.testing.assert_frame_equal(scores, evaluate(predict, zoom(test_pairs, None), FULL))
    np.testing.assert_array_equal(align_maps(predict, taken)[0], 2)


def test_a_focal_length_that_no_lens_has_ends_a_score_with_its_photo(test_pairs):
    with pytest.raises(ValueError, match="'fx' must hold focal lengths.*for .*00001_colors.png"):
        evaluate(Wall(), zoom(test_pairs, (0.8, 80.0)), FULL)


@pytest.mark.parametrize(
    "use",
    [
        lambda pairs, folder: evaluate(Wall(), pairs, FULL),
        lambda pairs, folder: evaluate(Wall(), pairs, FULL, "median"),
        lambda pairs, folder: evaluate_files(folder, pairs, FULL, ["none"]),
        lambda pairs, folder: align_maps(Wall(), pairs),
        lambda pairs, folder: fit_trivial_baselines(pairs),
        lambda pairs, folder: pairs.load(),
        lambda pairs, folder: check_pairs(pairs),
    ],
    ids=["evaluate", "aligned", "files", "shown", "baselines", "loaded", "checked"],
)
@pytest.mark.parametrize("baseline", [None, 0.1], ids=["one camera", "two cameras"])
def test_photos_without_true_depth_are_refused_in_words(tmp_path, use, baseline):
    spec = make_spec("drive", encoding="none", focal=0.6, baseline=baseline)
    table = pd.DataFrame({"rgb": ["0.png", "1.png"], "next": ["1.png", ""], "scene": ["a", "a"]})
    with pytest.raises(ValueError, match=f"needs true depth.*Received: 'drive' in {tmp_path}"):
        use(Pairs(tmp_path, table, spec), tmp_path)


def test_the_bar_bears_the_name_of_what_is_scored(test_pairs, capsys):
    baseline = MapBaseline(np.full((4, 6), 4.0, np.float32), "metre")
    evaluate(baseline, test_pairs, FULL, name="four metres")
    assert "four metres: 100%" in capsys.readouterr().err


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


def test_the_trivial_baselines_are_the_mean_log_depth_of_each_pixel_and_the_median(tiny_nyu):
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


def test_the_trivial_baselines_of_sparse_maps_are_of_what_was_measured(tmp_path):
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


def test_the_trivial_baselines_on_nyu_are_those_that_were_measured_before(shared):
    root = shared / "data/nyu"
    training, _ = find_pairs(root, NYU_TRAIN)
    test, _ = find_pairs(root, NYU_TEST)
    floors = fit_trivial_baselines(training.select(range(0, len(training), 5)))
    few = test.select(range(0, len(test), 5))
    table = summarise({k: evaluate(v, few, NYU_DENSEDEPTH) for k, v in floors.items()})
    # All 735 and 301 images: 0.450 and 0.399; a fifth of each scatters by some hundredths.
    assert table["delta1"].tolist() == pytest.approx([0.450, 0.399], abs=0.04)


ENDINGS = {
    "{stem}.npy": lambda depth: depth,
    "{stem}_depth.npy": lambda depth: depth[np.newaxis, ..., np.newaxis].astype(np.float64),
    "{stem}_depth_mm.png": lambda depth: np.rint(depth * 1000).astype(np.uint16),
    "{stem}_depth_m256.png": lambda depth: np.rint(depth * 256).astype(np.uint16),
    "nyu2_test/{stem}.npy": lambda depth: depth.astype(np.float16),
    "nyu2_test_{stem}_png_depth_mm.png": lambda depth: np.rint(depth * 1000).astype(np.uint16),
    "{stem}_depth_mm.npy": lambda depth: (depth * 1000).astype(np.float32),
    "{stem}_depth_m256.npy": lambda depth: depth * 256,
    "{stem}_depth_mm.PNG": lambda depth: np.rint(depth * 1000).astype(np.uint16),
    "{stem}_depth.NPY": lambda depth: depth,
}


def write_maps(pairs, folder, name, encode, size=None):
    """Writes a map of each pair that is a tenth too deep, under a name with its {stem}."""
    for index in range(len(pairs)):
        depth = 1.1 * images.read_depth(pairs.depth_path(index), NYU_TEST)
        if size:
            depth = cv2.resize(depth, size[::-1], interpolation=cv2.INTER_NEAREST)
        path = folder / name.format(stem=pairs.rgb_path(index).stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".npy":
            with path.open("wb") as file:  # or it would end in .NPY.npy
                np.save(file, encode(depth))
        else:
            cv2.imwrite(str(path), encode(depth))


@pytest.mark.parametrize("name", ENDINGS)
def test_depth_in_files_is_scored_whatever_tool_wrote_it(test_pairs, tmp_path, name):
    write_maps(test_pairs, tmp_path, name, ENDINGS[name])
    tables = evaluate_files(tmp_path, test_pairs, NYU_DENSEDEPTH, ["none", "median"])
    table = tables["nyu_densedepth", "none"]
    assert table["rgb"].tolist() == test_pairs.table["rgb"].tolist()
    # Of what the protocol leaves: it clips to 10 m.
    assert table["abs_rel"].to_numpy() == pytest.approx(0.1, abs=2e-3)
    assert tables["nyu_densedepth", "median"]["abs_rel"].to_numpy() == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("alignments", [["none", "median"], ["affine"], ["disparity"]])
@pytest.mark.parametrize(
    "encode",
    [
        lambda depth: 1 / depth,
        lambda depth: np.rint(2e4 / depth).astype(np.uint16),
        lambda depth: depth.max() - depth,  # as far as its brightness was inverted for a picture
    ],
)
def test_disparity_is_not_scored_as_depth(test_pairs, tmp_path, encode, alignments):
    write_maps(test_pairs, tmp_path, "{stem}.npy", encode)
    with pytest.raises(ValueError, match=r"correlation .* of -\d.*0000\d_colors.npy.*disparity"):
        evaluate_files(tmp_path, test_pairs, NYU_DENSEDEPTH, alignments, depth_scale=1e-3)


def test_depth_that_is_bad_or_the_same_everywhere_is_scored(test_pairs, tmp_path):
    rng = np.random.default_rng(0)
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda depth: rng.uniform(1, 5, depth.shape))
    evaluate_files(tmp_path, test_pairs, NYU_DENSEDEPTH, ["none"])
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda depth: np.full(depth.shape, 3.0))
    evaluate_files(tmp_path, test_pairs, NYU_DENSEDEPTH, ["none"])


def test_photos_and_their_truth_are_no_predictions_that_lie_beside_them(test_pairs, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(test_pairs.root, root)
    pairs = replace(test_pairs, root=root)
    with pytest.raises(FileNotFoundError, match="Each photo must have its depth in .*none for 5"):
        evaluate_files(root, pairs, FULL, ["none"])  # the truth would be right everywhere
    beside = pairs.rgb_path(0).parent
    write_maps(pairs, beside, "{stem}_depth.npy", lambda depth: depth)
    table = evaluate_files(root, pairs, FULL, ["none"])["full", "none"]
    assert table["abs_rel"].to_numpy() == pytest.approx(0.1, abs=2e-2)


@pytest.mark.parametrize("line", ["\n", "\r\n", "\u2028"])
def test_names_of_files_may_have_lines(test_pairs, tmp_path, line):
    root, folder = tmp_path / "set", tmp_path / "depth"
    shutil.copytree(test_pairs.root, root)
    table, photo = test_pairs.table.copy(), test_pairs.table.loc[0, "rgb"]
    table.loc[0, "rgb"] = str(Path(photo).with_stem(f"my{line}photo"))
    (root / photo).rename(root / table.loc[0, "rgb"])
    pairs = replace(test_pairs, root=root, table=table)
    write_maps(pairs, folder, "{stem}_depth_mm.png", lambda d: np.rint(1000 * d).astype(np.uint16))
    (folder / f"another{line}_depth.npy").touch()  # of no photo: it is not read
    scores = evaluate_files(folder, pairs, FULL, ["none"])["full", "none"]
    assert scores["abs_rel"].to_numpy() == pytest.approx(0.1, abs=2e-3)


@pytest.mark.parametrize("start", ["", "./"])
def test_a_pair_that_is_listed_twice_is_not_counted_twice(test_pairs, tmp_path, start):
    table = test_pairs.table.iloc[[0, 1, 0]].reset_index(drop=True)
    table.loc[2, "rgb"] = start + table.loc[2, "rgb"]
    twice = replace(test_pairs, table=table)
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda depth: depth)
    said = "Each pair must be scored once. Received: .*00000_colors.png .* several rows, and 0"
    with pytest.raises(ValueError, match=said):
        evaluate_files(tmp_path, twice, NYU_DENSEDEPTH, ["none"])
    with pytest.raises(ValueError, match=said):
        evaluate(lambda photos, flip: [], twice, NYU_DENSEDEPTH)


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint16, 0.002), (np.int64, 1e-4)])
@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_counts_need_a_scale(test_pairs, tmp_path, dtype, scale, suffix):
    if suffix == ".png" and dtype == np.int64:
        pytest.skip("PNG has no 64 bits")
    write_maps(test_pairs, tmp_path, "{stem}" + suffix, lambda d: np.rint(d / scale).astype(dtype))
    with pytest.raises(ValueError, match=r"Counts must have a scale.*00000_colors.*--depth-scale"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"])
    table = evaluate_files(tmp_path, test_pairs, FULL, ["none"], scale)["full", "none"]
    assert table["abs_rel"].to_numpy() == pytest.approx(0.1, abs=2e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_take_the_scale_that_is_given(test_pairs, tmp_path, dtype):
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda depth: (depth * 1000).astype(dtype))
    table = evaluate_files(tmp_path, test_pairs, FULL, ["none"], 0.001)["full", "none"]
    assert table["abs_rel"].to_numpy() == pytest.approx(0.1, abs=2e-3)


@pytest.mark.parametrize("name", ["{stem}_depth_mm.png", "{stem}_depth_mm.npy"])
def test_a_scale_that_a_files_name_contradicts_is_refused(test_pairs, tmp_path, name):
    write_maps(test_pairs, tmp_path, name, lambda d: np.rint(d * 1000).astype(np.uint16))
    said = "one scale. Received: 0.001 by its name, 0.002 by --depth-scale, for .*00000_colors_"
    with pytest.raises(ValueError, match=said):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"], 0.002)
    table = evaluate_files(tmp_path, test_pairs, FULL, ["none"], 0.001)["full", "none"]
    assert table["abs_rel"].to_numpy() == pytest.approx(0.1, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "said", "given"),
    [("", "0.00390625", 0.001), ("_depth_mm", "0.00390625", None), ("_depth_m256", "0.001", None)],
)
def test_a_scale_that_a_files_text_contradicts_is_refused(test_pairs, tmp_path, name, said, given):
    words = PngInfo()
    words.add_text("depth_scale_metres", said)
    for index in range(len(test_pairs)):
        path = tmp_path / f"{test_pairs.rgb_path(index).stem}{name}.png"
        Image.new("I;16", (48, 32), 2000).save(path, pnginfo=words)
    with pytest.raises(ValueError, match=f"one scale. Received: {said} by its text depth_scale"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"], given)


@pytest.mark.parametrize("scale", [0, -0.001, np.nan, np.inf])
def test_a_scale_that_is_no_number_of_metres_is_refused(test_pairs, tmp_path, scale):
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda d: np.rint(d * 1e3).astype(np.int32))
    with pytest.raises(ValueError, match=r"metres above 0. Received: .* for .*00000_colors.npy"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"], scale)


def test_a_png_with_another_word_for_its_scale_is_refused(test_pairs, tmp_path):
    words = PngInfo()
    words.add_text("depth_scale_metres", "mm")
    for index in range(len(test_pairs)):
        path = tmp_path / test_pairs.rgb_path(index).name
        Image.new("I;16", (48, 32), 2000).save(path, pnginfo=words)
    with pytest.raises(ValueError, match=r"Received: 'mm' for .*00000_colors.png"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"], 0.001)


@pytest.mark.parametrize("alignment", ["none", "median"])
def test_a_map_that_knows_nothing_is_named(test_pairs, tmp_path, alignment):
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda d: 0 * d)
    with pytest.raises(ValueError, match=r"00000_colors.png: .*known in a pixel"):
        evaluate_files(tmp_path, test_pairs, FULL, [alignment])


def _leave_out_a_quarter(depth):
    return np.where(np.arange(depth.shape[1]) < depth.shape[1] // 4, 0, depth)


@pytest.mark.parametrize("size", [None, (64, 96), (16, 24)])
@pytest.mark.parametrize("alignment", ["none", "median", "affine", "disparity"])
def test_what_a_file_does_not_know_is_left_out_and_told(test_pairs, tmp_path, size, alignment):
    write_maps(test_pairs, tmp_path, "{stem}.npy", _leave_out_a_quarter, size)
    tables = evaluate_files(tmp_path, test_pairs, FULL, [alignment])
    table = tables["full", alignment]
    assert table["known"].tolist() == [0.75] * 5
    assert table["pixels"].tolist() == [32 * 36] * 5
    due, near = (0.1, 0.02) if alignment == "none" else (0.0, 0.02)
    assert table["abs_rel"].to_numpy() == pytest.approx(due, abs=1e-6 if size is None else near)
    summary = summarise_all({"files": tables})
    assert keep_few(summary)["known"].tolist() == [0.75]
    assert tabulate(summary)["known"].tolist() == ["75.00%"]
    assert "unknown, in 25.00% of an image's pixels" in explain_unknown(table)


def test_nothing_is_said_of_files_that_know_all_nor_of_networks(test_pairs, tmp_path):
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda depth: depth)
    files = evaluate_files(tmp_path, test_pairs, FULL, ["none"])
    network = evaluate_all(
        lambda photos, flip: [np.zeros(p.shape[:2], np.float32) for p in photos],
        test_pairs, [FULL], ["none"],
    )  # fmt: skip
    for tables in (files, network):
        summary = summarise_all({"a": tables})
        assert "known" not in keep_few(summary) and "known" not in tabulate(summary)
        assert explain_unknown(tables["full", "none"]) == ""
    assert files["full", "none"]["known"].tolist() == [1.0] * 5
    assert network["full", "none"]["pixels"].tolist() == [32 * 48] * 5  # 0 of a network counts


def test_our_own_files_say_their_scale_even_under_another_name(test_pairs, tmp_path):
    for index in range(len(test_pairs)):
        depth = images.read_depth(test_pairs.depth_path(index), NYU_TEST)
        photo, camera = np.zeros((*depth.shape, 3), np.uint8), Intrinsics(9, 9, 0, 0, *depth.shape)
        name = test_pairs.rgb_path(index).stem
        result = DepthResult(photo, depth, np.inf, camera, max_depth=80.0)
        write_png16(tmp_path / f"{name}.png", result)
    table = evaluate_files(tmp_path, test_pairs, FULL, ["none"])["full", "none"]
    assert table["abs_rel"].to_numpy() == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("names", [("", "_depth"), ("_depth_mm", "_depth_m256")])
def test_two_files_of_one_photo_in_one_format_are_refused(test_pairs, tmp_path, names):
    for index in range(len(test_pairs)):
        stem = test_pairs.rgb_path(index).stem
        for name in names:
            np.save(tmp_path / f"{stem}{name}.npy", np.ones((4, 6), np.float32))
    with pytest.raises(ValueError, match=r"one file of its depth. Received: .*\.npy and .*\.npy"):
        evaluate_files(tmp_path, test_pairs, NYU_DENSEDEPTH, ["none"])


def test_relative_depth_in_files_is_aligned(test_pairs, tmp_path):
    write_maps(
        test_pairs, tmp_path, "{stem}_depth_relative.png", lambda d: np.rint(d * 3000).astype("u2")
    )
    with pytest.raises(ValueError, match="Relative depth must be aligned.*--align median"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none", "median"])
    table = evaluate_files(tmp_path, test_pairs, FULL, ["median"])["full", "median"]
    assert table["abs_rel"].to_numpy() == pytest.approx(0, abs=2e-3)


def test_what_is_predicted_of_a_relative_network_is_relative_depth_in_files(test_pairs, tmp_path):
    for index in range(len(test_pairs)):
        photo, depth = test_pairs.select([index]).load()
        camera = Intrinsics(40, 40, 20, 15, width=depth[0].shape[1], height=depth[0].shape[0])
        result = DepthResult(photo[0], depth[0] / 10, np.inf, camera, 1.0, "relative")
        stem = test_pairs.rgb_path(index).stem
        write_npy(tmp_path / name_file("npy", stem, result), result)
    with pytest.raises(ValueError, match="must be aligned before.*_depth_relative.npy"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"])
    assert len(evaluate_files(tmp_path, test_pairs, FULL, ["median"])["full", "median"])


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.sort_values("rgb", ascending=False),
        lambda table: table.sample(frac=1, random_state=3),
        lambda table: table[table["rgb"].str.contains("[02]_")],
        lambda table: table.set_index("rgb", drop=False),
        lambda table: table.iloc[[-1, 0]],
    ],
    ids=["sorted", "shuffled", "filtered", "indexed", "picked"],
)
def test_of_a_table_that_pandas_changed_each_photo_has_its_own_score(test_pairs, tmp_path, change):
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda depth: depth * (1 + depth.mean() / 50))
    whole = evaluate_files(tmp_path, test_pairs, FULL, ["none"])["full", "none"]
    due = dict(zip(whole["rgb"], whole["abs_rel"], strict=True))
    assert len(set(due.values())) == len(test_pairs)
    changed = replace(test_pairs, table=change(test_pairs.table))
    found = evaluate_files(tmp_path, changed, FULL, ["none"])["full", "none"]
    assert found["rgb"].tolist() == changed.table["rgb"].tolist()
    assert found["abs_rel"].tolist() == [due[name] for name in found["rgb"]]


def test_two_protocols_of_one_name_are_refused(test_pairs):
    near = replace(FULL, max_depth=6.0)
    with pytest.raises(ValueError, match="two that differ and are called full.*replace"):
        evaluate_all(Wall(), test_pairs, [FULL, near], ["none"])
    tables = evaluate_all(Wall(), test_pairs, [FULL, FULL, replace(near, name="near")], ["none"])
    assert [len(table) for table in tables.values()] == 2 * [len(test_pairs)]


@pytest.mark.parametrize("size", [(16, 24), (64, 96), (16, 25)])
def test_maps_of_the_photos_shape_are_resized(test_pairs, tmp_path, size):
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda d: d, size)
    table = evaluate_files(tmp_path, test_pairs, FULL, ["none"])["full", "none"]
    assert table["abs_rel"].to_numpy() == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize(
    ("name", "encode", "said"),
    [
        ("{stem}.npy", lambda d: d[:20], "must have its photo's shape. Received: 20x48"),
        ("{stem}.npy", lambda d: np.stack([d, d]), "must be a map of rows and columns"),
        ("{stem}.npy", lambda d: d[:0], "must have 1 to .* pixels"),
        ("{stem}.npy", lambda d: d - 99, "at least 0. Received"),
        ("{stem}.npy", lambda d: d * np.nan, "must be finite"),
        ("{stem}.npy", lambda d: d.astype(str), "must be of numbers"),
        (
            "{stem}.png",
            lambda d: np.rint(25 * d).astype(np.uint8),
            "16-bit counts. Received: uint8",
        ),
        ("{stem}.png", lambda d: np.dstack([d] * 3).astype(np.uint8), "Received: uint8"),
    ],
)
def test_maps_that_are_none_are_named(test_pairs, tmp_path, name, encode, said):
    write_maps(test_pairs, tmp_path, name, encode)
    with pytest.raises(ValueError, match=f"(?s){said}.*00000_colors|00000_colors.*{said}"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"])


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\x01\x00", b"\x89PNG\r\n\x1a\n\x00"])
@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_damaged_maps_are_named(test_pairs, tmp_path, content, suffix):
    for index in range(5):
        (tmp_path / f"0000{index}_colors{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match="must (not )?be .*00000_colors"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"], 0.001)


def test_a_map_with_a_flipped_bit_is_refused_and_not_scored(test_pairs, tmp_path):
    write_maps(test_pairs, tmp_path, "{stem}.png", lambda d: np.rint(d * 1000).astype(np.uint16))
    path = sorted(tmp_path.glob("*.png"))[2]
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 4
    path.write_bytes(data)
    with pytest.raises(ValueError, match=path.name):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"], 0.001)


def test_photos_without_a_map_are_named(test_pairs, tmp_path):
    write_maps(test_pairs.select([0, 2]), tmp_path, "{stem}.npy", lambda d: d)
    names = "nyu2_test/00001_colors.png, nyu2_test/00003_colors.png, nyu2_test/00004_colors.png"
    with pytest.raises(FileNotFoundError, match=f"none for 3 of 5 photos: {names}. Call"):
        evaluate_files(tmp_path, test_pairs, FULL, ["none"])


def test_a_map_is_not_taken_for_two_photos(tiny_nyu, tmp_path):
    pairs, _ = find_pairs(tiny_nyu(scenes=2, frames=1), NYU_TRAIN)
    np.save(tmp_path / "1.npy", np.ones((32, 48)))
    with pytest.raises(ValueError, match="a file of its own. Received: .*1.npy for .*room_0001"):
        evaluate_files(tmp_path, pairs, FULL, ["none"])
    (tmp_path / "1.npy").unlink()
    for room in (1, 2):
        folder = tmp_path / f"room_000{room}_out"
        folder.mkdir()
        np.save(folder / "1.npy", np.full((32, 48), float(room)))
    assert len(evaluate_files(tmp_path, pairs, FULL, ["none"])["full", "none"]) == 2


def test_the_spec_of_a_csv_is_what_its_paths_say(tiny_nyu, sample):
    root = tiny_nyu()
    assert read_pairs(root / "nyu2_test.csv").spec is NYU_TEST
    assert read_pairs(root / "nyu2_train.csv").spec is NYU_TRAIN
    assert read_pairs(root / "nyu2_test.csv", "indoor_millimetre").spec.name == "indoor_millimetre"
    (root / "x_colors.png").touch()
    (root / "odd.csv").write_text("x_colors.png,x.png\n")
    with pytest.raises(ValueError, match="must be said .* Received: x_colors.png,x.png in .*odd"):
        read_pairs(root / "odd.csv")
    with pytest.raises(ValueError, match="`spec` must be one of"):
        read_pairs(root / "nyu2_test.csv", "nyu")


def test_what_is_asked_for_twice_is_scored_once(test_pairs):
    def predict(photos, flip_average):
        return [np.full(photo.shape[:2], 4.0, np.float32) for photo in photos]

    twice = evaluate_all(predict, test_pairs, [FULL, FULL], ["none", "median", "none"])
    once = evaluate_all(predict, test_pairs, [FULL], ["none", "median"])
    assert list(twice) == list(once)
    for way in once:
        pd.testing.assert_frame_equal(twice[way], once[way])
    assert len(summarise_all({"four": twice})) == 2


def test_intervals_say_over_which_scenes_they_are_or_that_these_are_unknown(test_pairs):
    def predict(photos, flip_average):
        return [np.full(photo.shape[:2], 4.0, np.float32) for photo in photos]

    known = replace(test_pairs, scenes="known")
    for pairs, said, note in (
        (test_pairs, "5 (scenes unknown)", "over photos: too narrow"),
        (known, "5 (5 scenes)", ""),
        (replace(known, scenes="grouped"), "5 (scenes unknown, 5 groups of like frames)", "groups"),
    ):
        table = evaluate(predict, pairs, FULL)
        assert tabulate(summarise_all({"four": {("full", "none"): table}}))["images"][0] == said
        assert note in explain_scenes(table) and bool(note) == bool(explain_scenes(table))


def test_a_table_to_be_read_has_few_columns_and_three_digits(test_pairs):
    def predict(photos, flip_average):
        return [np.full(photo.shape[:2], 4.0, np.float32) for photo in photos]

    tables = evaluate_all(predict, test_pairs, [FULL], ["none"])
    summary = summarise_all({"four": tables})
    few = keep_few(summary)
    assert len(few.columns) == 16 and few["delta1"][0] == round(summary["delta1"][0], 3)
    shown = tabulate(summary)
    assert list(shown) == ["model", "alignment", "images", "δ1", "AbsRel", "RMSE (m)", "SILog"]
    row = summary.iloc[0]
    assert 1 < row["rmse_low"] and row["rmse_high"] < 10 < row["silog_low"]  # three digits each
    expected = f"{row['rmse']:.2f} [{row['rmse_low']:.2f}, {row['rmse_high']:.2f}]"
    assert shown["RMSE (m)"][0] == expected
    expected = f"{row['silog']:.1f} [{row['silog_low']:.1f}, {row['silog_high']:.1f}]"
    assert shown["SILog"][0] == expected
    alone = tabulate(summarise({"four": tables["full", "none"]}))
    assert list(alone) == [name for name in shown if name != "alignment"]
    one = {"four": {way: table.iloc[:1] for way, table in tables.items()}}
    assert "[" not in tabulate(summarise_all(one))["RMSE (m)"][0]  # a single scene has no interval


@pytest.mark.parametrize("factor", [1000, 100, 0.01])
def test_depth_in_another_unit_is_told(test_pairs, tmp_path, factor):
    write_maps(test_pairs, tmp_path, "{stem}.npy", lambda depth: depth * factor)
    with pytest.warns(UserWarning, match="times the true depth.*another unit.*--depth-scale"):
        evaluate_files(tmp_path, test_pairs, NYU_DENSEDEPTH, ["none"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate_files(tmp_path, test_pairs, NYU_DENSEDEPTH, ["median"])
