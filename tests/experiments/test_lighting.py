from math import isnan, log

import numpy as np
import pandas as pd
import pytest

from depthlib.data.images import write_depth, write_rgb
from depthlib.data.pairs import find_pairs
from depthlib.data.specs import ROADS
from depthlib.metrics import FULL, EvaluationProtocol
from experiments.lighting import (
    View,
    false_edges,
    read_views,
    score_conditions,
    score_variants,
    summarise_conditions,
)

HEIGHT, WIDTH = 32, 48
RIGHT_HALF = np.arange(WIDTH) >= 24 + np.zeros((HEIGHT, 1))
FLAT = np.full((HEIGHT, WIDTH), 5.0, np.float32)


def paint(left, right):
    """A photo whose halves say how far `predict_from_red` shall think that they are, in dm."""
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[..., 0] = np.where(RIGHT_HALF, right, left)
    return photo


def predict_from_red(photos, flip_average=False):
    return [photo[..., 0] / np.float32(10) for photo in photos]


def make_view(scene="a", shadow=60):
    photos = {"overcast": paint(50, 50), "shadow": paint(50, shadow), "fog": paint(80, 80)}
    return View(scene, photos, FLAT, {"shadow": RIGHT_HALF})


def test_errors_and_changes_stand_apart_inside_and_outside_the_mask():
    table = score_conditions(predict_from_red, [make_view()], FULL, "overcast")
    keys = table[["scene", "condition", "light"]].to_numpy().tolist()
    assert keys == [
        ["a", "shadow", "changed"], ["a", "shadow", "reference"],
        ["a", "fog", "changed"], ["a", "fog", "reference"],
    ]  # fmt: skip
    shadow, reference, fog, _ = table.to_dict("records")
    assert shadow["abs_rel_inside"] == pytest.approx(0.2) and shadow["delta1_inside"] == 1
    assert shadow["change_inside"] == pytest.approx(log(1.2))
    assert shadow["abs_rel_outside"] == shadow["change_outside"] == 0
    # Six columns are border; in four a square of 5 pixels reaches over the step.
    assert shadow["false_edges"] == pytest.approx(4 / 6)
    assert {reference[name] for name in reference if name.startswith(("abs", "change"))} == {0}
    assert reference["false_edges"] == 0
    assert fog["abs_rel_inside"] == pytest.approx(0.6) and fog["delta1_inside"] == 0
    assert isnan(fog["abs_rel_outside"]) and isnan(fog["false_edges"]), "fog is everywhere"


def test_only_what_the_protocol_judges_counts():
    protocol = EvaluationProtocol("lower", rows=(0.5, 1.0), min_depth=1.0, prediction_range=(1, 7))
    truth = FLAT.copy()
    truth[:, -4:] = 0.5
    photos = {"overcast": paint(50, 50), "shadow": paint(50, 90)}
    photos["shadow"][: HEIGHT // 2] = 200
    photos["shadow"][:, -4:] = 200
    view = View("a", photos, truth, {"shadow": RIGHT_HALF})
    row = score_conditions(predict_from_red, [view], protocol, "overcast").iloc[0]
    assert row["abs_rel_inside"] == pytest.approx(0.4), "9 m is clipped to 7"
    assert row["change_inside"] == pytest.approx(log(7 / 5))
    assert row["abs_rel_outside"] == row["change_outside"] == 0
    # Rows 18 to 31 are two away from what is not judged, so each of them has its four in six.
    assert row["false_edges"] == pytest.approx(4 / 6)


def test_an_edge_is_false_only_where_the_truth_has_none():
    step = np.where(RIGHT_HALF, FLAT * 1.2, FLAT)
    assert false_edges(FLAT, step, RIGHT_HALF) == pytest.approx(4 / 6)
    assert false_edges(FLAT, step, RIGHT_HALF, threshold=log(1.3)) == 0
    assert false_edges(FLAT, step, np.roll(RIGHT_HALF, 12, axis=1)) == 0, "an edge elsewhere"
    assert false_edges(step, step, RIGHT_HALF) == 0
    assert isnan(false_edges(step, step, RIGHT_HALF, within=1)), "all of the border is a true edge"
    assert isnan(false_edges(FLAT, step, np.ones_like(RIGHT_HALF))), "no border at all"


def test_a_slope_of_the_road_is_no_false_edge_nor_hides_one():
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    road = np.broadcast_to(300 / (rows + 90), (HEIGHT, WIDTH))
    assert false_edges(road, road * 1.5, RIGHT_HALF) == 0
    assert false_edges(road, np.where(RIGHT_HALF, road * 1.2, road), RIGHT_HALF) > 0.6


def test_the_rim_of_the_sky_is_no_place_for_false_edges():
    truth = FLAT.copy()
    truth[:10] = 0
    prediction = FLAT.copy()
    prediction[:10] = 70
    assert false_edges(truth, prediction, RIGHT_HALF) == 0


def test_the_summary_has_means_and_intervals_over_scenes():
    views = [
        make_view(scene, shadow) for scene, shadow in zip("abcd", (60, 60, 70, 70), strict=True)
    ]
    table = score_conditions(predict_from_red, views, FULL, "overcast")
    summary = summarise_conditions({"first": table, "second": table})
    assert summary["model"].tolist() == ["first"] * 4 + ["second"] * 4
    row = summary.iloc[0]
    assert (row["condition"], row["light"], row["views"]) == ("shadow", "changed", 4)
    assert row["abs_rel_inside"] == pytest.approx(0.3)
    assert 0.19 < row["abs_rel_inside_low"] < 0.3 < row["abs_rel_inside_high"] < 0.41
    assert pd.isna(summary["false_edges"].iat[2]) and pd.isna(summary["false_edges_low"].iat[2])


def test_a_view_must_have_its_reference_and_masks_of_its_size():
    with pytest.raises(ValueError, match="reference condition. Received: a without 'noon'"):
        score_conditions(predict_from_red, [make_view()], FULL, "noon")
    view = View("a", {"overcast": paint(50, 50)}, FLAT, {"shadow": RIGHT_HALF[:-1]})
    with pytest.raises(ValueError, match=r"size, \(32, 48\). Received: \(31, 48\) for shadow"):
        score_conditions(predict_from_red, [view], FULL, "overcast")


def test_an_arm_is_scored_by_all_its_seeds():
    def predict_twice_as_far(photos, flip_average):
        return [2 * depth for depth in predict_from_red(photos)]

    arms = {"clean": [predict_from_red, predict_twice_as_far], "robust": [predict_from_red]}
    tables = score_variants(arms, [make_view()], "overcast", FULL)
    assert [len(tables[arm]) for arm in arms] == [8, 4]
    inside = tables["clean"].query("condition == 'shadow' and light == 'reference'")
    np.testing.assert_allclose(inside["abs_rel_inside"], [0, 1], atol=1e-6)


def test_views_are_read_with_their_conditions_and_the_masks_that_there_are(tmp_path):
    index, near_left = "photo,scene,condition\n", np.where(RIGHT_HALF, FLAT, 4).astype(np.float32)
    for scene in ("a_1", "a_2"):
        for condition, red in (("clear", 50), ("fog_50", 80)):
            write_rgb(tmp_path / f"{scene}/{condition}.jpg", paint(red, red))
            index += f"{scene}/{condition}.jpg,{scene},{condition}\n"
        write_rgb(tmp_path / f"{scene}/clear_mask.png", paint(0, 255))
        write_depth(tmp_path / f"{scene}/depth.png", near_left, ROADS)
    (tmp_path / "index.csv").write_text(index)
    pairs, _ = find_pairs(tmp_path, ROADS)
    first, second = read_views(pairs)
    assert (first.scene, second.scene, list(first.photos)) == ("a_1", "a_2", ["clear", "fog_50"])
    np.testing.assert_array_equal(first.truth, near_left)
    assert list(first.masks) == ["clear"]
    np.testing.assert_array_equal(first.masks["clear"], RIGHT_HALF)
    (tmp_path / "index.csv").unlink()
    with pytest.raises(ValueError, match="index.csv's third column. Received: .*without"):
        next(read_views(find_pairs(tmp_path, ROADS)[0]))
