from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from depthlib.data import images
from depthlib.data.pairs import find_pairs, read_csv
from depthlib.data.specs import NYU_TEST, NYU_TRAIN
from depthlib.evaluation import evaluate
from depthlib.metrics import FULL, NYU_DENSEDEPTH
from depthlib.prediction.geometry import View
from experiments.corruptions import NYU_CORRUPTIONS, corrupt
from experiments.robustness import (
    depth_error,
    evaluate_corruptions,
    evaluate_fog,
    fog_gap,
    mean_corruption_error,
    mean_resilience_rate,
    summarise_corruptions,
)

# DEE of two networks on NYUDepth2-C, clean and then the 15 corruptions in the order of
# NYU_CORRUPTIONS; docs/RESULT.md of ldkong1205/RoboDepth. The second is the benchmark's base.
ADABINS_R50 = [
    0.158, 0.179, 0.293, 0.289, 0.339, 0.280, 0.245, 0.390, 0.204, 0.216, 0.458, 0.519, 0.401,
    0.481, 0.186, 0.211,
]  # fmt: skip
ADABINS_B5 = [
    0.112, 0.132, 0.194, 0.212, 0.235, 0.206, 0.184, 0.384, 0.153, 0.151, 0.390, 0.374, 0.294,
    0.380, 0.124, 0.154,
]  # fmt: skip


def evaluate_one(predict, *arguments, **options):
    return evaluate_corruptions({"one": [predict]}, *arguments, **options)["one"]


def evaluate_one_in_fog(predict, *arguments, **options):
    return evaluate_fog({"one": [predict]}, *arguments, **options)["one"]


def predict_from_light(photos, flip_average=False):
    """A "network" that takes brightness for nearness."""
    return [10 - photo.mean(axis=2, dtype=np.float32) / 32 for photo in photos]


def make_table(rows):
    return pd.DataFrame(rows, columns=["rgb", "scene", "corruption", "severity", "dee"])


def of_one_image(errors):
    names = ["clean", *NYU_CORRUPTIONS]
    return make_table([("a", "s", *row) for row in zip(names, [0] + [1] * 15, errors, strict=True)])


@pytest.fixture
def test_pairs(tiny_nyu):
    return read_csv(tiny_nyu(tests=5) / "nyu2_test.csv", NYU_TEST)


@pytest.fixture
def scenes(tiny_nyu):
    return find_pairs(tiny_nyu(scenes=3, frames=2), NYU_TRAIN)[0]


def test_depth_error_is_0_for_a_perfect_map_and_weighs_both_metrics_alike():
    assert depth_error(0.0, 1.0) == 0
    assert depth_error(0.144, 0.827) == pytest.approx(0.1585)  # AdaBins R50, clean: 0.158


def test_the_published_networks_get_their_published_scores():
    ours, base = of_one_image(ADABINS_R50), of_one_image(ADABINS_B5)
    assert mean_corruption_error(ours, base)[0] == pytest.approx(134.69, abs=0.3)
    assert mean_resilience_rate(ours)[0] == pytest.approx(81.62, abs=0.1)
    assert mean_resilience_rate(base)[0] == pytest.approx(85.83, abs=0.1)


def test_a_table_worked_by_hand():
    def fill(clean, dark, fog):
        """Two images: their DEE on clean photos, and in dark and fog at severities 1 and 2."""
        return make_table(
            [(rgb, rgb, "clean", 0, clean) for rgb in "ab"]
            + [(rgb, rgb, "dark", level, dark[rgb][level - 1]) for rgb in "ab" for level in (1, 2)]
            + [(rgb, rgb, "fog", level, fog[rgb][level - 1]) for rgb in "ab" for level in (1, 2)]
        )

    ours = fill(0.2, {"a": (0.2, 0.4), "b": (0.3, 0.5)}, {"a": (0.4, 0.4), "b": (0.6, 0.6)})
    base = fill(0.1, {"a": (0.6, 0.6), "b": (0.8, 0.8)}, {"a": (0.5, 0.5), "b": (0.3, 0.3)})
    # Means in dark .35 against .7, in fog .5 against .4: (0.5 + 1.25) / 2.
    assert mean_corruption_error(ours, base)[0] == pytest.approx(87.5)
    # (0.65 / 0.8 + 0.5 / 0.8) / 2
    assert mean_resilience_rate(ours)[0] == pytest.approx(71.875)
    summary = summarise_corruptions({"ours": ours, "base": base}, "base")
    row = summary.iloc[0]
    assert row[["model", "images"]].tolist() == ["ours", 2]
    assert row[["clean", "dark", "fog"]].tolist() == pytest.approx([0.2, 0.35, 0.5])
    assert row["mce_low"] < row["mce"] < row["mce_high"]
    assert summary.loc[1, ["mce", "mce_low", "mce_high"]].tolist() == pytest.approx([100] * 3)


def test_the_interval_knows_that_both_networks_saw_the_same_photos():
    rng = np.random.default_rng(0)
    hardness = rng.uniform(0.1, 0.7, 40)
    names = [f"{number}" for number in range(40)]

    def fill(errors):
        rows = [(n, n, c, 1, e) for n, e in zip(names, errors, strict=True) for c in ("clean", "x")]
        return make_table(rows)

    base = fill(hardness)
    value, low, high = mean_corruption_error(fill(0.8 * hardness), base)
    assert (value, low, high) == pytest.approx((80, 80, 80)), "a fifth less on each photo"
    value, low, high = mean_corruption_error(fill(0.8 * rng.permutation(hardness)), base)
    assert value == pytest.approx(80) and low < 75 and high > 85


def test_tables_of_other_photos_are_not_compared():
    table = of_one_image(ADABINS_R50)
    with pytest.raises(ValueError, match="same photos and corruptions"):
        mean_corruption_error(table, table[table["corruption"] != "dark"])
    with pytest.raises(ValueError, match="`base` must be one of a. Received: base='b'"):
        summarise_corruptions({"a": table}, "b")


def test_the_clean_rows_are_those_of_the_evaluation_and_the_others_of_corrupted_photos(test_pairs):
    table = evaluate_one(
        predict_from_light, test_pairs, FULL, ["contrast", "iso_noise"], [1, 5], seed=2
    )
    assert table.groupby(["corruption", "severity"]).size().to_dict() == {
        ("clean", 0): 5, ("contrast", 1): 5, ("contrast", 5): 5, ("iso_noise", 1): 5,
        ("iso_noise", 5): 5,
    }  # fmt: skip
    clean = table[table["corruption"] == "clean"].reset_index(drop=True)
    plain = evaluate(predict_from_light, test_pairs, FULL).drop(columns="scenes")
    pd.testing.assert_frame_equal(clean[plain.columns], plain)
    assert clean["dee"].tolist() == depth_error(plain["abs_rel"], plain["delta1"]).tolist()

    seen = {}
    evaluate_one(
        lambda photos, flip: seen.update(enumerate(photos)) or predict_from_light(photos),
        test_pairs.select([3]), FULL, ["iso_noise"], [4], seed=2,
    )  # fmt: skip
    photo = images.read_rgb(test_pairs.rgb_path(3))
    np.testing.assert_array_equal(seen[0], photo)
    np.testing.assert_array_equal(seen[1], corrupt(photo, "iso_noise", 4, [2, 0]))


def test_few_images_have_the_scores_that_they_have_among_all(test_pairs):
    several = evaluate_one(predict_from_light, test_pairs, FULL, ["iso_noise"], [3])
    few = evaluate_one(predict_from_light, test_pairs, FULL, ["iso_noise"], [3], most=3)
    assert few["rgb"].unique().tolist() == test_pairs.table["rgb"].iloc[[0, 2, 4]].tolist()
    among = several[several["rgb"].isin(few["rgb"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, among)


def test_all_models_see_the_same_photos_each_corrupted_once(test_pairs):
    seen = {"first": [], "second": []}

    def make(name):
        return lambda photos, flip: seen[name].append(photos) or predict_from_light(photos)

    models = {name: [make(name)] for name in seen}
    tables = evaluate_corruptions(models, test_pairs, FULL, ["iso_noise"], [3], most=2)
    pd.testing.assert_frame_equal(tables["first"], tables["second"])
    for first, second in zip(*seen.values(), strict=True):
        assert all(one is other for one, other in zip(first, second, strict=True))


def test_a_model_of_several_seeds_has_the_mean_of_their_errors(test_pairs):
    def far(photos, flip_average):
        return [np.full(photo.shape[:2], 9.0, np.float32) for photo in photos]

    models = {"first": [predict_from_light], "second": [far], "both": [predict_from_light, far]}
    tables = evaluate_corruptions(models, test_pairs, FULL, ["dark"], [1, 5])
    summary = summarise_corruptions(tables, "both").set_index("model")
    assert summary["images"].tolist() == [5, 5, 5]
    errors = summary[["clean", "dark"]]
    assert errors.loc["first", "dark"] != pytest.approx(errors.loc["second", "dark"])
    np.testing.assert_allclose(errors.loc["both"], errors.loc[["first", "second"]].mean())


def test_photos_are_corrupted_at_the_size_that_is_asked_for(test_pairs):
    seen = []

    def predict(photos, flip_average):
        seen.extend(photos)
        return predict_from_light(photos)

    table = evaluate_one(predict, test_pairs, FULL, ["pixelate"], [5], size=(16, 24), most=1)
    photo = images.resize_rgb(images.read_rgb(test_pairs.rgb_path(0)), 16, 24)
    np.testing.assert_array_equal(seen[0], photo)
    np.testing.assert_array_equal(seen[1], corrupt(photo, "pixelate", 5, 0))
    truth = images.read_depth(test_pairs.depth_path(0), NYU_TEST)
    assert (table["pixels"] == truth.size).all(), "scored at the truth's size"


def test_flips_are_averaged_where_the_protocol_says_so(test_pairs):
    asked = []

    def predict(photos, flip_average):
        asked.append((len(photos), flip_average))
        return predict_from_light(photos)

    evaluate_one(predict, test_pairs, NYU_DENSEDEPTH, ["dark"], [1, 2], most=1)
    assert asked == [(3, True)]


class Tele:
    """A network that is told the lens of each photo, and gives its focal length as metres."""

    view, focal = View(24, 32, 10.0, 0.8, 4 / 3), None

    def __call__(self, photos, flip_average=False, focals=None):
        return [
            np.full(photo.shape[:2], focal, np.float32)
            for photo, focal in zip(photos, focals, strict=True)
        ]


def test_a_network_sees_corrupted_photos_through_their_lens(test_pairs):
    near, far = (
        replace(test_pairs, spec=replace(test_pairs.spec, focal=focal)) for focal in (1.0, 2.0)
    )
    errors = [evaluate_one(Tele(), seen, FULL, ["dark"], [3], most=2) for seen in (near, far)]
    for lens, table in zip((near, far), errors, strict=True):
        due = evaluate(Tele(), lens, FULL).iloc[[0, -1]]["rmse"].tolist()
        np.testing.assert_allclose(table["rmse"], np.repeat(due, 2), rtol=1e-6)
    assert not np.allclose(errors[0]["rmse"], errors[1]["rmse"])


def darken_by_depth(rgb, depth_m, strength, rng):
    """Fog that shows the depth and nothing else: grey as `predict_from_light` reads it."""
    grey = np.clip((10 - depth_m) * 32, 0, 255)[..., None]
    return ((1 - strength) * rgb + strength * grey).astype(np.uint8)


def test_a_network_that_reads_fog_as_depth_is_found_out(scenes):
    table = evaluate_one_in_fog(predict_from_light, scenes, FULL, darken_by_depth, [0.5, 1.0])
    assert table.groupby(["depth", "strength"]).size().to_dict() == {
        ("own", 0.5): 6, ("own", 1.0): 6, ("shuffled", 0.5): 6, ("shuffled", 1.0): 6
    }  # fmt: skip
    read = table[(table["depth"] == "own") & (table["strength"] == 1)]
    # Depth is cut below 2 m by the brightest grey, and rounded to a 32nd of a metre.
    assert read["delta1"].min() > 0.9
    gap, low, high = fog_gap(table)
    assert gap > 0.03 and 0 < low < gap < high

    blind = evaluate_one_in_fog(
        lambda photos, flip: [np.full(photo.shape[:2], 5.0, np.float32) for photo in photos],
        scenes, FULL, darken_by_depth, [1.0],
    )  # fmt: skip
    assert fog_gap(blind) == (0, 0, 0)


def test_the_other_depth_is_of_another_scene_whatever_the_seed(scenes):
    scene_of = {}
    for index in range(6):
        depth = images.read_depth(scenes.depth_path(index), scenes.spec)
        scene_of[depth.tobytes()] = scenes.table["scene"].iloc[index]
    assert len(scene_of) == 6 and len(set(scene_of.values())) == 3
    partners = set()
    for seed in range(5):
        used = []

        def note(rgb, depth_m, strength, rng, used=used):
            used.append(scene_of[depth_m.tobytes()])
            return rgb

        evaluate_one_in_fog(predict_from_light, scenes, FULL, note, [1.0], seed=seed)
        own, shuffled = used[::2], used[1::2]
        assert own == scenes.table["scene"].tolist()
        assert all(a != b for a, b in zip(own, shuffled, strict=True))
        assert sorted(own) == sorted(shuffled), "each map is used once"
        partners.add(tuple(shuffled))
    assert len(partners) > 1
    with pytest.raises(ValueError, match="more than half.*2 of 3"):
        evaluate_one_in_fog(predict_from_light, scenes.select([0, 1, 2]), FULL, note, [1.0])
