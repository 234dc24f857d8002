from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from depthlib.data import images
from depthlib.data.pairs import find_pairs, read_csv
from depthlib.data.specs import KITTI, NYU_TEST
from depthlib.evaluation import evaluate
from depthlib.metrics import FULL
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor
from experiments.measures import (
    edge_scores,
    ground_plane,
    measure_cuts,
    measure_depth,
    measure_edges,
)


@pytest.fixture
def test_pairs(tiny_nyu):
    return read_csv(tiny_nyu(tests=5) / "nyu2_test.csv", NYU_TEST)


def step(column, height=8, width=12, size=1.0):
    """Two metres deep to the left of `column`, `size` deeper from there on."""
    depth = np.full((height, width), 2.0, np.float32)
    depth[:, column:] += size
    return depth


def test_the_same_map_has_the_same_edges():
    assert set(edge_scores(step(5), step(5)).values()) == {1.0}


def test_a_step_is_found_on_both_of_its_sides_so_one_off_is_half_right():
    # True edge pixels are columns 4 and 5, predicted ones 5 and 6.
    scores = edge_scores(step(5), step(6))
    assert scores == {"edge_precision": 0.5, "edge_recall": 0.5, "edge_f1": 0.5}


def test_a_flat_guess_finds_nothing_and_a_needless_edge_costs_precision():
    flat = np.full((8, 12), 2.0, np.float32)
    missed = edge_scores(step(5), flat)
    assert missed["edge_recall"] == missed["edge_f1"] == 0 and isnan(missed["edge_precision"])
    invented = edge_scores(flat, step(5))
    assert invented["edge_precision"] == invented["edge_f1"] == 0
    assert isnan(invented["edge_recall"])


def test_a_step_counts_from_a_quarter_of_the_threshold_on():
    # Beside a step of s the masks give 4 s.
    assert edge_scores(step(5, size=0.3), step(5), threshold=1.0)["edge_recall"] == 1
    assert isnan(edge_scores(step(5, size=0.2), step(5), threshold=1.0)["edge_recall"])


def test_what_was_not_measured_makes_no_edge():
    truth = step(5)
    truth[:, 4:6] = 0
    assert all(isnan(value) for value in edge_scores(truth, np.full_like(truth, 2.0)).values())


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="same|both have the shape"):
        edge_scores(step(5), step(5, width=10))


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
    monkeypatch.setattr("experiments.measures.read_pair", lambda *_: (None, truth))
    recalls = {}
    for rows in (48, 12):
        monkeypatch.setattr("experiments.measures.EDGE_ROWS", rows)
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


def test_parts_of_photos_are_scored_beside_the_whole(tmp_path):
    rng = np.random.default_rng(0)
    depth = np.where(rng.random((60, 100)) < 0.3, rng.uniform(5, 50, (60, 100)), 0).astype("f4")
    rgb = np.repeat(np.rint(depth)[..., None], 3, axis=2).astype(np.uint8)
    images.write_rgb(tmp_path / "drive/rgb/1.png", rgb)
    images.write_depth(tmp_path / "drive/depth/1.png", np.rint(depth), KITTI)
    pairs = find_pairs(tmp_path, KITTI)[0]

    class Pinhole(DepthPredictor):
        """It says of each thing how large it is on its input, as a pinhole camera has it."""

        def predict_batch(self, batch):
            return batch[..., 0].clip(1).astype(np.float32)

    predict = Pinhole(View(60, 100, 80.0, KITTI.focal, 100 / 60, 0.46), "metre", "kitti")
    cuts = {"whole": (1.0, 1.0), "narrow": (0.5, 1.0), "zoom": (0.5, 0.5)}
    table = measure_cuts(predict, pairs, cuts).set_index(["cut", "lens"])
    assert (table["whole"] == 1).all() and (table["images"] == 1).all()
    assert table.at[("whole", "given"), "ratio"] == table.at[("whole", "unknown"), "ratio"] == 1
    # A cut is shown as large as before, so it is right; its lens unknown, it is taken for nearer.
    assert table.at[("narrow", "given"), "ratio"] == 1
    assert table.at[("narrow", "unknown"), "ratio"] < 0.2
    # Shown twice as large, the same colours are twice as far: this network is of colours.
    assert table.at[("zoom", "given"), "ratio"] < 0.5


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


def test_depth_is_measured_through_the_lens_of_the_photos(test_pairs):
    class Wall(DepthPredictor):
        def predict_batch(self, batch):
            return np.full(batch.shape[:3], 2, np.float32)

    predict = Wall(View(32, 48, 10.0, 0.8, 1.5), "metre", "rooms")
    near, far = (
        replace(test_pairs, spec=replace(NYU_TEST, focal=focal, protocol="full"))
        for focal in (0.8, 1.6)
    )
    found = [measure_depth(predict, pairs)["metres_abs_rel"] for pairs in (near, far)]
    due = [evaluate(predict, pairs, FULL)["abs_rel"].mean() for pairs in (near, far)]
    assert found == pytest.approx(due) and found[0] != pytest.approx(found[1], abs=0.05)
